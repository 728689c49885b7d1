//! Makes new rows for the teacher to label. Together with the training rows, they are the student's transfer set.
//!
//! Each kind of new row has a file with one function, and a variant of [`Augmentation`]. New rows of all kinds stay near the data, column by column:
//! numbers stay within the range of their column, whole numbers stay whole, and categories are taken from the table. A value is missing only if it is
//! missing in a row from which the new row is made.

mod adversarial;
mod boundary;
mod mixup;
mod munge;
mod perturb;
pub mod set;
mod slope;
mod windows;

use limbeck_data::{Feature, FeatureValues, Features, SharedFeatures, Stop, metrics};
use limbeck_options::{Options, Rule};
use limbeck_teach::Prediction;
use serde::{Deserialize, Serialize};

pub use adversarial::most_disputed;
pub use munge::munge;
pub use set::{KnownRows, NewRows, TransferSet};

use crate::error::Result;
use crate::student::STRETCH;

limbeck_options::options! {
    /// New rows for the teacher to label, and which of its labels are accepted.
    pub struct TransferOptions in "transfer", "Transfer set" {
        /// Maximum number of new rows made by MUNGE, which replaces values by those of neighboring rows; 0 makes none.
        munge_rows: usize = 300_000 => [flag("munge-rows", "N")];
        /// Maximum number of new rows of each kind, as a multiple of the number of training rows.
        munge_factor: usize = 100;
        /// Probability with which MUNGE replaces each value of a row by the value of a neighboring row (for numbers, with noise).
        munge_swap: f64 = 0.5 => [above(0.0), up_to(1.0), rules(&[Rule::With("transfer.munge_rows")])];
        /// Locality `s` of MUNGE: the larger, the closer a value stays to the neighbor's.
        munge_locality: f64 = 1.0 => [above(0.0), rules(&[Rule::With("transfer.munge_rows")])];
        /// Number of near neighbors of a row that MUNGE draws from.
        munge_neighbors: usize = 5 => [at_least(1.0), rules(&[Rule::With("transfer.munge_rows")])];
        /// Maximum number of new rows made from training rows near the edge of a column's range, by moving that value.
        ///
        /// On the data sets of `docs/ablation.md`: never significantly better than no new rows, and significantly worse on one.
        boundary_rows: usize = 0 => [flag("boundary-rows", "N")];
        /// Largest move `ε` of boundary rows, as a share of the column's range.
        boundary_reach: f64 = 0.1 => [above(0.0), up_to(1.0), rules(&[Rule::With("transfer.boundary_rows")])];
        /// Add the same noise to inputs and target of boundary rows, instead of using the teacher's labels.
        ///
        /// On the five data sets of `docs/ablation.md`: significantly worse than no new rows on two, significantly better on a noisy one.
        boundary_literal: bool = false => [flag("boundary-literal", ""), rules(&[Rule::With("transfer.boundary_rows")])];
        /// Maximum number of new rows made by averaging two rows with similar targets (mixup).
        mixup_rows: usize = 0 => [flag("mixup-rows", "N")];
        /// How far apart the targets of the two averaged rows typically are, in standard deviations of the target.
        mixup_bandwidth: f64 = 0.3 => [above(0.0), rules(&[Rule::With("transfer.mixup_rows")])];
        /// Maximum number of copies of training rows with a little noise added, which the teacher labels.
        ///
        /// Not significantly better on any data set of `docs/ablation.md`.
        perturb_rows: usize = 0 => [flag("perturb-rows", "N")];
        /// Standard deviation of the noise on perturbed rows, in standard deviations of each column.
        perturb_scale: f64 = 0.05 => [above(0.0), rules(&[Rule::With("transfer.perturb_rows")])];
        /// Weight `λ` of a perturbed row in the loss; other new rows have weight 1.
        perturb_weight: f64 = 1.0 => [above(0.0), flag("perturb-weight", "X"), rules(&[Rule::With("transfer.perturb_rows")])];
        /// Maximum number of new rows in pairs, for gradient matching: within a pair, the student should change as much as the teacher.
        slope_rows: usize = 0 => [flag("slope-rows", "N"), rules(&[Rule::Where("student.kind", &["mlp"], "only a network matches slopes")])];
        /// Distance `ρ` between the rows of a pair, in standard deviations of the columns.
        ///
        /// With 0.001, the difference within a pair approximates the derivative of a network.
        slope_reach: f64 = 0.2 => [above(0.0), rules(&[Rule::With("transfer.slope_rows")])];
        /// Maximum number of new rows on which a quick (briefly trained) student disagrees most with the teacher (adversarial belief matching).
        adversarial_rows: usize = 0 => [flag("adversarial-rows", "N")];
        /// Number of candidate rows that the teacher labels for each adversarial row that is kept.
        adversarial_candidates: usize = 4 => [within(2.0, 100.0), rules(&[Rule::With("transfer.adversarial_rows")])];
        /// Maximum number of new rows with rows before them, for recurrent networks: weighted means of two windows of rows with similar targets, with noise like that of each column.
        ///
        /// With a recurrent student, or with teacher.kind lstm, the default is 20000. If the student carries its state, all rows of a new window are
        /// new rows.
        window_rows: usize = 0 => [flag("window-rows", "N")];
        /// Reject a new row if the teacher's standard deviation there exceeds this many times its median on training rows.
        #[serde(alias = "reject_spread")]
        reject_std: f64 = 3.0 => [above(1.0)];
    }
}

impl TransferOptions {
    fn rows(&self, kind: Augmentation) -> usize {
        match kind {
            Augmentation::Munge => self.munge_rows,
            Augmentation::Boundary => self.boundary_rows,
            Augmentation::Mixup => self.mixup_rows,
            Augmentation::Perturb => self.perturb_rows,
            Augmentation::Slope => self.slope_rows,
            Augmentation::Adversarial => self.adversarial_rows,
            Augmentation::Windows => self.window_rows,
        }
    }
}

/// Kinds of new rows, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augmentation {
    /// Rows made by mixing values of near rows: [`munge`].
    Munge,
    /// Training rows near an end of a column's range, with the value in that column moved.
    Boundary,
    /// Weighted means of two rows with similar targets.
    Mixup,
    /// Training rows with a little noise added.
    Perturb,
    /// Pairs of rows at a small distance, for gradient matching.
    Slope,
    /// Candidate rows. The teacher labels all of them; those on which a quick student disagrees most with it are kept.
    Adversarial,
    /// Rows with rows before them: weighted means of two windows of rows.
    Windows,
}

impl Augmentation {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Munge,
        Self::Boundary,
        Self::Mixup,
        Self::Perturb,
        Self::Slope,
        Self::Adversarial,
        Self::Windows,
    ];
}

/// New rows, without the labels of the teacher. Each list has one entry per new row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Transfer {
    /// Values of the features.
    pub features: SharedFeatures,
    /// For each new row, the index of the row from which it was made. The new row shares the gate of that row (the weight of its teacher label).
    /// `None` for an independent row, whose gate is 1.
    pub source: Vec<Option<usize>>,
    /// A label to use instead of the teacher's; NaN if the teacher labels the row.
    pub label: Vec<f64>,
    /// True for a new row that is the second of a pair for gradient matching. The first is the row directly before it.
    pub second: Vec<bool>,
    /// True for a candidate row: it is kept only if it is among those on which student and teacher disagree most.
    pub candidate: Vec<bool>,
    /// Number of rows that [`make`] made. They come first. Rows after them were added by [`append_rows`](Self::append_rows).
    pub made: usize,
}

impl Transfer {
    fn asked(features: Features) -> Self {
        let rows = features.rows;
        Self {
            features: features.into(),
            source: vec![None; rows],
            label: vec![f64::NAN; rows],
            second: vec![false; rows],
            candidate: vec![false; rows],
            made: 0,
        }
    }

    fn append(&mut self, other: Self) -> Result<()> {
        self.features.append(&other.features)?;
        self.source.extend(other.source);
        self.label.extend(other.label);
        self.second.extend(other.second);
        self.candidate.extend(other.candidate);
        Ok(())
    }

    /// Appends rows for the teacher to label, which are not made from other rows (such as rows without targets from the user).
    ///
    /// # Errors
    ///
    /// If the columns differ.
    pub fn append_rows(&mut self, features: Features) -> Result<()> {
        self.append(Self::asked(features))
    }
}

/// How networks read rows before each row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EarlierRows {
    /// Number of rows before each row that a network reads; 0 if none does.
    pub count: usize,
    /// True if the student carries its state from row to row.
    pub carried: bool,
}

/// Makes all new rows that the options ask for, from the rows `features` with the targets `target`.
///
/// # Errors
///
/// The errors of [`TransferOptions::validate`]; an error if rows cannot be encoded; [`Error::Interrupted`](crate::Error::Interrupted) after a stop.
pub fn make(
    features: &Features,
    target: &[f64],
    (options, earlier): (&TransferOptions, EarlierRows),
    seed: u64,
    stop: Stop<'_>,
) -> Result<Transfer> {
    options.validate()?;
    let mut transfer = Transfer::asked(features.select(&[]));
    for kind in Augmentation::ALL {
        let count = options
            .rows(kind)
            .min(options.munge_factor.saturating_mul(features.rows));
        if count == 0 || features.rows < 2 {
            continue;
        }
        stop.check()?;
        transfer.append(match kind {
            Augmentation::Munge => Transfer::asked(munge(features, count, options, seed, stop)?),
            Augmentation::Boundary if options.boundary_literal => {
                boundary::literal(features, target, count, options, seed)
            }
            Augmentation::Boundary => {
                Transfer::asked(boundary::moved(features, count, options, seed))
            }
            Augmentation::Mixup => {
                Transfer::asked(mixup::mixed(features, target, count, options, seed))
            }
            Augmentation::Perturb => perturb::perturbed(features, count, options, seed),
            Augmentation::Slope => slope::pairs(features, count, options, seed, stop)?,
            Augmentation::Adversarial => {
                adversarial::candidates(features, count, options, seed, stop)?
            }
            Augmentation::Windows => {
                let window = earlier.count + 1;
                let reads = match earlier.carried {
                    true => (features, STRETCH * window, true),
                    false => (features, window, false),
                };
                Transfer::asked(windows::mixed(reads, target, count, options, seed))
            }
        })?;
    }
    transfer.made = transfer.features.rows;
    Ok(transfer)
}

/// Copies the rows with indices `rows`, and moves their numbers. `step` gets an index into `rows`, the column index and the column's range, and
/// returns what is added to the number. Missing numbers stay missing, numbers stay within the range of their column, and whole numbers stay whole.
fn moved_numbers(
    features: &Features,
    rows: &[usize],
    mut step: impl FnMut(usize, usize, &Range) -> f64,
) -> Features {
    let mut moved = features.select(rows);
    for (index, column) in moved.columns.iter_mut().enumerate() {
        let Some(range) = Range::of(&features.columns[index]) else {
            continue;
        };
        let FeatureValues::Number(values) = &mut column.values else {
            continue;
        };
        for (at, value) in values.iter_mut().enumerate() {
            let step = step(at, index, &range);
            // A step of 0 leaves the value as it is, bit for bit; a missing one stays missing.
            if step != 0.0 && !value.is_nan() {
                *value = range.hold(*value + step);
            }
        }
    }
    moved
}

/// Range and standard deviation of a numeric column, without missing values.
struct Range {
    low: f64,
    high: f64,
    sd: f64,
    integer: bool,
}

impl Range {
    fn of(column: &Feature) -> Option<Self> {
        let FeatureValues::Number(values) = &column.values else {
            return None;
        };
        let known: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        let (low, high) = metrics::range(&known);
        let sd = metrics::variance(&known, &vec![1.0; known.len()]).sqrt();
        (low <= high).then_some(Self {
            low,
            high,
            sd,
            integer: column.integer,
        })
    }

    fn hold(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        if self.integer { value.round() } else { value }
    }
}

/// For each teacher label, true if it is accepted: its standard deviation is at most `limit` times `typical` (the median on training rows), and its
/// mean is finite.
#[must_use]
pub fn accepted(prediction: &Prediction, typical: f64, limit: f64) -> Vec<bool> {
    let std = prediction.std.iter().map(|&sd| sd <= limit * typical);
    std.zip(&prediction.mean)
        .map(|(fine, mean)| fine && mean.is_finite())
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;

    /// To its end.
    fn make(
        features: &Features,
        target: &[f64],
        options: &TransferOptions,
        seed: u64,
    ) -> Result<Transfer> {
        super::make(
            features,
            target,
            (options, EarlierRows::default()),
            seed,
            Stop::NEVER,
        )
    }

    pub(crate) fn features() -> Features {
        let n = 50;
        let number = |name: &str, integer, value: &dyn Fn(usize) -> f64| Feature {
            name: name.into(),
            values: FeatureValues::Number((0..n).map(value).collect()),
            integer,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        let levels = Arc::new(vec!["a".to_owned(), "b".to_owned()]);
        let codes = (0..n as u32).map(|i| i % 2).collect();
        Features {
            columns: vec![
                number("x", false, &|i| i as f64 * 0.1),
                number("count", true, &|i| (i % 7) as f64),
                number("holes", false, &|i| {
                    if i % 5 == 0 { f64::NAN } else { 1.0 + i as f64 }
                }),
                Feature {
                    name: "kind".into(),
                    values: FeatureValues::Category { codes, levels },
                    integer: false,
                    missing: limbeck_data::MissingNumbers::default(),
                    date: None,
                    history: None,
                },
            ],
            rows: n,
            past: None,
        }
    }

    fn target() -> Vec<f64> {
        (0..50).map(|i| f64::from(i) * 2.0).collect()
    }

    fn numbers(features: &Features, column: usize) -> &[f64] {
        let FeatureValues::Number(values) = &features.columns[column].values else {
            panic!()
        };
        values
    }

    fn only(kind: Augmentation, count: usize) -> TransferOptions {
        let rows = |of: Augmentation| if of == kind { count } else { 0 };
        TransferOptions {
            munge_rows: rows(Augmentation::Munge),
            boundary_rows: rows(Augmentation::Boundary),
            mixup_rows: rows(Augmentation::Mixup),
            perturb_rows: rows(Augmentation::Perturb),
            slope_rows: rows(Augmentation::Slope),
            adversarial_rows: rows(Augmentation::Adversarial) / 4,
            window_rows: rows(Augmentation::Windows),
            ..TransferOptions::default()
        }
    }

    #[test]
    fn new_rows_of_every_kind_stay_on_the_manifold_and_repeat_with_their_seed() {
        // Rows of series have a test of their own.
        for kind in Augmentation::ALL.into_iter().take(6) {
            let make = |seed| make(&features(), &target(), &only(kind, 1000), seed).unwrap();
            let made = make(3);
            let new = &made.features;
            assert_eq!(
                (new.rows, made.source.len(), made.label.len()),
                (1000, 1000, 1000)
            );
            assert!(
                numbers(new, 0).iter().all(|v| (0.0..=4.9).contains(v)),
                "{kind:?}"
            );
            assert!(
                numbers(new, 1)
                    .iter()
                    .all(|v| v.fract() == 0.0 && (0.0..=6.0).contains(v)),
                "{kind:?}"
            );
            let missing = numbers(new, 2).iter().filter(|v| v.is_nan()).count();
            assert!((50..600).contains(&missing), "{kind:?}: {missing}");
            let FeatureValues::Category { codes, .. } = &new.columns[3].values else {
                panic!()
            };
            assert!(codes.iter().all(|&c| c < 2));
            assert!(made.label.iter().all(|label| label.is_nan()));
            assert_eq!(format!("{new:?}"), format!("{:?}", make(3).features));
            assert_ne!(format!("{new:?}"), format!("{:?}", make(4).features));
            assert_eq!(
                made.source.iter().all(Option::is_some),
                kind == Augmentation::Perturb
            );
        }
    }

    #[test]
    fn kinds_add_up() {
        let options = TransferOptions {
            boundary_rows: 30,
            munge_rows: 20,
            munge_factor: 1,
            ..TransferOptions::default()
        };
        assert_eq!(
            make(&features(), &target(), &options, 1)
                .unwrap()
                .features
                .rows,
            50
        );
        let none = TransferOptions {
            munge_rows: 0,
            ..TransferOptions::default()
        };
        assert_eq!(
            make(&features(), &target(), &none, 1)
                .unwrap()
                .features
                .rows,
            0
        );
    }

    #[test]
    fn boundary_rows_reach_for_the_edges() {
        let new = make(
            &features(),
            &target(),
            &only(Augmentation::Boundary, 2000),
            3,
        )
        .unwrap()
        .features;
        let near_edge = |v: &&f64| **v < 0.98 || **v > 3.92;
        // Half of the rows are chosen for other columns; the others would have 40 % there.
        let share = numbers(&new, 0).iter().filter(near_edge).count() as f64 / 2000.0;
        assert!(share > 0.45, "{share}");
    }

    #[test]
    fn literal_boundary_moves_inputs_and_target_by_one_noise() {
        let options = TransferOptions {
            boundary_literal: true,
            ..only(Augmentation::Boundary, 50)
        };
        let made = make(&features(), &target(), &options, 3).unwrap();
        let x_sd = limbeck_data::metrics::variance(numbers(&features(), 0), &[1.0; 50]).sqrt();
        let y_sd = limbeck_data::metrics::variance(&target(), &[1.0; 50]).sqrt();
        for row in 5..45 {
            let noise = (numbers(&made.features, 0)[row] - row as f64 * 0.1) / x_sd;
            assert!(
                (made.label[row] - target()[row] - noise * y_sd).abs() < 1e-9,
                "{row}"
            );
        }
    }

    #[test]
    fn perturbed_rows_stay_near_their_source() {
        let made = make(&features(), &target(), &only(Augmentation::Perturb, 500), 3).unwrap();
        for (row, source) in made.source.iter().enumerate() {
            let source = source.unwrap();
            assert!(
                (numbers(&made.features, 0)[row] - source as f64 * 0.1).abs() < 0.05 * 1.5 * 5.0
            );
        }
    }

    #[test]
    fn mixed_rows_come_from_near_targets() {
        // Targets rise with x, so that a mixture of near targets is near in x.
        let apart = |mixup_bandwidth| {
            let options = TransferOptions {
                mixup_bandwidth,
                ..only(Augmentation::Mixup, 500)
            };
            let new = make(&features(), &target(), &options, 3).unwrap().features;
            let steps = numbers(&new, 0)
                .iter()
                .enumerate()
                .map(|(at, x)| (x - (at % 50) as f64 * 0.1).abs());
            steps.sum::<f64>() / 500.0
        };
        assert!(
            apart(0.05) < 0.2 && apart(1e3) > 0.6,
            "{} {}",
            apart(0.05),
            apart(1e3)
        );
    }

    #[test]
    fn options_out_of_range_are_refused() {
        for options in [
            TransferOptions {
                munge_locality: 0.0,
                ..TransferOptions::default()
            },
            TransferOptions {
                boundary_reach: 1.5,
                ..TransferOptions::default()
            },
            TransferOptions {
                mixup_bandwidth: f64::NAN,
                ..TransferOptions::default()
            },
            TransferOptions {
                perturb_weight: -1.0,
                ..TransferOptions::default()
            },
            TransferOptions {
                boundary_literal: true,
                ..TransferOptions::default()
            },
        ] {
            assert!(matches!(
                make(&features(), &target(), &options, 0),
                Err(crate::Error::InvalidOption(_))
            ));
        }
    }

    #[test]
    fn rows_with_excessive_std_are_not_accepted() {
        let prediction = Prediction {
            mean: vec![1.0, 1.0, f64::NAN],
            std: vec![2.9, 3.1, 1.0],
        };
        assert_eq!(accepted(&prediction, 1.0, 3.0), [true, false, false]);
    }
}
