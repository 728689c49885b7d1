//! What the nodes of a graph do.

use super::super::trees::TreeModel;
use super::tensor::{MOST_AXES, Tensor, axis_of, broadcast, concat, multiply, reshape, transpose};

/// What a node does. Element-wise ones come first.
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
        shape: Vec<i64>,
        zero_is_zero: bool,
    },
    Squeeze {
        axes: Vec<i64>,
    },
    Unsqueeze {
        axes: Vec<i64>,
    },
    Transpose,
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
    /// Trees and the least number of columns that they read.
    Trees(TreeModel, usize),
}

/// One number to one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Each {
    Identity,
    /// To single precision, also where the file is double elsewhere.
    Single,
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
}

/// Two numbers to one, with broadcasting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pairs {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Norm {
    Max,
    L1,
    L2,
}

impl Op {
    /// The result, or none for inputs that do not go together.
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
            } => reshape(first, shape, *zero_is_zero),
            Self::Squeeze { axes } => squeeze(first, axes),
            Self::Unsqueeze { axes } => unsqueeze(first, axes),
            Self::Transpose => transpose(first),
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
        }
    }
}

/// Each number by its place and itself.
fn map(tensor: &Tensor, of: impl Fn(usize, f64) -> f64) -> Tensor {
    let of = |(at, x): (usize, &f64)| of(at, *x);
    Tensor {
        shape: tensor.shape.clone(),
        data: tensor.data.iter().enumerate().map(of).collect(),
    }
}

/// The same numbers in another shape.
fn shaped(tensor: &Tensor, shape: Vec<usize>) -> Tensor {
    Tensor {
        shape,
        data: tensor.data.clone(),
    }
}

/// `alpha · A B + beta · C`
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

fn matmul(first: &Tensor, second: &Tensor) -> Option<Tensor> {
    if second.shape.len() != 1 {
        return multiply(first, second);
    }
    let product = multiply(first, &shaped(second, vec![second.shape[0], 1]))?;
    Some(shaped(&product, vec![product.shape[0]]))
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
    // Without axes every size of 1 goes, except the rows, which may be one by chance.
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

fn imputer(tensor: &Tensor, values: &[f64], replaced: f64) -> Option<Tensor> {
    let width = *tensor.shape.last()?;
    if values.is_empty() || !(values.len() == 1 || values.len() == width) {
        return None;
    }
    let lost = |x: f64| {
        if replaced.is_nan() {
            x.is_nan()
        } else {
            x.total_cmp(&replaced).is_eq()
        }
    };
    Some(map(tensor, |at, x| {
        if lost(x) {
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
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Single => f64::from(x as f32),
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
            // Stable on both sides: ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
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
        }
    }
}

impl Pairs {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Min | Self::Max if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
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
}
