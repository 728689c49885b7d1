//! Designs a student network within a parameter budget: encoder, bins and layer sizes.

pub(crate) mod options;
mod recurrent;

use limbeck_data::encode::fit_encoder;
use limbeck_data::{FeatureValues, Features};
use limbeck_nets::{Head, InputLayout, MlpShape, Network, Positions, Shape};
use limbeck_runtime::Encoder;
use limbeck_teach::network::input_layout;
use limbeck_teach::series::EncodedSeries;

use self::options::encode_options;
pub use self::options::{MemoryKind, ScalingKind, StudentKind, StudentOptions};
use crate::bins::{self, Cuts, NumberColumn};
use crate::error::{Error, Result};
use crate::kinds::spec::TARGET_PARAMETERS;

/// Encoder, bins and layer sizes of a student network, fitted to rows. The weights are not part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Maps raw columns to numbers.
    pub encoder: Encoder,
    /// Shape of the network. Its inputs are the columns that `encoder` makes.
    pub shape: Shape,
    /// How the network's outputs are read as predictions.
    pub heads: Heads,
    /// Which earlier rows a recurrent network uses.
    pub memory: MemoryKind,
}

/// A recurrent network that carries its state is trained on stretches of this number of windows; the last window of a stretch is trained on.
pub const STRETCH: usize = 4;

/// How a network's outputs are read as predictions: one head per target, all of the same form, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heads {
    /// Head (form of the prediction) of each target.
    pub head: Head,
    /// Number of targets.
    pub targets: usize,
}

impl Heads {
    /// Heads of a network with one target.
    #[must_use]
    pub fn one(head: Head) -> Self {
        Self { head, targets: 1 }
    }

    /// Number of outputs of the network.
    #[must_use]
    pub fn outputs(self) -> usize {
        self.head.outputs() * self.targets
    }

    /// Number of fitted values after the last hidden layer, which has `width` units. The scales of the targets are included.
    fn parameters(self, width: usize) -> usize {
        (self.head.parameters(width) + TARGET_PARAMETERS) * self.targets
    }
}

/// Mean numbers of bins per numeric column that are tried, the largest first.
const BINS: [usize; 22] = [
    128, 112, 96, 80, 64, 56, 52, 48, 44, 40, 36, 32, 24, 20, 16, 14, 12, 10, 8, 6, 4, 3,
];
/// If a design has fewer bins per numeric column (on average) than this, narrower layers are tried before it is accepted.
const FEW_BINS: usize = 6;

impl Design {
    /// Designs the largest network for these rows that has at most `options.params` parameters.
    ///
    /// Unless `options` gives layers or bins, the network has two hidden layers of equal width. The width is about `0.45 √params` up to 5 000
    /// parameters and `2.7 params^0.29` above, since bins cost little time and width costs much. The network has as many bins as the remaining budget
    /// allows. If many columns would leave few bins, the layers are narrower. Parameters that are left over widen the layers. `cuts` determine how
    /// the bins are divided among the columns, and where their edges are. With [`Cuts::default`], every column has the same number of bins, with
    /// edges at quantiles.
    ///
    /// A recurrent network reads `window` rows, and has one layer with as many units as the budget allows.
    ///
    /// # Errors
    ///
    /// [`Error::BudgetTooSmall`] if even the smallest network is larger than the budget; [`Error::InvalidOption`] if [`StudentOptions::check`]
    /// refuses an option; [`NoRowsBefore`](limbeck_teach::Error::NoRowsBefore) for a recurrent network if the features have no [past](limbeck_data::Past).
    pub fn fit(
        features: &Features,
        rows: &[usize],
        cuts: &Cuts,
        options: &StudentOptions,
        heads: Heads,
        window: usize,
    ) -> Result<Self> {
        options.check()?;
        if let Some(cell) = options.kind.cell() {
            return Self::recurrent((features, rows), (cell, window), options, heads);
        }
        let params = options.params as f64;
        let ideal = (0.45 * params.sqrt()).min(2.7 * params.powf(0.29)).round() as usize;
        let mut smallest = usize::MAX;
        let mut width = round_width(ideal.max(2));
        let mut fallback = None;
        loop {
            let candidates = Candidates::new((features, rows), cuts, options, heads, width);
            for bins in candidates.bins() {
                let design = candidates.design(width, bins)?;
                smallest = smallest.min(design.parameters());
                if design.parameters() <= options.params {
                    let grown = candidates.grow(design, width, bins)?;
                    if bins >= FEW_BINS || options.bins.is_some() || candidates.saturated(bins) {
                        return Ok(grown);
                    }
                    fallback.get_or_insert(grown);
                    break;
                }
            }
            if options.hidden.is_some() || width <= 2 {
                break;
            }
            width = round_width(width - 1).min(width - 1);
        }
        fallback.ok_or(Error::BudgetTooSmall {
            columns: features.columns.len(),
            smallest,
            allowed: options.params,
        })
    }

    /// Number of fitted values that a prediction uses: weights, bin edges, values of the encoder, and scale and shift of each target.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let last = self.shape.hidden().last().copied().unwrap_or(0);
        let hidden = self.shape.weights() - (last + 1) * self.shape.outputs();
        let inputs = match &self.shape {
            Shape::Mlp(shape) => shape.input().parameters(),
            Shape::Recurrent(_) => 0,
        };
        self.encoder.parameters() + inputs + hidden + self.heads.parameters(last)
    }

    /// Encodes rows as inputs of the network: positions (one number per column or category), or windows of encoded rows for a recurrent network.
    ///
    /// # Errors
    ///
    /// If a row cannot be encoded; [`NoRowsBefore`](limbeck_teach::Error::NoRowsBefore) if the network is recurrent, and the features have no [past](limbeck_data::Past).
    pub fn positions(&self, features: &Features) -> Result<Positions> {
        match &self.shape {
            Shape::Mlp(shape) => {
                let encoded = self.encoder.encode(&features.raw(), features.rows)?;
                Ok(shape.input().positions(&encoded).into())
            }
            Shape::Recurrent(_) => Ok(EncodedSeries::new(&self.encoder, &[features])?
                .windows(features, self.rows_read())?),
        }
    }

    /// The largest number of rows that the prediction of a row uses, with the row itself.
    pub(crate) fn rows_read(&self) -> usize {
        match self.memory {
            MemoryKind::Rolling => self.shape.window(),
            MemoryKind::Carried => usize::MAX,
        }
    }
}

/// The layout of the inputs of a perceptron.
fn layout(design: &Design) -> &InputLayout {
    match &design.shape {
        Shape::Mlp(shape) => shape.input(),
        Shape::Recurrent(_) => unreachable!("a recurrent network has no bins"),
    }
}

/// The number of parameters of the smallest network for these features, which must all be numeric.
///
/// # Errors
///
/// The errors of [`StudentOptions::check`].
pub(crate) fn smallest(
    features: &Features,
    options: &StudentOptions,
    heads: Heads,
) -> Result<usize> {
    options.check()?;
    let rows: Vec<usize> = (0..features.rows).collect();
    let cuts = Cuts::default();
    let candidates = Candidates::new((features, &rows), &cuts, options, heads, 2);
    let bins = options.bins.unwrap_or(1);
    Ok(candidates.design(2, bins)?.parameters())
}

/// Rounds a layer width down to one that the kernels compute fast.
fn round_width(width: usize) -> usize {
    match width {
        24.. => width / 8 * 8,
        8.. => width / 4 * 4,
        _ => width,
    }
}

/// Makes designs with the same encoder, but different widths and numbers of bins.
struct Candidates<'a> {
    options: &'a StudentOptions,
    heads: Heads,
    encoder: Encoder,
    columns: Vec<NumberColumn>,
    rows: usize,
}

impl<'a> Candidates<'a> {
    fn new(
        (features, rows): (&Features, &[usize]),
        cuts: &Cuts,
        options: &'a StudentOptions,
        heads: Heads,
        width: usize,
    ) -> Self {
        let room = room_for_categories(features, options, width);
        let encoder = fit_encoder(features, rows, &encode_options(options, room));
        let chosen = features.select(rows);
        let encoded = encoder
            .encode(&chosen.raw(), chosen.rows)
            .unwrap_or_default();
        let columns = bins::number_columns(&encoder, &encoded, cuts);
        Self {
            options,
            heads,
            encoder,
            columns,
            rows: rows.len(),
        }
    }

    fn bins(&self) -> Vec<usize> {
        let fits = |bins: &usize| *bins == 1 || bins * 8 <= self.rows;
        let all = || BINS.into_iter().chain([2, 1]).filter(fits).collect();
        self.options.bins.map_or_else(all, |bins| vec![bins])
    }

    /// True if `bins` is the largest number that is tried for these rows.
    fn saturated(&self, bins: usize) -> bool {
        self.bins().first() == Some(&bins)
    }

    fn design(&self, width: usize, bins: usize) -> Result<Design> {
        let mut edges = bins::edges(&self.columns, bins);
        let layout = input_layout(&self.encoder, |column| {
            edges.remove(&column).unwrap_or_default()
        });
        let hidden = self
            .options
            .hidden
            .clone()
            .unwrap_or_else(|| vec![width; 2]);
        let shape = MlpShape::new(layout, hidden, self.heads.outputs())?;
        Ok(Design {
            encoder: self.encoder.clone(),
            shape: shape.into(),
            heads: self.heads,
            memory: MemoryKind::default(),
        })
    }

    /// Widens both layers as far as the budget allows, then the second one alone. Returns the design unchanged if the user gave layers.
    fn grow(&self, mut design: Design, width: usize, bins: usize) -> Result<Design> {
        if self.options.hidden.is_some() {
            return Ok(design);
        }
        let step = if width >= 24 {
            8
        } else if width >= 8 {
            4
        } else {
            1
        };
        let mut wider = width + step;
        loop {
            let hidden = vec![wider; 2];
            let next = Design {
                encoder: design.encoder.clone(),
                shape: MlpShape::new(layout(&design).clone(), hidden, self.heads.outputs())?.into(),
                heads: self.heads,
                memory: MemoryKind::default(),
            };
            if next.parameters() > self.options.params {
                return self.deepen(design, bins);
            }
            design = next;
            wider += step;
        }
    }

    /// Widens only the second layer, with the parameters that are left.
    fn deepen(&self, design: Design, _bins: usize) -> Result<Design> {
        let [first, second] = design.shape.hidden() else {
            return Ok(design);
        };
        let left = self.options.params - design.parameters();
        // One more neuron there: its weights, its bias, and what the outputs read of it.
        let more = left / (first + 1 + self.heads.parameters(1) - self.heads.parameters(0));
        let step = if *first >= 24 { 4 } else { 1 };
        let hidden = vec![*first, second + more / step * step];
        let shape = MlpShape::new(layout(&design).clone(), hidden, self.heads.outputs())?;
        Ok(Design {
            encoder: design.encoder,
            shape: shape.into(),
            heads: self.heads,
            memory: MemoryKind::default(),
        })
    }
}

/// Maximum number of encoded columns of all category columns together, if the layers have `width` units. If there are numeric columns too, half of
/// the first layer's budget is left for them.
fn room_for_categories(features: &Features, options: &StudentOptions, width: usize) -> usize {
    let room = options.params.saturating_sub(width * (width + 3)) / (width + 2);
    let mut values = features.columns.iter().map(|column| &column.values);
    if values.any(|values| matches!(values, FeatureValues::Number(_))) {
        room / 2
    } else {
        room
    }
}

#[cfg(test)]
mod tests {
    use super::options::StudentKind;
    use super::*;
    use limbeck_data::Feature;
    use std::sync::Arc;
    fn features(numbers: usize, categories: usize, rows: usize) -> Features {
        let number = |j: usize| Feature {
            name: format!("n{j}"),
            values: FeatureValues::Number(
                (0..rows)
                    .map(|i| ((i * (j + 3)) as f64 * 0.618_033_988).fract())
                    .collect(),
            ),
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        let levels: Arc<Vec<String>> = Arc::new((0..40).map(|l| format!("level {l:02}")).collect());
        let category = |j: usize| Feature {
            name: format!("c{j}"),
            values: FeatureValues::Category {
                codes: (0..rows).map(|i| ((i * (j + 1)) % 40) as u32).collect(),
                levels: levels.clone(),
            },
            integer: false,
            missing: limbeck_data::MissingNumbers::default(),
            date: None,
            history: None,
        };
        Features {
            columns: (0..numbers)
                .map(number)
                .chain((0..categories).map(category))
                .collect(),
            rows,
            past: None,
        }
    }

    #[test]
    fn students_use_their_budget_and_no_more() {
        for params in [250, 1000, 5000, 5200, 21_000, 100_000] {
            for (numbers, categories) in [(8, 1), (4, 0), (1, 0), (30, 10), (0, 3)] {
                let features = features(numbers, categories, 2000);
                let rows: Vec<usize> = (0..2000).collect();
                let options = StudentOptions {
                    params,
                    ..StudentOptions::default()
                };
                let heads = Heads::one(Head::Point);
                match Design::fit(&features, &rows, &Cuts::default(), &options, heads, 1) {
                    Ok(design) => {
                        assert!(
                            design.parameters() <= params,
                            "{} of {params}",
                            design.parameters()
                        );
                        assert!(
                            design.parameters() * 10 >= params * 7,
                            "{} of {params} ({numbers}, {categories})",
                            design.parameters()
                        );
                    }
                    Err(Error::BudgetTooSmall { smallest, .. }) => {
                        assert!(
                            params <= 1000 && smallest > params,
                            "{params} {numbers} {categories}"
                        );
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn given_layers_and_bins_are_kept() {
        let rows: Vec<usize> = (0..500).collect();
        let options = StudentOptions {
            hidden: Some(vec![5, 3]),
            bins: Some(4),
            ..StudentOptions::default()
        };
        let design = Design::fit(
            &features(2, 0, 500),
            &rows,
            &Cuts::default(),
            &options,
            Heads::one(Head::Point),
            1,
        )
        .unwrap();
        assert_eq!(design.shape.hidden(), [5, 3]);
        // encoder 2·3, edges 2·5, weights 8·5 + 5 + 15 + 3 + 3 + 1, target 2
        assert_eq!(
            design.parameters(),
            design.encoder.parameters() + 10 + 67 + 2
        );
    }

    #[test]
    fn student_options_reject_a_budget_that_no_network_fits() {
        let message = |params: usize, kind: StudentKind| {
            let options = StudentOptions {
                params,
                kind,
                ..StudentOptions::default()
            };
            options.check().map_err(|error| error.to_string())
        };
        let few = message(20, StudentKind::Mlp).unwrap_err();
        assert!(
            few.contains("student.params: found 20, but a network needs at least 250 parameters; allow more (`--params 250`)"),
            "{few}"
        );
        assert!(message(20, StudentKind::Linear).is_ok());
        let none = message(5, StudentKind::Linear).unwrap_err();
        assert!(
            none.contains("student.params: found 5, expected 10 to 1000000"),
            "{none}"
        );
    }
}
