//! The `.limbeck` file format.
//!
//! A [safetensors](https://github.com/huggingface/safetensors) file that any reader of that format opens: numbers are
//! tensors, everything else is text under a key of `__metadata__`.
//!
//! | key | value |
//! |---|---|
//! | `format` | `limbeck-1`; or `limbeck-2` for content that a program for `limbeck-1` would misread. For any other format, reading fails with an
//! error that names it |
//! | `kind` | what the file contains, such as `student` |
//! | `checksum` | 64-bit FNV-1a hash as 16 hexadecimal digits, of the whole file with these digits set to zeros |
//! | other keys | the content; the type that writes it documents its keys, see [`Student`](crate::Student) |
//!
//! The checksum detects accidental damage (a flipped bit, a cut-off file, an edit). It is not a signature: anyone who can write the file
//! can also write the checksum.
//!
//! The bytes are canonical: keys are sorted; tensors of eight-byte numbers come first, then all other tensors, each group sorted by name; and the
//! header is padded with spaces to a multiple of eight bytes. The same container always gives the same bytes.

use crate::{
    Cell, Encoder, Error, Graph, Node, Op, Recurrent, Result, TableInterp, TreeEnsemble, fnv::fnv1a,
};
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json, json};

/// The newest format that this version reads.
pub const FORMAT: &str = "limbeck-2";
const FORMAT_NAME: &str = "limbeck-";
const FIRST_FORMAT: u64 = 1;
const LAST_FORMAT: u64 = 2;
const ZERO_CHECKSUM: &str = "0000000000000000";
/// Largest file that is read, in bytes.
#[cfg(feature = "std")]
const LARGEST_FILE: u64 = 1 << 30;

/// A `.limbeck` file in memory: named sections of text, and named tensors.
///
/// ```
/// use limbeck_runtime::{Container, Graph, Node, Op};
/// let graph = Graph::new(3, vec![Node::new(Op::Relu, [0])])?;
/// let mut file = Container::new("teacher");
/// file.put_graph("mean", &graph);
/// let bytes = file.to_bytes();
/// assert_eq!(Container::from_bytes(&bytes, "teacher")?.graph("mean")?, graph);
/// # Ok::<(), limbeck_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    kind: String,
    format: u64,
    sections: BTreeMap<String, String>,
    tensors: BTreeMap<String, Tensor>,
}

/// Numbers of one type, and the shape of the tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each dimension; the product of the lengths is the number of values.
    pub shape: Vec<usize>,
    /// The numbers in row-major order: the last dimension varies fastest.
    pub numbers: Numbers,
}

/// Numbers of one type.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// Unsigned 32-bit integers.
    U32(Vec<u32>),
}

impl Numbers {
    fn dtype(&self) -> &'static str {
        match self {
            Numbers::F32(_) => "F32",
            Numbers::F64(_) => "F64",
            Numbers::U32(_) => "U32",
        }
    }

    fn size(&self) -> usize {
        match self {
            Numbers::F32(numbers) => numbers.len() * 4,
            Numbers::F64(numbers) => numbers.len() * 8,
            Numbers::U32(numbers) => numbers.len() * 4,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Numbers::F32(numbers) => numbers.iter().for_each(|x| out.extend(x.to_le_bytes())),
            Numbers::F64(numbers) => numbers.iter().for_each(|x| out.extend(x.to_le_bytes())),
            Numbers::U32(numbers) => numbers.iter().for_each(|x| out.extend(x.to_le_bytes())),
        }
    }

    fn read(dtype: Dtype, bytes: &[u8]) -> Option<Numbers> {
        match dtype {
            Dtype::F32 => Some(Numbers::F32(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| f32::from_le_bytes(b))
                    .collect(),
            )),
            Dtype::F64 => Some(Numbers::F64(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| f64::from_le_bytes(b))
                    .collect(),
            )),
            Dtype::U32 => Some(Numbers::U32(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| u32::from_le_bytes(b))
                    .collect(),
            )),
            _ => None,
        }
    }
}

/// The structure of a graph, as JSON. The graph's numbers are stored in tensors whose names begin with the graph's name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphText {
    input_width: usize,
    nodes: Vec<NodeText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeText {
    inputs: Vec<usize>,
    op: OpText,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OpText {
    /// `edges` has the number of edges of each input column; a tensor has the edges themselves.
    Ple {
        edges: Vec<usize>,
    },
    Linear {
        rows: usize,
        cols: usize,
    },
    Relu {},
    Add {},
    Mean {},
    Scale {},
    Softmax {},
    TreeEnsemble {
        trees: usize,
        splits: usize,
        leaves: usize,
    },
    /// `knots` has the number of knots of each axis; a tensor has the knots themselves.
    TableInterp {
        knots: Vec<usize>,
    },
    Recurrent {
        cell: Cell,
        inputs: usize,
        units: usize,
    },
}

impl Container {
    /// Creates an empty container of the given kind, such as `student`.
    pub fn new(kind: &str) -> Self {
        Container {
            kind: kind.into(),
            format: FIRST_FORMAT,
            sections: BTreeMap::new(),
            tensors: BTreeMap::new(),
        }
    }

    /// Marks the container as `limbeck-2`, because a program for `limbeck-1` would misread its content. Containers without this mark stay
    /// `limbeck-1`, so that older programs, which read only that format, can read them.
    pub(crate) fn needs_second_format(&mut self) {
        self.format = LAST_FORMAT;
    }

    /// True if the container has the format `limbeck-2`.
    pub(crate) fn is_second_format(&self) -> bool {
        self.format == LAST_FORMAT
    }

    /// The kind of content, such as `student`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Stores text under a key. Do not use the keys `format`, `kind` and `checksum`: writing the file overwrites these entries.
    pub fn put(&mut self, key: &str, text: impl Into<String>) {
        self.sections.insert(key.into(), text.into());
    }

    /// True if there is text under this key.
    pub fn has(&self, key: &str) -> bool {
        self.sections.contains_key(key)
    }

    /// The text under a key.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] if there is no such entry.
    pub fn text(&self, key: &str) -> Result<&str> {
        self.sections
            .get(key)
            .map(String::as_str)
            .ok_or_else(|| invalid(key, "missing"))
    }

    /// Stores a value as JSON under a key. Each f64 is read back bit for bit. A value with a hash map may give different bytes each time.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] for a value that JSON cannot hold, such as a map whose keys are not text. NaN and ±inf are stored as null, without an
    /// error.
    pub fn put_json(&mut self, key: &str, value: &impl Serialize) -> Result<()> {
        let text =
            serde_json::to_string(value).map_err(|error| invalid(key, &error.to_string()))?;
        self.put(key, text);
        Ok(())
    }

    /// Reads the value stored by [`put_json`](Self::put_json).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] if there is no such entry or it does not have type `T`.
    pub fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        serde_json::from_str(self.text(key)?).map_err(|error| invalid(key, &error.to_string()))
    }

    /// Stores numbers as a tensor of one dimension.
    pub fn put_numbers(&mut self, name: &str, numbers: Numbers) {
        let len = match &numbers {
            Numbers::F32(numbers) => numbers.len(),
            Numbers::F64(numbers) => numbers.len(),
            Numbers::U32(numbers) => numbers.len(),
        };
        self.tensors.insert(
            name.into(),
            Tensor {
                shape: [len].into(),
                numbers,
            },
        );
    }

    /// The tensor under a name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] if there is no such entry.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors
            .get(name)
            .ok_or_else(|| invalid(name, "missing"))
    }

    /// The f32 numbers under a name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] if there is no such entry or its numbers have another type.
    pub fn f32s(&self, name: &str) -> Result<&[f32]> {
        match &self.tensor(name)?.numbers {
            Numbers::F32(numbers) => Ok(numbers),
            other => Err(invalid(
                name,
                &format!("found numbers of type {}, expected F32", other.dtype()),
            )),
        }
    }

    /// The u32 numbers under a name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] if there is no such entry or its numbers have another type.
    pub fn u32s(&self, name: &str) -> Result<&[u32]> {
        match &self.tensor(name)?.numbers {
            Numbers::U32(numbers) => Ok(numbers),
            other => Err(invalid(
                name,
                &format!("found numbers of type {}, expected U32", other.dtype()),
            )),
        }
    }

    /// Stores a graph: its structure as JSON under `name`, its numbers as tensors. In the names of the tensors, `I` is the index of a node.
    ///
    /// ```text
    /// name            {"input_width": …, "nodes": [{"inputs": [0], "op": {"linear": {"rows": 8, "cols": 2}}}, …]}
    /// name.I.edges    if node I is a Ple: all edges of all columns; the JSON has the number of edges of each column
    /// name.I.weight   if node I is a Linear: [rows, cols]
    /// name.I.bias     [cols]
    /// name.I.scale    if node I is a Scale: by, add
    /// name.I.roots    if node I is a TreeEnsemble: one root per tree; the next line lists its other fields
    /// name.I.inputs, .threshold, .children [splits, 2], .leaves
    /// name.I.knots    if node I is a TableInterp: all knots of all axes; the JSON has the number of knots of each axis
    /// name.I.values   the value at each point of the grid
    /// name.I.weight   if node I is a Recurrent: [inputs, gates · units]; the JSON has `cell` (`gru` or `lstm`), `inputs` and `units`
    /// name.I.recurrent  [units, gates · units]
    /// name.I.bias     [4 · units]
    /// ```
    pub fn put_graph(&mut self, name: &str, graph: &Graph) {
        let nodes = graph.nodes.iter().enumerate().map(|(i, node)| NodeText {
            inputs: node.inputs.clone(),
            op: self.put_op(&format!("{name}.{i}"), &node.op),
        });
        let text = GraphText {
            input_width: graph.input_width,
            nodes: nodes.collect(),
        };
        // Only numbers, lists and fixed keys: JSON can hold all of them.
        self.put(name, json!(text).to_string());
    }

    fn put_op(&mut self, name: &str, op: &Op) -> OpText {
        match op {
            Op::Ple { edges } => {
                self.put_numbers(&format!("{name}.edges"), Numbers::F32(edges.concat()));
                OpText::Ple {
                    edges: edges.iter().map(Vec::len).collect(),
                }
            }
            Op::Linear {
                rows,
                cols,
                weight,
                bias,
            } => {
                let weight = Tensor {
                    shape: [*rows, *cols].into(),
                    numbers: Numbers::F32(weight.clone()),
                };
                self.tensors.insert(format!("{name}.weight"), weight);
                self.put_numbers(&format!("{name}.bias"), Numbers::F32(bias.clone()));
                OpText::Linear {
                    rows: *rows,
                    cols: *cols,
                }
            }
            Op::Relu => OpText::Relu {},
            Op::Add => OpText::Add {},
            Op::Mean => OpText::Mean {},
            Op::Scale { by, add } => {
                self.put_numbers(&format!("{name}.scale"), Numbers::F32([*by, *add].into()));
                OpText::Scale {}
            }
            Op::Softmax => OpText::Softmax {},
            Op::TreeEnsemble(trees) => {
                let mut put = |what: &str, numbers| {
                    self.put_numbers(&format!("{name}.{what}"), numbers);
                };
                put("roots", Numbers::U32(trees.roots.clone()));
                put("inputs", Numbers::U32(trees.inputs.clone()));
                put("threshold", Numbers::F32(trees.threshold.clone()));
                put("leaves", Numbers::F32(trees.leaves.clone()));
                let children = Tensor {
                    shape: [trees.children.len() / 2, 2].into(),
                    numbers: Numbers::U32(trees.children.clone()),
                };
                self.tensors.insert(format!("{name}.children"), children);
                OpText::TreeEnsemble {
                    trees: trees.roots.len(),
                    splits: trees.threshold.len(),
                    leaves: trees.leaves.len(),
                }
            }
            Op::TableInterp(table) => {
                self.put_numbers(&format!("{name}.knots"), Numbers::F32(table.knots.concat()));
                self.put_numbers(
                    &format!("{name}.values"),
                    Numbers::F32(table.values.clone()),
                );
                OpText::TableInterp {
                    knots: table.knots.iter().map(Vec::len).collect(),
                }
            }
            Op::Recurrent(layer) => self.put_recurrent(name, layer),
        }
    }

    fn put_recurrent(&mut self, name: &str, layer: &Recurrent) -> OpText {
        let gates = layer.cell.gates() * layer.units;
        let matrices = [
            ("weight", layer.inputs, &layer.weight),
            ("recurrent", layer.units, &layer.recurrent),
        ];
        for (what, rows, values) in matrices {
            let tensor = Tensor {
                shape: [rows, gates].into(),
                numbers: Numbers::F32(values.clone()),
            };
            self.tensors.insert(format!("{name}.{what}"), tensor);
        }
        self.put_numbers(&format!("{name}.bias"), Numbers::F32(layer.bias.clone()));
        OpText::Recurrent {
            cell: layer.cell,
            inputs: layer.inputs,
            units: layer.units,
        }
    }

    /// Reads and checks the graph stored by [`put_graph`](Self::put_graph).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] for a missing or contradictory entry; otherwise the errors of [`Graph::new`].
    pub fn graph(&self, name: &str) -> Result<Graph> {
        let text: GraphText = self.json(name)?;
        let node = |(i, node): (usize, NodeText)| {
            let (op, inputs) = (self.op(&format!("{name}.{i}"), node.op)?, node.inputs);
            Ok(Node { op, inputs })
        };
        let nodes: Result<Vec<Node>> = text.nodes.into_iter().enumerate().map(node).collect();
        Graph::new(text.input_width, nodes?)
    }

    fn op(&self, name: &str, op: OpText) -> Result<Op> {
        Ok(match op {
            OpText::Ple { edges } => {
                let entry = format!("{name}.edges");
                Op::Ple {
                    edges: split(self.f32s(&entry)?, &edges).ok_or_else(|| {
                        invalid(
                            &entry,
                            "the number of values differs from the declared number",
                        )
                    })?,
                }
            }
            OpText::Linear { rows, cols } => Op::Linear {
                rows,
                cols,
                weight: self.f32s(&format!("{name}.weight"))?.to_vec(),
                bias: self.f32s(&format!("{name}.bias"))?.to_vec(),
            },
            OpText::Relu {} => Op::Relu,
            OpText::Add {} => Op::Add,
            OpText::Mean {} => Op::Mean,
            OpText::Softmax {} => Op::Softmax,
            OpText::Scale {} => {
                let entry = format!("{name}.scale");
                match self.f32s(&entry)? {
                    &[by, add] => Op::Scale { by, add },
                    _ => return Err(invalid(&entry, "two numbers expected")),
                }
            }
            OpText::TreeEnsemble {
                trees,
                splits,
                leaves,
            } => {
                let entry = |what: &str| format!("{name}.{what}");
                let found = TreeEnsemble {
                    roots: self.u32s(&entry("roots"))?.to_vec(),
                    inputs: self.u32s(&entry("inputs"))?.to_vec(),
                    threshold: self.f32s(&entry("threshold"))?.to_vec(),
                    children: self.u32s(&entry("children"))?.to_vec(),
                    leaves: self.f32s(&entry("leaves"))?.to_vec(),
                };
                let sizes = (found.roots.len(), found.threshold.len(), found.leaves.len());
                if sizes != (trees, splits, leaves) {
                    return Err(invalid(
                        name,
                        "the number of trees, splits or leaves differs from the declared number",
                    ));
                }
                Op::TreeEnsemble(found)
            }
            OpText::TableInterp { knots } => {
                let entry = format!("{name}.knots");
                Op::TableInterp(TableInterp {
                    knots: split(self.f32s(&entry)?, &knots).ok_or_else(|| {
                        invalid(
                            &entry,
                            "the number of values differs from the declared number",
                        )
                    })?,
                    values: self.f32s(&format!("{name}.values"))?.to_vec(),
                })
            }
            OpText::Recurrent {
                cell,
                inputs,
                units,
            } => Op::Recurrent(Recurrent {
                cell,
                inputs,
                units,
                weight: self.f32s(&format!("{name}.weight"))?.to_vec(),
                recurrent: self.f32s(&format!("{name}.recurrent"))?.to_vec(),
                bias: self.f32s(&format!("{name}.bias"))?.to_vec(),
            }),
        })
    }

    /// Stores an encoder as JSON under a key.
    ///
    /// # Errors
    ///
    /// The errors of [`Encoder::check`], for example for numbers that are not finite, which JSON cannot hold.
    pub fn put_encoder(&mut self, key: &str, encoder: &Encoder) -> Result<()> {
        encoder.check()?;
        self.put_json(key, encoder)
    }

    /// Reads and checks the encoder stored by [`put_encoder`](Self::put_encoder).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntry`] if there is no such entry or it is not an encoder; otherwise the errors of [`Encoder::check`].
    pub fn encoder(&self, key: &str) -> Result<Encoder> {
        let encoder: Encoder = self.json(key)?;
        encoder.check()?;
        Ok(encoder)
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        let at = bytes.len();
        self.in_file_order()
            .iter()
            .for_each(|(_, tensor)| tensor.numbers.write(&mut bytes));
        debug_assert_eq!(at % 8, 0);
        let checksum = format!("{:016x}", fnv1a(&bytes));
        if let Some(digits) = checksum_digits(&mut bytes) {
            digits.copy_from_slice(checksum.as_bytes());
        }
        bytes
    }

    /// The tensors in the order in which the file has them: eight-byte numbers first, so that all tensors are aligned.
    fn in_file_order(&self) -> Vec<(&String, &Tensor)> {
        let mut tensors: Vec<_> = self.tensors.iter().collect();
        tensors.sort_by_key(|(_, tensor)| !matches!(tensor.numbers, Numbers::F64(_)));
        tensors
    }

    /// The file's header: its length and JSON text, with zeros for the checksum.
    fn header(&self) -> Vec<u8> {
        let mut metadata = self.sections.clone();
        metadata.insert("checksum".into(), ZERO_CHECKSUM.into());
        metadata.insert("format".into(), format!("{FORMAT_NAME}{}", self.format));
        metadata.insert("kind".into(), self.kind.clone());
        let mut entries = Map::new();
        entries.insert("__metadata__".into(), json!(metadata));
        let mut offset = 0;
        for (name, tensor) in self.in_file_order() {
            let end = offset + tensor.numbers.size();
            let entry = json!({ "dtype": tensor.numbers.dtype(), "shape": tensor.shape, "data_offsets": [offset, end] });
            entries.insert(name.clone(), entry);
            offset = end;
        }
        let mut text = Json::Object(entries).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text);
        bytes
    }

    /// Reads a container of the given kind from the bytes of a file.
    ///
    /// `bytes` may be anything: invalid bytes give an error, never a panic, and memory use stays below a small multiple of their length.
    ///
    /// # Errors
    ///
    /// [`Error::NotLimbeck`], [`Error::NewerFormat`], [`Error::Damaged`], [`Error::WrongKind`] or [`Error::InvalidEntry`].
    pub fn from_bytes(bytes: &[u8], kind: &str) -> Result<Self> {
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| not_limbeck(&error.to_string()))?;
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|error| not_limbeck(&error.to_string()))?;
        let metadata = header.metadata().iter().flatten();
        let mut sections: BTreeMap<String, String> = metadata
            .map(|(key, text)| (key.clone(), text.clone()))
            .collect();
        let format = format_of(sections.remove("format").as_deref())?;
        check_sum(bytes, sections.remove("checksum"))?;
        let found = sections
            .remove("kind")
            .ok_or_else(|| invalid("kind", "missing"))?;
        if found != kind {
            return Err(Error::WrongKind {
                found,
                expected: kind.into(),
            });
        }
        let mut container = Container {
            kind: found,
            format,
            sections,
            tensors: BTreeMap::new(),
        };
        for (name, view) in tensors.tensors() {
            let numbers = Numbers::read(view.dtype(), view.data()).ok_or_else(|| {
                invalid(
                    &name,
                    &format!(
                        "found numbers of type {:?}, expected F32, F64 or U32",
                        view.dtype()
                    ),
                )
            })?;
            container.tensors.insert(
                name,
                Tensor {
                    shape: view.shape().to_vec(),
                    numbers,
                },
            );
        }
        Ok(container)
    }

    /// Writes the file, completely or not at all.
    ///
    /// The bytes go to a temporary file in the same folder, which is synced and then renamed. An existing file of that name is replaced; a
    /// folder, device or pipe is an error.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] names the path and the failed action. The temporary file is removed.
    #[cfg(feature = "std")]
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
        write_whole(path.as_ref(), &self.to_bytes())
    }

    /// Reads a container of the given kind from a file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::TooLarge`], or the errors of [`from_bytes`](Self::from_bytes).
    #[cfg(feature = "std")]
    pub fn load(path: impl AsRef<std::path::Path>, kind: &str) -> Result<Self> {
        Container::from_bytes(&read_whole(path.as_ref())?, kind)
    }
}

fn invalid(entry: &str, reason: &str) -> Error {
    Error::InvalidEntry {
        entry: entry.into(),
        reason: reason.into(),
    }
}

fn not_limbeck(reason: &str) -> Error {
    Error::NotLimbeck {
        reason: reason.into(),
    }
}

fn format_of(format: Option<&str>) -> Result<u64> {
    let Some(format) = format else {
        return Err(not_limbeck(
            "it is a safetensors file, but its metadata has no `format`",
        ));
    };
    match format.strip_prefix(FORMAT_NAME).map(str::parse::<u64>) {
        Some(Ok(number @ FIRST_FORMAT..=LAST_FORMAT)) => Ok(number),
        Some(Ok(number)) if number > LAST_FORMAT => Err(Error::NewerFormat {
            found: format.into(),
            supported: FORMAT,
        }),
        _ => Err(not_limbeck(&format!(
            "its `format` is `{format}`, which is not a limbeck format"
        ))),
    }
}

fn check_sum(bytes: &[u8], expected: Option<String>) -> Result<()> {
    let expected = expected.ok_or_else(|| invalid("checksum", "missing"))?;
    let mut zeroed = bytes.to_vec();
    checksum_digits(&mut zeroed)
        .ok_or_else(|| invalid("checksum", "16 digits expected"))?
        .fill(b'0');
    let found = format!("{:016x}", fnv1a(&zeroed));
    if found == expected {
        Ok(())
    } else {
        Err(Error::Damaged { found, expected })
    }
}

/// The sixteen digits of the checksum in the file's header; `None` if the key is missing. In JSON, quotes inside text are escaped, so the bytes
/// `"checksum":"` occur only at the key itself.
fn checksum_digits(bytes: &mut [u8]) -> Option<&mut [u8]> {
    const KEY: &[u8] = b"\"checksum\":\"";
    let at = bytes.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    bytes.get_mut(at..at + ZERO_CHECKSUM.len())
}

/// Splits `numbers` into consecutive pieces of the given lengths; `None` if the lengths do not add up to the number of values.
fn split(mut numbers: &[f32], lengths: &[usize]) -> Option<Vec<Vec<f32>>> {
    let mut pieces = Vec::new();
    for &length in lengths {
        let (piece, rest) = numbers.split_at_checked(length)?;
        pieces.push(piece.to_vec());
        numbers = rest;
    }
    numbers.is_empty().then_some(pieces)
}

#[cfg(feature = "std")]
fn read_whole(path: &std::path::Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let fault = |source| io_error(path, "read", source);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(fault)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(fault)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Error::TooLarge {
            path: path.display().to_string(),
            limit: LARGEST_FILE,
        });
    }
    Ok(bytes)
}

#[cfg(feature = "std")]
fn write_whole(path: &std::path::Path, bytes: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else {
        let source = std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "the path has no file name",
        );
        return Err(io_error(path, "write", source));
    };
    // A rename would replace a device or pipe by the file.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let source = std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it exists and is not a regular file",
        );
        return Err(io_error(path, "write", source));
    }
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let written = write_synced(&temporary, bytes)
        .map_err(|source| io_error(path, "write", source))
        .and_then(|()| {
            std::fs::rename(&temporary, path).map_err(|source| io_error(path, "write", source))
        });
    if written.is_err() {
        // Report the first error, not one of the clean-up.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(feature = "std")]
fn write_synced(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(feature = "std")]
fn io_error(path: &std::path::Path, action: &'static str, source: std::io::Error) -> Error {
    Error::Io {
        path: path.display().to_string(),
        action,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees() -> TreeEnsemble {
        TreeEnsemble {
            roots: [0, 3].into(),
            inputs: [3].into(),
            threshold: [0.25].into(),
            children: [1, 2].into(),
            leaves: [0.1, 0.2, -7.0].into(),
        }
    }

    fn container() -> Container {
        let mut file = Container::new("teacher");
        let ple = Op::Ple {
            edges: [[0.0, 0.5, 1.0].into(), Vec::new()].into(),
        };
        let layer = Op::Linear {
            rows: 3,
            cols: 1,
            weight: [0.1, 0.2, -0.0].into(),
            bias: [1.0].into(),
        };
        let nodes = [
            Node::new(ple, [0]),
            Node::new(layer, [1]),
            Node::new(Op::Relu, [2]),
            Node::new(Op::Add, [2, 3]),
        ];
        let mut nodes = nodes.to_vec();
        nodes.push(Node::new(Op::Mean, [3, 4]));
        nodes.push(Node::new(Op::Scale { by: 0.1, add: -3.0 }, [5]));
        nodes.push(Node::new(Op::Softmax, [6]));
        nodes.push(Node::new(Op::TreeEnsemble(trees()), [0]));
        nodes.push(Node::new(
            Op::TableInterp(TableInterp {
                knots: [[0.0, 2.0, 3.0].into(), [1.0, 2.0].into()].into(),
                values: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].into(),
            }),
            [0],
        ));
        nodes.push(Node::new(
            Op::Recurrent(Recurrent {
                cell: Cell::Lstm,
                inputs: 2,
                units: 1,
                weight: [0.1; 8].into(),
                recurrent: [0.2; 4].into(),
                bias: [0.3; 4].into(),
            }),
            [0],
        ));
        file.put_graph("mean", &Graph::new(2, nodes).unwrap());
        file.put_numbers("wide", Numbers::F64([0.1, -2.0].into()));
        file.put_numbers("index", Numbers::U32([7].into()));
        file.put("note", "quotes \" and \"checksum\":\"x\" and ü\n");
        file
    }

    #[test]
    fn container_round_trips_in_canonical_bytes() {
        let file = container();
        let bytes = file.to_bytes();
        let back = Container::from_bytes(&bytes, "teacher").unwrap();
        assert_eq!(back, file);
        assert_eq!(back.to_bytes(), bytes);
        assert_eq!(back.graph("mean").unwrap(), file.graph("mean").unwrap());
    }

    #[test]
    fn tensors_are_aligned() {
        let bytes = container().to_bytes();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        for (name, view) in tensors.tensors() {
            let offset = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
            assert_eq!(offset % if name == "wide" { 8 } else { 4 }, 0, "{name}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = container().to_bytes();
        for length in 0..bytes.len() {
            assert!(
                Container::from_bytes(&bytes[..length], "teacher").is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut bytes = container().to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert!(
                    Container::from_bytes(&bytes, "teacher").is_err(),
                    "byte {at}, bit {bit}"
                );
                bytes[at] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = container().to_bytes();
        bytes.extend([0; 8]);
        assert!(Container::from_bytes(&bytes, "teacher").is_err());
    }

    /// The container's bytes with one text of the header replaced by another of the same length, and a matching checksum.
    fn forged(from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut bytes = container().to_bytes();
        let at = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        checksum_digits(&mut bytes).unwrap().fill(b'0');
        let sum = format!("{:016x}", fnv1a(&bytes));
        checksum_digits(&mut bytes)
            .unwrap()
            .copy_from_slice(sum.as_bytes());
        bytes
    }

    #[test]
    fn newer_format_is_refused_by_name() {
        let error =
            Container::from_bytes(&forged("limbeck-1", "limbeck-3"), "teacher").unwrap_err();
        assert!(
            matches!(&error, Error::NewerFormat { found, supported: "limbeck-2" } if found == "limbeck-3")
        );
        assert!(
            error.to_string().contains("`limbeck-3`") && error.to_string().contains("`limbeck-2`")
        );
    }

    #[test]
    fn other_formats_are_refused() {
        for format in ["limbeck-0", "limbeck-x", "limbeck--", "something"] {
            assert!(matches!(
                Container::from_bytes(&forged("limbeck-1", format), "teacher"),
                Err(Error::NotLimbeck { .. })
            ));
        }
        assert!(matches!(
            Container::from_bytes(b"", "student"),
            Err(Error::NotLimbeck { .. })
        ));
    }

    #[test]
    fn other_kind_is_refused_by_name() {
        let error = Container::from_bytes(&container().to_bytes(), "student").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("holds a teacher, expected a student")
        );
    }

    #[test]
    fn huge_declarations_are_refused() {
        // A header of 2⁶³ bytes.
        let mut bytes = container().to_bytes();
        bytes[7] = 0x80;
        assert!(Container::from_bytes(&bytes, "teacher").is_err());
        // Sizes in the structure that do not match the tensors, with a matching checksum.
        let graph = |from, to| {
            Container::from_bytes(&forged(from, to), "teacher")
                .unwrap()
                .graph("mean")
        };
        assert!(graph("\\\"rows\\\":3", "\\\"rows\\\":9").is_err());
        assert!(graph("\\\"edges\\\":[3,0]", "\\\"edges\\\":[9,0]").is_err());
        assert!(graph("\\\"input_width\\\":2", "\\\"input_width\\\":9").is_err());
        assert!(graph("\\\"splits\\\":1", "\\\"splits\\\":9").is_err());
        assert!(graph("\\\"leaves\\\":3", "\\\"leaves\\\":2").is_err());
        assert!(graph("\\\"knots\\\":[3,2]", "\\\"knots\\\":[2,3]").is_err());
        assert!(graph("\\\"knots\\\":[3,2]", "\\\"knots\\\":[3,9]").is_err());
        assert!(graph("\\\"units\\\":1", "\\\"units\\\":9").is_err());
        assert!(graph("\\\"units\\\":1", "\\\"units\\\":0").is_err());
        assert!(graph("\\\"inputs\\\":2,\\\"units", "\\\"inputs\\\":1,\\\"units").is_err());
        assert!(graph("\\\"lstm", "\\\"cell").is_err());
    }

    #[test]
    fn trees_that_lead_nowhere_are_refused() {
        let cases: [(&str, Numbers); 7] = [
            ("children", Numbers::U32([0, 2].into())),
            ("children", Numbers::U32([1, 9].into())),
            ("children", Numbers::U32([1].into())),
            ("roots", Numbers::U32([3, 3].into())),
            ("inputs", Numbers::U32([4].into())),
            ("threshold", Numbers::F32([f32::NAN].into())),
            ("leaves", Numbers::U32([1, 2, 3].into())),
        ];
        for (entry, numbers) in cases {
            let mut file = container();
            file.put_numbers(&format!("mean.7.{entry}"), numbers);
            let back = Container::from_bytes(&file.to_bytes(), "teacher").unwrap();
            assert!(back.graph("mean").is_err(), "{entry}");
        }
        let mut file = container();
        file.tensors.remove("mean.7.roots");
        assert!(
            file.graph("mean")
                .unwrap_err()
                .to_string()
                .contains("`mean.7.roots`: missing")
        );
    }

    #[test]
    fn tables_that_contradict_themselves_are_refused() {
        let cases: [(&str, Numbers); 4] = [
            ("knots", Numbers::F32([0.0, 2.0, 2.0, 1.0, 2.0].into())),
            ("knots", Numbers::F32([0.0, 2.0].into())),
            ("values", Numbers::F32([0.0; 5].into())),
            ("values", Numbers::F32([f32::NAN; 6].into())),
        ];
        for (entry, numbers) in cases {
            let mut file = container();
            file.put_numbers(&format!("mean.8.{entry}"), numbers);
            let back = Container::from_bytes(&file.to_bytes(), "teacher").unwrap();
            assert!(back.graph("mean").is_err(), "{entry}");
        }
    }

    #[test]
    fn missing_entries_are_named() {
        let file = container();
        assert!(
            file.text("nothing")
                .unwrap_err()
                .to_string()
                .contains("`nothing`: missing")
        );
        assert!(file.f32s("wide").unwrap_err().to_string().contains("F64"));
        assert!(file.json::<u32>("note").is_err());
    }
}
