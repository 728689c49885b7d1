//! The options of LSTM teachers: ensembles of long short-term memory networks, which read the last rows of a series.

use crate::network::{Members, NetworkOptions};

limbeck_options::options! {
    /// LSTM teachers: ensembles of recurrent networks. They read each row and the rows before it, as `data.window` and `windows` say.
    pub struct LstmOptions in "teacher.lstm", "Teacher" {
        /// Number of networks to average; 0 leaves LSTMs out of the mix `auto`.
        members: usize = 2 => [at_least(0.0)];
        /// Number of units of each layer. With several numbers, layers are stacked.
        units: Vec<usize> = vec![64] => [within(1.0, 1024.0)];
        /// Number of windows of `data.window` rows that a network reads at most; with `student.memory` carried, the default is 4, with more steps.
        ///
        /// With one window, each row is predicted from its own window. With more, a pass over so many windows predicts all rows of the last one, so
        /// that each row takes as many steps of the network as there are windows. It is predicted from itself and all rows before it in the pass.
        windows: usize = 1 => [within(1.0, 100.0)];
        /// Number of passes over the rows, within the limits of `steps`.
        epochs: usize = 8 => [at_least(1.0)];
        /// Minimum and maximum number of training steps.
        steps: (usize, usize) = (500, 2000) => [at_least(1.0)];
        /// Peak learning rate.
        learning_rate: f32 = 3e-3 => [above(0.0)];
        /// Decoupled weight decay.
        weight_decay: f32 = 0.3 => [at_least(0.0)];
        /// Noise on the numbers of each row during training, in their standard deviations.
        input_noise: f32 = 0.3 => [at_least(0.0)];
    }
}

/// The value of [`NetworkOptions::balance`] with which the mean is trained by likelihood alone: rows with a small predicted variance count more. On series
/// of wear, where only the last rows before the end can be predicted well, it has smaller errors than the value for perceptrons.
const LIKELIHOOD: f32 = 0.0;

impl LstmOptions {
    /// Options for a first look: one network with a short training.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            members: 1,
            units: vec![32],
            steps: (300, 1000),
            ..Self::default()
        }
    }

    /// Options for the best accuracy: more and larger networks, and longer training.
    #[must_use]
    pub fn best() -> Self {
        Self {
            members: 4,
            epochs: 12,
            steps: (1000, 4000),
            ..Self::default()
        }
    }

    /// The training of the networks. They have a Gaussian head, which is trained by likelihood. Their units take the place of hidden layers.
    pub(crate) fn training(&self) -> NetworkOptions {
        NetworkOptions {
            members: self.members,
            hidden: self.units.clone(),
            epochs: self.epochs,
            steps: self.steps,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            balance: LIKELIHOOD,
            ..NetworkOptions::default()
        }
    }

    /// Number of training steps for this number of rows: those of `epochs` passes, within the limits of `steps`.
    #[must_use]
    pub fn steps_of(&self, rows: usize) -> usize {
        self.training().steps_of(rows)
    }
}

impl From<&LstmOptions> for Members {
    fn from(options: &LstmOptions) -> Self {
        Self {
            is_recurrent: true,
            reads_changes: false,
            windows: options.windows,
            options: options.training(),
            input_noise: options.input_noise,
        }
    }
}
