//! Exact Gaussian processes, for tables with few rows.
//!
//! ```text
//! y = f(x) + ε,    f ~ GP(0, k),    ε ~ N(0, σ² / w)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `kernel` | covariances, and their derivatives |
//! | `evidence` | the marginal likelihood with its gradient, and the search for its maximum |
//! | `warp` | a transformation of the target, after which it looks more Gaussian |
//! | `linear` | Cholesky factors and triangular solves, by blocks |
//!
//! The kernel's parameters, its shape and the transformation of the target (warp) are chosen once per teacher: they maximize the evidence (marginal
//! likelihood) on a part of the rows. Each fit then needs one Cholesky factor of the covariance of its rows.

mod evidence;
mod kernel;
mod linear;
mod warp;

use limbeck_data::encode::{EncodeOptions, fit_encoder};
use limbeck_data::{Features, Stop, generator, metrics};
use limbeck_runtime::{Container, Encoder, Encoding, Numbers};
use nalgebra::{DMatrix, DVector};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sample::Sample;
use evidence::Evidence;
use kernel::{Kernel, Shape};
use warp::Warp;

limbeck_options::options! {
    /// Gaussian processes, for tables with few rows.
    pub struct ProcessOptions in "teacher.gp", "Teacher" {
        /// Maximum number of rows for a Gaussian process; its time grows with the cube of the rows.
        most_rows: usize = 3000 => [within(0.0, 20_000.0)];
        /// Number of rows on which the parameters of the kernel are chosen, by marginal likelihood.
        evidence_rows: usize = 500 => [within(20.0, 5000.0)];
        /// Maximum number of optimization steps for the parameters of the kernel.
        steps: usize = 40 => [at_least(1.0)];
    }
}

/// How Gaussian processes of a teacher are fitted: a kernel, with one length scale per column, and a transformation of the target (*warp*). Both were
/// chosen by the evidence (marginal likelihood).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessPlan {
    encoder: Encoder,
    kernel: Kernel,
    warp: Warp,
}

/// A fitted Gaussian process.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    plan: ProcessPlan,
    /// Coordinates of the rows that the process was fitted on, `[width, n_samples]`. Each coordinate is divided by the length scale of its column.
    rows: DMatrix<f64>,
    /// The vector `(K + noise)⁻¹ z`, with the covariance `K` of the rows and the warped (transformed) targets `z`.
    alpha: DVector<f64>,
    /// Smallest and largest warped (transformed) target of the rows; they limit the predictions.
    range: (f64, f64),
}

/// Maximum width of all encoded category columns together.
const CATEGORY_WIDTH: usize = 64;
/// Scale of the compression of numbers: `x` becomes `x / √(1 + (x / FAR)²)`, so that the result stays between `−FAR` and `FAR`.
const FAR: f64 = 4.0;
/// Predictions are limited: on the scale of the warped (transformed) target, they may exceed the range of the training targets by at most this
/// fraction of that range.
const BEYOND: f64 = 0.3;
/// Number of rows that are predicted at a time.
const BLOCK: usize = 512;
/// Number of rows on which all pairs of a kernel and a warp (a transformation of the target) are compared. The kernel of the best pair is then
/// optimized on more rows.
const FIRST_LOOK: usize = 250;

impl ProcessPlan {
    /// Chooses the kernel and the warp (the transformation of the target) by the evidence on at most `evidence_rows` rows.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a row cannot be encoded, [`Error::Stopped`] after a stop.
    pub fn choose(
        sample: &Sample<'_>,
        options: &ProcessOptions,
        seed: u64,
        stop: Stop<'_>,
    ) -> Result<Self> {
        let mut rows: Vec<usize> = (0..sample.target.len())
            .filter(|&row| sample.weight[row] > 0.0)
            .collect();
        let encode = EncodeOptions {
            max_width_for_categories: CATEGORY_WIDTH,
            ..EncodeOptions::default()
        };
        let encoder = fit_encoder(sample.features, &rows, &encode);
        rows.shuffle(&mut generator(seed, "evidence rows", 0));
        rows.truncate(options.evidence_rows);
        let target = sample.target_of(&rows);
        let noise = noise_scale(&sample.weight_of(&rows));
        let x = coordinates(&encoder, &sample.features.select(&rows))?;
        let groups = groups(&encoder);
        let look = rows.len().min(FIRST_LOOK);
        let start = |(shape, warp): (Shape, Warp)| {
            let z = DVector::from_vec(warp.apply(&target[..look]));
            let evidence =
                Evidence::new(x.columns(0, look).into_owned(), z, noise[..look].to_vec());
            let (kernel, value) =
                evidence.maximize(Kernel::start(shape, &groups), options.steps / 2, stop);
            (kernel, warp, value + warp.log_slope(&target[..look]))
        };
        let candidates: Vec<(Shape, Warp)> = Warp::candidates(&target)
            .into_iter()
            .flat_map(|warp| Shape::ALL.map(|shape| (shape, warp)))
            .collect();
        let found: Vec<(Kernel, Warp, f64)> = candidates.into_par_iter().map(start).collect();
        let Some((kernel, warp, _)) = found.into_iter().max_by(|a, b| a.2.total_cmp(&b.2)) else {
            unreachable!("the plain target is always among the warps")
        };
        let evidence = Evidence::new(x, DVector::from_vec(warp.apply(&target)), noise);
        let (kernel, _) = evidence.maximize(kernel, options.steps, stop);
        stop.check()?;
        Ok(Self {
            encoder,
            kernel,
            warp,
        })
    }
}

impl Process {
    /// Fits a Gaussian process on the given rows, with the kernel and the warp (the transformation of the target) of `plan`. The fit is exact: it uses
    /// the full covariance matrix.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a row cannot be encoded; [`Error::TooFewRows`] if no row has a positive weight; [`Error::Stopped`] after a stop.
    pub fn fit(
        sample: &Sample<'_>,
        rows: &[usize],
        plan: &ProcessPlan,
        stop: Stop<'_>,
    ) -> Result<Self> {
        let rows: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|&row| sample.weight[row] > 0.0)
            .collect();
        if rows.is_empty() {
            return Err(Error::TooFewRows {
                found: 0,
                expected: 1,
            });
        }
        let x = coordinates(&plan.encoder, &sample.features.select(&rows))?;
        let z = plan.warp.apply(&sample.target_of(&rows));
        let scaled = plan.kernel.scaled(&x);
        let mut covariance = plan.kernel.covariance(&scaled);
        stop.check()?;
        let noise = noise_scale(&sample.weight_of(&rows));
        let range = metrics::range(&z);
        let alpha = linear::factor_within(
            &mut covariance,
            &noise,
            plan.kernel.noise(),
            stop,
            |factor| linear::solve(factor, &DVector::from_vec(z.clone())),
        )?;
        Ok(Self {
            plan: plan.clone(),
            rows: scaled,
            alpha,
            range,
        })
    }

    /// The mean prediction of each row.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a row cannot be encoded.
    pub fn predict(&self, features: &Features) -> Result<Vec<f64>> {
        let all: Vec<usize> = (0..features.rows).collect();
        let norms = kernel::norms(&self.rows);
        let room = BEYOND * (self.range.1 - self.range.0);
        let block = |rows: &[usize]| -> Result<Vec<f64>> {
            let x = self
                .plan
                .kernel
                .scaled(&coordinates(&self.plan.encoder, &features.select(rows))?);
            let mean = self.plan.kernel.times(&x, &self.rows, &norms, &self.alpha);
            let noise = self.plan.kernel.noise().sqrt();
            let bounded = mean
                .iter()
                .map(|z| z.clamp(self.range.0 - room, self.range.1 + room));
            Ok(bounded.map(|z| self.plan.warp.mean(z, noise)).collect())
        };
        let parts: Vec<Vec<f64>> = all.par_chunks(BLOCK).map(block).collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    /// The kernel's values between each row and the first `most` rows that the process was fitted on. Returns the number of these rows (the width),
    /// and the values, `[n_samples, width]`.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a row cannot be encoded.
    pub(crate) fn features(&self, features: &Features, most: usize) -> Result<(usize, Vec<f32>)> {
        let marks = self
            .rows
            .columns(0, self.rows.ncols().min(most))
            .into_owned();
        let x = self
            .plan
            .kernel
            .scaled(&coordinates(&self.plan.encoder, features)?);
        let values = self.plan.kernel.between(&marks, &x);
        Ok((
            marks.ncols(),
            values.iter().map(|&value| value as f32).collect(),
        ))
    }

    /// Number of parameters: the fitted numbers that a prediction uses.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.plan.encoder.parameters()
            + self.plan.kernel.parameters()
            + self.rows.len()
            + self.alpha.len()
    }

    /// Adds the process to a container, under `name`.
    ///
    /// # Errors
    ///
    /// An error if the encoder cannot be written.
    pub fn store(&self, container: &mut Container, name: &str) -> Result<()> {
        self.plan.encoder.check()?;
        container.put_json(&format!("{name}.plan"), &self.plan)?;
        container.put_numbers(
            &format!("{name}.rows"),
            Numbers::F64(self.rows.as_slice().to_vec()),
        );
        container.put_numbers(
            &format!("{name}.alpha"),
            Numbers::F64(self.alpha.as_slice().to_vec()),
        );
        container.put_numbers(
            &format!("{name}.range"),
            Numbers::F64(vec![self.range.0, self.range.1]),
        );
        Ok(())
    }

    /// Reads a process that [`store`](Self::store) has written.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if a part is missing or unreadable, or if the encoder is invalid; [`Error::MalformedTeacher`] if a part contradicts another
    /// part, or holds no finite f64 numbers.
    pub fn restore(container: &Container, name: &str) -> Result<Self> {
        let malformed = |message: String| Error::MalformedTeacher { message };
        let numbers = |part: &str| match &container.tensor(&format!("{name}.{part}"))?.numbers {
            Numbers::F64(numbers) if numbers.iter().all(|number| number.is_finite()) => {
                Ok(numbers.clone())
            }
            _ => Err(malformed(format!(
                "`{name}.{part}` does not hold f64 numbers, or a number is not finite"
            ))),
        };
        let plan: ProcessPlan = container.json(&format!("{name}.plan"))?;
        plan.encoder.check()?;
        let (rows, alpha, range) = (numbers("rows")?, numbers("alpha")?, numbers("range")?);
        let width = plan.encoder.width();
        let [low, high] = range[..] else {
            return Err(malformed(format!(
                "`{name}.range` holds {} numbers, expected 2",
                range.len()
            )));
        };
        if alpha.is_empty()
            || rows.len() != width * alpha.len()
            || low > high
            || !plan.kernel.fits(width)
            || !plan.warp.is_sound()
        {
            return Err(malformed(format!(
                "the parts of `{name}` contradict each other, or one of them is invalid"
            )));
        }
        let rows = DMatrix::from_vec(width, alpha.len(), rows);
        Ok(Self {
            plan,
            rows,
            alpha: DVector::from_vec(alpha),
            range: (low, high),
        })
    }
}

/// The coordinates of rows, `[width, n_samples]`: the encoded columns, with numbers compressed (see [`FAR`]).
fn coordinates(encoder: &Encoder, features: &Features) -> Result<DMatrix<f64>> {
    let encoded = encoder.encode(&features.raw(), features.rows)?;
    let width = encoder.width();
    let mut number = vec![false; width];
    for (column, span) in encoder.columns.iter().zip(encoder.column_spans()) {
        if matches!(
            column.encoding,
            Encoding::Number { .. } | Encoding::Ordinal { .. }
        ) {
            number[span.start] = true;
        }
    }
    let draw_in = |x: f64| x / (1.0 + (x / FAR).powi(2)).sqrt();
    let value = |(at, &x): (usize, &f32)| {
        if number[at % width] {
            draw_in(f64::from(x))
        } else {
            f64::from(x)
        }
    };
    Ok(DMatrix::from_vec(
        width,
        features.rows,
        encoded.iter().enumerate().map(value).collect(),
    ))
}

/// For each coordinate, the index of its column. All coordinates of one column have the same length scale.
fn groups(encoder: &Encoder) -> Vec<usize> {
    encoder
        .column_spans()
        .into_iter()
        .enumerate()
        .flat_map(|(column, span)| span.map(move |_| column))
        .collect()
}

/// Noise variance of each row, divided by the noise variance of a row of mean weight.
fn noise_scale(weight: &[f64]) -> Vec<f64> {
    let mean = weight.iter().sum::<f64>() / weight.len() as f64;
    weight.iter().map(|w| mean / w).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::{Feature, FeatureValues, Folds};
    use std::sync::Arc;

    fn table(rows: usize) -> (Features, Vec<f64>) {
        let at = |i: usize, k: f64| (i as f64 * k).fract() * 4.0 - 2.0;
        let (mut a, b): (Vec<f64>, Vec<f64>) = (0..rows)
            .map(|i| (at(i, 0.754_877), at(i, 0.569_840)))
            .unzip();
        let codes: Vec<u32> = (0..rows).map(|i| i as u32 % 3).collect();
        let y = (0..rows)
            .map(|i| (2.0 * a[i]).sin() + a[i] * b[i] + f64::from(codes[i]))
            .collect();
        a.iter_mut().step_by(17).for_each(|cell| *cell = f64::NAN);
        let levels = Arc::new(["p", "q", "r"].map(str::to_owned).to_vec());
        let number = |name: &str, values| Feature {
            name: name.into(),
            values: FeatureValues::Number(values),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        let category = Feature {
            name: "k".into(),
            values: FeatureValues::Category { codes, levels },
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        (
            Features {
                columns: vec![number("a", a), number("b", b), category],
                rows,
                past: None,
            },
            y,
        )
    }

    fn fitted(rows: usize) -> (Features, Vec<f64>, Process) {
        let (x, y) = table(rows);
        let sample = Sample {
            features: &x,
            target: &y,
            weight: &vec![1.0; rows],
            folds: Folds::default(),
            rows_before: 0,
            horizon: 0,
        };
        let options = ProcessOptions {
            evidence_rows: 120,
            steps: 20,
            ..ProcessOptions::default()
        };
        let plan = ProcessPlan::choose(&sample, &options, 1, Stop::NEVER).unwrap();
        let all: Vec<usize> = (0..rows).filter(|row| row % 4 != 0).collect();
        let process = Process::fit(&sample, &all, &plan, Stop::NEVER).unwrap();
        (x, y, process)
    }

    #[test]
    fn smooth_function_is_learned_and_the_file_round_trips() {
        let (x, y, process) = fitted(400);
        let mean = process.predict(&x).unwrap();
        let held: Vec<usize> = (0..400)
            .filter(|row| row % 4 == 0 && row % 17 != 0)
            .collect();
        let rmse = (held
            .iter()
            .map(|&row| (mean[row] - y[row]).powi(2))
            .sum::<f64>()
            / held.len() as f64)
            .sqrt();
        // The target's own standard deviation is about 1.8.
        assert!(rmse < 0.25, "{rmse}");
        let mut container = Container::new("teacher");
        process.store(&mut container, "p").unwrap();
        let again = Container::from_bytes(&container.to_bytes(), "teacher").unwrap();
        let again = Process::restore(&again, "p").unwrap();
        assert_eq!(again, process);
        assert_eq!(again.predict(&x).unwrap(), mean);
    }

    #[test]
    fn threads_change_nothing() {
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap()
            .install(|| fitted(200));
        let two = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap()
            .install(|| fitted(200));
        assert_eq!(one.2, two.2);
        assert_eq!(
            one.2.predict(&one.0).unwrap(),
            two.2.predict(&two.0).unwrap()
        );
    }

    #[test]
    fn damaged_file_is_refused() {
        let (_, _, process) = fitted(120);
        let mut container = Container::new("teacher");
        process.store(&mut container, "p").unwrap();
        container.put_numbers("p.alpha", Numbers::F64(vec![1.0; 3]));
        let error = Process::restore(&container, "p").unwrap_err().to_string();
        assert!(
            error.contains("the parts of `p` contradict each other"),
            "{error}"
        );
    }
}
