//! Teachers: accurate, slow models that label rows for a student.
//!
//! - [`FittedTeacher`] is the teacher that limbeck fits itself: boosted trees ([`trees`], stored as a [`Forest`]), an ensemble of
//!   perceptrons or LSTMs ([`network`]), a Gaussian process ([`process`]), a linear model ([`linear`]), or a weighted mean of them, with out-of-fold
//!   [`Labels`];
//! - [`command::CommandTeacher`] runs the user's own scoring program;
//! - [`import::ImportedTeacher`] reads a model file of another library.
//!
//! This crate does not depend on the training of students.
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

mod ask;
pub mod command;
mod error;
mod fit;
mod forest;
pub mod import;
mod inputs;
mod layers;
mod learner;
pub mod linear;
pub mod lstm;
pub mod network;
mod predictive_std;
pub mod process;
mod sample;
pub mod series;
mod stack;
pub mod teacher;
pub mod trees;
mod work;

pub use ask::Teacher;
pub use error::{Error, Result, Stderr};
pub use forest::Forest;
pub use layers::{FeatureLayer, WhichFit};
pub use learner::Learner;
pub use predictive_std::PredictiveStd;
pub use sample::Sample;
pub use teacher::{
    EarlyAnswers, FITS, FOLDS, FittedTeacher, FoldTeachers, Labels, Prediction, Share, TeacherKind,
    TeacherOptions,
};
pub use work::{Effort, Part, Work};
