//! Tensors, and operations on their shapes.

/// How many more values a computed tensor may have than the tensors that it is computed from. Usual models on a block
/// of rows need far fewer.
pub(super) const MOST_NUMBERS: usize = 1 << 22;
/// Maximum number of axes of a tensor.
pub(super) const MOST_AXES: usize = 8;

/// Values with a shape, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<f64>,
}

impl Tensor {
    /// A one-dimensional tensor.
    pub(super) fn list(data: Vec<f64>) -> Self {
        Self {
            shape: vec![data.len()],
            data,
        }
    }

    /// A tensor without axes, which holds one value.
    pub(super) fn scalar(value: f64) -> Self {
        Self {
            shape: Vec::new(),
            data: vec![value],
        }
    }

    /// The values as integers, rounded toward 0.
    pub(super) fn whole(&self) -> Vec<i64> {
        self.data.iter().map(|&value| value as i64).collect()
    }

    /// The product of the sizes of all axes before `axis`, the size of `axis`, and the product of the sizes of all axes
    /// after it.
    pub(super) fn around(&self, axis: usize) -> (usize, usize, usize) {
        let outer = self.shape[..axis].iter().product();
        let inner = self.shape[axis + 1..].iter().product();
        (outer, self.shape[axis], inner)
    }
}

/// The number of values of a tensor with this shape. `None` if it has more than [`MOST_AXES`] axes, or more than
/// `given` + [`MOST_NUMBERS`] values. `given` is the number of values that the tensor is computed from.
pub(super) fn fits(shape: &[usize], given: usize) -> Option<usize> {
    let count = shape
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    (shape.len() <= MOST_AXES && count <= MOST_NUMBERS.saturating_add(given)).then_some(count)
}

/// The index of an axis among `rank` axes; a negative `axis` counts from the end. `None` if there is no such axis.
pub(super) fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 {
        axis.checked_add(rank)?
    } else {
        axis
    };
    (0..rank).contains(&axis).then_some(axis as usize)
}

pub(super) fn broadcast(a: &Tensor, b: &Tensor, of: impl Fn(f64, f64) -> f64) -> Option<Tensor> {
    if a.shape == b.shape {
        return Some(Tensor {
            shape: a.shape.clone(),
            data: a
                .data
                .iter()
                .zip(&b.data)
                .map(|(a, b)| of(*a, *b))
                .collect(),
        });
    }
    let rank = a.shape.len().max(b.shape.len());
    let size = |tensor: &Tensor, at: usize| {
        (at + tensor.shape.len())
            .checked_sub(rank)
            .map_or(1, |at| tensor.shape[at])
    };
    let together = |at: usize| match (size(a, at), size(b, at)) {
        (a, b) if a == b => Some(a),
        (1, size) | (size, 1) => Some(size),
        _ => None,
    };
    let shape = (0..rank).map(together).collect::<Option<Vec<usize>>>()?;
    let count = fits(&shape, a.data.len() + b.data.len())?;
    // Step through the data for each axis; 0 if an axis of size 1 is repeated.
    let strides = |tensor: &Tensor| {
        let mut stride = 1;
        let mut strides = vec![0; rank];
        for at in (0..rank).rev() {
            let size = size(tensor, at);
            strides[at] = if size == 1 { 0 } else { stride };
            stride *= size;
        }
        strides
    };
    let (by_a, by_b) = (strides(a), strides(b));
    let mut data = Vec::with_capacity(count);
    let mut at = vec![0; rank];
    let (mut in_a, mut in_b) = (0, 0);
    for _ in 0..count {
        data.push(of(a.data[in_a], b.data[in_b]));
        for axis in (0..rank).rev() {
            at[axis] += 1;
            in_a += by_a[axis];
            in_b += by_b[axis];
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
            in_a -= by_a[axis] * shape[axis];
            in_b -= by_b[axis] * shape[axis];
        }
    }
    Some(Tensor { shape, data })
}

/// The matrix product `[m, k] · [k, n]`. Zero factors are not skipped, because 0 · NaN is NaN.
pub(super) fn multiply(a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let (&[m, k], &[same, n]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return None;
    };
    let count = fits(&[m, n], a.data.len() + b.data.len()).filter(|_| k == same)?;
    let mut data = vec![0.0; count];
    if n > 0 && k > 0 {
        for (row, sums) in a.data.chunks_exact(k).zip(data.chunks_exact_mut(n)) {
            for (factor, weights) in row.iter().zip(b.data.chunks_exact(n)) {
                sums.iter_mut()
                    .zip(weights)
                    .for_each(|(sum, weight)| *sum += factor * weight);
            }
        }
    }
    Some(Tensor {
        shape: vec![m, n],
        data,
    })
}

pub(super) fn transpose(tensor: &Tensor) -> Option<Tensor> {
    let &[m, n] = tensor.shape.as_slice() else {
        return None;
    };
    let data = (0..n)
        .flat_map(|column| (0..m).map(move |row| tensor.data[row * n + column]))
        .collect();
    Some(Tensor {
        shape: vec![n, m],
        data,
    })
}

/// Reorders the axes: axis `perm[i]` becomes axis `i`. `None` if `perm` is not a permutation of the axes.
pub(super) fn permute(tensor: &Tensor, perm: &[i64]) -> Option<Tensor> {
    let rank = tensor.shape.len();
    let axes = perm
        .iter()
        .map(|&axis| axis_of(axis, rank))
        .collect::<Option<Vec<usize>>>()?;
    if axes.len() != rank || (0..rank).any(|axis| !axes.contains(&axis)) {
        return None;
    }
    let mut stride = 1;
    let mut strides = vec![0; rank];
    for axis in (0..rank).rev() {
        strides[axis] = stride;
        stride *= tensor.shape[axis];
    }
    let shape: Vec<usize> = axes.iter().map(|&axis| tensor.shape[axis]).collect();
    let steps: Vec<usize> = axes.iter().map(|&axis| strides[axis]).collect();
    let data = walk(&shape, &steps, 0).map(|at| tensor.data[at]).collect();
    Some(Tensor { shape, data })
}

/// For each element of a tensor of this shape, in row-major order, an index into the data: `first` plus, for each axis,
/// the position on the axis times its step.
pub(super) fn walk(shape: &[usize], steps: &[usize], first: usize) -> impl Iterator<Item = usize> {
    let count: usize = shape.iter().product();
    let (shape, steps) = (shape.to_vec(), steps.to_vec());
    let mut at = vec![0; shape.len()];
    let mut place = first;
    (0..count).map(move |_| {
        let here = place;
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            place += steps[axis];
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
            place -= steps[axis] * shape[axis];
        }
        here
    })
}

pub(super) fn reshape(tensor: &Tensor, shape: &[i64], zero_is_zero: bool) -> Option<Tensor> {
    if shape.len() > MOST_AXES {
        return None;
    }
    let mut sizes = Vec::with_capacity(shape.len());
    let mut free = None;
    for (at, &size) in shape.iter().enumerate() {
        sizes.push(match size {
            -1 if free.is_none() => {
                free = Some(at);
                1
            }
            0 if !zero_is_zero => *tensor.shape.get(at)?,
            size => usize::try_from(size).ok()?,
        });
    }
    let known = sizes
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    if let Some(at) = free {
        sizes[at] = tensor.data.len().checked_div(known)?;
    }
    let count = sizes
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    (count == tensor.data.len()).then(|| Tensor {
        shape: sizes,
        data: tensor.data.clone(),
    })
}

/// True if two shapes have the same number of axes and are equal on all axes but `axis`.
fn agree_but(axis: usize, a: &[usize], b: &[usize]) -> bool {
    let mut pairs = a.iter().zip(b).enumerate();
    a.len() == b.len() && pairs.all(|(at, (a, b))| at == axis || a == b)
}

pub(super) fn concat(inputs: &[&Tensor], axis: i64) -> Option<Tensor> {
    let first = inputs.first()?;
    let axis = axis_of(axis, first.shape.len())?;
    let agrees = |tensor: &&Tensor| agree_but(axis, &tensor.shape, &first.shape);
    let outer: usize = first.shape[..axis].iter().product();
    let length = inputs.iter().try_fold(0_usize, |sum, tensor| {
        sum.checked_add(tensor.shape.get(axis).copied().unwrap_or(0))
    })?;
    let total = inputs
        .iter()
        .try_fold(0_usize, |sum, tensor| sum.checked_add(tensor.data.len()))?;
    if !inputs.iter().all(agrees) || outer == 0 {
        return None;
    }
    let mut data = Vec::with_capacity(total);
    for at in 0..outer {
        for tensor in inputs {
            let part = tensor.data.len() / outer;
            data.extend_from_slice(&tensor.data[at * part..(at + 1) * part]);
        }
    }
    let mut shape = first.shape.clone();
    shape[axis] = length;
    Some(Tensor { shape, data })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tensor for the tests of this folder.
    pub(in super::super) fn tensor(shape: &[usize], data: &[f64]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            data: data.to_vec(),
        }
    }

    #[test]
    fn broadcasting_repeats_sizes_of_one() {
        let (column, row) = (
            tensor(&[2, 1], &[1.0, 2.0]),
            tensor(&[3], &[10.0, 20.0, 30.0]),
        );
        let sum = broadcast(&column, &row, |a, b| a + b).unwrap();
        assert_eq!(sum, tensor(&[2, 3], &[11.0, 21.0, 31.0, 12.0, 22.0, 32.0]));
        assert_eq!(broadcast(&row, &tensor(&[2], &[0.0; 2]), |a, _| a), None);
        let huge = tensor(&[5000, 1], &[0.0; 5000]);
        assert_eq!(
            broadcast(&huge, &tensor(&[5000], &[0.0; 5000]), |a, _| a),
            None
        );
    }

    #[test]
    fn shapes_change_as_the_reference_says() {
        let x = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(reshape(&x, &[0, -1, 1], false).unwrap().shape, [2, 3, 1]);
        assert_eq!(reshape(&x, &[4, -1], false), None);
        assert_eq!(reshape(&x, &[-1, 0], true), None);
        assert_eq!(
            concat(&[&x, &x], 1).unwrap().data,
            [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 4.0, 5.0, 6.0]
        );
        assert_eq!(transpose(&x).unwrap().data, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(permute(&x, &[1, 0]), transpose(&x));
        assert_eq!(permute(&x, &[0, 0]), None);
        let cube = tensor(&[1, 2, 3], &x.data);
        let turned = permute(&cube, &[2, 0, 1]).unwrap();
        assert_eq!(turned, tensor(&[3, 1, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    }
}
