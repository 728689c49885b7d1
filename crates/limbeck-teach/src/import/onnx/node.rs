//! A node of an ONNX graph and its attributes, as the file stores them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::fault::{Fault, Parsed, short};
use super::op::{Each, Pairs};

/// A node as it is stored in the file.
#[derive(Default)]
pub(super) struct FileNode<'a> {
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) name: &'a str,
    pub(super) op: &'a str,
    /// The operator set that defines the operation.
    pub(super) domain: &'a str,
    pub(super) attributes: HashMap<&'a str, Attribute<'a>>,
    /// For a `Scan`: the names of the values that the nodes in its body read. Empty for other operations.
    pub(super) inner: Vec<&'a str>,
}

#[derive(Default)]
pub(super) struct Attribute<'a> {
    pub(super) float: f64,
    pub(super) int: i64,
    pub(super) text: &'a [u8],
    pub(super) tensor: Option<&'a [u8]>,
    pub(super) graph: Option<&'a [u8]>,
    pub(super) floats: Vec<f64>,
    pub(super) ints: Vec<i64>,
    pub(super) texts: Vec<&'a [u8]>,
}

impl FileNode<'_> {
    pub(super) fn float(&self, key: &str, default: f64) -> f64 {
        self.attributes
            .get(key)
            .map_or(default, |attribute| attribute.float)
    }

    pub(super) fn int(&self, key: &str, default: i64) -> i64 {
        self.attributes
            .get(key)
            .map_or(default, |attribute| attribute.int)
    }

    pub(super) fn floats(&self, key: &str) -> Vec<f64> {
        self.attributes
            .get(key)
            .map(|attribute| attribute.floats.clone())
            .unwrap_or_default()
    }

    pub(super) fn ints(&self, key: &str) -> &[i64] {
        self.attributes
            .get(key)
            .map(|attribute| attribute.ints.as_slice())
            .unwrap_or_default()
    }

    pub(super) fn text(&self, key: &str, default: &'static str) -> Cow<'_, str> {
        self.attributes
            .get(key)
            .map_or(default.into(), |attribute| {
                String::from_utf8_lossy(attribute.text)
            })
    }

    /// The strings of an attribute; empty if the node does not have it.
    pub(super) fn texts(&self, key: &str) -> &[&[u8]] {
        self.attributes
            .get(key)
            .map(|attribute| attribute.texts.as_slice())
            .unwrap_or_default()
    }

    /// True if the node has this attribute.
    pub(super) fn has(&self, key: &str) -> bool {
        self.attributes.contains_key(key)
    }

    /// True if the node has an input at index `place`. (An optional input that is left out has an empty name.)
    pub(super) fn has_input(&self, place: usize) -> bool {
        self.inputs.get(place).is_some_and(|name| !name.is_empty())
    }

    /// The operation of the node if it computes each element of its result from one element of its input, such as
    /// `Relu`; else `None`.
    pub(super) fn each(&self) -> Option<Each> {
        Some(match self.op {
            "Identity" | "Dropout" => Each::Identity,
            "Relu" => Each::Relu,
            "Tanh" => Each::Tanh,
            "Sigmoid" => Each::Sigmoid,
            "LeakyRelu" => Each::LeakyRelu(self.float("alpha", 0.01)),
            "Elu" => Each::Elu(self.float("alpha", 1.0)),
            "Selu" => Each::Selu {
                alpha: self.float("alpha", 1.673_263_192_176_818_8),
                gamma: self.float("gamma", 1.050_701_022_148_132_3),
            },
            "Softplus" => Each::Softplus,
            "Softsign" => Each::Softsign,
            "HardSigmoid" => Each::HardSigmoid {
                alpha: self.float("alpha", 0.2),
                beta: self.float("beta", 0.5),
            },
            "HardSwish" => Each::HardSwish,
            "Gelu" if self.text("approximate", "none") == "tanh" => Each::GeluTanh,
            "Gelu" => Each::Gelu,
            "Erf" => Each::Erf,
            "Exp" => Each::Exp,
            "Log" => Each::Log,
            "Sqrt" => Each::Sqrt,
            "Neg" => Each::Neg,
            "Abs" => Each::Abs,
            "Reciprocal" => Each::Reciprocal,
            "Floor" => Each::Floor,
            "Ceil" => Each::Ceil,
            "Round" => Each::Round,
            "Sign" => Each::Sign,
            "Sin" => Each::Sin,
            "Cos" => Each::Cos,
            "Mish" => Each::Mish,
            "Celu" => Each::Celu(self.float("alpha", 1.0)),
            "Not" => Each::Not,
            "IsNaN" => Each::IsNan,
            "IsInf" => Each::IsInf,
            _ => return None,
        })
    }

    /// The operation of the node if it computes each element of its result from a pair of elements, one of each input,
    /// such as `Add`; else `None`. `whole` is true if both inputs hold integers.
    pub(super) fn pairs(&self, whole: bool) -> Option<Pairs> {
        Some(match self.op {
            "Add" | "Sum" => Pairs::Add,
            "Sub" => Pairs::Sub,
            "Mul" => Pairs::Mul,
            "Div" if whole => Pairs::DivWhole,
            "Div" => Pairs::Div,
            "Mod" => Pairs::Mod {
                floored: self.int("fmod", 0) == 0,
            },
            "And" => Pairs::And,
            "Or" => Pairs::Or,
            "Xor" => Pairs::Xor,
            "Equal" => Pairs::Equal,
            "Less" => Pairs::Less,
            "LessOrEqual" => Pairs::LessOrEqual,
            "Greater" => Pairs::Greater,
            "GreaterOrEqual" => Pairs::GreaterOrEqual,
            "Pow" => Pairs::Pow,
            "Min" => Pairs::Min,
            "Max" => Pairs::Max,
            _ => return None,
        })
    }

    /// Refuses operations of an unknown operator set, because their names may have another meaning there.
    pub(super) fn check_domain(&self) -> Parsed<()> {
        match self.domain {
            "" | "ai.onnx" | "ai.onnx.ml" | "com.microsoft" => Ok(()),
            domain => Err(Fault::unsupported(
                format!(
                    "the graph has the operation {} of the unknown domain {}",
                    short(self.op),
                    short(domain)
                ),
                "export the model without custom operations, or predict with your own program through --teacher-command",
            )),
        }
    }

    /// Refuses attributes whose values are not supported and would change the result.
    pub(super) fn check_attributes(&self, name: &str) -> Parsed<()> {
        let is_off = |key: &str| self.int(key, 1) == 0;
        let fix = match self.op {
            "IsInf" if is_off("detect_negative") || is_off("detect_positive") => {
                "expected detect_negative = 1 and detect_positive = 1"
            }
            "ArgMax" | "ArgMin" if self.int("select_last_index", 0) != 0 => {
                "expected select_last_index = 0"
            }
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "And" | "Or" | "Xor" | "Equal" | "Less"
            | "Greater"
                if self.has("axis") =>
            {
                "found the attribute axis, which only opsets below 7 have; convert the model to opset 13 or later"
            }
            _ => return Ok(()),
        };
        Err(cannot(name, fix))
    }

    /// Error for an operation that is not supported.
    pub(super) fn unknown(&self) -> Fault {
        let fix = match self.op {
            "TreeEnsembleClassifier" | "LinearClassifier" | "SVMClassifier" => {
                "give a regression model"
            }
            _ => {
                "export the model without it, or predict with your own program through --teacher-command"
            }
        };
        Fault::unsupported(
            format!("the graph has the unsupported operation {}", short(self.op)),
            fix,
        )
    }
}

/// Error for attributes or inputs that are not supported. `name` is the name of the node, `expected` what limbeck supports.
pub(super) fn cannot(name: &str, expected: &str) -> Fault {
    Fault::unsupported(
        format!("{name} has unsupported inputs or attributes: {expected}"),
        "export the model in another way, or predict with your own program through --teacher-command",
    )
}

/// Error for a model with several targets.
pub(super) fn several_targets(name: &str) -> Fault {
    Fault::unsupported(
        format!("{name} has several targets"),
        "give a regression model with one output",
    )
}

pub(super) fn no_transform(transform: &str) -> Parsed<()> {
    match transform {
        "NONE" => Ok(()),
        other => Err(Fault::unsupported(
            format!("the attribute post_transform is {}", short(other)),
            "expected NONE: give a regression model",
        )),
    }
}
