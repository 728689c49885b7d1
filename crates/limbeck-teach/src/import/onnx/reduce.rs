//! Reductions along axes, softmax, sorted selections and cumulative sums.

use super::tensor::{Tensor, axis_of, permute};

/// How the values along the axes are reduced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    Product,
    SumSquare,
    L1,
    L2,
    LogSumExp,
}

impl Reduction {
    /// The reduction with this ONNX operation name; `None` for any other name.
    pub(super) fn named(op: &str) -> Option<Self> {
        Some(match op {
            "ReduceSum" => Self::Sum,
            "ReduceMean" => Self::Mean,
            "ReduceMax" => Self::Max,
            "ReduceMin" => Self::Min,
            "ReduceProd" => Self::Product,
            "ReduceSumSquare" => Self::SumSquare,
            "ReduceL1" => Self::L1,
            "ReduceL2" => Self::L2,
            "ReduceLogSumExp" => Self::LogSumExp,
            _ => return None,
        })
    }

    fn of(self, values: &[f64]) -> f64 {
        let sum = |of: fn(f64) -> f64| values.iter().map(|&value| of(value)).sum::<f64>();
        let extreme = |keep: fn(f64, f64) -> bool| {
            let pick = |a: f64, &b: &f64| if a.is_nan() || keep(a, b) { a } else { b };
            values[1..].iter().fold(values[0], pick)
        };
        match self {
            Self::Sum => sum(|x| x),
            Self::Mean => sum(|x| x) / values.len() as f64,
            Self::Max => extreme(|a, b| a >= b),
            Self::Min => extreme(|a, b| a <= b),
            Self::Product => values.iter().product(),
            Self::SumSquare => sum(|x| x * x),
            Self::L1 => sum(f64::abs),
            Self::L2 => sum(|x| x * x).sqrt(),
            Self::LogSumExp => {
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                most + values.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
            }
        }
    }
}

/// Reduces the given axes, or all axes if `axes` is empty. If `keep` is true, the reduced axes stay with size 1; else
/// they are removed.
pub(super) fn reduce(tensor: &Tensor, how: Reduction, axes: &[i64], keep: bool) -> Option<Tensor> {
    let rank = tensor.shape.len();
    let axes = match axes {
        [] => (0..rank).collect(),
        axes => axes
            .iter()
            .map(|&axis| axis_of(axis, rank))
            .collect::<Option<Vec<usize>>>()?,
    };
    if tensor.data.is_empty() {
        return None;
    }
    let goes = |axis: &usize| axes.contains(axis);
    let (gone, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(goes);
    // Permute the axes so that the values of a group are adjacent.
    let order: Vec<i64> = kept.iter().chain(&gone).map(|&axis| axis as i64).collect();
    let sorted = permute(tensor, &order)?;
    let group: usize = gone.iter().map(|&axis| tensor.shape[axis]).product();
    let size = |axis: usize| if goes(&axis) { 1 } else { tensor.shape[axis] };
    let shape = match keep {
        true => (0..rank).map(size).collect(),
        false => kept.into_iter().map(size).collect(),
    };
    let data = sorted.data.chunks_exact(group.max(1));
    Some(Tensor {
        shape,
        data: data.map(|group| how.of(group)).collect(),
    })
}

/// Index of the largest value along an axis, or of the smallest if `largest` is false; the first index if several
/// values are equal. If `keep` is true, the axis stays with size 1; else it is removed.
pub(super) fn arg(tensor: &Tensor, axis: i64, keep: bool, largest: bool) -> Option<Tensor> {
    let axis = axis_of(axis, tensor.shape.len())?;
    let (outer, size, inner) = tensor.around(axis);
    let mut data = Vec::with_capacity(outer * inner);
    for part in 0..outer {
        for within in 0..inner {
            let value = |at: usize| tensor.data[(part * size + at) * inner + within];
            let better = |at: usize, best: usize| match largest {
                true => value(at) > value(best),
                false => value(at) < value(best),
            };
            let best = (1..size).fold(0, |best, at| if better(at, best) { at } else { best });
            data.push(best as f64);
        }
    }
    let mut shape = tensor.shape.clone();
    match keep {
        true => shape[axis] = 1,
        false => drop(shape.remove(axis)),
    }
    (size > 0).then_some(Tensor { shape, data })
}

/// Softmax, `exp(x) / Σ exp(x)`, or its logarithm if `log` is true. The sum is over one axis; over that axis and all
/// later axes together if `flat` is true.
pub(super) fn softmax(tensor: &Tensor, axis: i64, (log, flat): (bool, bool)) -> Option<Tensor> {
    let axis = axis_of(axis, tensor.shape.len())?;
    let (outer, size, inner) = match tensor.around(axis) {
        (outer, size, inner) if flat => (outer, size * inner, 1),
        around => around,
    };
    let mut result = tensor.clone();
    for part in 0..outer {
        for within in 0..inner {
            let place = |at: usize| (part * size + at) * inner + within;
            let values: Vec<f64> = (0..size).map(|at| tensor.data[place(at)]).collect();
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = values.iter().map(|x| (x - most).exp()).sum();
            for (at, x) in values.iter().enumerate() {
                result.data[place(at)] = match log {
                    true => x - most - sum.ln(),
                    false => (x - most).exp() / sum,
                };
            }
        }
    }
    Some(result)
}

/// Cumulative sums along an axis.
pub(super) fn cumulative_sum(tensor: &Tensor, axis: i64) -> Option<Tensor> {
    let axis = axis_of(axis, tensor.shape.len())?;
    let (_, size, inner) = tensor.around(axis);
    let mut result = tensor.clone();
    for part in result.data.chunks_mut((size * inner).max(1)) {
        for at in inner..part.len() {
            part[at] += part[at - inner];
        }
    }
    Some(result)
}

/// The `count` largest values along an axis, largest first; or the smallest values, smallest first, if `largest` is
/// false. If `places` is true, returns their indices instead. Equal values keep their order.
pub(super) fn top(
    tensor: &Tensor,
    axis: i64,
    count: usize,
    (largest, places): (bool, bool),
) -> Option<Tensor> {
    let axis = axis_of(axis, tensor.shape.len())?;
    let (outer, size, inner) = tensor.around(axis);
    let mut shape = tensor.shape.clone();
    shape[axis] = count;
    if count > size {
        return None;
    }
    let mut data = vec![0.0; outer * count * inner];
    for part in 0..outer {
        for within in 0..inner {
            let value = |at: usize| tensor.data[(part * size + at) * inner + within];
            let mut order: Vec<usize> = (0..size).collect();
            order.sort_by(|&a, &b| match largest {
                true => value(b).total_cmp(&value(a)),
                false => value(a).total_cmp(&value(b)),
            });
            for (rank, &at) in order[..count].iter().enumerate() {
                let found = if places { at as f64 } else { value(at) };
                data[(part * count + rank) * inner + within] = found;
            }
        }
    }
    Some(Tensor { shape, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x() -> Tensor {
        Tensor {
            shape: vec![2, 3],
            data: vec![1.0, -2.0, 3.0, 4.0, 5.0, -6.0],
        }
    }

    #[test]
    fn reductions_are_worked_by_hand() {
        let of = |how, axes: &[i64]| reduce(&x(), how, axes, false).unwrap().data;
        assert_eq!(of(Reduction::Sum, &[1]), [2.0, 3.0]);
        assert_eq!(of(Reduction::Mean, &[0]), [2.5, 1.5, -1.5]);
        assert_eq!(of(Reduction::Max, &[-1]), [3.0, 5.0]);
        assert_eq!(of(Reduction::Min, &[]), [-6.0]);
        assert_eq!(of(Reduction::Product, &[1]), [-6.0, -120.0]);
        assert_eq!(of(Reduction::SumSquare, &[1]), [14.0, 77.0]);
        assert_eq!(of(Reduction::L1, &[1]), [6.0, 15.0]);
        assert_eq!(of(Reduction::L2, &[0, 1]), [91.0_f64.sqrt()]);
        assert!(
            (of(Reduction::LogSumExp, &[1])[0] - (1_f64.exp() + (-2_f64).exp() + 3_f64.exp()).ln())
                .abs()
                < 1e-12
        );
        let kept = reduce(&x(), Reduction::Sum, &[1], true).unwrap();
        assert_eq!(kept.shape, [2, 1]);
        assert_eq!(reduce(&x(), Reduction::Sum, &[2], true), None);
    }

    #[test]
    fn a_missing_number_is_the_extreme_of_all() {
        let x = Tensor::list(vec![1.0, f64::NAN, 3.0]);
        assert!(reduce(&x, Reduction::Max, &[], false).unwrap().data[0].is_nan());
    }

    #[test]
    fn sums_so_far_and_first_ones_are_worked_by_hand() {
        assert_eq!(
            cumulative_sum(&x(), 1).unwrap().data,
            [1.0, -1.0, 2.0, 4.0, 9.0, 3.0]
        );
        assert_eq!(
            cumulative_sum(&x(), 0).unwrap().data,
            [1.0, -2.0, 3.0, 5.0, 3.0, -3.0]
        );
        let of = |largest, places| top(&x(), 1, 2, (largest, places)).unwrap().data;
        assert_eq!(of(true, false), [3.0, 1.0, 5.0, 4.0]);
        assert_eq!(of(true, true), [2.0, 0.0, 1.0, 0.0]);
        assert_eq!(of(false, false), [-2.0, 1.0, -6.0, 4.0]);
        assert_eq!(top(&x(), 1, 4, (true, true)), None);
    }

    #[test]
    fn places_and_shares_are_worked_by_hand() {
        assert_eq!(arg(&x(), 1, false, true).unwrap().data, [2.0, 1.0]);
        assert_eq!(arg(&x(), 0, true, false).unwrap().shape, [1, 3]);
        let shares = softmax(&Tensor::list(vec![0.0, 3_f64.ln()]), -1, (false, false)).unwrap();
        assert!((shares.data[0] - 0.25).abs() < 1e-12 && (shares.data[1] - 0.75).abs() < 1e-12);
        let logs = softmax(&Tensor::list(vec![0.0, 3_f64.ln()]), -1, (true, false)).unwrap();
        assert!((logs.data[0] - 0.25_f64.ln()).abs() < 1e-12);
        let zeros = Tensor {
            shape: vec![1, 2, 4],
            data: vec![0.0; 8],
        };
        let first = |flat| softmax(&zeros, 1, (false, flat)).unwrap().data[0];
        assert_eq!((first(false), first(true)), (0.5, 0.125));
    }
}
