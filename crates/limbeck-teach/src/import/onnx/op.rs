//! The operations that the nodes of an ONNX graph compute.

use super::super::trees::TreeModel;
use super::encode::{Codes, Shown, one_hot};
use super::kernel::{Distance, SupportVectors, distances};
use super::reduce::{Reduction, arg, cumulative_sum, reduce, softmax, top};
use super::select::{self, Cut};
use super::tensor::{
    MOST_AXES, Tensor, axis_of, broadcast, concat, fits, multiply, permute, reshape, transpose,
};

/// The operation of a node, with its attributes and fitted numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    Each(Each),
    Pairs(Pairs),
    Clip {
        low: f64,
        high: f64,
    },
    Gemm {
        alpha: f64,
        beta: f64,
        left_transposed: bool,
        right_transposed: bool,
    },
    MatMul,
    Flatten {
        axis: i64,
    },
    Reshape {
        shape: Ints,
        zero_is_zero: bool,
    },
    Squeeze {
        axes: Vec<i64>,
    },
    Unsqueeze {
        axes: Vec<i64>,
    },
    Transpose,
    Permute(Vec<i64>),
    Concat {
        axis: i64,
    },
    BatchNormalization {
        epsilon: f64,
    },
    LayerNormalization {
        epsilon: f64,
    },
    Scaler {
        offset: Vec<f64>,
        scale: Vec<f64>,
    },
    Imputer {
        values: Vec<f64>,
        replaced: f64,
    },
    Normalizer {
        norm: Norm,
    },
    LinearRegressor {
        coefficients: Vec<f64>,
        intercept: f64,
    },
    /// Trees, and the minimum number of columns of their input.
    Trees(TreeModel, usize),
    Where,
    Gather {
        axis: i64,
    },
    GatherElements {
        axis: i64,
    },
    /// `ArrayFeatureExtractor`: selects columns, by indices in the second input.
    Columns,
    /// A slice whose starts and ends are inputs of the node. If `axes` is true, its axes are an input, too; if `steps`
    /// is true, also its steps.
    Slice {
        axes: bool,
        steps: bool,
    },
    /// A slice with constant starts, ends and axes, and steps of 1.
    Cut(Cut),
    /// Part number `at` (from 0) of a split of the axis into `parts` equal parts; the last part may be smaller.
    Split {
        axis: i64,
        at: usize,
        parts: usize,
    },
    /// One part of a split of the axis into parts of given sizes. It has the `length` elements from index `start` on.
    Part {
        axis: i64,
        start: usize,
        length: usize,
        /// The sum of the sizes of all parts. It must equal the size of the axis.
        total: usize,
    },
    Expand(Ints),
    Tile(Ints),
    Shape {
        start: i64,
        end: Option<i64>,
    },
    ConstantOfShape(f64),
    Range,
    Reduce {
        how: Reduction,
        axes: Vec<i64>,
        keep: bool,
    },
    Arg {
        axis: i64,
        keep: bool,
        largest: bool,
    },
    Softmax {
        axis: i64,
        log: bool,
        /// True if the softmax runs over `axis` and all later axes together, as it did before opset 13.
        flat: bool,
    },
    CumulativeSum {
        axis: i64,
    },
    /// The `count` largest elements along an axis, or the smallest if `largest` is false. The result holds their
    /// values, or their indices if `places` is true.
    Top {
        axis: i64,
        count: usize,
        largest: bool,
        places: bool,
    },
    /// The mean of all inputs, element by element.
    Mean,
    PRelu,
    Codes(Codes),
    Shown(Shown),
    OneHot(Codes, usize),
    Binarizer(f64),
    Distances(Distance),
    SupportVectors(SupportVectors),
}

/// Integers that an operation needs. `Known`: they are constants of the file. `Input`: they are the second input of the
/// operation, read when the graph runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ints {
    Known(Vec<i64>),
    Input,
}

impl Ints {
    fn of(&self, inputs: &[&Tensor]) -> Option<Vec<i64>> {
        match self {
            Self::Known(ints) => Some(ints.clone()),
            Self::Input => Some(inputs.get(1)?.whole()),
        }
    }
}

/// Operations that compute each element of the result from one element of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Each {
    Identity,
    /// Rounds to single precision.
    Single,
    /// Rounds to half precision.
    Half,
    Truncate,
    Relu,
    Tanh,
    Sigmoid,
    LeakyRelu(f64),
    Elu(f64),
    Selu {
        alpha: f64,
        gamma: f64,
    },
    Softplus,
    Softsign,
    HardSigmoid {
        alpha: f64,
        beta: f64,
    },
    HardSwish,
    Gelu,
    GeluTanh,
    Erf,
    Exp,
    Log,
    Sqrt,
    Neg,
    Abs,
    Reciprocal,
    Floor,
    Ceil,
    Round,
    Sign,
    Sin,
    Cos,
    Mish,
    Celu(f64),
    Not,
    IsNan,
    IsInf,
    /// 1 for all values except 0; 0 for 0.
    Truth,
}

/// Operations that compute each element of the result from a pair of elements, one of each input, with broadcasting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pairs {
    Add,
    Sub,
    Mul,
    Div,
    /// Division of integers, rounded toward 0.
    DivWhole,
    /// The remainder of a division. It has the sign of the divisor if `floored` is true, else the sign of the dividend.
    Mod {
        floored: bool,
    },
    Pow,
    Min,
    Max,
    And,
    Or,
    Xor,
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Norm {
    Max,
    L1,
    L2,
}

impl Op {
    /// Computes the operation; `None` if inputs are missing, their shapes or values do not fit the operation, or the
    /// result is too large.
    pub(super) fn run(&self, inputs: &[&Tensor]) -> Option<Tensor> {
        let first = *inputs.first()?;
        match self {
            Self::Each(each) => Some(map(first, |_, x| each.of(x))),
            Self::Clip { low, high } => Some(map(first, |_, x| {
                if x.is_nan() {
                    x
                } else {
                    x.max(*low).min(*high)
                }
            })),
            Self::Pairs(pairs) => inputs[1..].iter().try_fold(first.clone(), |result, other| {
                broadcast(&result, other, |a, b| pairs.of(a, b))
            }),
            Self::Gemm {
                alpha,
                beta,
                left_transposed,
                right_transposed,
            } => gemm(
                inputs,
                (*alpha, *beta),
                (*left_transposed, *right_transposed),
            ),
            Self::MatMul => matmul(first, inputs.get(1)?),
            Self::Flatten { axis } => flatten(first, *axis),
            Self::Reshape {
                shape,
                zero_is_zero,
            } => reshape(first, &shape.of(inputs)?, *zero_is_zero),
            Self::Squeeze { axes } => squeeze(first, axes),
            Self::Unsqueeze { axes } => unsqueeze(first, axes),
            Self::Transpose => transpose(first),
            Self::Permute(perm) => permute(first, perm),
            Self::Concat { axis } => concat(inputs, *axis),
            Self::BatchNormalization { epsilon } => batch_normalization(inputs, *epsilon),
            Self::LayerNormalization { epsilon } => layer_normalization(inputs, *epsilon),
            Self::Scaler { offset, scale } => scaler(first, offset, scale),
            Self::Imputer { values, replaced } => imputer(first, values, *replaced),
            Self::Normalizer { norm } => normalizer(first, *norm),
            Self::LinearRegressor {
                coefficients,
                intercept,
            } => linear_regressor(first, coefficients, *intercept),
            Self::Trees(trees, least) => trees_of(first, trees, *least),
            _ => self.run_other(first, inputs),
        }
    }

    /// Like [`run`](Self::run), for the operations that it does not handle: selections, reductions and encodings.
    fn run_other(&self, first: &Tensor, inputs: &[&Tensor]) -> Option<Tensor> {
        match self {
            Self::Where => select::choose(first, inputs.get(1)?, inputs.get(2)?),
            Self::Gather { axis } => select::gather(first, inputs.get(1)?, *axis),
            Self::GatherElements { axis } => select::gather_elements(first, inputs.get(1)?, *axis),
            Self::Columns => select::columns(first, inputs.get(1)?),
            Self::Slice { axes, steps } => slice(inputs, *axes, *steps),
            Self::Cut(cut) => select::slice(first, cut),
            Self::Split { axis, at, parts } => select::equal_part(first, *axis, *at, *parts),
            Self::Part {
                axis,
                start,
                length,
                total,
            } => select::part(first, *axis, *start, *length)
                .filter(|_| size_of(first, *axis) == Some(*total)),
            Self::Expand(shape) => select::expand(first, &shape.of(inputs)?),
            Self::Tile(repeats) => select::tile(first, &repeats.of(inputs)?),
            Self::Shape { start, end } => shape_of(first, *start, *end),
            Self::ConstantOfShape(value) => select::filled(&first.whole(), *value),
            Self::Range => {
                let number = |at: usize| inputs.get(at)?.data.first().copied();
                select::steps(number(0)?, number(1)?, number(2)?)
            }
            Self::Reduce { how, axes, keep } => reduce(first, *how, axes, *keep),
            Self::Arg {
                axis,
                keep,
                largest,
            } => arg(first, *axis, *keep, *largest),
            Self::Softmax { axis, log, flat } => softmax(first, *axis, (*log, *flat)),
            Self::CumulativeSum { axis } => cumulative_sum(first, *axis),
            Self::Top {
                axis,
                count,
                largest,
                places,
            } => top(first, *axis, *count, (*largest, *places)),
            Self::Mean => {
                let sum = Self::Pairs(Pairs::Add).run(inputs)?;
                Some(map(&sum, |_, x| x / inputs.len() as f64))
            }
            Self::PRelu => broadcast(
                first,
                inputs.get(1)?,
                |x, slope| if x < 0.0 { slope * x } else { x },
            ),
            Self::Codes(codes) => Some(map(first, |_, x| codes.of(x))),
            Self::Shown(shown) => Some(map(first, |_, x| shown.of(x))),
            Self::OneHot(places, width) => one_hot(first, places, *width),
            Self::Binarizer(threshold) => {
                Some(map(first, |_, x| f64::from(u8::from(x > *threshold))))
            }
            Self::Distances(distance) => distances(first, inputs.get(1)?, *distance),
            Self::SupportVectors(vectors) => vectors.predict(first),
            _ => unreachable!("`run` handles the other operations"),
        }
    }

    /// Estimated number of multiplications or comparisons, computed before the operation runs.
    pub(super) fn work(&self, inputs: &[&Tensor]) -> u64 {
        let read: usize = inputs.iter().map(|input| input.data.len()).sum();
        let numbers = |at: usize| inputs.get(at).map_or(0, |input| input.data.len());
        let last = |at: usize| inputs.get(at).and_then(|input| input.shape.last()).copied();
        let times = |a: usize, b: usize| (a as u64).saturating_mul(b as u64);
        let more = match self {
            Self::Gemm {
                left_transposed, ..
            } => {
                let sides = |at: usize| inputs.get(at).map_or(&[][..], |input| &input.shape);
                let m = sides(0).get(usize::from(*left_transposed)).copied();
                times(m.unwrap_or(0), numbers(1))
            }
            Self::MatMul => {
                let k = last(0).unwrap_or(1).max(1);
                times(numbers(0) / k, numbers(1))
            }
            Self::Distances(_) => times(numbers(0) / last(0).unwrap_or(1).max(1), numbers(1)),
            Self::SupportVectors(vectors) => times(
                numbers(0) / last(0).unwrap_or(1).max(1),
                vectors.parameters(),
            ),
            // A path may pass all nodes of a tree.
            Self::Trees(trees, _) => times(
                trees.trees.iter().map(|tree| tree.nodes.len()).sum(),
                numbers(0) / last(0).unwrap_or(1).max(1),
            ),
            // Each further input is broadcast with the result so far.
            Self::Pairs(pairs) => times(inputs.len() * pairs.cost(), broadcast_size(inputs)),
            Self::Mean => times(inputs.len(), broadcast_size(inputs)),
            Self::Each(each) => times(each.cost(), numbers(0)),
            Self::Codes(_) | Self::OneHot(..) | Self::Softmax { .. } => times(SLOW, numbers(0)),
            Self::Top { .. } | Self::Shown(_) => times(4 * SLOW, numbers(0)),
            _ => 0,
        };
        more.saturating_add(read as u64)
    }

    /// Number of fitted parameters.
    pub(super) fn parameters(&self) -> usize {
        match self {
            Self::Trees(trees, _) => trees.parameters(),
            Self::Scaler { offset, scale } => offset.len() + scale.len(),
            Self::LinearRegressor { coefficients, .. } => coefficients.len() + 1,
            Self::Imputer { values, .. } => values.len(),
            Self::SupportVectors(vectors) => vectors.parameters(),
            Self::Codes(codes) | Self::OneHot(codes, _) => codes.len(),
            _ => 0,
        }
    }
}

fn size_of(tensor: &Tensor, axis: i64) -> Option<usize> {
    Some(tensor.shape[axis_of(axis, tensor.shape.len())?])
}

/// The work for one value of a function such as `exp`, or for one table look-up, expressed as a number of
/// multiplications.
const SLOW: usize = 8;

/// Upper limit for the number of values after all inputs are broadcast to one shape.
fn broadcast_size(inputs: &[&Tensor]) -> usize {
    let rank = inputs.iter().map(|input| input.shape.len()).max();
    let size = |from_end: usize| {
        let sizes = inputs
            .iter()
            .filter_map(|input| input.shape.iter().rev().nth(from_end));
        sizes.copied().max().unwrap_or(1)
    };
    (0..rank.unwrap_or(0))
        .map(size)
        .fold(1, usize::saturating_mul)
}

fn slice(inputs: &[&Tensor], axes: bool, steps: bool) -> Option<Tensor> {
    let mut rest = inputs.iter().map(|input| input.whole()).skip(1);
    let cut = Cut {
        starts: rest.next()?,
        ends: rest.next()?,
        axes: if axes { Some(rest.next()?) } else { None },
        steps: if steps { Some(rest.next()?) } else { None },
    };
    select::slice(inputs[0], &cut)
}

/// Sizes of the axes from `start` up to, but not including, `end`; to the last axis if `end` is `None`. Negative
/// numbers count from the end.
fn shape_of(tensor: &Tensor, start: i64, end: Option<i64>) -> Option<Tensor> {
    let sizes = Tensor::list(tensor.shape.iter().map(|&size| size as f64).collect());
    let cut = Cut {
        starts: vec![start],
        ends: vec![end.unwrap_or(i64::MAX)],
        axes: None,
        steps: None,
    };
    select::slice(&sizes, &cut)
}

/// Maps each element; `of` gets the index and the value of the element.
fn map(tensor: &Tensor, of: impl Fn(usize, f64) -> f64) -> Tensor {
    let of = |(at, x): (usize, &f64)| of(at, *x);
    Tensor {
        shape: tensor.shape.clone(),
        data: tensor.data.iter().enumerate().map(of).collect(),
    }
}

/// The same values with another shape.
fn shaped(tensor: &Tensor, shape: Vec<usize>) -> Tensor {
    Tensor {
        shape,
        data: tensor.data.clone(),
    }
}

/// `alpha · A B + beta · C` for the inputs `A`, `B` and `C`, of which `C` may be left out. `A` is transposed first if
/// `left_transposed` is true, `B` if `right_transposed` is true.
fn gemm(
    inputs: &[&Tensor],
    (alpha, beta): (f64, f64),
    (left_transposed, right_transposed): (bool, bool),
) -> Option<Tensor> {
    let transposed = |tensor: &Tensor, yes: bool| {
        if yes {
            transpose(tensor)
        } else {
            Some(tensor.clone())
        }
    };
    let mut product = multiply(
        &transposed(inputs.first()?, left_transposed)?,
        &transposed(inputs.get(1)?, right_transposed)?,
    )?;
    product.data.iter_mut().for_each(|value| *value *= alpha);
    match inputs.get(2) {
        None => Some(product),
        Some(bias) => {
            let shape = product.shape.clone();
            broadcast(&product, bias, |a, b| a + beta * b).filter(|sum| sum.shape == shape)
        }
    }
}

/// Product of two matrices, of a matrix and a vector, of a stack of matrices (more than two axes) and one matrix, or of
/// two stacks whose axes before the last two are equal.
fn matmul(first: &Tensor, second: &Tensor) -> Option<Tensor> {
    match (first.shape.len(), second.shape.len()) {
        (_, 1) => {
            let product = matmul(first, &shaped(second, vec![second.shape[0], 1]))?;
            let shape = product.shape[..product.shape.len() - 1].to_vec();
            Some(shaped(&product, shape))
        }
        (1, _) => {
            let product = matmul(&shaped(first, vec![1, first.shape[0]]), second)?;
            Some(shaped(&product, product.shape[1..].to_vec()))
        }
        (0..=2, _) => multiply(first, second),
        (rank, 2) => {
            let width = first.shape[rank - 1];
            let rows = first.shape[..rank - 1].iter().product();
            let product = multiply(&shaped(first, vec![rows, width]), second)?;
            let shape = [&first.shape[..rank - 1], &product.shape[1..]].concat();
            Some(shaped(&product, shape))
        }
        _ => stacked(first, second),
    }
}

fn stacked(first: &Tensor, second: &Tensor) -> Option<Tensor> {
    let (outer, left) = first.shape.split_at_checked(first.shape.len() - 2)?;
    let right = second
        .shape
        .strip_prefix(outer)
        .filter(|right| right.len() == 2)?;
    let (a, b) = (
        left.iter().product::<usize>(),
        right.iter().product::<usize>(),
    );
    let mut data = Vec::new();
    let pairs = first
        .data
        .chunks_exact(a.max(1))
        .zip(second.data.chunks_exact(b.max(1)));
    for (a, b) in pairs {
        let matrix = |shape: &[usize], data: &[f64]| Tensor {
            shape: shape.to_vec(),
            data: data.to_vec(),
        };
        let product = multiply(&matrix(left, a), &matrix(right, b))?;
        data.extend(product.data);
        fits(&[data.len()], first.data.len() + second.data.len())?;
    }
    let shape = [outer, &[left[0], right[1]]].concat();
    Some(Tensor { shape, data })
}

fn flatten(tensor: &Tensor, axis: i64) -> Option<Tensor> {
    let rank = tensor.shape.len();
    let axis = if axis == rank as i64 {
        rank
    } else {
        axis_of(axis, rank)?
    };
    let rows = tensor.shape[..axis].iter().product();
    Some(shaped(
        tensor,
        vec![rows, tensor.shape[axis..].iter().product()],
    ))
}

fn axes_of(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    axes.iter().map(|&axis| axis_of(axis, rank)).collect()
}

fn squeeze(tensor: &Tensor, axes: &[i64]) -> Option<Tensor> {
    let rank = tensor.shape.len();
    let axes = axes_of(axes, rank)?;
    // Without axes, remove all axes of size 1 except the rows, which may be a single row.
    let goes = |at: usize| {
        if axes.is_empty() {
            at > 0 && tensor.shape[at] == 1
        } else {
            axes.contains(&at)
        }
    };
    if axes.iter().any(|&at| tensor.shape[at] != 1) {
        return None;
    }
    let stays = (0..rank).filter(|&at| !goes(at));
    Some(shaped(tensor, stays.map(|at| tensor.shape[at]).collect()))
}

fn unsqueeze(tensor: &Tensor, axes: &[i64]) -> Option<Tensor> {
    let rank = Some(tensor.shape.len() + axes.len()).filter(|rank| *rank <= MOST_AXES)?;
    let axes = axes_of(axes, rank)?;
    let mut sizes = tensor.shape.iter().copied();
    let size = |at: usize| {
        if axes.contains(&at) {
            Some(1)
        } else {
            sizes.next()
        }
    };
    let shape = (0..rank).map(size).collect::<Option<Vec<usize>>>()?;
    sizes.next().is_none().then(|| shaped(tensor, shape))
}

fn batch_normalization(inputs: &[&Tensor], epsilon: f64) -> Option<Tensor> {
    let [x, scale, shift, mean, variance] = inputs else {
        return None;
    };
    let width = *x.shape.get(1).filter(|_| x.shape.len() == 2)?;
    if [scale, shift, mean, variance]
        .iter()
        .any(|tensor| tensor.data.len() != width)
    {
        return None;
    }
    Some(map(x, |at, value| {
        let column = at % width;
        (value - mean.data[column]) / (variance.data[column] + epsilon).sqrt() * scale.data[column]
            + shift.data[column]
    }))
}

fn layer_normalization(inputs: &[&Tensor], epsilon: f64) -> Option<Tensor> {
    let first = *inputs.first()?;
    let width = *first.shape.last().filter(|&&width| width > 0)?;
    let (scale, shift) = (inputs.get(1)?, inputs.get(2));
    if scale.data.len() != width || shift.is_some_and(|shift| shift.data.len() != width) {
        return None;
    }
    let mut result = first.clone();
    for row in result.data.chunks_mut(width) {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64;
        for (column, x) in row.iter_mut().enumerate() {
            *x = (*x - mean) / (variance + epsilon).sqrt() * scale.data[column]
                + shift.map_or(0.0, |shift| shift.data[column]);
        }
    }
    Some(result)
}

fn scaler(tensor: &Tensor, offset: &[f64], scale: &[f64]) -> Option<Tensor> {
    let pick = |list: &[f64], at: usize, width: usize, default: f64| match list.len() {
        0 => Some(default),
        1 => Some(list[0]),
        n if n == width => Some(list[at % width]),
        _ => None,
    };
    let width = *tensor.shape.last()?;
    let of = |(at, x): (usize, &f64)| {
        Some((x - pick(offset, at, width, 0.0)?) * pick(scale, at, width, 1.0)?)
    };
    let data = tensor.data.iter().enumerate().map(of);
    Some(Tensor {
        shape: tensor.shape.clone(),
        data: data.collect::<Option<_>>()?,
    })
}

#[expect(clippy::float_cmp, reason = "the file asks for equality")]
fn imputer(tensor: &Tensor, values: &[f64], replaced: f64) -> Option<Tensor> {
    let width = *tensor.shape.last()?;
    if values.is_empty() || !(values.len() == 1 || values.len() == width) {
        return None;
    }
    let is_replaced = |x: f64| x == replaced || (x.is_nan() && replaced.is_nan());
    Some(map(tensor, |at, x| {
        if is_replaced(x) {
            values[at % width % values.len()]
        } else {
            x
        }
    }))
}

fn normalizer(tensor: &Tensor, norm: Norm) -> Option<Tensor> {
    let width = *tensor.shape.last().filter(|&&width| width > 0)?;
    let mut result = tensor.clone();
    for row in result.data.chunks_mut(width) {
        let size = match norm {
            Norm::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Norm::L1 => row.iter().map(|x| x.abs()).sum(),
            Norm::L2 => row.iter().map(|x| x * x).sum::<f64>().sqrt(),
        };
        if size.abs() > 0.0 {
            row.iter_mut().for_each(|x| *x /= size);
        }
    }
    Some(result)
}

fn linear_regressor(tensor: &Tensor, coefficients: &[f64], intercept: f64) -> Option<Tensor> {
    let [rows, width] = *tensor.shape.as_slice() else {
        return None;
    };
    let row = |row: &[f64]| {
        let products = row.iter().zip(coefficients).map(|(x, c)| x * c);
        products.sum::<f64>() + intercept
    };
    (width == coefficients.len() && width > 0).then(|| Tensor {
        shape: vec![rows, 1],
        data: tensor.data.chunks(width).map(row).collect(),
    })
}

fn trees_of(tensor: &Tensor, trees: &TreeModel, least: usize) -> Option<Tensor> {
    let [rows, width] = *tensor.shape.as_slice() else {
        return None;
    };
    if width < least {
        return None;
    }
    let mut data = vec![0.0; rows];
    trees.predict(&tensor.data, width, &mut data);
    Some(Tensor {
        shape: vec![rows, 1],
        data,
    })
}

impl Each {
    /// Work per element, expressed as a number of multiplications.
    fn cost(self) -> usize {
        match self {
            Self::Identity
            | Self::Single
            | Self::Truncate
            | Self::Relu
            | Self::LeakyRelu(_)
            | Self::HardSigmoid { .. }
            | Self::HardSwish
            | Self::Neg
            | Self::Abs
            | Self::Not
            | Self::IsNan
            | Self::IsInf
            | Self::Truth => 1,
            _ => SLOW,
        }
    }

    fn of(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Single => f64::from(x as f32),
            Self::Half => rounded_to_half(x),
            Self::Truncate => x.trunc(),
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::LeakyRelu(alpha) => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::Elu(alpha) => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Selu { alpha, gamma } => gamma * if x < 0.0 { alpha * x.exp_m1() } else { x },
            // Numerically stable for both signs: ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
            Self::Softplus => {
                if x.is_nan() {
                    x
                } else {
                    x.max(0.0) + (-x.abs()).exp().ln_1p()
                }
            }
            Self::Softsign => x / (1.0 + x.abs()),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                0.5 * x
                    * (1.0
                        + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x))
                            .tanh())
            }
            Self::Erf => libm::erf(x),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Reciprocal => 1.0 / x,
            _ => self.of_other(x),
        }
    }

    /// Like `of`, for the functions that it does not handle: rounding, signs, trigonometric functions and tests.
    fn of_other(self, x: f64) -> f64 {
        match self {
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Sign if x > 0.0 => 1.0,
            Self::Sign if x < 0.0 => -1.0,
            Self::Sign => x,
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Mish => x * Self::Softplus.of(x).tanh(),
            Self::Celu(alpha) if x < 0.0 => alpha * (x / alpha).exp_m1(),
            Self::Celu(_) => x,
            Self::Not => truth(x == 0.0),
            Self::IsNan => truth(x.is_nan()),
            Self::IsInf => truth(x.is_infinite()),
            Self::Truth => truth(x != 0.0),
            _ => unreachable!("`of` handles the other functions"),
        }
    }
}

/// The nearest half-precision (float16) number: 11 significant bits, exponents from −14 to 15, ties to even. A
/// magnitude of 65520 or more becomes infinite.
fn rounded_to_half(x: f64) -> f64 {
    // From here on, rounding gives infinity.
    const TOO_LARGE: f64 = 65_520.0;
    if x.is_nan() || x.abs() >= TOO_LARGE {
        return x * f64::INFINITY;
    }
    let exponent = (x.abs().to_bits() >> 52) as i32 - 1023;
    let step = 2_f64.powi(exponent.max(-14) - 10);
    (x / step).round_ties_even() * step
}

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

impl Pairs {
    /// Work per element, expressed as a number of multiplications.
    fn cost(self) -> usize {
        match self {
            Self::Pow | Self::Mod { .. } => SLOW,
            _ => 1,
        }
    }

    #[expect(clippy::float_cmp, reason = "the file asks for equality")]
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::DivWhole => (a / b).trunc(),
            Self::Mod { floored: true } => a - b * (a / b).floor(),
            Self::Mod { floored: false } => a % b,
            Self::Pow => a.powf(b),
            Self::Min | Self::Max if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
            Self::And => truth(a != 0.0 && b != 0.0),
            Self::Or => truth(a != 0.0 || b != 0.0),
            Self::Xor => truth((a != 0.0) != (b != 0.0)),
            Self::Equal => truth(a == b),
            Self::Less => truth(a < b),
            Self::LessOrEqual => truth(a <= b),
            Self::Greater => truth(a > b),
            Self::GreaterOrEqual => truth(a >= b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tensor::tests::tensor;
    use super::*;

    #[test]
    fn products_are_worked_by_hand() {
        let (a, b) = (
            tensor(&[1, 2], &[1.0, 2.0]),
            tensor(&[2, 2], &[3.0, 4.0, 5.0, 6.0]),
        );
        let gemm = |right_transposed| Op::Gemm {
            alpha: 2.0,
            beta: 3.0,
            left_transposed: false,
            right_transposed,
        };
        let bias = tensor(&[2], &[1.0, -1.0]);
        assert_eq!(
            gemm(false).run(&[&a, &b, &bias]).unwrap().data,
            [29.0, 29.0]
        );
        assert_eq!(gemm(true).run(&[&a, &b, &bias]).unwrap().data, [25.0, 31.0]);
        assert_eq!(
            Op::MatMul.run(&[&a, &tensor(&[2], &[7.0, 8.0])]).unwrap(),
            tensor(&[1], &[23.0])
        );
    }

    #[test]
    fn imputer_replaces_both_zeros_and_every_nan() {
        let x = tensor(&[1, 4], &[0.0, -0.0, f64::NAN, 1.0]);
        let of = |replaced| {
            let values = vec![5.0];
            Op::Imputer { values, replaced }.run(&[&x]).unwrap().data
        };
        let zeros = of(0.0);
        assert!(zeros[..2] == [5.0, 5.0] && zeros[2].is_nan() && zeros[3] == 1.0);
        assert_eq!(of(f64::NAN), [0.0, 0.0, 5.0, 1.0]);
    }

    #[test]
    fn axes_come_and_go() {
        let x = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(
            Op::Unsqueeze { axes: vec![-1] }.run(&[&x]).unwrap().shape,
            [2, 3, 1]
        );
        assert_eq!(Op::Squeeze { axes: vec![0] }.run(&[&x]), None);
        assert_eq!(
            Op::Flatten { axis: 1 }
                .run(&[&tensor(&[2, 1, 3], &x.data)])
                .unwrap()
                .shape,
            [2, 3]
        );
    }

    #[test]
    fn functions_are_worked_by_hand() {
        let of = |each: Each, x: f64| (each.of(x) * 1e6).round() / 1e6;
        assert!(Each::Single.of(0.7) < 0.7 && Each::Identity.of(0.7) >= 0.7);
        assert_eq!(of(Each::Sigmoid, 1.0), 0.731_059);
        assert_eq!(of(Each::Softplus, 1.0), 1.313_262);
        assert_eq!(of(Each::Gelu, 1.0), 0.841_345);
        assert_eq!(of(Each::Elu(2.0), -1.0), -1.264_241);
        assert!(Each::Relu.of(f64::NAN).is_nan() && Each::Softplus.of(f64::NAN).is_nan());
    }

    #[test]
    fn halves_are_rounded() {
        // Neighbors from IEEE 754's binary16: 2048 ± 2, 1 ± 2^-10, the smallest number 2^-24, the largest 65504.
        let tiny = 2_f64.powi(-24);
        for (x, half) in [
            (2049.0, 2048.0),
            (2051.0, 2052.0),
            (1.0 + 0.6 / 1024.0, 1.0 + 1.0 / 1024.0),
            (-0.1, -0.099_975_585_937_5),
            (0.6 * tiny, tiny),
            (0.4 * tiny, 0.0),
            (65_519.0, 65_504.0),
            (-65_520.0, f64::NEG_INFINITY),
        ] {
            assert_eq!(Each::Half.of(x), half, "{x}");
        }
        assert!(Each::Half.of(f64::NAN).is_nan());
    }

    #[test]
    fn pairs_and_questions_are_worked_by_hand() {
        let of = |pairs: Pairs, a: f64, b: f64| pairs.of(a, b);
        assert_eq!(of(Pairs::DivWhole, -7.0, 2.0), -3.0);
        assert_eq!(of(Pairs::Mod { floored: true }, -7.0, 3.0), 2.0);
        assert_eq!(of(Pairs::Mod { floored: false }, -7.0, 3.0), -1.0);
        assert_eq!(
            [Pairs::And, Pairs::Or, Pairs::Xor].map(|p| of(p, 1.0, 0.0)),
            [0.0, 1.0, 1.0]
        );
        assert_eq!(
            of(Pairs::Less, 1.0, 1.0) + of(Pairs::LessOrEqual, 1.0, 1.0),
            1.0
        );
        assert_eq!(
            of(Pairs::Greater, 1.0, 1.0) + of(Pairs::GreaterOrEqual, 1.0, 1.0),
            1.0
        );
        assert_eq!(of(Pairs::Equal, f64::NAN, f64::NAN), 0.0);
        assert_eq!(
            [Each::Not, Each::IsNan, Each::Truth].map(|each| each.of(f64::NAN)),
            [0.0, 1.0, 1.0]
        );
        assert_eq!(
            [-2.5, 0.5, 1.5].map(|x| Each::Round.of(x)),
            [-2.0, 0.0, 2.0]
        );
        assert_eq!([-3.0, 0.0, 2.0].map(|x| Each::Sign.of(x)), [-1.0, 0.0, 1.0]);
    }

    #[test]
    fn work_of_slow_functions_counts_more() {
        let x = Tensor::list(vec![1.0; 10]);
        let of = |op: Op| op.work(&[&x]);
        assert_eq!(of(Op::Each(Each::Relu)), 10 + 10);
        assert_eq!(of(Op::Each(Each::Exp)), 8 * 10 + 10);
        assert_eq!(of(Op::Shown(Shown::new(&[], false))), 32 * 10 + 10);
    }

    #[test]
    fn work_of_trees_counts_their_nodes() {
        use super::super::super::trees::{Aggregate, Link, Node, Precision, Tree};
        let tree = Tree {
            nodes: vec![Node::Leaf(1.0); 100],
        };
        let model = TreeModel {
            trees: vec![tree],
            weights: vec![],
            base: 0.0,
            aggregate: Aggregate::Sum,
            link: Link::Identity,
            precision: Precision::Single,
        };
        let x = tensor(&[5, 2], &[0.0; 10]);
        assert_eq!(Op::Trees(model, 0).work(&[&x]), 5 * 100 + 10);
    }

    #[test]
    fn work_of_sums_grows_with_the_inputs_and_the_result() {
        let (column, row) = (tensor(&[50, 1], &[0.0; 50]), tensor(&[40], &[0.0; 40]));
        let one = Tensor::scalar(0.0);
        let inputs = [&[&column, &row][..], &[&one; 98]].concat();
        for op in [Op::Pairs(Pairs::Add), Op::Mean] {
            assert_eq!(op.work(&inputs), 100 * 50 * 40 + 50 + 40 + 98);
        }
    }

    #[test]
    fn stacks_of_matrices_are_multiplied_one_by_one() {
        let a = tensor(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
        let b = tensor(&[2, 2, 1], &[5.0, 6.0, 7.0, 8.0]);
        assert_eq!(
            Op::MatMul.run(&[&a, &b]).unwrap(),
            tensor(&[2, 1, 1], &[17.0, 53.0])
        );
        let one = tensor(&[2, 1], &[5.0, 6.0]);
        assert_eq!(
            Op::MatMul.run(&[&a, &one]).unwrap(),
            tensor(&[2, 1, 1], &[17.0, 39.0])
        );
        assert_eq!(
            Op::MatMul.run(&[&a, &tensor(&[1, 2, 1], &[5.0, 6.0])]),
            None
        );
        let mean = Op::Mean.run(&[&one, &one]).unwrap();
        assert_eq!(mean, one);
    }
}
