//! Options of the student: its kind, size and training.

use limbeck_data::encode::{EncodeOptions, EncodeScaling};
use limbeck_options::{Options, Refused, Rule};
use limbeck_runtime::Cell;

use crate::error::Result;

limbeck_options::words! {
    /// How numbers are scaled before they are binned.
    pub enum ScalingKind {
        /// By mean and standard deviation.
        #[default]
        Standard = "standard",
        /// By mapping quantiles to a normal distribution; the quantiles count as parameters.
        Quantile = "quantile",
    }
}

limbeck_options::words! {
    /// The kind of model that the student is.
    pub enum StudentKind {
        /// A multilayer perceptron.
        #[default]
        Mlp = "mlp",
        /// A few boosted trees.
        Trees = "trees",
        /// A linear model.
        Linear = "linear",
        /// An interpolated table of one to three numeric columns.
        Table = "table",
        /// A recurrent network of gated recurrent units, which reads the last rows of a series.
        Gru = "gru",
        /// A recurrent network of long short-term memory units, which reads the last rows of a series.
        Lstm = "lstm",
        /// The best kind on validation rows, among those that fit the columns and the budget. No recurrent network is tried.
        Auto = "auto",
    }
}

limbeck_options::words! {
    /// Which earlier rows of a series a recurrent student uses.
    pub enum MemoryKind {
        /// The last rows, from state 0 on: a prediction does not depend on rows before them.
        #[default]
        Rolling = "rolling",
        /// All rows of the series so far: the state runs on from row to row.
        Carried = "carried",
    }
}

/// The kinds of students that are networks.
pub(crate) const NETWORKS: &[&str] = &["mlp", "gru", "lstm"];

impl StudentKind {
    /// True if a network may be trained: `mlp`, `gru`, `lstm` and `auto`.
    #[must_use]
    pub fn has_network(self) -> bool {
        matches!(self, Self::Mlp | Self::Gru | Self::Lstm | Self::Auto)
    }

    /// The cell of a recurrent network; `None` for other kinds.
    #[must_use]
    pub fn cell(self) -> Option<Cell> {
        match self {
            Self::Gru => Some(Cell::Gru),
            Self::Lstm => Some(Cell::Lstm),
            Self::Mlp | Self::Trees | Self::Linear | Self::Table | Self::Auto => None,
        }
    }

    /// The kind of a recurrent network with this cell.
    #[must_use]
    pub fn of_cell(cell: Cell) -> Self {
        match cell {
            Cell::Gru => Self::Gru,
            Cell::Lstm => Self::Lstm,
        }
    }
}

limbeck_options::options! {
    /// Kind, size and training of the student.
    pub struct StudentOptions in "student", "Student" {
        /// Kind of student: a network, a few trees, a linear model, an interpolated table of 1 to 3 numeric columns, or the best of these on validation rows; for series also a recurrent network.
        ///
        /// A recurrent network (gru or lstm) reads the last `data.window` rows of a series. It reads no statistics of earlier rows, except differences
        /// and returns from one row to the next.
        kind: StudentKind = StudentKind::Mlp => [flag("student", "KIND"), common()];
        /// Which earlier rows a recurrent student uses: the last `data.window` rows, or all rows of the series so far.
        ///
        /// A `carried` student keeps its state from row to row, so that a prediction in a stream takes one step, and not as many as the window has rows.
        /// It is trained on stretches of four windows, and is judged on whole series.
        memory: MemoryKind = MemoryKind::Rolling => [flag("memory", "KIND"), rules(MEMORY)];
        /// Maximum number of fitted numbers that a prediction may read; bin edges and scales count too.
        params: usize = 5000 => [within(10.0, 1_000_000.0), flag("params", "N"), letter('p'), common()];
        /// Widths of the hidden layers; for a recurrent network, the number of units of each layer.
        #[serde(skip_serializing_if = "Option::is_none")]
        hidden: Option<Vec<usize>> = None => [
            within(1.0, 4096.0), filled("one or more widths of hidden layers, such as [64, 32]"), unset("computed from params"), example("[32, 32]"), rules(LAYERS),
        ];
        /// Mean number of bins per numeric column.
        #[serde(skip_serializing_if = "Option::is_none")]
        bins: Option<usize> = None => [within(1.0, 256.0), unset("computed from params"), example("16"), rules(BINS)];
        /// How to scale numbers before binning.
        scaling: ScalingKind = ScalingKind::Standard;
        /// Category columns to encode as one ordered number each.
        ordinal: Vec<String> = Vec::new();
        /// Steps of the longest training schedule; with a recurrent student, the default is a tenth.
        steps: usize = 110_000 => [at_least(1.0), flag("steps", "N")];
        /// Rows per training step; small batches are noisier, which helps against overfitting when rows are few.
        #[serde(skip_serializing_if = "Option::is_none")]
        batch: Option<usize> = None => [at_least(1.0), unset("64 with fewer than 3000 training and validation rows, else 256"), example("64")];
        /// Peak learning rate.
        learning_rate: f64 = 4e-3 => [above(0.0)];
        /// Size of the search for the best settings on validation rows, for each of the two students (trained alone, and distilled).
        ///
        /// With `trials = n`, the search compares `3 n` settings on short schedules, up to `1.5 n` on medium ones, and one or two on the whole schedule.
        trials: usize = 4 => [within(1.0, 5.0)];
        /// Number of train/validation splits on which to try every setting; each split has other validation rows.
        ///
        /// With more than one split, the longest schedule takes a quarter of `steps`. There is only one split if validation rows are given or the split
        /// follows time.
        #[serde(skip_serializing_if = "Option::is_none")]
        splits: Option<usize> = None => [within(1.0, 10.0), unset("2 with fewer than 3000 training and validation rows, else 1"), example("3")];
    }
}

const MEMORY: &[Rule] = &[Rule::Where(
    "student.kind",
    &["gru", "lstm"],
    "only a recurrent student has a memory",
)];
const LAYERS: &[Rule] = &[Rule::Where(
    "student.kind",
    &["mlp", "gru", "lstm", "auto"],
    "only a network has layers",
)];
const BINS: &[Rule] = &[Rule::Where(
    "student.kind",
    &["mlp", "auto"],
    "only a multilayer perceptron has bins",
)];

/// Minimum parameter budget of a network: enough for a few inputs, a layer of a few units and some bins.
const LEAST_OF_NETWORK: usize = 250;

impl StudentOptions {
    /// Checks the range of each option, and that the budget is large enough for a network if one may be trained.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for an option that is out of its range.
    pub fn check(&self) -> Result<()> {
        self.validate()?;
        if self.kind.has_network() && self.params < LEAST_OF_NETWORK {
            let message = format!(
                "found {}, but a network needs at least {LEAST_OF_NETWORK} parameters; allow more (`--params {LEAST_OF_NETWORK}`), or choose a kind of student that can be smaller (`--student linear`, `trees` or `table`)",
                self.params
            );
            return Err(Refused::new("student.params", message).into());
        }
        Ok(())
    }

    /// The number of rows per training step; `rows` is the number of training and validation rows.
    #[must_use]
    pub fn batch_of(&self, rows: usize) -> usize {
        self.batch.unwrap_or(if rows < FEW_ROWS { 64 } else { 256 })
    }

    /// The number of train/validation splits on which trials are validated; `rows` is the number of training and validation rows.
    #[must_use]
    pub fn splits_of(&self, rows: usize) -> usize {
        self.splits.unwrap_or(if rows < FEW_ROWS { 2 } else { 1 })
    }
}

/// With fewer training and validation rows than this, batches are smaller and every setting is tried on several splits.
const FEW_ROWS: usize = 3000;

/// How a student encodes its columns. `max_width_for_categories` is a budget of encoded columns that all category columns share, except ordinal ones.
pub(crate) fn encode_options(
    options: &StudentOptions,
    max_width_for_categories: usize,
) -> EncodeOptions {
    EncodeOptions {
        scaling: match options.scaling {
            ScalingKind::Standard => EncodeScaling::Standard,
            ScalingKind::Quantile => EncodeScaling::Quantile { n: 32 },
        },
        max_width_for_categories,
        indicator: true,
        ordinal: options.ordinal.clone(),
    }
}
