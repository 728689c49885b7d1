//! The linear learner: ridge regression on all columns.
//!
//! It is a strong model of forecasts (Zeng et al., *Are Transformers Effective for Time Series Forecasting?*, AAAI 2023). It cannot memorize the levels
//! that a drifting series had in its training rows, and with a large penalty it forecasts the mean change.

use limbeck_data::encode::{EncodeOptions, fit_encoder};
use limbeck_data::ridge::{Line, Normal, Weighted};
use limbeck_data::{Features, Stop};
use limbeck_options::Refused;
use limbeck_runtime::{Container, Encoder, Numbers};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::sample::Sample;
use crate::work::Work;

limbeck_options::options! {
    /// Linear teachers: ridge regression on all columns.
    pub struct LinearOptions in "teacher.linear", "Teacher" {
        /// Penalties to compare on held-out folds. Numbers are standardized: a penalty of 1 halves the slope of a number that depends on no other column.
        penalties: Vec<f64> = vec![1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0] => [above(0.0)];
        /// Maximum number of columns for a linear learner in the mix `auto`; its time grows with the square of the columns. 0 leaves it out.
        most_columns: usize = 2000 => [within(0.0, 100_000.0)];
    }
}

impl LinearOptions {
    /// True if the options have their default values.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Maximum width of all encoded category columns together.
const CATEGORY_WIDTH: usize = 256;

/// A fitted linear learner.
///
/// ```text
/// f(x) = bias + Σ_j slope_j · z_j(x)
/// ```
///
/// with the encoded columns `z`: numbers with mean 0 and standard deviation 1, in which a missing value is the median, an indicator for each column
/// with missing values, and one column per level of a category (or per bucket of its levels, if there are many).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    encoder: Encoder,
    line: Line,
}

/// The linear learners of all folds. All have the same penalty.
#[derive(Clone, Debug)]
pub(crate) struct LinearFolds {
    /// One learner per fold, fitted on the rows outside the fold.
    pub(crate) fits: Vec<Linear>,
    /// The penalty with the smallest total out-of-fold error.
    pub(crate) penalty: f64,
}

/// Encoded rows of a sample, with their targets and weights.
struct Encoded {
    x: Vec<f32>,
    width: usize,
    y: Vec<f64>,
    w: Vec<f64>,
}

impl Encoded {
    fn new(encoder: &Encoder, sample: &Sample<'_>, rows: &[usize]) -> Result<Self> {
        let features = sample.features.select(rows);
        Ok(Self {
            x: encoder.encode(&features.raw(), features.rows)?,
            width: encoder.width(),
            y: sample.target_of(rows),
            w: sample.weight_of(rows),
        })
    }

    fn normal(&self, stop: Stop<'_>) -> Result<Normal> {
        let rows = Weighted {
            x: &self.x,
            width: self.width,
            y: &self.y,
            w: &self.w,
        };
        Ok(Normal::new(rows, stop)?)
    }

    /// The weighted sum of squared errors of a line.
    fn error(&self, line: &Line) -> f64 {
        let found = line.values(&self.x, self.y.len());
        let errors = found.iter().zip(&self.y).zip(&self.w);
        errors.map(|((found, y), w)| w * (found - y).powi(2)).sum()
    }
}

fn encoder(sample: &Sample<'_>, rows: &[usize]) -> Result<Encoder> {
    if rows.is_empty() {
        return Err(Error::TooFewRows {
            found: 0,
            expected: 1,
        });
    }
    let options = EncodeOptions {
        max_width_for_categories: CATEGORY_WIDTH,
        ..EncodeOptions::default()
    };
    Ok(fit_encoder(sample.features, rows, &options))
}

impl Linear {
    /// Fits a learner with this penalty on the given rows of `sample`. Its line is saved as a checkpoint under `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a row cannot be encoded; [`Error::TooFewRows`] if there is no row; [`Error::Stopped`] after a stop.
    pub(crate) fn fit(
        sample: &Sample<'_>,
        rows: &[usize],
        penalty: f64,
        name: &str,
        work: Work<'_>,
    ) -> Result<Self> {
        let encoder = encoder(sample, rows)?;
        let line = work.kept.piece(name, || -> Result<Line> {
            let rows = Encoded::new(&encoder, sample, rows)?;
            Ok(rows.normal(work.stop)?.solve(penalty))
        })?;
        Ok(Self { encoder, line })
    }

    /// Fits a learner per fold with each penalty of the options. Returns those with the penalty whose total error on the
    /// [judging folds](Sample::judges) is smallest.
    ///
    /// # Errors
    ///
    /// The errors of [`fit`](Self::fit); [`Error::InvalidOption`] if there is no penalty.
    pub(crate) fn fit_folds(
        sample: &Sample<'_>,
        options: &LinearOptions,
        work: Work<'_>,
    ) -> Result<LinearFolds> {
        let count = sample.folds.count();
        let meter = work.part(format!("linear, {count} folds"), count);
        let of_fold = |fold: u32| -> Result<(Encoder, Vec<(Line, f64)>)> {
            let rows = sample.training_rows(fold);
            let encoder = encoder(sample, &rows)?;
            let lines = work.kept.piece(&format!("linear-{}", fold + 1), || {
                let normal = Encoded::new(&encoder, sample, &rows)?.normal(work.stop)?;
                let held = Encoded::new(&encoder, sample, &sample.held_rows(fold))?;
                let with = |&penalty: &f64| {
                    work.stop.check()?;
                    let line = normal.solve(penalty);
                    let error = held.error(&line);
                    Ok((line, error))
                };
                let penalties = options.penalties.par_iter();
                penalties.map(with).collect::<Result<Vec<_>>>()
            })?;
            meter.add(1);
            Ok((encoder, lines))
        };
        // One fold after the other: each uses all threads, and its matrix may be large.
        let folds = (0..count as u32).map(of_fold);
        let folds: Vec<(Encoder, Vec<(Line, f64)>)> = folds.collect::<Result<_>>()?;
        let judges = sample.judges();
        let error = |fold: u32, at: usize| folds[fold as usize].1[at].1;
        let total = |at: usize| -> f64 { judges.iter().map(|&fold| error(fold, at)).sum() };
        let best = (0..options.penalties.len())
            .min_by(|&a, &b| total(a).total_cmp(&total(b)))
            .ok_or_else(|| {
                Refused::new(
                    "teacher.linear.penalties",
                    "found none, expected at least one",
                )
            })?;
        let fit = |(encoder, mut lines): (Encoder, Vec<(Line, f64)>)| Self {
            encoder,
            line: lines.swap_remove(best).0,
        };
        Ok(LinearFolds {
            fits: folds.into_iter().map(fit).collect(),
            penalty: options.penalties[best],
        })
    }

    /// The prediction of each row.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a row cannot be encoded.
    pub(crate) fn predict(&self, features: &Features) -> Result<Vec<f64>> {
        let x = self.encoder.encode(&features.raw(), features.rows)?;
        Ok(self.line.values(&x, features.rows))
    }

    /// What each encoded column adds to the prediction of each row, `[n_samples, width]`, and the width.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a row cannot be encoded.
    pub(crate) fn terms(&self, features: &Features) -> Result<(usize, Vec<f32>)> {
        let x = self.encoder.encode(&features.raw(), features.rows)?;
        let slopes = self.line.slopes.iter().cycle();
        let terms = x.iter().zip(slopes).map(|(x, slope)| x * *slope as f32);
        Ok((self.line.slopes.len(), terms.collect()))
    }

    /// Number of parameters: the fitted numbers that a prediction uses.
    pub(crate) fn parameters(&self) -> usize {
        self.encoder.parameters() + self.line.slopes.len() + 1
    }

    /// Adds the learner to a container, under `name`.
    ///
    /// # Errors
    ///
    /// An error if the encoder cannot be written.
    pub(crate) fn store(&self, container: &mut Container, name: &str) -> Result<()> {
        let numbers = [&self.line.slopes[..], &[self.line.bias]].concat();
        container.put_encoder(&format!("{name}.encoder"), &self.encoder)?;
        container.put_numbers(&format!("{name}.line"), Numbers::F64(numbers));
        Ok(())
    }

    /// Reads a learner that [`store`](Self::store) has written.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a part is missing or unreadable; [`Error::MalformedTeacher`] if the parts contradict each other.
    pub(crate) fn restore(container: &Container, name: &str) -> Result<Self> {
        let encoder = container.encoder(&format!("{name}.encoder"))?;
        let numbers = match &container.tensor(&format!("{name}.line"))?.numbers {
            Numbers::F64(numbers) if numbers.iter().all(|number| number.is_finite()) => numbers,
            _ => {
                let message = format!("`{name}.line` does not hold finite f64 numbers");
                return Err(Error::MalformedTeacher { message });
            }
        };
        match numbers.split_last() {
            Some((&bias, slopes)) if slopes.len() == encoder.width() => {
                let slopes = slopes.to_vec();
                let line = Line { slopes, bias };
                Ok(Self { encoder, line })
            }
            _ => {
                let message = format!(
                    "`{name}.line` holds {} numbers, expected {}",
                    numbers.len(),
                    encoder.width() + 1
                );
                Err(Error::MalformedTeacher { message })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::checkpoint::NO_CHECKPOINTS;
    use limbeck_data::{Feature, FeatureValues, Folds};
    use nalgebra::{DMatrix, DVector};
    use std::sync::Arc;

    fn column(name: &str, values: FeatureValues) -> Feature {
        Feature {
            name: name.into(),
            values,
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        }
    }

    fn features(columns: Vec<Feature>, rows: usize) -> Features {
        Features {
            columns,
            rows,
            past: None,
        }
    }

    fn sample<'s>(features: &'s Features, target: &'s [f64], weight: &'s [f64]) -> Sample<'s> {
        Sample {
            features,
            target,
            weight,
            folds: Folds::random(target.len(), 4, 1),
            rows_before: 0,
            horizon: 0,
        }
    }

    fn fit(sample: &Sample<'_>, penalty: f64) -> Linear {
        let rows: Vec<usize> = (0..sample.target.len()).collect();
        Linear::fit(sample, &rows, penalty, "linear", (&*NO_CHECKPOINTS).into()).unwrap()
    }

    /// A number `a`, a number with missing values `b`, and a category `k`, with a target that depends on all of them and on noise.
    fn mixed(rows: usize) -> (Features, Vec<f64>, Vec<f64>) {
        let at = |i: usize, k: f64| (i as f64 * k).fract() * 4.0 - 2.0;
        let a: Vec<f64> = (0..rows).map(|i| 50.0 + at(i, 0.754_877)).collect();
        let number = |i: usize| {
            if i % 5 == 2 {
                f64::NAN
            } else {
                at(i, 0.569_840)
            }
        };
        let b: Vec<f64> = (0..rows).map(number).collect();
        let codes: Vec<u32> = (0..rows).map(|i| (i * 7 % 3) as u32).collect();
        let y = (0..rows).map(|i| {
            let known = if b[i].is_nan() { -1.0 } else { b[i] };
            2.0 * a[i] + known + f64::from(codes[i]) + 0.5 * at(i, 0.43)
        });
        let y = y.collect();
        let levels = Arc::new(["x", "y", "z"].map(String::from).to_vec());
        let columns = vec![
            column("a", FeatureValues::Number(a)),
            column("b", FeatureValues::Number(b)),
            column("k", FeatureValues::Category { codes, levels }),
        ];
        let w = (0..rows).map(|i| 0.5 + (i % 4) as f64).collect();
        (features(columns, rows), y, w)
    }

    #[test]
    fn line_is_the_one_worked_by_hand() {
        // x = 10, 14 is −1, 1 once it is standardized, and y = 3, 7 is 5 ± 2: a penalty of 1 halves the slope of 2.
        let x = features(
            vec![column("x", FeatureValues::Number(vec![10.0, 14.0]))],
            2,
        );
        let (y, w) = ([3.0, 7.0], [2.0; 2]);
        let found = fit(&sample(&x, &y, &w), 1.0);
        let pred = found.predict(&x).unwrap();
        assert!(
            (pred[0] - 4.0).abs() < 1e-6 && (pred[1] - 6.0).abs() < 1e-6,
            "{pred:?}"
        );
        assert_eq!(found.terms(&x).unwrap(), (1, vec![-1.0, 1.0]));
    }

    #[test]
    fn fit_agrees_with_a_dense_solution() {
        let (x, y, w) = mixed(90);
        let penalty = 0.2;
        let found = fit(&sample(&x, &y, &w), penalty);
        // The same formula with the bias as a column of ones without penalty, solved by elimination.
        let encoded = found.encoder.encode(&x.raw(), 90).unwrap();
        let width = found.encoder.width();
        assert_eq!(width, 1 + 2 + 3, "the number b has an indicator");
        let design = DMatrix::from_fn(90, width + 1, |row, at| match at {
            0 => 1.0,
            _ => f64::from(encoded[row * width + at - 1]),
        });
        let weights = DMatrix::from_diagonal(&DVector::from_vec(w.clone()));
        let mut matrix = design.transpose() * &weights * &design;
        let total: f64 = w.iter().sum();
        (1..=width).for_each(|at| matrix[(at, at)] += penalty * total);
        let moment = design.transpose() * weights * DVector::from_vec(y);
        let solved = matrix.lu().solve(&moment).unwrap();
        let expected = &design * solved;
        let pred = found.predict(&x).unwrap();
        assert!(
            pred.iter()
                .zip(expected.iter())
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
    }

    #[test]
    fn row_without_weight_has_no_influence() {
        let (x, mut y, mut w) = mixed(60);
        w[7] = 0.0;
        let before = fit(&sample(&x, &y, &w), 0.01).predict(&x).unwrap();
        y[7] += 1000.0;
        assert_eq!(fit(&sample(&x, &y, &w), 0.01).predict(&x).unwrap(), before);
        w[7] = 1.0;
        assert_ne!(fit(&sample(&x, &y, &w), 0.01).predict(&x).unwrap(), before);
    }

    #[test]
    fn penalty_follows_the_noise() {
        let penalty = |noise: f64| {
            let (x, mut y, w) = mixed(60);
            let mut state = 1_u32;
            for y in &mut y {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *y += noise * (f64::from(state >> 8) / f64::from(1 << 24) - 0.5);
            }
            let options = LinearOptions::default();
            let work = (&*NO_CHECKPOINTS).into();
            let found = Linear::fit_folds(&sample(&x, &y, &w), &options, work).unwrap();
            assert_eq!(found.fits.len(), 4);
            found.penalty
        };
        assert!(penalty(0.0) < 0.01 && penalty(200.0) > 1.0);
    }

    #[test]
    fn missing_penalties_are_refused() {
        let (x, y, w) = mixed(20);
        let options = LinearOptions {
            penalties: Vec::new(),
            ..LinearOptions::default()
        };
        let work = (&*NO_CHECKPOINTS).into();
        let error = Linear::fit_folds(&sample(&x, &y, &w), &options, work).unwrap_err();
        assert!(
            error.to_string().contains("teacher.linear.penalties"),
            "{error}"
        );
    }

    #[test]
    fn damaged_file_is_refused() {
        let (x, y, w) = mixed(20);
        let mut container = Container::new("teacher");
        fit(&sample(&x, &y, &w), 0.1)
            .store(&mut container, "own")
            .unwrap();
        assert!(Linear::restore(&container, "own").is_ok());
        for numbers in [vec![1.0; 3], vec![f64::NAN; 7], Vec::new()] {
            container.put_numbers("own.line", Numbers::F64(numbers));
            assert!(Linear::restore(&container, "own").is_err());
        }
    }
}
