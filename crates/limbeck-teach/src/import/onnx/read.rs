//! Reads the bytes of an ONNX file into a graph that is ready to run.

use std::path::Path;
use std::sync::Arc;

use super::super::columns::{Input, Label};
use super::super::fault::{Fault, Parsed, short};
use super::super::foreign::EXPECTED;
use super::super::wire::{self, Value};
use super::build::Reader;
use super::external::External;
use super::file::{FileGraph, all_columns};
use super::graph::{Feed, Graph};
use super::kind::Kind;
use super::steps::Program;
use super::weights::{location_of, name_of};

/// Where a model file comes from, and which output to read from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Source<'a> {
    /// The folder that may hold weight files; `None` if the model has no path.
    pub(crate) folder: Option<&'a Path>,
    /// Name of the output to read; `None` reads the only output of the model.
    pub(crate) output: Option<&'a str>,
}

/// The content of an ONNX file.
pub(crate) struct OnnxModel {
    pub(crate) graph: Graph,
    pub(crate) inputs: Vec<Input>,
    /// For each column that the graph reads: true if the output depends on the graph input that holds it.
    pub(crate) used: Vec<bool>,
    /// Number of bytes that were read from weight files.
    pub(crate) bytes_beside: usize,
}

/// Field numbers of the outer protobuf message; empty if the bytes are not a protobuf.
pub(crate) fn field_numbers(bytes: &[u8]) -> Vec<u64> {
    let fields = wire::fields(bytes).unwrap_or_default();
    fields.into_iter().map(|(number, _)| number).collect()
}

/// Names of the weight files that an ONNX model needs. Empty if all weights are in the model file, or if the bytes are
/// not an ONNX file.
pub(crate) fn locations(bytes: &[u8]) -> Vec<String> {
    let graph = wire::fields(bytes).ok().and_then(|fields| {
        let graph = fields.into_iter().find(|(number, _)| *number == 7);
        FileGraph::read(graph?.1.bytes().ok()?).ok()
    });
    let weights = graph.map(|graph| graph.weights).unwrap_or_default();
    let mut names: Vec<String> = weights
        .into_iter()
        .filter_map(|tensor| location_of(tensor).ok().flatten())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Reads a graph and its inputs.
///
/// # Errors
///
/// For damaged files, unknown operations, and graphs that do not give one number per row.
pub(crate) fn parse(bytes: &[u8], source: &Source<'_>) -> Parsed<OnnxModel> {
    let fields = wire::fields(bytes)?;
    let opset = opset(&fields)?;
    let graph = fields.into_iter().find(|(number, _)| *number == 7);
    let (_, graph) = graph.ok_or_else(|| Fault::malformed("the file", "no graph", EXPECTED))?;
    let file = FileGraph::read(graph.bytes()?)?;
    let output = file.output(source.output)?;
    let needed = file.needed([output]);
    let mut reader = Reader::new(External::new(source.folder), bytes.len(), opset);
    for &tensor in &file.weights {
        if needed.contains(name_of(tensor)?) {
            reader.initializer(tensor)?;
        }
    }
    let feeds = feeds(&file, &mut reader)?;
    file.nodes.iter().for_each(|node| reader.note_texts(node));
    for node in &file.nodes {
        reader.add(node, &needed)?;
    }
    let name = output;
    let output = reader.slot(name);
    if reader.kind_of(output) == Some(Kind::Text) {
        return Err(Fault::unsupported(
            format!("the output {} holds strings", short(name)),
            "give a regression model, or choose an output of numbers in teacher.model_output",
        ));
    }
    let used =
        file.inputs.iter().zip(&feeds).flat_map(|(input, feed)| {
            std::iter::repeat_n(needed.contains(input.name), feed.columns)
        });
    let used = used.collect();
    let inputs = inputs(&file, &feeds, reader.texts());
    let bytes_beside = reader.bytes_beside();
    let (stored, parameters) = (reader.stored(), reader.parameters());
    let (steps, constants, slots) = reader.finish();
    let program = Program::new(steps, constants, slots);
    let graph = Graph::new(program, feeds, output, stored)?;
    Ok(OnnxModel {
        graph: graph.with_parameters(parameters),
        inputs,
        used,
        bytes_beside,
    })
}

/// Version of ONNX's default operator set; `None` if the file does not state it.
fn opset(fields: &[(u64, Value<'_>)]) -> Parsed<Option<i64>> {
    for (_, import) in fields.iter().filter(|(number, _)| *number == 8) {
        let (mut domain, mut version) = ("", None);
        for (number, value) in wire::fields(import.bytes()?)? {
            match number {
                1 => domain = value.text()?,
                2 => version = Some(value.int()?),
                _ => {}
            }
        }
        if matches!(domain, "" | "ai.onnx") {
            return Ok(version);
        }
    }
    Ok(None)
}

/// Assigns a slot to each input of the graph.
fn feeds(file: &FileGraph<'_>, reader: &mut Reader) -> Parsed<Vec<Feed>> {
    let columns = all_columns(&file.inputs)?;
    let feed = |(input, columns)| {
        let input: &super::file::FileValue<'_> = input;
        Feed {
            slot: reader.input(input.name, input.kind()),
            columns,
            flat: input.flat(),
            single: input.single(),
        }
    };
    Ok(file.inputs.iter().zip(columns).map(feed).collect())
}

/// One [`Input`] for each column that the graph reads. Inputs have names only if the graph has several inputs, each of
/// one column.
fn inputs(file: &FileGraph<'_>, feeds: &[Feed], texts: &[String]) -> Vec<Input> {
    let named = feeds.len() > 1 && feeds.iter().all(|feed| feed.columns == 1);
    let labels: Arc<[Label]> = texts.iter().cloned().map(Label::Text).collect();
    // `astype(str)` turns a missing string into `nan`, so that is its code if the file contains it.
    let missing = texts.iter().position(|text| text == "nan");
    let columns = file.inputs.iter().zip(feeds).flat_map(|(input, feed)| {
        let is_text = input.kind() == Kind::Text;
        let column = Input {
            name: named.then(|| input.name.to_owned()),
            category: is_text,
            labels: is_text.then(|| Arc::clone(&labels)),
            missing: missing.filter(|_| is_text),
            ..Input::default()
        };
        std::iter::repeat_n(column, feed.columns)
    });
    columns.collect()
}

#[cfg(test)]
mod tests {
    use super::super::steps::Action;
    use super::super::tensor::{Tensor, tests::tensor};
    use super::*;

    #[test]
    fn last_hidden_layer_and_last_product_make_the_prediction() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx_gemm.onnx");
        let graph = parse(&std::fs::read(file).unwrap(), &Source::default())
            .unwrap()
            .graph;
        let rows = [0.5, -1.0, 2.0, 1.5, 0.0, -0.25];
        let layers = graph.layers(&rows, 2).unwrap();
        assert_eq!(
            layers.iter().map(|layer| layer.width).collect::<Vec<_>>(),
            [24, 16]
        );
        // After a relu and after a hyperbolic tangent.
        assert!(
            layers[0].values.iter().all(|&value| value >= 0.0) && layers[0].values.contains(&0.0)
        );
        assert!(
            layers[1]
                .values
                .iter()
                .all(|&value| value.abs() < 1.0 && value != 0.0)
        );
        let last = graph.program.steps.last().unwrap();
        let weights: Vec<&Tensor> = last.inputs[1..]
            .iter()
            .map(|slot| {
                &*graph
                    .program
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
        let Action::Op(op) = &last.action else {
            panic!("no operation")
        };
        for (found, expected) in op
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
