//! The inputs of trees: every column as numbers, and *slanted* inputs, which are weighted sums of two columns that interact.
//!
//! A tree splits one column at a time, so it needs many splits for a diagonal boundary (a coast in longitude and latitude, the sum of two angles of a
//! robot arm). The remedy is known (rotation forests, Rodríguez et al. 2006; the rotated coordinates that people add in competitions on tables): in
//! addition to `a` and `b`, trees get the inputs `a ± b`, `2a ± b` and `a ± 2b`, in standardized units. A quick first fit chooses the pairs of
//! columns, see [`crate::trees`].

use std::collections::BTreeMap;

use limbeck_data::{Feature, FeatureValues, Features, MISSING};
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Maximum number of levels (categories) for which a category column gets one input per level.
const ONE_HOT_LEVELS: usize = 10;
/// The mean target of a level is smoothed: the mean target of all rows is added to it as if it were this many more rows.
const PRIOR_ROWS: f64 = 10.0;

/// Turns feature columns into the inputs of trees.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inputs {
    /// One entry per feature, in order.
    pub(crate) columns: Vec<InputColumn>,
    /// The slanted inputs, which come after the inputs of the columns.
    pub(crate) slants: Vec<Slant>,
}

/// How one feature column becomes inputs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputColumn {
    pub(crate) name: String,
    pub(crate) coding: Coding,
}

/// How the cells of a column are turned into numbers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Coding {
    /// A number: one input, `(x − center) / scale`, NaN if missing. Trees do not depend on the scale, but the rounding to single precision does.
    Number { center: f64, scale: f64 },
    /// A category with few levels: one input per level, 1 if the cell has that level, else 0. For missing and unknown levels, all are 0.
    OneHot { levels: Vec<String> },
    /// A category with many levels: one input, the mean target of the rows with that level, smoothed towards the mean target of all rows.
    MeanTarget {
        levels: Vec<String>,
        means: Vec<f64>,
        missing: f64,
        unseen: f64,
    },
}

/// A slanted input: `by_first · first + by_second · second` for two number columns, in standardized units.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slant {
    pub(crate) first: usize,
    pub(crate) second: usize,
    pub(crate) by_first: f64,
    pub(crate) by_second: f64,
}

/// Weights of the six slanted inputs of a pair. In the plane of the two columns, they are directions at 27°, 45°, 63° and their mirror images.
const DIRECTIONS: [(f64, f64); 6] = [
    (1.0, 1.0),
    (1.0, -1.0),
    (1.0, 2.0),
    (1.0, -2.0),
    (2.0, 1.0),
    (2.0, -1.0),
];

/// Values of the inputs, one list per input: `[width][rows]`.
pub(crate) type InputMatrix = Vec<Vec<f32>>;

impl Inputs {
    /// Fits the encoding of each column, without slanted inputs. Also returns the encoded inputs of the rows that it was fitted on.
    ///
    /// For categories with many levels, these inputs differ from [`encode`](Self::encode): a row gets the mean target of its level over only the rows
    /// before it in a random order (ordered target statistics, Prokhorenkova et al. 2018), so that its own target does not leak into its input.
    pub(crate) fn fit(x: &Features, y: &[f64], w: &[f64], rng: &mut Pcg64) -> (Self, InputMatrix) {
        let mut inputs = Self::default();
        let mut matrix = InputMatrix::new();
        for feature in &x.columns {
            let (coding, columns) = fit_coding(&feature.values, y, w, rng);
            inputs.columns.push(InputColumn {
                name: feature.name.clone(),
                coding,
            });
            matrix.extend(columns);
        }
        (inputs, matrix)
    }

    /// Adds the slanted inputs of a pair of number columns, in all six directions.
    pub(crate) fn add_pair(&mut self, first: usize, second: usize) {
        let slant = |&(by_first, by_second): &(f64, f64)| Slant {
            first,
            second,
            by_first,
            by_second,
        };
        self.slants.extend(DIRECTIONS.iter().map(slant));
    }

    /// Number of inputs.
    pub(crate) fn width(&self) -> usize {
        self.columns
            .iter()
            .map(|column| column.coding.width())
            .sum::<usize>()
            + self.slants.len()
    }

    /// For each input that is not slanted, the index of the number column that it encodes; `None` for an input of a category column.
    pub(crate) fn number_columns(&self) -> Vec<Option<usize>> {
        let origin = |(index, column): (usize, &InputColumn)| {
            let number = matches!(column.coding, Coding::Number { .. });
            vec![number.then_some(index); column.coding.width()]
        };
        self.columns.iter().enumerate().flat_map(origin).collect()
    }

    /// Number of parameters: fitted numbers and category levels.
    pub(crate) fn parameters(&self) -> usize {
        self.columns
            .iter()
            .map(|column| column.coding.parameters())
            .sum::<usize>()
            + 2 * self.slants.len()
    }

    /// Computes the inputs of all rows.
    ///
    /// # Errors
    ///
    /// [`Error::WrongColumn`] or [`Error::WrongKind`] if the columns are not the columns of the fit.
    pub(crate) fn encode(&self, x: &Features) -> Result<InputMatrix> {
        if x.columns.len() != self.columns.len() {
            return Err(self.wrong_column(x, x.columns.len().min(self.columns.len())));
        }
        let mut matrix = InputMatrix::with_capacity(self.width());
        for (position, (column, feature)) in self.columns.iter().zip(&x.columns).enumerate() {
            if column.name != feature.name {
                return Err(self.wrong_column(x, position));
            }
            matrix.extend(column.encode(feature)?);
        }
        matrix.extend(self.slants(x));
        Ok(matrix)
    }

    /// Computes the slanted inputs of all rows. The features must have the columns of the fit.
    pub(crate) fn slants(&self, x: &Features) -> Vec<Vec<f32>> {
        let standardized =
            |index: usize| match (&self.columns[index].coding, &x.columns[index].values) {
                (Coding::Number { center, scale }, FeatureValues::Number(values)) => values
                    .iter()
                    .map(|value| (value - center) / scale)
                    .collect::<Vec<f64>>(),
                _ => unreachable!(
                    "slants are made of number columns, checked when a forest is built"
                ),
            };
        let mut standard: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for index in self
            .slants
            .iter()
            .flat_map(|slant| [slant.first, slant.second])
        {
            standard.entry(index).or_insert_with(|| standardized(index));
        }
        let slanted = |slant: &Slant| {
            let (a, b) = (&standard[&slant.first], &standard[&slant.second]);
            a.iter()
                .zip(b)
                .map(|(a, b)| single(slant.by_first * a + slant.by_second * b))
                .collect()
        };
        self.slants.iter().map(slanted).collect()
    }

    fn wrong_column(&self, x: &Features, position: usize) -> Error {
        let found = x
            .columns
            .get(position)
            .map_or("missing".to_owned(), |column| format!("`{}`", column.name));
        let expected = self
            .columns
            .get(position)
            .map_or("no column".to_owned(), |column| {
                format!("`{}`", column.name)
            });
        Error::WrongColumn {
            position: position + 1,
            found,
            expected,
        }
    }

    /// What makes inputs that were read from a file invalid; `None` if they are valid.
    pub(crate) fn problem(&self) -> Option<String> {
        let is_number = |index: usize| {
            matches!(
                self.columns.get(index).map(|c| &c.coding),
                Some(Coding::Number { .. })
            )
        };
        let slant = |slant: &Slant| {
            let finite = slant.by_first.is_finite() && slant.by_second.is_finite();
            (!is_number(slant.first) || !is_number(slant.second) || !finite)
                .then(|| format!("an input that is made from two columns is invalid: {slant:?}"))
        };
        self.columns
            .iter()
            .find_map(InputColumn::problem)
            .or_else(|| self.slants.iter().find_map(slant))
    }
}

impl InputColumn {
    fn encode(&self, feature: &Feature) -> Result<InputMatrix> {
        match (&self.coding, &feature.values) {
            (coding @ Coding::Number { .. }, FeatureValues::Number(values)) => {
                Ok(vec![coding_of_numbers(coding, values)])
            }
            (
                Coding::OneHot { .. } | Coding::MeanTarget { .. },
                FeatureValues::Category { codes, levels },
            ) => Ok(coding_of_categories(&self.coding, codes, levels)),
            (Coding::Number { .. }, FeatureValues::Category { .. }) => {
                Err(self.wrong_kind("categories", "numbers"))
            }
            (_, FeatureValues::Number(_)) => Err(self.wrong_kind("numbers", "categories")),
        }
    }

    fn wrong_kind(&self, found: &'static str, expected: &'static str) -> Error {
        Error::WrongKind {
            column: self.name.clone(),
            found,
            expected,
        }
    }

    fn problem(&self) -> Option<String> {
        let sound = match &self.coding {
            Coding::Number { center, scale } => {
                center.is_finite() && scale.is_finite() && *scale > 0.0
            }
            Coding::OneHot { levels } => levels.is_sorted(),
            Coding::MeanTarget {
                levels,
                means,
                missing,
                unseen,
            } => {
                levels.is_sorted()
                    && levels.len() == means.len()
                    && means
                        .iter()
                        .chain([missing, unseen])
                        .all(|mean| mean.is_finite())
            }
        };
        (!sound).then(|| format!("the encoding of column `{}` is invalid", self.name))
    }
}

impl Coding {
    fn width(&self) -> usize {
        match self {
            Self::Number { .. } | Self::MeanTarget { .. } => 1,
            Self::OneHot { levels } => levels.len(),
        }
    }

    fn parameters(&self) -> usize {
        match self {
            Self::Number { .. } => 2,
            Self::OneHot { levels } => levels.len(),
            Self::MeanTarget { levels, .. } => 2 * levels.len() + 2,
        }
    }
}

/// Converts to single precision. Numbers that are too large become the largest finite number; NaN stays NaN.
fn single(value: f64) -> f32 {
    // `clamp` keeps NaN.
    (value as f32).clamp(f32::MIN, f32::MAX)
}

fn number_coding(values: &[f64], w: &[f64]) -> Coding {
    let known = || values.iter().zip(w).filter(|(value, _)| !value.is_nan());
    let total: f64 = known().map(|(_, w)| w).sum();
    // Divided before it is summed, so that the largest numbers do not overflow.
    let center: f64 = known().map(|(value, w)| value * (w / total)).sum();
    let variance: f64 = known()
        .map(|(value, w)| (value - center).powi(2) * (w / total))
        .sum();
    let scale = variance.sqrt();
    match (center.is_finite(), scale.is_finite() && scale > 0.0) {
        (true, true) => Coding::Number { center, scale },
        (true, false) => Coding::Number { center, scale: 1.0 },
        (false, _) => Coding::Number {
            center: 0.0,
            scale: 1.0,
        },
    }
}

fn coding_of_numbers(coding: &Coding, values: &[f64]) -> Vec<f32> {
    let Coding::Number { center, scale } = coding else {
        unreachable!("called for numbers only")
    };
    values
        .iter()
        .map(|value| single((value - center) / scale))
        .collect()
}

/// Fits the encoding of one feature. Returns the encoding, and the encoded values of the training rows.
fn fit_coding(
    values: &FeatureValues,
    y: &[f64],
    w: &[f64],
    rng: &mut Pcg64,
) -> (Coding, InputMatrix) {
    match values {
        FeatureValues::Number(values) => {
            let coding = number_coding(values, w);
            let column = coding_of_numbers(&coding, values);
            (coding, vec![column])
        }
        FeatureValues::Category { codes, levels }
            if levels_used(codes, levels.len()) <= ONE_HOT_LEVELS =>
        {
            let coding = Coding::OneHot {
                levels: used_levels(codes, levels),
            };
            let columns = coding_of_categories(&coding, codes, levels);
            (coding, columns)
        }
        FeatureValues::Category { codes, levels } => {
            let (coding, column) = mean_target(codes, levels, y, w, rng);
            (coding, vec![column])
        }
    }
}

/// Encodes a category column. Its levels are matched with the levels of the fit by their text.
fn coding_of_categories(coding: &Coding, codes: &[u32], levels: &[String]) -> InputMatrix {
    let find = |fitted: &[String]| -> Vec<Option<usize>> {
        levels
            .iter()
            .map(|level| fitted.binary_search(level).ok())
            .collect()
    };
    let place = |known: &[Option<usize>], code: u32| known.get(code as usize).copied().flatten();
    match coding {
        Coding::OneHot { levels: fitted } => {
            let known = find(fitted);
            let input = |level| {
                codes
                    .iter()
                    .map(|code| f32::from(u8::from(place(&known, *code) == Some(level))))
                    .collect()
            };
            (0..fitted.len()).map(input).collect()
        }
        Coding::MeanTarget {
            levels: fitted,
            means,
            missing,
            unseen,
        } => {
            let known = find(fitted);
            let mean = |code: &u32| match place(&known, *code) {
                Some(level) => means[level],
                None if *code == MISSING => *missing,
                None => *unseen,
            };
            vec![codes.iter().map(|code| single(mean(code))).collect()]
        }
        Coding::Number { .. } => unreachable!("called for categories only"),
    }
}

fn used(codes: &[u32], levels: usize) -> Vec<bool> {
    let mut used = vec![false; levels];
    codes
        .iter()
        .filter(|code| **code != MISSING)
        .for_each(|code| used[*code as usize] = true);
    used
}

fn levels_used(codes: &[u32], levels: usize) -> usize {
    used(codes, levels).iter().filter(|used| **used).count()
}

/// The levels that occur in the column, sorted.
fn used_levels(codes: &[u32], levels: &[String]) -> Vec<String> {
    let mut is_used = used(codes, levels.len()).into_iter();
    let mut kept = levels.to_vec();
    kept.retain(|_| is_used.next() == Some(true));
    kept.sort_unstable();
    kept
}

/// Two sums over some rows (such as the rows of one level): weight times target, and weight.
#[derive(Clone, Copy, Default)]
struct Share {
    target: f64,
    weight: f64,
}

impl Share {
    fn add(&mut self, y: f64, w: f64) {
        self.target += w * y;
        self.weight += w;
    }

    /// The smoothed mean target `(Σwy + m·prior) / (Σw + m)`: the mean target of all rows (`prior`) counts like `m` rows, see [`PRIOR_ROWS`].
    fn mean(self, prior: f64) -> f64 {
        (self.target + PRIOR_ROWS * prior) / (self.weight + PRIOR_ROWS)
    }
}

fn mean_target(
    codes: &[u32],
    levels: &[String],
    y: &[f64],
    w: &[f64],
    rng: &mut Pcg64,
) -> (Coding, Vec<f32>) {
    let mut all = Share::default();
    y.iter().zip(w).for_each(|(y, w)| all.add(*y, *w));
    let prior = all.target / all.weight;

    let place = |code: u32| {
        if code == MISSING {
            levels.len()
        } else {
            code as usize
        }
    };
    let mut shares = vec![Share::default(); levels.len() + 1];
    let mut order: Vec<usize> = (0..codes.len()).collect();
    order.shuffle(rng);
    let mut column = vec![0.0; codes.len()];
    for row in order {
        let share = &mut shares[place(codes[row])];
        column[row] = single(share.mean(prior));
        share.add(y[row], w[row]);
    }

    let kept = used_levels(codes, levels);
    let by_text: BTreeMap<&String, f64> = levels
        .iter()
        .zip(&shares)
        .map(|(level, share)| (level, share.mean(prior)))
        .collect();
    let means = kept.iter().map(|level| by_text[level]).collect();
    let missing = shares[levels.len()].mean(prior);
    (
        Coding::MeanTarget {
            levels: kept,
            means,
            missing,
            unseen: prior,
        },
        column,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use limbeck_data::generator;
    use std::sync::Arc;

    fn number(name: &str, values: &[f64]) -> Feature {
        Feature {
            name: name.to_owned(),
            values: FeatureValues::Number(values.to_vec()),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        }
    }

    fn category(name: &str, codes: &[u32], levels: &[&str]) -> Feature {
        let levels = Arc::new(levels.iter().map(|level| (*level).to_owned()).collect());
        Feature {
            name: name.to_owned(),
            values: FeatureValues::Category {
                codes: codes.to_vec(),
                levels,
            },
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        }
    }

    fn features(columns: Vec<Feature>) -> Features {
        let rows = columns[0].values.len();
        Features {
            columns,
            rows,
            past: None,
        }
    }

    #[test]
    fn numbers_are_standardized_and_stay_missing() {
        let x = features(vec![number("a", &[1.0, f64::NAN, 3.0])]);
        let (inputs, matrix) = Inputs::fit(&x, &[0.0; 3], &[1.0; 3], &mut generator(0, "t", 0));
        // Mean 2, population standard deviation 1.
        assert_eq!((matrix[0][0], matrix[0][2]), (-1.0, 1.0));
        assert!(matrix[0][1].is_nan());
        assert_eq!(
            inputs.columns[0].coding,
            Coding::Number {
                center: 2.0,
                scale: 1.0
            }
        );
    }

    #[test]
    fn constant_and_huge_columns_stay_finite() {
        let x = features(vec![
            number("c", &[5.0; 3]),
            number("h", &[1e308, -1e308, 1e308]),
            number("n", &[f64::NAN; 3]),
        ]);
        let (inputs, matrix) = Inputs::fit(&x, &[0.0; 3], &[1.0; 3], &mut generator(0, "t", 0));
        assert!(matrix[..2].iter().flatten().all(|value| value.is_finite()));
        assert!(matrix[2].iter().all(|value| value.is_nan()));
        assert_eq!(inputs.problem(), None);
    }

    #[test]
    fn one_hot_matches_levels_by_text() {
        let x = features(vec![category("k", &[0, 1, MISSING], &["a", "b"])]);
        let (inputs, matrix) = Inputs::fit(&x, &[0.0; 3], &[1.0; 3], &mut generator(0, "t", 0));
        assert_eq!(matrix, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        let other = features(vec![category("k", &[0, 1, 2], &["b", "c", "a"])]);
        assert_eq!(
            inputs.encode(&other).unwrap(),
            [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        );
    }

    #[test]
    fn mean_target_of_many_levels_is_smoothed_and_does_not_leak() {
        // Twelve levels, two rows each; only level 0 has targets of 12, so the prior is 1.
        let codes: Vec<u32> = (0..24).map(|row| row / 2).collect();
        let y: Vec<f64> = (0..24)
            .map(|row| if row < 2 { 12.0 } else { 0.0 })
            .collect();
        let names: Vec<String> = (0..12).map(|level| format!("l{level:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let x = features(vec![category("k", &codes, &names)]);
        let (inputs, matrix) = Inputs::fit(&x, &y, &[1.0; 24], &mut generator(0, "t", 0));
        // The first row of each level in the order sees the prior alone; for level 0 the second sees (12 + 10)/11 = 2.
        let mut first = matrix[0][..2].to_vec();
        first.sort_by(f32::total_cmp);
        assert_eq!(first, [1.0, 2.0]);
        let asked = features(vec![category("k", &[0, 1, MISSING], &["l00", "new"])]);
        // (24 + 10)/12, unseen: the prior, missing without a training row: the prior.
        assert_eq!(inputs.encode(&asked).unwrap(), [[34.0 / 12.0, 1.0, 1.0]]);
    }

    #[test]
    fn slants_are_sums_in_standard_units() {
        let x = features(vec![number("a", &[0.0, 2.0]), number("b", &[0.0, 20.0])]);
        let (mut inputs, _) = Inputs::fit(&x, &[0.0; 2], &[1.0; 2], &mut generator(0, "t", 0));
        inputs.add_pair(0, 1);
        let matrix = inputs.encode(&x).unwrap();
        // Both columns standardize to −1, 1.
        assert_eq!(matrix[2], [-2.0, 2.0]);
        assert_eq!(matrix[3], [0.0, 0.0]);
        assert_eq!(matrix[4], [-3.0, 3.0]);
        assert_eq!(inputs.width(), 8);
    }

    #[test]
    fn encode_rejects_other_columns() {
        let x = features(vec![number("a", &[1.0]), category("k", &[0], &["p"])]);
        let (inputs, _) = Inputs::fit(&x, &[0.0], &[1.0], &mut generator(0, "t", 0));
        let renamed = features(vec![number("a", &[1.0]), category("m", &[0], &["p"])]);
        let message = inputs.encode(&renamed).unwrap_err().to_string();
        assert!(
            message.contains("column 2") && message.contains("`m`") && message.contains("`k`"),
            "{message}"
        );
        let missing = features(vec![number("a", &[1.0])]);
        assert!(
            inputs
                .encode(&missing)
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
        let kind = features(vec![number("a", &[1.0]), number("k", &[0.0])]);
        assert!(matches!(inputs.encode(&kind), Err(Error::WrongKind { .. })));
    }
}
