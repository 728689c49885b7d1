//! What can go wrong while a network is built or trained.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number that must lie in a range does not.
    #[error("{option} is {found}; it must be {expected}")]
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A matrix has another width or length than the network expects.
    #[error("{what} has {found} values; the network expects {expected}")]
    Shape {
        /// Which matrix.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The size that fits.
        expected: usize,
    },
    /// The loss stopped being a number.
    #[error(
        "the loss is {loss} at step {step} of {steps}; lower the learning rate, or look for extreme values in the \
         target and the features"
    )]
    Diverged {
        /// Step at which it happened, from 0.
        step: usize,
        /// Steps of the whole schedule.
        steps: usize,
        /// The loss.
        loss: f32,
    },
    /// The graph made of the trained network was refused.
    #[error("the trained network could not be lowered to a graph: {source}")]
    Lowering {
        /// What the runtime said.
        #[from]
        source: limbeck_runtime::Error,
    },
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
