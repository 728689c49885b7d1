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

mod op;
mod read;
mod tensor;

use std::sync::Arc;

use super::fault::{Fault, Parsed};
use crate::layers::Layer;
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
}

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
        self.constants.iter().map(|(_, tensor)| tensor.data.len()).sum::<usize>() + self.steps.iter().map(of).sum::<usize>()
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
                let found = other.map_or("nothing".to_owned(), |tensor| format!("the shape {:?}", tensor.shape));
                Err(Fault::malformed("the output", format!("{found} for {count} rows"), "one number per row: a regression model with one output, and a dynamic first axis"))
            }
        }
    }

    /// Hidden layers: what products read that other products made. Without any, leaf embeddings of the first trees.
    pub(crate) fn layers(&self, rows: &[f64], count: usize) -> Parsed<Vec<Layer>> {
        let values = self.run(rows, count)?;
        let (mut made, mut hidden) = (vec![false; self.slots], Vec::new());
        for step in &self.steps {
            let product = matches!(step.op, Op::Gemm { .. } | Op::MatMul | Op::LinearRegressor { .. });
            let read = step.inputs.iter().flatten().copied().filter(|&slot| made[slot]);
            let read: Vec<usize> = read.collect();
            made[step.output] = product || !read.is_empty();
            hidden.extend(read.into_iter().filter(|slot| product && !hidden.contains(slot)).collect::<Vec<_>>());
        }
        let layer = |slot: usize| match values[slot].as_deref() {
            Some(Tensor { shape, data }) if shape.len() == 2 && shape[0] == count => {
                Some(Layer { width: shape[1], values: data.iter().map(|&value| value as f32).collect() })
            }
            _ => None,
        };
        let layers: Vec<Layer> = hidden.into_iter().filter_map(layer).collect();
        let trees = self.steps.iter().find_map(|step| match (&step.op, step.inputs.first()) {
            (Op::Trees(trees, _), Some(&Some(slot))) => values[slot].as_deref().map(|input| (trees, input)),
            _ => None,
        });
        Ok(match trees {
            Some((trees, input)) if layers.is_empty() => trees.layers(&input.data, input.shape[1], count),
            _ => layers,
        })
    }

    /// The tensors of all slots.
    fn run(&self, rows: &[f64], count: usize) -> Parsed<Vec<Option<Arc<Tensor>>>> {
        let width: usize = self.feeds.iter().map(|(_, columns, _)| columns).sum();
        let mut values: Vec<Option<Arc<Tensor>>> = vec![None; self.slots];
        for (slot, tensor) in &self.constants {
            values[*slot] = Some(Arc::clone(tensor));
        }
        let mut start = 0;
        for &(slot, columns, flat) in &self.feeds {
            let data = rows.chunks_exact(width).flat_map(|row| &row[start..start + columns]).copied().collect();
            let shape = if flat { vec![count] } else { vec![count, columns] };
            values[slot] = Some(Arc::new(self.rounded(Tensor { shape, data })));
            start += columns;
        }
        for step in &self.steps {
            let wrong = |found: String, expected: String| Fault::malformed(step.name.clone(), found, expected);
            let mut inputs = Vec::with_capacity(step.inputs.len());
            for slot in step.inputs.iter().flatten() {
                inputs.push(values[*slot].as_deref().ok_or_else(|| wrong("an input that nothing has computed".into(), "nodes in the order of their use".into()))?);
            }
            let result = step.op.run(&inputs).filter(|result| !result.data.is_empty()).ok_or_else(|| {
                let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.shape.as_slice()).collect();
                wrong(format!("inputs of the shapes {shapes:?} on {count} rows"), "shapes that go together for any number of rows (export with a dynamic first axis)".into())
            })?;
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
        Tensor { shape: shape.to_vec(), data: data.to_vec() }
    }

    #[test]
    fn last_hidden_layer_and_last_product_make_the_prediction() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx_gemm.onnx");
        let (graph, _) = parse(&std::fs::read(file).unwrap()).unwrap();
        let rows = [0.5, -1.0, 2.0, 1.5, 0.0, -0.25];
        let layers = graph.layers(&rows, 2).unwrap();
        assert_eq!(layers.iter().map(|layer| layer.width).collect::<Vec<_>>(), [24, 16]);
        // Behind a relu and a hyperbolic tangent.
        assert!(layers[0].values.iter().all(|&value| value >= 0.0) && layers[0].values.contains(&0.0));
        assert!(layers[1].values.iter().all(|&value| value.abs() < 1.0 && value != 0.0));
        let last = graph.steps.last().unwrap();
        let weights: Vec<&Tensor> = last.inputs[1..].iter().map(|slot| &*graph.constants.iter().find(|(at, _)| Some(*at) == *slot).unwrap().1).collect();
        let hidden = tensor(&[2, 16], &layers[1].values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>());
        let mut predictions = [0.0; 2];
        graph.predict(&rows, &mut predictions).unwrap();
        for (found, expected) in last.op.run(&[&hidden, weights[0], weights[1]]).unwrap().data.iter().zip(predictions) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
