//! Prediction intervals: which rows calibrate them, and the intervals of the shipped student.
//!
//! A calibration row may neither train nor choose the student or its teacher. With enough rows, a part of them is held out before anything is fitted.
//! With few rows, the whole run is repeated in folds of the training and validation rows, and each student predicts the rows of its fold.

use std::borrow::Cow;

use limbeck_data::Dataset;
use limbeck_data::split::{FoldKind, Split};
use limbeck_distill::conformal::{self, IntervalWidth};
use limbeck_runtime::{Intervals, Student, TargetTransform, Widths};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::report::{CalibratedOn, PredictionIntervals};
use crate::session::Session;

/// Number of folds, if there are too few rows to hold any out and the user does not set it.
const FOLDS: usize = 5;
/// Groups are held out by default only if they are at least this many times the number that the levels need: with fewer groups, each one that is held
/// out costs much.
const AMPLE: usize = 2;
/// Maximum number of rows from which a spread is computed.
const SPREAD_ROWS: usize = 50_000;

/// The options of a recipe for prediction intervals.
#[derive(Clone, Copy)]
pub(crate) struct CalibrationOptions<'a> {
    /// The levels; empty if there are no intervals.
    pub(crate) levels: &'a [f64],
    pub(crate) width: IntervalWidth,
    pub(crate) share: Option<f64>,
    pub(crate) folds: Option<usize>,
    pub(crate) seed: u64,
    /// True if limbeck fits the teacher, so that it has not learned from the calibration rows.
    pub(crate) fits_teacher: bool,
    /// True if folds are possible: one target, and labels that do not come from another run.
    pub(crate) may_fold: bool,
}

impl CalibrationOptions<'_> {
    /// Number of independent calibration rows or groups that the largest level needs.
    fn needed(&self) -> usize {
        let needed = self
            .levels
            .iter()
            .filter_map(|&level| Widths::needed(level));
        needed.max().unwrap_or(1)
    }

    /// Decides how to calibrate. With a held-out part, the data set that is returned is without it.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] if there are too few rows or groups for the levels.
    pub(crate) fn plan<'d>(&self, data: &'d Dataset) -> Result<(Cow<'d, Dataset>, Calibration)> {
        if self.levels.is_empty() {
            return Ok((Cow::Borrowed(data), Calibration::None));
        }
        let (needed, units) = (self.needed(), data.calibration_units());
        if units < needed {
            return Err(self.too_few(data, units, "use a smaller level, or add rows"));
        }
        let folds = |count: usize| {
            self.check_folds(data, count)?;
            Ok((Cow::Borrowed(data), Calibration::Folds(count)))
        };
        if let Some(count @ 1..) = self.folds {
            return folds(count);
        }
        let share = self.share.or_else(|| data.calibration_share(needed));
        let Some(share) = share else {
            return match self.may_fold {
                true => folds(FOLDS),
                false => Err(self.too_few(data, units, "set `calibration_share` to hold out more than a quarter of the rows, use a smaller level, or add rows")),
            };
        };
        let (rest, rows) = data.hold_out_calibration(share, self.seed)?;
        let held = units_of(&rest, &rows);
        let held_out = || Ok((Cow::Owned(rest), Calibration::HeldOut(rows)));
        let folds_if_few = self.share.is_none() && self.may_fold;
        match held >= needed {
            true if folds_if_few && data.group_blocks().is_some() && held < AMPLE * needed => {
                folds(FOLDS).or_else(|_| held_out())
            }
            true => held_out(),
            false if folds_if_few => folds(FOLDS),
            false => Err(self.too_few(
                data,
                held,
                "use a larger `calibration_share`, or a smaller level",
            )),
        }
    }

    /// Refuses folds that are not possible, and folds with too few rows for the levels: with a split by time, only later rows are predicted.
    fn check_folds(&self, data: &Dataset, count: usize) -> Result<()> {
        let Ok(folds) = data.calibration_folds(count, self.seed) else {
            return Err(Error::Recipe {
                place: "calibration_folds".into(),
                message: format!(
                    "the training and validation rows cannot be divided into {count} folds; use fewer folds, or hold out rows with `calibration_share`"
                ),
            });
        };
        let all = folds
            .iter()
            .flat_map(|fold| fold.split.test.iter().copied());
        let weighted: Vec<usize> = all.filter(|&row| data.weight[row] > 0.0).collect();
        let found = units_of(data, &weighted);
        match found >= self.needed() {
            true => Ok(()),
            false => Err(self.too_few(data, found, "use a smaller level, or add rows")),
        }
    }

    fn too_few(&self, data: &Dataset, found: usize, fix: &str) -> Error {
        let what = match data.group_blocks() {
            Some(_) => "groups of rows",
            None => "rows",
        };
        let level = self.levels.iter().copied().fold(0.0, f64::max);
        Error::Recipe {
            place: "intervals".into(),
            message: format!(
                "the level {level} needs at least {} {what} for calibration, found {found}; {fix}",
                self.needed()
            ),
        }
    }
}

/// Number of independent rows or groups among calibration rows.
fn units_of(data: &Dataset, rows: &[usize]) -> usize {
    let Some(blocks) = data.group_blocks() else {
        return rows.len();
    };
    let mut groups: Vec<u32> = rows.iter().map(|&row| blocks[row]).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.len()
}

/// How prediction intervals are calibrated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Calibration {
    /// There are no intervals.
    None,
    /// On these rows of the data set, which are in no part of its split.
    HeldOut(Vec<usize>),
    /// In this number of folds of the training and validation rows.
    Folds(usize),
}

impl Calibration {
    /// Number of repetitions of the run.
    pub(crate) fn folds(&self) -> usize {
        match self {
            Self::None | Self::HeldOut(_) => 0,
            Self::Folds(count) => *count,
        }
    }

    /// The split of the data set, if rows were held out.
    pub(crate) fn split(&self, data: &Dataset) -> Option<Split> {
        matches!(self, Self::HeldOut(_)).then(|| data.split.clone())
    }
}

/// Rows that a student did not learn from, with targets and predictions in the unit of the target.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Positions in the data set.
    pub(crate) rows: Vec<usize>,
    pub(crate) target: Vec<f64>,
    pub(crate) prediction: Vec<f64>,
}

/// Targets and predictions of a student on rows of the data set. Only rows with a weight above 0 count.
pub(crate) fn held(data: &Dataset, student: &Student, rows: &[usize]) -> Result<Held> {
    let weighted = rows.iter().copied().filter(|&row| data.weight[row] > 0.0);
    let rows: Vec<usize> = weighted.collect();
    let mut target = data.target_of(&rows);
    if let Some(base) = data.base.first() {
        let own = target.iter_mut().zip(&rows);
        own.for_each(|(target, &row)| *target += base[row]);
    }
    let prediction = limbeck_distill::predict(student, &data.features.select(&rows))?;
    Ok(Held {
        rows,
        target,
        prediction,
    })
}

/// Calls `once`, which makes a whole run and predicts its test rows, for each fold of the training and validation rows. Returns all predictions.
///
/// Each fold is a checkpoint.
///
/// # Source
///
/// Barber, Candès, Ramdas & Tibshirani, *Predictive inference with the jackknife+*, Annals of Statistics 49, 2021. Their CV+ combines the predictions of
/// the students of all folds; here, the errors of the folds are put around the one shipped student, as in the jackknife. That has no guarantee for every
/// data set. It holds approximately if the students of the folds resemble the shipped one: Steinberger & Leeb, *Conditional predictive inference for
/// stable algorithms*, Annals of Statistics 51, 2023.
///
/// # Errors
///
/// The errors of a run; [`Error::Interrupted`] if the user stops it; [`Error::Recipe`] if the time limit ends it.
pub(crate) fn folds(
    (count, seed): (usize, u64),
    data: &Dataset,
    session: &Session<'_>,
    once: impl Fn(&Dataset, &Session<'_>) -> Result<Held>,
) -> Result<Held> {
    let mut all = Held::default();
    for (number, data) in (1..).zip(data.calibration_folds(count, seed)?) {
        session.begin(&format!(
            "calibration fold {number} of {count} (the run repeated on other rows, for prediction intervals)"
        ));
        let name = format!("calibration{number}");
        let part: Held = session.piece(&name, || {
            let session = &session.repetition(&name);
            let held = once(&data, session)?;
            session.go_on()?;
            match session.stop().is_late() {
                true => Err(Error::Recipe {
                    place: "time_limit".into(),
                    message: format!(
                        "it ended calibration fold {number} of {count}; use a longer time limit"
                    ),
                }),
                false => Ok(held),
            }
        })?;
        all.rows.extend(part.rows);
        all.target.extend(part.target);
        all.prediction.extend(part.prediction);
    }
    Ok(all)
}

/// The intervals of a student of one output, from predictions of rows that it did not learn from, and the beginning of their report. If the width is
/// to follow the prediction, `student` predicts the rows `learned` that it learned from. `None` if the student's errors are not finite.
pub(crate) fn intervals(
    options: CalibrationOptions<'_>,
    (data, learned): (&Dataset, &[usize]),
    student: &Student,
    (calibrated_on, held): (CalibratedOn, &Held),
) -> Result<Option<(Intervals, PredictionIntervals)>> {
    let is_log = matches!(
        student.outputs[0].transform,
        TargetTransform::LogAffine { .. }
    );
    let sizes = |held: &Held| -> Vec<f64> {
        let both = held.target.iter().zip(&held.prediction);
        both.map(|(&y, &p)| conformal::size(y, p, is_log)).collect()
    };
    // In folds, the rows that a spread is computed from would be calibration rows.
    let is_scaled =
        options.width == IntervalWidth::Scaled && calibrated_on == CalibratedOn::HeldOut;
    let spread = match is_scaled {
        true => {
            let step = learned.len().div_ceil(SPREAD_ROWS).max(1);
            let some: Vec<usize> = learned.iter().copied().step_by(step).collect();
            let learned = self::held(data, student, &some)?;
            conformal::spread(&learned.prediction, &sizes(&learned))
        }
        false => Vec::new(),
    };
    let width = match spread.is_empty() {
        true => IntervalWidth::Constant,
        false => IntervalWidth::Scaled,
    };
    let scale = Widths {
        count: 0,
        scores: Vec::new(),
        spread,
    };
    let both = sizes(held).into_iter().zip(&held.prediction);
    let scores: Vec<f64> = both.map(|(size, &p)| size / scale.spread_at(p)).collect();
    let groups = data.group_blocks();
    let groups: Option<Vec<u32>> =
        groups.map(|blocks| held.rows.iter().map(|&row| blocks[row]).collect());
    let Some(widths) = conformal::widths(&scores, groups.as_deref(), scale.spread) else {
        return Ok(None);
    };
    let report = PredictionIntervals {
        calibrated_on,
        rows: held.rows.len(),
        groups: groups.map(|_| widths.count),
        width,
        levels: Vec::new(),
    };
    let mut levels = options.levels.to_vec();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let is_supported = |level: &f64| widths.score(*level).is_ok();
    levels.retain(is_supported);
    let intervals = Intervals {
        levels,
        outputs: vec![widths],
    };
    Ok(Some((intervals, report)))
}

/// Notes on what the intervals of a run promise.
pub(crate) fn notes(
    options: CalibrationOptions<'_>,
    data: &Dataset,
    report: &PredictionIntervals,
) -> Vec<String> {
    let mut notes = Vec::new();
    let in_folds = report.calibrated_on == CalibratedOn::Folds;
    if in_folds {
        let why = match options.folds {
            Some(_) => "",
            None if data.group_blocks().is_some() => ", because there are few groups of rows",
            None => ", because there are few rows",
        };
        notes.push(format!(
            "prediction intervals were calibrated in folds{why}: {} training and validation rows were predicted by students of other runs, which did not learn from them. The level holds approximately; held-out rows (`calibration_share`) would guarantee it",
            report.rows
        ));
    }
    if data.fold_kind == FoldKind::Time {
        let rows = match in_folds {
            true => "the later half of the training and validation rows",
            false => "the last rows before the test rows",
        };
        notes.push(format!("prediction intervals assume that later rows are like the calibration rows, which are {rows}; the level is not guaranteed if the data change over time"));
    }
    if !options.fits_teacher {
        notes.push("the calibration rows of the prediction intervals were held out from the student, but limbeck cannot know whether the teacher has learned from them; if it has, the intervals may be too small".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use limbeck_data::{Column, DataOptions, Table};

    use super::*;

    fn options(levels: &[f64]) -> CalibrationOptions<'_> {
        CalibrationOptions {
            levels,
            width: IntervalWidth::Scaled,
            share: None,
            folds: None,
            seed: 1,
            fits_teacher: true,
            may_fold: true,
        }
    }

    /// Rows in groups of ten. A fifth of the groups are test rows.
    fn groups(count: usize) -> Dataset {
        let rows = 10 * count;
        let number = |name: &str, step: usize| {
            Column::number(
                name,
                (0..rows).map(|row| (row * step % 997) as f64).collect(),
            )
        };
        let names: Vec<String> = (0..rows).map(|row| format!("g{}", row / 10)).collect();
        let group = Column::category("g", names.iter().map(|name| Some(name.as_str())));
        let table = Table::new(vec![number("x", 7), number("y", 13), group]).unwrap();
        let mut options = DataOptions::for_target("y");
        options.group = Some("g".into());
        Dataset::from_table(table, &options, None, 0).unwrap()
    }

    #[test]
    fn few_groups_are_calibrated_in_folds() {
        let planned = |options: CalibrationOptions<'_>, data: &Dataset| {
            let (rest, calibration) = options.plan(data).unwrap();
            match &calibration {
                Calibration::HeldOut(rows) => Ok(units_of(&rest, rows)),
                other => Err(other.folds()),
            }
        };
        // The level 0.9 needs 9 groups: 15 % of the groups are about 24 of 160, or 12 of 80.
        let (many, few) = (groups(200), groups(100));
        let level = [0.9];
        assert!(planned(options(&level), &many).unwrap() >= 18);
        assert_eq!(planned(options(&level), &few), Err(FOLDS));
        let mut other = options(&level);
        other.share = Some(0.15);
        assert!((9..18).contains(&planned(other, &few).unwrap()));
        let mut other = options(&level);
        other.may_fold = false;
        assert!((9..18).contains(&planned(other, &few).unwrap()));
    }
}
