//! Trainable networks, their losses and the training loop.
//!
//! - [`InputLayout`] turns encoded columns into *positions*, the form in which a network reads a row.
//! - [`Network`] is the trait that the training loop needs from a network: sizes, initial weights, forward and backward passes, and the conversion
//!   (lowering) to the graph that ships.
//! - [`MlpShape`] is a multilayer perceptron, [`RecurrentShape`] a stack of GRU or LSTM layers over a window of rows, and [`Shape`] one of the two. A
//!   shape holds the layer widths and the place of each weight in one flat vector, and lowers trained weights to a [`limbeck_runtime::Graph`].
//! - [`Positions`] are the inputs of samples: rows of numbers, or windows of rows that are cut when a batch needs them.
//! - [`Head`] is the form of a prediction: how the outputs of a network are read as a number, a Gaussian or the probability masses of bins.
//! - [`StepLoss`] is what one training step minimizes: a pure function of outputs and labels. [`losses`] has the losses that compare each row with
//!   one label.
//! - [`Trainer`] is the only training loop; [`TrainState`] is its complete state. Its [`Engine`] computes the gradient: by fused passes on slices,
//!   or (feature `tensors`) by automatic differentiation in the tensor library Burn, in which networks are defined.
//!
//! ```
//! use limbeck_nets::losses::Hard;
//! use limbeck_nets::*;
//!
//! // y = 2 x: positions, and labels with a weight each.
//! let x: Vec<f32> = (0..64).map(|i| i as f32 / 64.0).collect();
//! let rows = TrainingRows { labels: x.iter().flat_map(|x| [2.0 * x, 1.0]).collect(), positions: x.into() };
//! let layout = InputLayout { segments: vec![Segment::Linear] };
//! let shape = MlpShape::new(layout, vec![8], 1)?;
//! let schedule = Schedule { steps: 400, peak: 1e-2, warmup: 0.03 };
//! let options = TrainOptions { schedule, batch: 64, weight_decay: 0.0, input_noise: 0.0, members: 1, seed: 0 };
//! let trainer = Trainer::new(shape.clone(), options, &rows, &Hard::SQUARED)?;
//! let mut state = trainer.start();
//! trainer.run(&mut state, 400, 400, &mut |_| Control::Continue)?;
//! assert!((shape.predict(&state.average, &[0.5])[0] - 1.0).abs() < 0.05);
//! # Ok::<(), limbeck_nets::Error>(())
//! ```
//!
//! This crate knows nothing of teachers and distillation: `limbeck-distill` blends targets and teacher labels in its own [`StepLoss`].
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

mod error;
mod gates;
mod head;
mod input;
pub mod loss;
pub mod losses;
mod mlp;
mod network;
mod noise;
mod positions;
mod recurrent;
mod shape;
mod simd;
#[cfg(feature = "tensors")]
pub mod tensors;
mod train;

pub use error::{Error, Result};
pub use head::{Bins, Head, HeadKind, LOG_VARIANCE_LIMIT};
pub use input::{InputLayout, Segment};
pub use loss::{StepContext, StepLoss};
pub use mlp::{Buffers, MlpShape, Scratch};
pub use network::{Block, Network};
pub use positions::{Positions, Stretches, Window};
pub use recurrent::{RecurrentBuffers, RecurrentShape};
pub use shape::{Shape, ShapeBuffers};
pub use train::{
    Control, Engine, Schedule, StepReport, TrainOptions, TrainState, Trainer, TrainingRows,
    samples_of,
};
