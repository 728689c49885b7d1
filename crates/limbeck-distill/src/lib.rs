//! Trains a student on a teacher's labels, and measures on test rows what distillation gained.
//!
//! ```text
//! rows ─munge→ new rows ─teacher labels→ TransferSet ─objective→ Lesson ─search→ Choice ─refit→ Student
//!                                                                                 └─ proof: baseline · distilled · teacher
//! ```
//!
//! The *baseline* is the same student trained without a teacher. *Refit* trains the chosen settings again on training and validation rows.
//!
//! - [`transfer`]: new rows for the teacher to label (such as [MUNGE](transfer::munge)), and which of the teacher's labels are accepted;
//! - [`noise`]: estimates the part of a target's variance that the features cannot explain;
//! - [`objective`]: the loss `alpha · L_soft + (1 − alpha) · L_hard`, its options and its gradient;
//! - [`hints`]: the loss between hidden features of student and teacher;
//! - [`lesson`]: arranges rows with and without a target as training rows for that loss;
//! - [`probe`]: reports each part of that loss while a student trains;
//! - [`bins`]: chooses the bin edges of the student's numeric inputs;
//! - [`student`]: designs a network within a parameter budget;
//! - [`kinds`]: non-neural students: linear models, trees, tables;
//! - [`search`]: compares settings on validation rows, then refits the best, for the baseline and the distilled student alike;
//! - [`conformal`]: prediction intervals from errors on rows that trained nothing, and their coverage;
//! - [`proof`]: how much of the gap between baseline and teacher was closed, and the verdict on distillation.
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

pub mod bins;
pub mod conformal;
pub mod draft;
mod error;
pub mod hints;
pub mod kinds;
pub mod lesson;
mod neighbors;
pub mod noise;
pub mod objective;
mod predict;
pub mod probe;
pub mod proof;
pub mod search;
pub mod stage;
pub mod student;
mod target;
pub mod transfer;
pub mod trial;
pub mod validation;

pub use error::{Error, Result};
pub use predict::{States, predict};

/// The worked examples in the project's documents, compiled and run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../ARCHITECTURE.md")]
#[doc = include_str!("../../../CONTRIBUTING.md")]
struct WorkedExamples;
