//! The interface of networks for the training loop.

use limbeck_runtime::Graph;
use rand::Rng;

use crate::error::Result;
use crate::head::Head;

/// A block of rows during [`Network::sweep`]: the network's outputs and hidden activations, and buffers for the loss's gradients with respect to
/// them.
#[derive(Debug)]
pub struct Block<'a> {
    /// Index of the block's first row in the batch, of [`Network::reads`] rows per sample.
    pub row: usize,
    /// Outputs, `[n_samples, outputs]`.
    pub pred: &'a [f32],
    /// Hidden activations, layer by layer, each `[n_samples, width]`.
    pub hidden: &'a [f32],
    /// Gradient of the loss with respect to the outputs, `[n_samples, outputs]`, to be overwritten by the loss.
    pub grad_pred: &'a mut [f32],
    /// Gradient of the loss with respect to the hidden activations. It starts with zeros, and the loss adds its part. Empty if the loss uses outputs
    /// only.
    pub grad_hidden: &'a mut [f32],
}

/// A network that [`Trainer`](crate::Trainer) can train: its sizes, initial weights, forward and backward passes, and the graph that is shipped in
/// the student's file.
///
/// All weights are in one flat vector. The optimizer, files and the training state use only this vector.
///
/// Each network is implemented twice. `define` (feature `tensors`) is the definition, in operations of Burn, a tensor library. [`sweep`](Self::sweep)
/// computes the same on slices, and is used for training. Tests compare the two.
pub trait Network: Send + Sync {
    /// Working memory of [`sweep`](Self::sweep), reused between steps to avoid allocations.
    type Buffers: Default;

    /// Number of inputs (positions) per row.
    fn inputs(&self) -> usize;

    /// Number of steps that a row of inputs consists of, one after another, the oldest first: 1 for a network without memory. A step has
    /// [`inputs`](Self::inputs)` / window` inputs.
    fn window(&self) -> usize {
        1
    }

    /// Number of outputs per row.
    fn outputs(&self) -> usize;

    /// Number of rows that a sample is: the number of last steps of its window after each of which there are outputs. The rows of a sample are one
    /// after the other in outputs, hidden activations and labels.
    fn reads(&self) -> usize {
        1
    }

    /// Number of trained weights and biases: the length of the flat vector.
    fn weights(&self) -> usize;

    /// Random initial weights.
    #[must_use]
    fn init(&self, rng: &mut impl Rng) -> Vec<f32>;

    /// How input `index` is treated during training with noise. With `Some(top)`, the noisy input is clamped to `[0, top]`, or not clamped if `top`
    /// is infinite. `None` for an input that gets no noise, such as a category. All steps of a window are treated alike.
    fn noise_top(&self, index: usize) -> Option<f32>;

    /// Computes the loss and the gradient of one network on a batch, in a single sweep over small blocks of rows. Returns the sum of the blocks'
    /// losses.
    ///
    /// `loss` is called for each block. It returns the block's part of the loss, and writes the gradients into the block. `inside` is true if `loss`
    /// also uses hidden activations.
    ///
    /// # Shapes
    ///
    /// `params` and `grad` are `[weights]`, `positions` `[n_samples, inputs]`. `grad` is overwritten. A block has [`reads`](Self::reads) rows per sample.
    ///
    /// # Panics
    ///
    /// Panics if a slice is shorter than its shape requires.
    fn sweep(
        &self,
        params: &[f32],
        positions: &[f32],
        grad: &mut [f32],
        buffers: &mut Self::Buffers,
        inside: bool,
        loss: impl FnMut(Block<'_>) -> f32,
    ) -> f32;

    /// Defines the network in Burn's operations: computes the outputs of one or several networks of this shape on the same rows.
    ///
    /// # Shapes
    ///
    /// `params` is `[members, weights]`, `positions` `[n_samples, inputs]`; the result is `[members, n_samples · reads, outputs]`.
    #[cfg(feature = "tensors")]
    fn define(
        &self,
        params: burn::tensor::Tensor<2>,
        positions: burn::tensor::Tensor<2>,
    ) -> burn::tensor::Tensor<3>;

    /// Lowers the trained network to a graph: the form that ships and that the runtime executes. The graph takes encoded columns, and returns the
    /// predicted number of `head`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) if the length of `params` is not [`weights`](Self::weights); [`Error::Lowering`](crate::Error::Lowering)
    /// if the runtime rejects the graph, for example because a weight is not finite.
    fn lower(&self, params: &[f32], head: Head) -> Result<Graph>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::Hard;
    use crate::{Control, Schedule, TrainOptions, Trainer, TrainingRows};
    use limbeck_runtime::Node;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// The smallest recurrent network, over a window of `len` values `x`:
    ///
    /// ```text
    /// h_t = a · h_{t−1} + b · x_t,    h_0 = 0,    prediction h_len + c
    /// ```
    struct Leak {
        len: usize,
    }

    impl Leak {
        fn predict(&self, params: &[f32], window: &[f32]) -> f32 {
            window
                .iter()
                .fold(0.0, |h, x| params[0] * h + params[1] * x)
                + params[2]
        }
    }

    impl Network for Leak {
        type Buffers = Vec<f32>;

        fn inputs(&self) -> usize {
            self.len
        }

        fn outputs(&self) -> usize {
            1
        }

        fn weights(&self) -> usize {
            3
        }

        fn init(&self, rng: &mut impl Rng) -> Vec<f32> {
            vec![0.5, rng.random_range(0.1..0.3), 0.0]
        }

        fn noise_top(&self, _: usize) -> Option<f32> {
            Some(f32::INFINITY)
        }

        fn sweep(
            &self,
            params: &[f32],
            positions: &[f32],
            grad: &mut [f32],
            states: &mut Vec<f32>,
            _: bool,
            mut loss: impl FnMut(Block<'_>) -> f32,
        ) -> f32 {
            grad.fill(0.0);
            let mut total = 0.0;
            for (row, window) in positions.chunks_exact(self.len).enumerate() {
                states.clear();
                states.push(0.0);
                for (t, x) in window.iter().enumerate() {
                    states.push(params[0] * states[t] + params[1] * x);
                }
                let mut slope = [0.0];
                total += loss(Block {
                    row,
                    pred: &[states[self.len] + params[2]],
                    hidden: &[],
                    grad_pred: &mut slope,
                    grad_hidden: &mut [],
                });
                let mut slope = slope[0];
                grad[2] += slope;
                for (t, x) in window.iter().enumerate().rev() {
                    grad[0] += slope * states[t];
                    grad[1] += slope * x;
                    slope *= params[0];
                }
            }
            total
        }

        #[cfg(feature = "tensors")]
        fn define(
            &self,
            params: burn::tensor::Tensor<2>,
            positions: burn::tensor::Tensor<2>,
        ) -> burn::tensor::Tensor<3> {
            let [members, _] = params.dims();
            let weight = |index| params.clone().narrow(1, index, 1).unsqueeze_dim::<3>(1);
            let mut h = positions
                .clone()
                .narrow(1, 0, 1)
                .zeros_like()
                .unsqueeze_dim::<3>(0)
                .repeat_dim(0, members);
            for t in 0..self.len {
                let x = positions.clone().narrow(1, t, 1).unsqueeze_dim::<3>(0);
                h = h * weight(0) + x * weight(1);
            }
            h + weight(2)
        }

        /// The unrolled network is linear in its window.
        fn lower(&self, params: &[f32], head: Head) -> Result<Graph> {
            let power = |t: usize| params[1] * params[0].powi((self.len - 1 - t) as i32);
            let weight: Vec<f32> = (0..self.len).map(power).collect();
            let nodes = head
                .lower(&weight, &[params[2]])
                .into_iter()
                .enumerate()
                .map(|(input, op)| Node {
                    op,
                    inputs: vec![input],
                });
            Ok(Graph::new(self.len, nodes.collect())?)
        }
    }

    fn windows(leak: &Leak, truth: &[f32]) -> TrainingRows {
        let mut rng = Pcg64::seed_from_u64(1);
        let mut rows = TrainingRows::default();
        for _ in 0..200 {
            let window: Vec<f32> = (0..leak.len).map(|_| rng.random_range(-1.0..1.0)).collect();
            rows.labels.extend([leak.predict(truth, &window), 1.0]);
            rows.positions.extend(window);
        }
        rows
    }

    fn options(steps: usize) -> TrainOptions {
        TrainOptions {
            schedule: Schedule {
                steps,
                peak: 2e-2,
                warmup: 0.0,
            },
            batch: 50,
            weight_decay: 0.0,
            input_noise: 0.0,
            members: 2,
            seed: 3,
        }
    }

    #[test]
    fn a_recurrent_network_is_trained_by_the_same_loop() {
        let (leak, truth) = (Leak { len: 6 }, [0.8, 0.4, -0.3]);
        let rows = windows(&leak, &truth);
        let trainer = Trainer::new(leak, options(600), &rows, &Hard::SQUARED).unwrap();
        let mut state = trainer.start();
        trainer
            .run(&mut state, 600, 600, &mut |_| Control::Continue)
            .unwrap();
        for (found, truth) in state.params.iter().zip(truth.iter().cycle()) {
            assert!((found - truth).abs() < 1e-3, "{:?}", state.params);
        }
        let window = &rows.positions.values()[..6];
        let graph = trainer.network().lower(&state.params[..3], Head::Point);
        let expected = trainer.network().predict(&state.params[..3], window);
        assert!((graph.unwrap().run(window, 1)[0] - expected).abs() < 1e-6);
    }

    #[cfg(feature = "tensors")]
    #[test]
    fn a_recurrent_network_is_trained_by_its_definition_too() {
        use crate::Engine;
        let (leak, truth) = (Leak { len: 6 }, [0.8, 0.4, -0.3]);
        let rows = windows(&leak, &truth);
        let trained = |engine| {
            let trainer = Trainer::new(Leak { len: 6 }, options(20), &rows, &Hard::SQUARED)
                .unwrap()
                .on(engine)
                .unwrap();
            let mut state = trainer.start();
            let begun = state.params.clone();
            trainer
                .run(&mut state, 20, 20, &mut |_| Control::Continue)
                .unwrap();
            (begun, state.params)
        };
        let ((begun, fused), (_, defined)) = (trained(Engine::Fused), trained(Engine::Tensors));
        for (a, b) in fused.iter().zip(&defined) {
            assert!((a - b).abs() < 1e-4, "{fused:?} {defined:?}");
        }
        assert!(fused.iter().zip(&begun).any(|(a, b)| (a - b).abs() > 0.05));
    }
}
