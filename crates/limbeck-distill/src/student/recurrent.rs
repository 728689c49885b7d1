//! Designs a recurrent student within a parameter budget.

use limbeck_data::encode::fit_encoder;
use limbeck_data::{Feature, Features};
use limbeck_nets::RecurrentShape;
use limbeck_runtime::Cell;
use limbeck_teach::series::step_numbers;

use super::options::{StudentOptions, encode_options};
use super::{Design, Heads};
use crate::error::{Error, Result};

/// Share of the parameter budget that the weights of encoded category columns may take.
const CATEGORIES: f64 = 0.25;

impl Design {
    /// Designs the largest recurrent network for these rows that has at most `options.params` parameters. It reads `window` rows.
    ///
    /// It has one layer, unless `options.hidden` gives the units of several. Its inputs in each row are the columns for which
    /// [`Feature::is_step`] is true. Numbers are scaled, and have no bins.
    ///
    /// # Errors
    ///
    /// [`Error::BudgetTooSmall`] if even a network with one unit is larger than the budget; [`NoRowsBefore`](limbeck_teach::Error::NoRowsBefore) if the features
    /// have no [past](limbeck_data::Past).
    pub(crate) fn recurrent(
        (features, rows): (&Features, &[usize]),
        (cell, window): (Cell, usize),
        options: &StudentOptions,
        heads: Heads,
    ) -> Result<Self> {
        if features.past.is_none() {
            return Err(limbeck_teach::Error::NoRowsBefore.into());
        }
        let steps = features.only(Feature::is_step);
        let units = options.hidden.as_ref().map_or(1, |units| units[0]);
        let room = (CATEGORIES * options.params as f64) as usize / (cell.gates() * units.max(8));
        let encoder = fit_encoder(&steps, rows, &encode_options(options, room));
        let design = |units: Vec<usize>| -> Result<Self> {
            let step = step_numbers(&encoder);
            let shape = RecurrentShape::new(cell, step, window, units, heads.outputs())?;
            Ok(Self {
                encoder: encoder.clone(),
                shape: shape.into(),
                heads,
                memory: options.memory,
            })
        };
        let fits = |design: &Self| design.parameters() <= options.params;
        let mut best = design(options.hidden.clone().unwrap_or_else(|| vec![1]))?;
        if !fits(&best) {
            return Err(Error::BudgetTooSmall {
                columns: steps.columns.len(),
                smallest: best.parameters(),
                allowed: options.params,
            });
        }
        if options.hidden.is_none() {
            for units in 2.. {
                match design(vec![units])? {
                    next if fits(&next) => best = next,
                    _ => break,
                }
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::StudentKind;
    use super::*;
    use limbeck_data::{FeatureValues, Past};
    use limbeck_nets::{Head, Network};
    use limbeck_runtime::HistorySource;

    fn series() -> Features {
        let column = |name: &str, look: Option<&str>| Feature {
            name: name.into(),
            values: FeatureValues::Number((0..60).map(|i| f64::from(i % 7)).collect()),
            integer: false,
            missing: Default::default(),
            date: None,
            history: look.map(|look| HistorySource {
                column: "a".into(),
                look: look.parse().unwrap(),
                missing: Default::default(),
            }),
        };
        let columns = vec![
            column("a", None),
            column("a.diff1", Some("diff1")),
            column("a.mean8", Some("mean8")),
        ];
        let mut features = Features {
            columns,
            rows: 60,
            past: None,
        };
        features.past = Some(Past::new(
            &features,
            &[(0..25).collect(), (25..60).collect()],
        ));
        features
    }

    fn designed(features: &Features, params: usize, hidden: Option<Vec<usize>>) -> Result<Design> {
        let options = StudentOptions {
            kind: StudentKind::Gru,
            params,
            hidden,
            ..StudentOptions::default()
        };
        let rows: Vec<usize> = (0..60).collect();
        let heads = Heads::one(Head::Point);
        Design::recurrent((features, &rows), (Cell::Gru, 10), &options, heads)
    }

    #[test]
    fn the_largest_network_within_the_budget_reads_steps() {
        let features = series();
        for params in [300, 1000, 3000] {
            let design = designed(&features, params, None).unwrap();
            let (inputs, units) = (design.encoder.width(), design.shape.hidden()[0]);
            assert_eq!(design.encoder.columns.len(), 2);
            // Weights of three gates, four biases, the head, the encoder, and scale and shift.
            let of =
                |u: usize| 3 * u * (inputs + u) + 4 * u + u + 1 + design.encoder.parameters() + 2;
            assert_eq!(design.parameters(), of(units));
            assert!(of(units) <= params && of(units + 1) > params);
        }
        let two = designed(&features, 3000, Some(vec![12, 6])).unwrap();
        assert_eq!(two.shape.hidden(), [12, 6]);
        assert!(matches!(
            designed(&features, 20, None),
            Err(Error::BudgetTooSmall { .. })
        ));
    }

    #[test]
    fn windows_are_ranges_of_the_series() {
        let features = series();
        let design = designed(&features, 300, None).unwrap();
        let rows = features.select(&[0, 24, 25, 59]);
        let positions = design.positions(&rows).unwrap();
        assert_eq!(positions.samples(design.shape.inputs()), 4);
        let width = design.encoder.width();
        let cut = positions.rows(&design.shape);
        let absent = |row: usize| {
            let row = &cut[row * 10 * width..][..10 * width];
            row.iter().filter(|x| x.is_nan()).count() / width
        };
        assert_eq!([0, 1, 2, 3].map(absent), [9, 0, 9, 0]);
        let none = Features { past: None, ..rows };
        assert!(matches!(
            design.positions(&none),
            Err(Error::Teach(limbeck_teach::Error::NoRowsBefore))
        ));
    }
}
