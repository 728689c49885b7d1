//! An ONNX graph that is ready to run: a program with its inputs and its output.

use std::sync::Arc;

use limbeck_data::figures::counted;

use super::super::fault::{Fault, Parsed};
use super::op::Op;
use super::steps::{Action, Budget, Outcome, Program};
use super::tensor::Tensor;
use crate::layers::FeatureLayer;

/// An ONNX graph that is ready to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Graph {
    pub(super) program: Program,
    feeds: Vec<Feed>,
    output: usize,
    inside: Inside,
    /// Maximum number of rows in one run.
    block: usize,
    /// Upper limit for the number of values that the model file and its weight files hold. It limits the work of a run.
    stored: u64,
    parameters: usize,
}

/// An input of the graph: its slot (the index of its value) and its number of columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Feed {
    pub(super) slot: usize,
    pub(super) columns: usize,
    /// True if the input has one axis only, the rows; false for `[rows, columns]`.
    pub(super) flat: bool,
    /// True if the values of the input are rounded to single precision.
    pub(super) single: bool,
}

/// Which values of a graph are its hidden features.
#[derive(Clone, Debug, Default, PartialEq)]
enum Inside {
    /// Hidden layers of a network, after their activations: the values between two matrix products. Each pair is the
    /// slot and the width of a layer.
    Layers(Vec<(usize, usize)>),
    /// Leaf embeddings of the first tree ensemble. `step` is the index of its step; `slot` and `width` belong to its
    /// input.
    Trees {
        step: usize,
        slot: usize,
        width: usize,
    },
    /// The graph has neither hidden layers nor trees.
    #[default]
    Nothing,
}

/// Number of operations that a run may use per row, whatever the size of the files. `WORK_PER_NUMBER` adds more.
const ROW_WORK: u64 = 1 << 15;
/// Number of operations that a run may use per row for each value that the files hold. A usual network uses each weight
/// once or twice per row.
const WORK_PER_NUMBER: u64 = 32;
/// This number times the number of input columns replaces `WORK_PER_NUMBER` if that product is larger. A network with a
/// token for each column uses each weight once per column, and compares each column with all others.
const WORK_PER_COLUMN: u64 = 4;
/// The number of rows in one run is chosen so that the run needs about this many values in memory, or fewer.
const BLOCK_NUMBERS: usize = 1 << 20;
/// Maximum number of rows in one run, for any graph.
const MOST_ROWS: usize = 256;

impl Graph {
    /// Makes a graph, and checks it by running it on two and on three rows of zeros.
    pub(super) fn new(
        program: Program,
        feeds: Vec<Feed>,
        output: usize,
        stored: u64,
    ) -> Parsed<Self> {
        let of_steps = program.steps.iter().map(|step| match &step.action {
            Action::Op(op) => op.parameters(),
            Action::Scan(_) => 0,
        });
        let of_constants = program
            .constants
            .iter()
            .map(|(_, tensor)| tensor.data.len());
        let graph = Self {
            parameters: of_steps.sum::<usize>() + of_constants.sum::<usize>(),
            program: program.keeping([output]),
            feeds,
            output,
            inside: Inside::default(),
            block: 1,
            stored,
        };
        graph.tried()
    }

    /// Sets the number of fitted parameters to the number that was counted while the file was read.
    pub(super) fn with_parameters(self, parameters: usize) -> Self {
        Self { parameters, ..self }
    }

    /// Number of fitted parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.parameters
    }

    /// Maximum number of rows that the caller may pass to one run.
    pub(crate) fn block(&self) -> usize {
        self.block
    }

    fn width(&self) -> usize {
        self.feeds.iter().map(|feed| feed.columns).sum()
    }

    /// Writes one prediction per row to `predictions`. `rows` is in row-major order; a row has the columns of all
    /// inputs one after the other.
    pub(crate) fn predict(&self, rows: &[f64], predictions: &mut [f64]) -> Parsed<()> {
        let outcome = self.run(rows, predictions.len())?;
        self.output_of(&outcome, predictions)
    }

    fn output_of(&self, outcome: &Outcome, predictions: &mut [f64]) -> Parsed<()> {
        let count = predictions.len();
        match outcome.values[self.output].as_deref() {
            Some(output) if output.data.len() == count && output.shape.first() == Some(&count) => {
                predictions.copy_from_slice(&output.data);
                Ok(())
            }
            other => {
                let found = other.map_or("no value".to_owned(), |tensor| {
                    format!("the shape {:?}", tensor.shape)
                });
                Err(Fault::unsupported(
                    format!(
                        "the output of the model has {found} for {}, not one number per row",
                        counted(count, "row")
                    ),
                    "give a regression model with one output and a dynamic first axis (any number of rows)",
                ))
            }
        }
    }

    /// The hidden layers for `count` rows. For a graph without hidden layers: the leaf embeddings of its first tree
    /// ensemble. Empty if the graph has no trees either.
    pub(crate) fn layers(&self, rows: &[f64], count: usize) -> Parsed<Vec<FeatureLayer>> {
        let values = self.run(rows, count)?.values;
        let tensor = |slot: usize, width: usize| match values[slot].as_deref() {
            Some(tensor) if tensor.shape == [count, width] => Ok(tensor),
            other => Err(Fault::malformed(
                "a hidden layer",
                other.map_or("nothing".to_owned(), |tensor| {
                    format!("the shape {:?}", tensor.shape)
                }),
                format!("[{count}, {width}]"),
            )),
        };
        match &self.inside {
            Inside::Layers(layers) => {
                let layer = |&(slot, width): &(usize, usize)| {
                    let data = tensor(slot, width)?.data.iter();
                    let values = data.map(|&value| value as f32).collect();
                    Ok(FeatureLayer { width, values })
                };
                layers.iter().map(layer).collect()
            }
            Inside::Trees { step, slot, width } => match &self.program.steps[*step].action {
                Action::Op(Op::Trees(trees, _)) => {
                    Ok(trees.layers(&tensor(*slot, *width)?.data, *width, count))
                }
                _ => Ok(Vec::new()),
            },
            Inside::Nothing => Ok(Vec::new()),
        }
    }

    /// Runs the graph on two and on three rows of zeros. This shows whether the graph works, which values have the rows
    /// as their first axis, and how many rows one run may have.
    fn tried(mut self) -> Parsed<Self> {
        let mut runs = Vec::new();
        for count in [2, 3] {
            let rows = vec![0.0; self.width() * count];
            let outcome = self.run(&rows, count)?;
            self.output_of(&outcome, &mut vec![0.0; count])?;
            runs.push(outcome);
        }
        let [two, three] = runs.as_slice() else {
            unreachable!("the loop runs twice")
        };
        let by_row =
            |slot: usize| match (two.shapes[slot].as_deref(), three.shapes[slot].as_deref()) {
                (Some(&[2, width]), Some(&[3, same])) if width == same => Some(width),
                _ => None,
            };
        self.inside = self.find_inside(by_row);
        let each = three.peak.saturating_sub(two.peak).max(1);
        self.block = (BLOCK_NUMBERS / each).clamp(1, MOST_ROWS);
        let kept: Vec<usize> = match &self.inside {
            Inside::Layers(layers) => layers.iter().map(|(slot, _)| *slot).collect(),
            Inside::Trees { slot, .. } => vec![*slot],
            Inside::Nothing => Vec::new(),
        };
        self.program = self.program.keeping(kept.into_iter().chain([self.output]));
        Ok(self)
    }

    /// Finds the hidden layers or, if there are none, the first tree ensemble. For a slot, `by_row` returns the width
    /// of its value if the value's shape is `[rows, width]`, else `None`.
    fn find_inside(&self, by_row: impl Fn(usize) -> Option<usize>) -> Inside {
        let slots = self.program.slots;
        let (mut of_rows, mut made) = (vec![false; slots], vec![false; slots]);
        let mut is_layer = vec![false; slots];
        self.feeds.iter().for_each(|feed| of_rows[feed.slot] = true);
        let mut layers: Vec<(usize, usize)> = Vec::new();
        let mut trees = None;
        for (at, step) in self.program.steps.iter().enumerate() {
            let read = || step.inputs.iter().flatten().copied();
            let product = matches!(
                step.action,
                Action::Op(Op::Gemm { .. } | Op::MatMul | Op::LinearRegressor { .. })
            );
            for slot in read().filter(|&slot| product && made[slot]) {
                if let Some(width) = by_row(slot).filter(|_| !is_layer[slot]) {
                    is_layer[slot] = true;
                    layers.push((slot, width));
                }
            }
            if let (Action::Op(Op::Trees(..)), None, Some(slot)) =
                (&step.action, &trees, read().next())
            {
                trees = by_row(slot).map(|width| Inside::Trees {
                    step: at,
                    slot,
                    width,
                });
            }
            of_rows[step.output] = read().any(|slot| of_rows[slot]);
            made[step.output] = of_rows[step.output] && (product || read().any(|slot| made[slot]));
        }
        match trees {
            Some(trees) if layers.is_empty() => trees,
            None if layers.is_empty() => Inside::Nothing,
            _ => Inside::Layers(layers),
        }
    }

    fn run(&self, rows: &[f64], count: usize) -> Parsed<Outcome> {
        let width = self.width();
        let mut start = 0;
        let mut feeds = Vec::with_capacity(self.feeds.len());
        for feed in &self.feeds {
            let rows = rows.chunks_exact(width);
            let values = rows.flat_map(|row| &row[start..start + feed.columns]);
            let data = match feed.single {
                true => values.map(|&value| f64::from(value as f32)).collect(),
                false => values.copied().collect(),
            };
            let shape = match feed.flat {
                true => vec![count],
                false => vec![count, feed.columns],
            };
            feeds.push((feed.slot, Arc::new(Tensor { shape, data })));
            start += feed.columns;
        }
        let per_number = WORK_PER_NUMBER.max(WORK_PER_COLUMN * width as u64);
        let each = ROW_WORK.saturating_add(self.stored.saturating_mul(per_number));
        // Work that does not depend on the number of rows: weights may be transposed, and a scan runs its body for each
        // stored row.
        let once = self.stored.saturating_mul(512).saturating_add(1 << 20);
        let work = each.saturating_mul(count as u64).saturating_add(once);
        self.program.run(feeds, count, &mut Budget::new(work))
    }
}

#[cfg(test)]
mod tests {
    use super::super::op;
    use super::super::steps::{MOST_AT_ONCE, Step};
    use super::super::tensor::tests::tensor;
    use super::*;

    /// As for a file of 4 MB.
    const STORED: u64 = 1 << 20;

    /// Steps that write one slot each, from slot `first` on.
    fn numbered(first: usize, steps: Vec<(Op, Vec<usize>)>) -> Vec<Step> {
        let step = |(at, (op, inputs)): (usize, (Op, Vec<usize>))| Step {
            name: format!("node {at}"),
            action: Action::Op(op),
            inputs: inputs.into_iter().map(Some).collect(),
            output: first + at,
            single: true,
        };
        steps.into_iter().enumerate().map(step).collect()
    }

    /// A graph with one input of two columns. The constants have the first slots.
    fn graph(constants: Vec<Tensor>, steps: Vec<(Op, Vec<usize>)>) -> Parsed<Graph> {
        let input = constants.len();
        let steps = numbered(input + 1, steps);
        let slots = input + 1 + steps.len();
        let constants = constants.into_iter().map(Arc::new).enumerate().collect();
        let feed = Feed {
            slot: input,
            columns: 2,
            flat: false,
            single: true,
        };
        let program = Program::new(steps, constants, slots);
        Graph::new(program, vec![feed], slots - 1, STORED)
    }

    #[test]
    fn products_of_weights_are_no_layers_for_any_number_of_rows() {
        let ones = |shape: &[usize]| tensor(shape, &vec![1.0; shape.iter().product()]);
        // x (A B) C has one hidden layer, of width 3, before C. A B has two rows, like a block of two rows.
        let constants = vec![ones(&[2, 5]), ones(&[5, 3]), ones(&[3, 1])];
        let graph = graph(
            constants,
            vec![
                (Op::MatMul, vec![0, 1]),
                (Op::MatMul, vec![3, 4]),
                (Op::MatMul, vec![5, 2]),
            ],
        )
        .unwrap();
        assert_eq!(graph.inside, Inside::Layers(vec![(5, 3)]));
        for count in 1..6 {
            let layers = graph.layers(&vec![0.5; 2 * count], count).unwrap();
            assert_eq!(
                layers,
                [FeatureLayer {
                    width: 3,
                    values: vec![5.0; 3 * count]
                }]
            );
        }
    }

    #[test]
    fn trees_of_a_constant_show_nothing() {
        let leaf = super::super::super::trees::Tree {
            nodes: vec![super::super::super::trees::Node::Leaf(1.0)],
        };
        let trees = super::super::super::trees::TreeModel {
            trees: vec![leaf],
            weights: vec![],
            base: 0.0,
            aggregate: super::super::super::trees::Aggregate::Sum,
            link: super::super::super::trees::Link::Identity,
            precision: super::super::super::trees::Precision::Single,
        };
        let constants = vec![tensor(&[1, 2], &[0.0; 2]), tensor(&[2, 1], &[1.0; 2])];
        let steps = vec![
            (Op::Trees(trees, 0), vec![0]),
            (Op::MatMul, vec![2, 1]),
            (Op::Pairs(op::Pairs::Add), vec![4, 3]),
        ];
        let graph = graph(constants, steps).unwrap();
        assert_eq!(
            (&graph.inside, graph.layers(&[0.0; 8], 4).unwrap()),
            (&Inside::Nothing, vec![])
        );
    }

    /// `count` sums `[n, 1] + [1, n]`. All of them stay in memory until they are concatenated.
    fn sums(count: usize) -> String {
        let side = 1024;
        let constants = vec![
            tensor(&[side, 1], &vec![0.0; side]),
            tensor(&[1, side], &vec![0.0; side]),
            tensor(&[2, 1], &[1.0; 2]),
        ];
        let mut steps = vec![(Op::Pairs(op::Pairs::Add), vec![0, 1]); count];
        steps.push((Op::Concat { axis: 0 }, (4..4 + count).collect()));
        steps.push((Op::MatMul, vec![3, 2]));
        graph(constants, steps).map_or_else(|fault| fault.to_string(), |_| String::new())
    }

    #[test]
    fn tensors_of_one_run_have_a_limit_together() {
        assert_eq!(sums(2), "");
        let message = sums(MOST_AT_ONCE >> 20);
        assert!(message.contains("values in memory"), "{message}");
    }

    #[test]
    fn work_has_a_limit_by_the_size_of_the_file() {
        let side = 1024;
        let constants = vec![
            tensor(&[side, side], &vec![0.0; side * side]),
            tensor(&[2, 1], &[1.0; 2]),
        ];
        let product = |inputs: [usize; 2]| (Op::MatMul, inputs.to_vec());
        let steps = vec![product([0, 0]), product([2, 1])];
        let message = graph(constants, steps).unwrap_err().to_string();
        assert!(
            message.contains("operations, the limit for a file of this size"),
            "{message}"
        );
    }

    /// A network that makes a token of width 64 from each column, and reads the same weights `rounds` times for each token.
    fn tokens(columns: usize, rounds: usize) -> Parsed<Graph> {
        let width = 64;
        let constants = [vec![1, width], vec![width, width], vec![width, 1]];
        let constants =
            constants.map(|shape| Arc::new(tensor(&shape, &vec![0.1; shape.iter().product()])));
        let mut steps = vec![
            (Op::Unsqueeze { axes: vec![-1] }, vec![3]),
            (Op::MatMul, vec![4, 0]),
        ];
        steps.extend((0..rounds).map(|round| (Op::MatMul, vec![5 + round, 1])));
        let (how, axes) = (super::super::reduce::Reduction::Mean, vec![1]);
        let keep = false;
        steps.push((Op::Reduce { how, axes, keep }, vec![5 + rounds]));
        steps.push((Op::MatMul, vec![6 + rounds, 2]));
        let steps = numbered(4, steps);
        let slots = 4 + steps.len();
        let program = Program::new(steps, constants.into_iter().enumerate().collect(), slots);
        let feed = Feed {
            slot: 3,
            columns,
            flat: false,
            single: true,
        };
        Graph::new(program, vec![feed], slots - 1, (width * width) as u64)
    }

    #[test]
    fn networks_with_a_token_for_each_column_may_read_weights_once_per_token() {
        tokens(100, 1).unwrap();
        tokens(100, 3).unwrap();
        let message = tokens(100, 100).unwrap_err().to_string();
        assert!(message.contains("the limit for a file"), "{message}");
    }

    #[test]
    fn wide_rows_are_run_few_at_once() {
        let wide = vec![
            tensor(&[2, 4096], &[0.5; 8192]),
            tensor(&[4096, 1], &[1.0; 4096]),
        ];
        let steps = vec![(Op::MatMul, vec![2, 0]), (Op::MatMul, vec![3, 1])];
        let graph = graph(wide, steps).unwrap();
        // Per row: two columns, 4096 hidden values, and one prediction, which may be in memory at the same time.
        assert_eq!(graph.block(), BLOCK_NUMBERS / 4098);
    }
}
