//! Judges of forecasts: small linear models of the target's own past, with which students are compared.
//!
//! | judge | inputs | fitted |
//! |---|---|---|
//! | `linear on lags` | differences of the last values to the present one | once, on training and validation rows |
//! | `HAR` | means of the last 1, 5 and 22 values | anew at each time of the test rows |

use limbeck_runtime::Forecast;

use super::{ForecastData, Series};
use crate::dataset::options::{DEFAULT_WINDOW, JudgeKind};
use crate::moments::{Moments, predicted};
use crate::targets::{LearnedUnit, TargetSpec};

/// Name of the ridge regression on lags.
const LINEAR: &str = "linear on lags";
/// Name of the heterogeneous autoregressive model.
const HAR: &str = "HAR";
/// Least and largest number of values that `linear on lags` reads.
const LAGS: (usize, usize) = (16, 336);
/// Ridge penalties, relative to the mean variance of the inputs. The largest one leaves little more than persistence.
const PENALTIES: [f64; 5] = [1e-6, 1e-4, 1e-2, 1.0, 100.0];
/// Numbers of values over which HAR takes means: a day, a week and a month of trading days.
const SPANS: [usize; 3] = [1, 5, 22];
/// Fewest rows to fit a judge on.
const FEWEST: usize = 10;
/// About the number of multiplications that a fit may cost: if there are more rows, evenly spaced ones are used.
const MOST_WORK: usize = 2_000_000_000;

/// What judges need to know of a target. All lists have one entry for each row of the table.
struct Past {
    /// The target; NaN if it is missing.
    values: Vec<f64>,
    /// What persistence predicts.
    persistence: Vec<f64>,
    /// What is to be predicted.
    actual: Vec<f64>,
    /// The row in which this is known.
    target_rows: Vec<Option<usize>>,
    /// Part of the row; `None` if it is not used.
    part: Vec<Option<Part>>,
    weight: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Valid,
    Test,
    /// Left out of training because its target lies in a held-out row.
    Purged,
}

impl Series {
    /// The forecasts of the judges of a target, with their names, for each row of the table; `values` is the column of the target. Where a judge lacks
    /// earlier values, it predicts as persistence does.
    pub(super) fn judges(
        &self,
        data: &ForecastData<'_>,
        target: &TargetSpec,
        values: Vec<f64>,
    ) -> impl Iterator<Item = (&'static str, Vec<f64>)> {
        let options = data.options;
        let past = self.past(data, target, values);
        let lags = options.window.unwrap_or(DEFAULT_WINDOW);
        let linear = self.linear_on_lags(&past, lags.clamp(LAGS.0, LAGS.1));
        let is_har = options.judges.contains(&JudgeKind::Har);
        let har = is_har.then(|| self.har(&past, target.unit)).flatten();
        let found = [(LINEAR, linear), (HAR, har)];
        found
            .into_iter()
            .filter_map(|(name, predictions)| Some((name, predictions?)))
    }

    fn past(&self, data: &ForecastData<'_>, target: &TargetSpec, values: Vec<f64>) -> Past {
        let ForecastData { rows, split, .. } = *data;
        let mut part = vec![None; values.len()];
        let mut weight = vec![0.0; values.len()];
        for (&row, &own) in rows.iter().zip(data.weight) {
            (part[row], weight[row]) = (Some(Part::Purged), own);
        }
        let parts = [
            (Part::Train, &split.train),
            (Part::Valid, &split.valid),
            (Part::Test, &split.test),
        ];
        for (own, members) in parts {
            members.iter().for_each(|&at| part[rows[at]] = Some(own));
        }
        let mut actual = self.ahead(target, &values);
        if let Some(cap) = data.options.target_cap {
            let above = actual.iter_mut().filter(|value| **value > cap);
            above.for_each(|value| *value = cap);
        }
        Past {
            target_rows: self.runs.later(values.len(), self.horizon_of(target)),
            persistence: self.repeated(&values, 1, self.horizon_of(target)),
            actual,
            part,
            weight,
            values,
        }
    }

    /// Ridge regression on the last `lags` values, as differences to the present one; `None` if there are too few training rows.
    ///
    /// # Formula
    ///
    /// With the value `y_k` of `k` rows before, and persistence `p` (the present value for values and means, `h` times it for sums, 0 for changes):
    ///
    /// ```text
    /// ŷ = p + a + Σ_{k=1}^{lags−1} b_k (y_k − y_0)
    /// ```
    ///
    /// For log returns, the logarithms of the values take their place. The penalty is chosen on validation rows; then the model is fitted on training and
    /// validation rows.
    ///
    /// # Source
    ///
    /// NLinear of Zeng et al., *Are Transformers Effective for Time Series Forecasting?*, AAAI 2023, with a penalty.
    fn linear_on_lags(&self, past: &Past, lags: usize) -> Option<Vec<f64>> {
        let logs: Vec<f64>;
        let values = match self.sequence.forecast {
            Forecast::LogReturn => {
                logs = past.values.iter().map(|value| value.ln()).collect();
                &logs
            }
            _ => &past.values,
        };
        let learns = |row: usize| {
            let is_part = matches!(past.part[row], Some(Part::Train | Part::Valid));
            let y = past.actual[row] - past.persistence[row];
            (is_part && y.is_finite()).then_some(y)
        };
        let learned = past
            .part
            .iter()
            .filter(|part| matches!(part, Some(Part::Train | Part::Valid)));
        let step = (learned.count() * lags * lags / 2)
            .div_ceil(MOST_WORK)
            .max(1);
        let (mut train, mut valid) = (Moments::new(lags - 1), Moments::new(lags - 1));
        let (mut seen, mut fitted) = (0, 0);
        self.each_window(values, lags, |row, inputs| {
            let Some(y) = learns(row) else { return };
            seen += 1;
            if seen % step != 0 {
                return;
            }
            if past.part[row] == Some(Part::Train) {
                fitted += 1;
                train.add(inputs, y, past.weight[row]);
            } else {
                valid.add(inputs, y, past.weight[row]);
            }
        });
        if fitted < FEWEST {
            return None;
        }
        let error = |penalty: f64| match train.ridge(penalty) {
            Some(fit) if valid.weight() > 0.0 => valid.error(&fit),
            Some(_) => 0.0,
            None => f64::INFINITY,
        };
        let best = |a: &f64, b: &f64| error(*a).total_cmp(&error(*b));
        let penalty = PENALTIES.into_iter().min_by(best)?;
        let fit = train.with(&valid).ridge(penalty)?;
        let mut all = past.persistence.clone();
        self.each_window(values, lags, |row, inputs| {
            all[row] += predicted(&fit, inputs);
        });
        Some(all)
    }

    /// Calls `then` for each row with `lags` known values, with their differences to the present one, the latest first.
    fn each_window(&self, values: &[f64], lags: usize, mut then: impl FnMut(usize, &[f64])) {
        let mut inputs = vec![0.0; lags - 1];
        for run in &self.runs.runs {
            // Number of known values up to here, without a missing one between them.
            let mut known = 0;
            for (at, &row) in run.iter().enumerate() {
                known = if values[row].is_finite() {
                    known + 1
                } else {
                    0
                };
                if known < lags {
                    continue;
                }
                for (k, input) in (1..).zip(&mut inputs) {
                    *input = values[run[at - k]] - values[row];
                }
                then(row, &inputs);
            }
        }
    }

    /// Heterogeneous autoregression; `None` if there are too few rows.
    ///
    /// # Formula
    ///
    /// ```text
    /// ŷ = a + b_1 m_1 + b_5 m_5 + b_22 m_22        m_n = (y_0 + … + y_{n−1}) / n
    /// ```
    ///
    /// with the value `y_k` of `k` rows before. If the logarithm of the target is learned, all four are logarithms. For a test row, the coefficients are
    /// fitted by least squares on all rows, of all series, whose target is known at the time of the row. If whole series are held out, times of different series
    /// say nothing of each other, and they are fitted on training and validation rows. So they are for the other rows.
    ///
    /// # Source
    ///
    /// Corsi, *A Simple Approximate Long-Memory Model of Realized Volatility*, Journal of Financial Econometrics 7, 2009.
    fn har(&self, past: &Past, unit: LearnedUnit) -> Option<Vec<f64>> {
        let inputs = self.means(&past.values, unit);
        let actual = |row: usize| unit.learn(past.actual[row]);
        let is_known = |row: &usize| {
            let numbers = inputs[*row].iter().all(|mean| mean.is_finite());
            numbers && actual(*row).is_finite() && past.part[*row].is_some()
        };
        let known: Vec<usize> = (0..inputs.len()).filter(is_known).collect();
        let mut learned = Moments::new(SPANS.len());
        let learns = |row: &&usize| matches!(past.part[**row], Some(Part::Train | Part::Valid));
        let rows = known.iter().filter(learns);
        let mut fitted = 0;
        rows.for_each(|&row| {
            fitted += 1;
            learned.add(&inputs[row], actual(row), past.weight[row]);
        });
        if fitted < FEWEST {
            return None;
        }
        let first = learned.ridge(TINY)?;
        let mut all = past.persistence.clone();
        let has_past = |row: &usize| inputs[*row].iter().all(|mean| mean.is_finite());
        let (mut test, other): (Vec<usize>, Vec<usize>) = (0..inputs.len())
            .filter(has_past)
            .partition(|&row| past.part[row] == Some(Part::Test) && !self.whole);
        for row in other {
            all[row] = unit.target(predicted(&first, &inputs[row]));
        }
        // The rows in the order in which their targets become known.
        let known_at = |row: usize| past.target_rows[row].map_or(f64::INFINITY, |at| self.time[at]);
        let mut later = known;
        later.sort_by(|&a, &b| known_at(a).total_cmp(&known_at(b)));
        test.sort_by(|&a, &b| self.time[a].total_cmp(&self.time[b]));
        let (mut now, mut added) = (Moments::new(SPANS.len()), 0);
        for rows in test.chunk_by(|&a, &b| self.time[a].total_cmp(&self.time[b]).is_eq()) {
            while added < later.len() && known_at(later[added]) <= self.time[rows[0]] {
                let row = later[added];
                now.add(&inputs[row], actual(row), past.weight[row]);
                added += 1;
            }
            let fit = (added >= FEWEST).then(|| now.ridge(TINY)).flatten();
            let Some(fit) = fit else { continue };
            for &row in rows {
                all[row] = unit.target(predicted(&fit, &inputs[row]));
            }
        }
        Some(all)
    }

    /// For each row of the table, the means of the last values over [`SPANS`]; NaN if a value is missing.
    fn means(&self, values: &[f64], unit: LearnedUnit) -> Vec<[f64; 3]> {
        let mut all = vec![[f64::NAN; 3]; values.len()];
        let longest = SPANS[SPANS.len() - 1];
        for run in &self.runs.runs {
            let own: Vec<f64> = run.iter().map(|&row| values[row]).collect();
            for (window, &row) in own.windows(longest).zip(&run[longest.min(run.len()) - 1..]) {
                all[row] = SPANS.map(|span| {
                    let sum: f64 = window[longest - span..].iter().sum();
                    unit.learn(sum / span as f64)
                });
            }
        }
        all
    }
}

/// A penalty that only prevents a division by zero.
const TINY: f64 = 1e-10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::dataset::options::{Ahead, DataOptions, Learn};
    use crate::metrics::{mae, rmse};
    use crate::table::{Column, Table};

    /// Series of numbers in turn, with the times 0, 1, …; the column `y` has their values.
    fn table(series: usize, rows: usize, value: impl Fn(usize, usize) -> f64) -> Table {
        let all: Vec<(usize, usize)> = (0..rows)
            .flat_map(|time| (0..series).map(move |one| (one, time)))
            .collect();
        let column = |name: &str, of: &dyn Fn(usize, usize) -> f64| {
            Column::number(name, all.iter().map(|&(one, time)| of(one, time)).collect())
        };
        Table::new(vec![
            column("one", &|one, _| one as f64),
            column("time", &|_, time| time as f64),
            column("y", &value),
        ])
        .unwrap()
    }

    fn options(set: impl FnOnce(&mut DataOptions)) -> DataOptions {
        let mut options = DataOptions::for_target("y");
        options.series = vec!["one".into()];
        options.time = Some("time".into());
        options.horizon = 1;
        options.learn = Learn::Auto;
        set(&mut options);
        options
    }

    fn data(table: Table, set: impl FnOnce(&mut DataOptions)) -> Dataset {
        Dataset::from_table(table, &options(set), None, 0).unwrap()
    }

    /// The forecasts of a judge on test rows, and what they should be.
    fn tested(data: &Dataset, name: &str) -> (Vec<f64>, Vec<f64>) {
        let naive = data.naive.iter().find(|naive| naive.name == name).unwrap();
        let pick = |values: &[f64]| data.split.test.iter().map(|&row| values[row]).collect();
        let mut whole = data.target().to_vec();
        if let Some(base) = data.base.first() {
            whole.iter_mut().zip(base).for_each(|(y, base)| *y += base);
        }
        (pick(&naive.predictions), pick(&whole))
    }

    /// A number that looks random, in [0, 1).
    fn noise(one: usize, time: usize) -> f64 {
        let mixed = (time * 7919 + one * 104_729 + 12_345).wrapping_mul(2_654_435_761) % 65_536;
        mixed as f64 / 65_536.0
    }

    /// A wave with a period of 16 rows, so that the value 15 rows before is that of the next row.
    fn wave(one: usize, time: usize) -> f64 {
        10.0 * one as f64
            + [
                0.0, 3.0, 1.0, 7.0, 2.0, 9.0, 4.0, 4.0, 8.0, 1.0, 6.0, 5.0, 0.0, 2.0, 2.0, 9.0,
            ][time % 16]
    }

    #[test]
    fn linear_on_lags_finds_a_period_of_its_window() {
        for ahead in [Ahead::Value, Ahead::Change, Ahead::Mean, Ahead::Sum] {
            let data = data(table(2, 300, wave), |o| {
                o.forecast = ahead;
                o.horizon = 3;
            });
            let (found, truth) = tested(&data, LINEAR);
            let (persistence, _) = tested(&data, "persistence");
            let weight = vec![1.0; truth.len()];
            assert!(rmse(&found, &truth, &weight) < 1e-2, "{ahead:?}");
            assert!(rmse(&persistence, &truth, &weight) > 1.0);
        }
    }

    #[test]
    fn linear_on_lags_reads_logarithms_for_log_returns() {
        let data = data(table(2, 300, |one, time| wave(one, time).exp2()), |o| {
            o.forecast = Ahead::LogReturn;
        });
        let (found, truth) = tested(&data, LINEAR);
        assert!(mae(&found, &truth, &vec![1.0; truth.len()]) < 1e-2);
    }

    #[test]
    fn rows_without_all_lags_get_persistence() {
        let data = data(table(2, 300, wave), |_| {});
        let of = |name: &str| data.naive.iter().find(|naive| naive.name == name).unwrap();
        let (linear, persistence) = (of(LINEAR), of("persistence"));
        // Row 29 is the 15th of the second series: it has 15 values, one too few.
        assert_eq!(linear.predictions[29], persistence.predictions[29]);
        assert!((linear.predictions[30] - persistence.predictions[30]).abs() > 1e-3);
        // With fewer than ten training rows that have all lags, there is no such judge.
        let short = table(5, 24, wave);
        let short = Dataset::from_table(short, &options(|o| o.window = Some(22)), None, 0).unwrap();
        assert!(short.naive.iter().all(|naive| naive.name != LINEAR));
    }

    #[test]
    fn judges_of_test_rows_do_not_depend_on_later_values() {
        let value = |one: usize, time: usize| 5.0 + one as f64 + noise(one, time);
        let changed = |one: usize, time: usize| match time {
            280.. => 3.0 + 9.0 * noise(one + 7, time),
            _ => value(one, time),
        };
        let make = |table| {
            data(table, |o| {
                o.judges = vec![JudgeKind::Har];
                o.forecast = Ahead::Mean;
                o.horizon = 4;
            })
        };
        let (before, after) = (make(table(2, 300, value)), make(table(2, 300, changed)));
        assert_eq!(before.split, after.split);
        let mut compared = 0;
        for name in [LINEAR, HAR] {
            let (before_all, _) = tested(&before, name);
            let (after_all, _) = tested(&after, name);
            for ((&row, a), b) in before.split.test.iter().zip(before_all).zip(after_all) {
                if before.rows[row] / 2 < 280 {
                    compared += 1;
                    assert_eq!(a, b, "{name}, row {row}");
                }
            }
        }
        assert!(compared > 40, "{compared}");
    }

    /// The slow plain twin: least squares on all rows whose target is known at `time`, by the normal equations of centered numbers.
    fn plain_har(
        y: &dyn Fn(usize, usize) -> f64,
        (one, time): (usize, usize),
        horizon: usize,
    ) -> f64 {
        let mean = |one: usize, time: usize, span: usize| {
            (0..span).map(|k| y(one, time - k)).sum::<f64>() / span as f64
        };
        let row = |one: usize, time: usize| SPANS.map(|span| mean(one, time, span));
        let ahead = |one: usize, time: usize| {
            (1..=horizon).map(|k| y(one, time + k)).sum::<f64>() / horizon as f64
        };
        let mut all = Moments::new(3);
        for other in 0..2 {
            for at in 21..=time - horizon {
                all.add(&row(other, at), ahead(other, at), 1.0);
            }
        }
        predicted(&all.ridge(0.0).unwrap(), &row(one, time))
    }

    #[test]
    fn har_agrees_with_a_plain_fit_on_all_rows_known_at_the_time() {
        let value = |one: usize, time: usize| 2.0 + one as f64 + noise(one, time);
        let data = data(table(2, 260, value), |o| {
            o.judges = vec![JudgeKind::Har];
            o.forecast = Ahead::Mean;
            o.horizon = 5;
        });
        let (found, _) = tested(&data, HAR);
        for at in [0, 11, found.len() - 1] {
            let place = data.rows[data.split.test[at]];
            let expected = plain_har(&value, (place % 2, place / 2), 5);
            assert!(
                (found[at] - expected).abs() < 1e-6,
                "{} {expected}",
                found[at]
            );
        }
    }

    #[test]
    fn har_of_logarithms_predicts_powers() {
        // The logarithm of the next value is linear in those of the means if the series is y_{t+1} = 3 √y_t.
        let next = |one: usize, time: usize| {
            let start = 2.0 + one as f64 + 30.0 * noise(one, time / 30);
            (0..time % 30).fold(start, |y, _| 3.0 * y.sqrt())
        };
        let data = data(table(2, 300, next), |o| {
            o.judges = vec![JudgeKind::Har];
            o.log_target = true;
        });
        let (found, truth) = tested(&data, HAR);
        let (persistence, _) = tested(&data, "persistence");
        let weight = vec![1.0; truth.len()];
        assert!(mae(&found, &truth, &weight) < mae(&persistence, &truth, &weight));
        assert!(found.iter().all(|value| *value > 0.0));
    }
}
