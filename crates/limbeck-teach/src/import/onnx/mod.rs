//! ONNX files: networks and tree ensembles of one output, row by row.
//!
//! The operations are those that exporters write for regressors on tables; the full list is [`Op`]. All values are held as `f64` and rounded
//! to single precision after each operation unless the file computes in double precision, so that comparisons behind a scaler see
//! what ONNX Runtime sees. Before a file is accepted, two and then three rows of zeros are run through it, which finds everything that is
//! wrong with shapes.
//!
//! ```text
//! bytes ─read::parse→ Graph of Steps (op::Op) over slots of tensor::Tensor ─→ predictions, hidden layers
//! ```

mod ensemble;
mod node;
mod op;
mod read;
mod tensor;

use std::sync::Arc;

use super::fault::{Fault, Parsed};
use crate::layers::FeatureLayer;
use op::Op;
pub(crate) use read::parse;
use tensor::Tensor;

/// A graph made ready to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Graph {
    steps: Vec<Step>,
    /// Weights, by slot.
    constants: Vec<(usize, Arc<Tensor>)>,
    /// Slot and columns of each input.
    feeds: Vec<(usize, usize, bool)>,
    slots: usize,
    output: usize,
    single: bool,
    inside: Inside,
}

/// What a graph shows of its inside, by slot and width.
#[derive(Clone, Debug, Default, PartialEq)]
enum Inside {
    /// What products read that other products made of the rows: the hidden layers of a network, after their activations.
    Layers(Vec<(usize, usize)>),
    /// The input of the trees of this step.
    Trees {
        step: usize,
        slot: usize,
        width: usize,
    },
    /// Nothing that belongs to a row.
    #[default]
    Nothing,
}

/// Maximum number of numbers in all tensors of one run.
const MOST_AT_ONCE: usize = 1 << 26;

/// An operation, the slots it reads and the one it fills.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    name: String,
    op: Op,
    inputs: Vec<Option<usize>>,
    output: usize,
}

impl Graph {
    /// Numbers in the weights and in the nodes.
    pub(crate) fn parameters(&self) -> usize {
        let of = |step: &Step| match &step.op {
            Op::Trees(trees, _) => trees.parameters(),
            Op::Scaler { offset, scale } => offset.len() + scale.len(),
            Op::LinearRegressor { coefficients, .. } => coefficients.len() + 1,
            Op::Imputer { values, .. } => values.len(),
            _ => 0,
        };
        self.constants
            .iter()
            .map(|(_, tensor)| tensor.data.len())
            .sum::<usize>()
            + self.steps.iter().map(of).sum::<usize>()
    }

    /// One prediction per row; `rows` is row by row, the columns of the inputs one after the other.
    pub(crate) fn predict(&self, rows: &[f64], predictions: &mut [f64]) -> Parsed<()> {
        let count = predictions.len();
        match self.run(rows, count)?[self.output].as_deref() {
            Some(output) if output.data.len() == count && output.shape.first() == Some(&count) => {
                predictions.copy_from_slice(&output.data);
                Ok(())
            }
            other => {
                let found = other.map_or("nothing".to_owned(), |tensor| {
                    format!("the shape {:?}", tensor.shape)
                });
                Err(Fault::malformed(
                    "the output",
                    format!("{found} for {count} rows"),
                    "one number per row: a regression model with one output, and a dynamic first axis",
                ))
            }
        }
    }

    /// Hidden layers; of a graph without any, leaf embeddings of its first trees.
    pub(crate) fn layers(&self, rows: &[f64], count: usize) -> Parsed<Vec<FeatureLayer>> {
        let values = self.run(rows, count)?;
        let tensor = |slot: usize, width: usize| match values[slot].as_deref() {
            Some(tensor) if tensor.shape == [count, width] => Ok(tensor),
            other => Err(Fault::malformed(
                "a hidden layer",
                format!("{:?}", other.map(|tensor| &tensor.shape)),
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
            Inside::Trees { step, slot, width } => match &self.steps[*step].op {
                Op::Trees(trees, _) => {
                    Ok(trees.layers(&tensor(*slot, *width)?.data, *width, count))
                }
                _ => Ok(Vec::new()),
            },
            Inside::Nothing => Ok(Vec::new()),
        }
    }

    /// The same graph once it has been run on two and on three rows of zeros, which show what belongs to a row.
    fn tried(mut self) -> Parsed<Self> {
        let width: usize = self.feeds.iter().map(|(_, columns, _)| columns).sum();
        let mut runs = Vec::new();
        for count in [2, 3] {
            let rows = vec![0.0; width * count];
            self.predict(&rows, &mut vec![0.0; count])?;
            runs.push(self.run(&rows, count)?);
        }
        let by_row = |slot: usize| {
            let width = |at: usize| match runs[at][slot].as_deref()?.shape.as_slice() {
                &[count, width] if count == at + 2 => Some(width),
                _ => None,
            };
            width(0).filter(|_| width(0) == width(1))
        };
        let (mut of_rows, mut made) = (vec![false; self.slots], vec![false; self.slots]);
        self.feeds
            .iter()
            .for_each(|&(slot, ..)| of_rows[slot] = true);
        let mut layers: Vec<(usize, usize)> = Vec::new();
        let mut trees = None;
        for (at, step) in self.steps.iter().enumerate() {
            let read = || step.inputs.iter().flatten().copied();
            let product = matches!(
                step.op,
                Op::Gemm { .. } | Op::MatMul | Op::LinearRegressor { .. }
            );
            for slot in read().filter(|&slot| product && made[slot]) {
                if let Some(width) =
                    by_row(slot).filter(|_| layers.iter().all(|layer| layer.0 != slot))
                {
                    layers.push((slot, width));
                }
            }
            if let (Op::Trees(..), None, Some(slot)) = (&step.op, &trees, read().next()) {
                trees = by_row(slot).map(|width| Inside::Trees {
                    step: at,
                    slot,
                    width,
                });
            }
            of_rows[step.output] = read().any(|slot| of_rows[slot]);
            made[step.output] = of_rows[step.output] && (product || read().any(|slot| made[slot]));
        }
        self.inside = match trees {
            Some(trees) if layers.is_empty() => trees,
            None if layers.is_empty() => Inside::Nothing,
            _ => Inside::Layers(layers),
        };
        Ok(self)
    }

    /// The tensors of all slots.
    fn run(&self, rows: &[f64], count: usize) -> Parsed<Vec<Option<Arc<Tensor>>>> {
        let width: usize = self.feeds.iter().map(|(_, columns, _)| columns).sum();
        let mut values: Vec<Option<Arc<Tensor>>> = vec![None; self.slots];
        for (slot, tensor) in &self.constants {
            values[*slot] = Some(Arc::clone(tensor));
        }
        let (mut start, mut held) = (0, 0_usize);
        for &(slot, columns, flat) in &self.feeds {
            let data = rows
                .chunks_exact(width)
                .flat_map(|row| &row[start..start + columns])
                .copied()
                .collect();
            let shape = if flat {
                vec![count]
            } else {
                vec![count, columns]
            };
            values[slot] = Some(Arc::new(self.rounded(Tensor { shape, data })));
            start += columns;
        }
        for step in &self.steps {
            let wrong = |found: String, expected: String| {
                Fault::malformed(step.name.clone(), found, expected)
            };
            let mut inputs = Vec::with_capacity(step.inputs.len());
            for slot in step.inputs.iter().flatten() {
                inputs.push(values[*slot].as_deref().ok_or_else(|| {
                    wrong(
                        "an input that nothing has computed".into(),
                        "nodes in the order of their use".into(),
                    )
                })?);
            }
            let result = step.op.run(&inputs).filter(|result| !result.data.is_empty()).ok_or_else(|| {
                let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.shape.as_slice()).collect();
                wrong(format!("inputs of the shapes {shapes:?} on {count} rows"), "shapes that go together for any number of rows (export with a dynamic first axis)".into())
            })?;
            held = held.saturating_add(result.data.len());
            if held > MOST_AT_ONCE {
                return Err(wrong(
                    format!("more than {MOST_AT_ONCE} numbers in all for {count} rows"),
                    "a smaller graph".into(),
                ));
            }
            values[step.output] = Some(Arc::new(self.rounded(result)));
        }
        Ok(values)
    }

    fn rounded(&self, mut tensor: Tensor) -> Tensor {
        if self.single {
            for value in &mut tensor.data {
                *value = f64::from(*value as f32);
            }
        }
        tensor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], data: &[f64]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            data: data.to_vec(),
        }
    }

    /// A graph of one input of two columns that reads the constants given first.
    fn graph(constants: Vec<Tensor>, steps: Vec<(Op, Vec<usize>)>) -> Parsed<Graph> {
        let input = constants.len();
        let steps: Vec<Step> = steps
            .into_iter()
            .enumerate()
            .map(|(at, (op, inputs))| Step {
                name: format!("node {at}"),
                op,
                inputs: inputs.into_iter().map(Some).collect(),
                output: input + 1 + at,
            })
            .collect();
        let slots = input + 1 + steps.len();
        let constants = constants.into_iter().map(Arc::new).enumerate().collect();
        Graph {
            steps,
            constants,
            feeds: vec![(input, 2, false)],
            slots,
            output: slots - 1,
            single: true,
            inside: Inside::default(),
        }
        .tried()
    }

    #[test]
    fn products_of_weights_are_no_layers_for_any_number_of_rows() {
        let ones = |shape: &[usize]| tensor(shape, &vec![1.0; shape.iter().product()]);
        // x (A B) C with a hidden layer of 3 before C; A B has two rows, as a block of two rows has.
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
        let leaf = super::super::trees::Tree {
            nodes: vec![super::super::trees::Node::Leaf(1.0)],
        };
        let trees = super::super::trees::TreeModel {
            trees: vec![leaf],
            weights: vec![],
            base: 0.0,
            aggregate: super::super::trees::Aggregate::Sum,
            link: super::super::trees::Link::Identity,
            single: true,
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

    #[test]
    fn tensors_of_one_run_have_a_limit_together() {
        let constants = vec![
            tensor(&[4096, 1], &[0.0; 4096]),
            tensor(&[1, 4096], &[0.0; 4096]),
            tensor(&[2, 1], &[1.0; 2]),
        ];
        let many = std::iter::repeat_n((Op::Pairs(op::Pairs::Add), vec![0, 1]), 5)
            .chain([(Op::MatMul, vec![3, 2])]);
        assert!(
            graph(constants, many.collect())
                .unwrap_err()
                .to_string()
                .contains("numbers in all")
        );
    }

    #[test]
    fn last_hidden_layer_and_last_product_make_the_prediction() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx_gemm.onnx");
        let (graph, _) = parse(&std::fs::read(file).unwrap()).unwrap();
        let rows = [0.5, -1.0, 2.0, 1.5, 0.0, -0.25];
        let layers = graph.layers(&rows, 2).unwrap();
        assert_eq!(
            layers.iter().map(|layer| layer.width).collect::<Vec<_>>(),
            [24, 16]
        );
        // Behind a relu and a hyperbolic tangent.
        assert!(
            layers[0].values.iter().all(|&value| value >= 0.0) && layers[0].values.contains(&0.0)
        );
        assert!(
            layers[1]
                .values
                .iter()
                .all(|&value| value.abs() < 1.0 && value != 0.0)
        );
        let last = graph.steps.last().unwrap();
        let weights: Vec<&Tensor> = last.inputs[1..]
            .iter()
            .map(|slot| {
                &*graph
                    .constants
                    .iter()
                    .find(|(at, _)| Some(*at) == *slot)
                    .unwrap()
                    .1
            })
            .collect();
        let hidden = tensor(
            &[2, 16],
            &layers[1]
                .values
                .iter()
                .map(|&value| f64::from(value))
                .collect::<Vec<_>>(),
        );
        let mut predictions = [0.0; 2];
        graph.predict(&rows, &mut predictions).unwrap();
        for (found, expected) in last
            .op
            .run(&[&hidden, weights[0], weights[1]])
            .unwrap()
            .data
            .iter()
            .zip(predictions)
        {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
