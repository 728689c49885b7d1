//! Errors in building or training a network.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is outside of its range.
    #[error("{option} is {found}; it must be {expected}")]
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// Value of the option.
        found: String,
        /// The allowed values.
        expected: &'static str,
    },
    /// A matrix or vector has the wrong number of values.
    #[error("{what} has the wrong number of values: found {found}, expected {expected}")]
    Shape {
        /// Name of the matrix or vector, such as `the label matrix`.
        what: &'static str,
        /// Number of values that it has.
        found: usize,
        /// The expected number of values.
        expected: usize,
    },
    /// The loss is NaN or infinite.
    #[error(
        "training failed: the loss is {loss} at step {step} of {steps}; lower the learning rate, or look for extreme values in the \
         target and the features"
    )]
    Diverged {
        /// Step at which a NaN or infinite loss was found, counted from 0.
        step: usize,
        /// Number of steps of the whole schedule.
        steps: usize,
        /// The loss: NaN or infinite.
        loss: f32,
    },
    /// The trained network could not be lowered to a graph (the form in which the student's file stores it), since the runtime rejected the graph.
    #[error(
        "the trained network cannot be written as a student: {source}; a column with extreme values can cause this: rescale it, or leave it out with --drop"
    )]
    Lowering {
        /// The error of the runtime.
        #[from]
        source: limbeck_runtime::Error,
    },
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
