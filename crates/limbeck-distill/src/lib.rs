//! From a teacher's labels to a proven student.
//!
//! ```text
//! rows ─munge→ transfer set ─teacher labels→ Pool ─objective→ Lesson ─search→ Choice ─refit→ Student
//!                                                                                 └─ proof: alone · distilled · teacher
//! ```
//!
//! - [`transfer`]: inputs on which the teacher is asked ([MUNGE](transfer::munge)), and which of its answers are believed;
//! - [`noise`]: the part of a target that its columns cannot tell;
//! - [`objective`]: `alpha · L_soft + (1 − alpha) · L_hard`, its options and its step;
//! - [`hints`]: inner features and slopes of the teacher;
//! - [`lesson`]: rows with and without target, laid out for that loss;
//! - [`probe`]: the parts of that loss, told apart while a student trains;
//! - [`bins`]: where the student's inputs get their resolution;
//! - [`student`]: a network of at most so many parameters, trained and lowered;
//! - [`kinds`]: students that are no networks: linear models, trees, tables;
//! - [`search`]: candidates on validation rows, then the refit, for the lone and the distilled student alike;
//! - [`proof`]: how much of the gap was closed, and the verdict.
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "hand-worked values are exact")
)]

pub mod bins;
pub mod draft;
mod error;
pub mod hints;
pub mod kinds;
pub mod lesson;
mod neighbors;
pub mod noise;
pub mod objective;
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

/// The worked examples of the project's documents, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../ARCHITECTURE.md")]
#[doc = include_str!("../../../CONTRIBUTING.md")]
struct WorkedExamples;
