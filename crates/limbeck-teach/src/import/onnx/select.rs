//! Selects parts of tensors and enlarges tensors: gather, slice, split, expand, tile.

use super::tensor::{Tensor, axis_of, broadcast, fits};

/// `Gather`: selects the elements at the given indices along an axis.
pub(super) fn gather(data: &Tensor, indices: &Tensor, axis: i64) -> Option<Tensor> {
    let axis = axis_of(axis, data.shape.len())?;
    let (outer, size, inner) = data.around(axis);
    let places = indices
        .whole()
        .into_iter()
        .map(|index| axis_of(index, size))
        .collect::<Option<Vec<usize>>>()?;
    let shape = [&data.shape[..axis], &indices.shape, &data.shape[axis + 1..]].concat();
    let count = fits(&shape, data.data.len() + places.len())?;
    let mut result = Vec::with_capacity(count);
    for part in 0..outer {
        for place in &places {
            let start = (part * size + place) * inner;
            result.extend_from_slice(&data.data[start..start + inner]);
        }
    }
    Some(Tensor {
        shape,
        data: result,
    })
}

/// `ArrayFeatureExtractor`: selects the elements at the given indices along the last axis. For a one-dimensional
/// tensor, the result is a matrix of one row.
pub(super) fn columns(data: &Tensor, indices: &Tensor) -> Option<Tensor> {
    let flat = Tensor::list(indices.data.clone());
    let picked = gather(data, &flat, -1)?;
    Some(match picked.shape.len() {
        1 => Tensor {
            shape: vec![1, picked.data.len()],
            data: picked.data,
        },
        _ => picked,
    })
}

/// `GatherElements`: the result has the shape of `indices`. Each of its elements is the element of `data` at the same
/// position, except that the index replaces the position along `axis`.
pub(super) fn gather_elements(data: &Tensor, indices: &Tensor, axis: i64) -> Option<Tensor> {
    let axis = axis_of(axis, data.shape.len())?;
    let (outer, size, inner) = data.around(axis);
    let agree = |at: usize| at == axis || data.shape[at] == indices.shape[at];
    if indices.shape.len() != data.shape.len() || !(0..data.shape.len()).all(agree) {
        return None;
    }
    let (_, length, _) = indices.around(axis);
    let mut result = Vec::with_capacity(indices.data.len());
    for part in 0..outer {
        for place in 0..length {
            for within in 0..inner {
                let index = indices.data[(part * length + place) * inner + within] as i64;
                let index = axis_of(index, size)?;
                result.push(data.data[(part * size + index) * inner + within]);
            }
        }
    }
    Some(Tensor {
        shape: indices.shape.clone(),
        data: result,
    })
}

/// Starts, ends, axes and steps of a slice. If `axes` is `None`, the slice is along the first axes; if `steps` is
/// `None`, all steps are 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) starts: Vec<i64>,
    pub(super) ends: Vec<i64>,
    pub(super) axes: Option<Vec<i64>>,
    pub(super) steps: Option<Vec<i64>>,
}

/// The slice of a tensor; `None` if the slice does not fit the shape of the tensor.
pub(super) fn slice(data: &Tensor, cut: &Cut) -> Option<Tensor> {
    let count = cut.starts.len();
    if count > data.shape.len() {
        return None;
    }
    let axes = cut
        .axes
        .clone()
        .unwrap_or_else(|| (0..count as i64).collect());
    let steps = cut.steps.clone().unwrap_or_else(|| vec![1; count]);
    if [cut.ends.len(), axes.len(), steps.len()] != [count; 3] {
        return None;
    }
    let mut result = data.clone();
    for at in 0..count {
        let axis = axis_of(axes[at], data.shape.len())?;
        let places = range(cut.starts[at], cut.ends[at], steps[at], result.shape[axis])?;
        result = gather(&result, &Tensor::list(places), axis as i64)?;
    }
    Some(result)
}

/// Indices from `start` up to, but not including, `end`, in steps of `step`, as in a Python slice: a negative bound counts from the end, and both bounds
/// are clamped to the axis. `None` for a step of 0.
fn range(start: i64, end: i64, step: i64, size: usize) -> Option<Vec<f64>> {
    let size = i64::try_from(size).ok()?;
    let (low, high) = match step {
        0 => return None,
        1.. => (0, size),
        _ => (-1, size - 1),
    };
    let place = |at: i64| if at < 0 { at.saturating_add(size) } else { at }.clamp(low, high);
    let start = if step > 0 {
        place(start)
    } else {
        place(start).max(0)
    };
    let end = place(end);
    let mut places = Vec::new();
    let mut at = start;
    while at != end && (at < end) == (step > 0) {
        places.push(at as f64);
        at = at.saturating_add(step);
    }
    Some(places)
}

/// Part number `at` (from 0) of a split along an axis into `parts` equal parts; the last part may be smaller.
pub(super) fn equal_part(data: &Tensor, axis: i64, at: usize, parts: usize) -> Option<Tensor> {
    let size = data.shape[axis_of(axis, data.shape.len())?];
    let length = size.div_ceil(parts.max(1));
    part(data, axis, length.checked_mul(at)?, length)
}

/// The `length` elements along an axis from index `start` on; fewer if the axis ends before.
pub(super) fn part(data: &Tensor, axis: i64, start: usize, length: usize) -> Option<Tensor> {
    let size = data.shape[axis_of(axis, data.shape.len())?];
    let end = start.saturating_add(length).min(size);
    let places = (start..end).map(|place| place as f64).collect();
    gather(data, &Tensor::list(places), axis)
}

/// Broadcasts the tensor to a shape.
pub(super) fn expand(data: &Tensor, shape: &[i64]) -> Option<Tensor> {
    let shape = sizes(shape)?;
    // `other` only gives the shape; its values are not used.
    let count = fits(&shape, data.data.len())?;
    let other = Tensor {
        shape,
        data: vec![0.0; count],
    };
    broadcast(data, &other, |a, _| a)
}

/// Repeats the tensor along each axis; `repeats` has one number per axis.
pub(super) fn tile(data: &Tensor, repeats: &[i64]) -> Option<Tensor> {
    let repeats = sizes(repeats)?;
    if repeats.len() != data.shape.len() {
        return None;
    }
    let shape = data
        .shape
        .iter()
        .zip(&repeats)
        .map(|(size, times)| size.checked_mul(*times))
        .collect::<Option<Vec<usize>>>()?;
    fits(&shape, data.data.len())?;
    let mut result = data.clone();
    for (axis, &times) in repeats.iter().enumerate() {
        let size = result.shape[axis];
        let places = (0..size * times).map(|at| (at % size) as f64).collect();
        result = gather(&result, &Tensor::list(places), axis as i64)?;
    }
    Some(result)
}

/// A tensor filled with one value.
pub(super) fn filled(shape: &[i64], value: f64) -> Option<Tensor> {
    let shape = sizes(shape)?;
    let count = fits(&shape, 0)?;
    Some(Tensor {
        shape,
        data: vec![value; count],
    })
}

/// The numbers `start`, `start + step`, … up to, but not including, `limit`; `None` if there are too many.
pub(super) fn steps(start: f64, limit: f64, step: f64) -> Option<Tensor> {
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > super::tensor::MOST_NUMBERS as f64 {
        return None;
    }
    let all = (0..count as usize).map(|at| start + at as f64 * step);
    Some(Tensor::list(all.collect()))
}

/// Element by element, `yes` where the condition is true (not 0), else `no`. All three are broadcast to one shape.
pub(super) fn choose(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Option<Tensor> {
    // Broadcast all three to one shape first. Values are only copied.
    let shape = broadcast(&broadcast(condition, yes, |a, _| a)?, no, |a, _| a)?;
    let yes = broadcast(&shape, yes, |_, b| b)?;
    let no = broadcast(&shape, no, |_, b| b)?;
    let of =
        |((condition, yes), no): ((&f64, &f64), &f64)| if *condition == 0.0 { *no } else { *yes };
    let data = shape
        .data
        .iter()
        .zip(&yes.data)
        .zip(&no.data)
        .map(of)
        .collect();
    Some(Tensor {
        shape: shape.shape,
        data,
    })
}

/// Converts the sizes of axes to `usize`; `None` if one is negative.
pub(super) fn sizes(shape: &[i64]) -> Option<Vec<usize>> {
    shape
        .iter()
        .map(|&size| usize::try_from(size).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tensor::tests::tensor;
    use super::*;

    fn x() -> Tensor {
        tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    }

    #[test]
    fn gathers_pick_columns_and_elements() {
        let picked = gather(&x(), &Tensor::list(vec![-1.0, 0.0]), 1).unwrap();
        assert_eq!(picked, tensor(&[2, 2], &[3.0, 1.0, 6.0, 4.0]));
        assert_eq!(
            gather(&x(), &Tensor::scalar(1.0), 1).unwrap(),
            tensor(&[2], &[2.0, 5.0])
        );
        assert_eq!(gather(&x(), &Tensor::list(vec![3.0]), 1), None);
        assert_eq!(
            columns(&x(), &tensor(&[1, 1], &[2.0])).unwrap(),
            tensor(&[2, 1], &[3.0, 6.0])
        );
        let each = gather_elements(&x(), &tensor(&[2, 1], &[2.0, 0.0]), 1).unwrap();
        assert_eq!(each, tensor(&[2, 1], &[3.0, 4.0]));
    }

    #[test]
    fn slices_count_from_either_side() {
        let cut = |start, end, step| {
            let cut = Cut {
                starts: vec![start],
                ends: vec![end],
                axes: Some(vec![1]),
                steps: Some(vec![step]),
            };
            slice(&x(), &cut).map(|part| part.data)
        };
        assert_eq!(cut(1, i64::MAX, 1).unwrap(), [2.0, 3.0, 5.0, 6.0]);
        assert_eq!(cut(-3, -1, 1).unwrap(), [1.0, 2.0, 4.0, 5.0]);
        assert_eq!(cut(-1, i64::MIN, -2).unwrap(), [3.0, 1.0, 6.0, 4.0]);
        assert_eq!(cut(0, 3, 0), None);
    }

    #[test]
    fn slices_cannot_repeat_axes_to_multiply_the_work() {
        let cut = Cut {
            starts: vec![0; 3],
            ends: vec![2; 3],
            axes: Some(vec![0; 3]),
            steps: None,
        };
        assert_eq!(slice(&x(), &cut), None);
    }

    #[test]
    fn splits_have_equal_parts_or_sizes() {
        assert_eq!(equal_part(&x(), 1, 1, 3).unwrap().data, [2.0, 5.0]);
        assert_eq!(equal_part(&x(), 1, 1, 2).unwrap().data, [3.0, 6.0]);
        assert_eq!(part(&x(), 1, 1, 2).unwrap().data, [2.0, 3.0, 5.0, 6.0]);
    }

    #[test]
    fn expansions_are_worked_by_hand_and_have_a_limit() {
        let column = tensor(&[2, 1], &[1.0, 2.0]);
        assert_eq!(expand(&column, &[2, 2]).unwrap().data, [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(tile(&column, &[1, 2]).unwrap().data, [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(filled(&[1, 2], 3.0).unwrap(), tensor(&[1, 2], &[3.0, 3.0]));
        assert_eq!(steps(1.0, 4.0, 2.0).unwrap().data, [1.0, 3.0]);
        assert_eq!(expand(&column, &[2, 1 << 40]), None);
        assert_eq!(tile(&column, &[1 << 40, 1]), None);
        assert_eq!(filled(&[1 << 20, 1 << 20], 0.0), None);
        assert_eq!(steps(0.0, 1e300, 1.0), None);
    }

    #[test]
    fn choices_are_made_number_by_number() {
        let condition = tensor(&[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        let chosen = choose(&condition, &Tensor::scalar(0.0), &x()).unwrap();
        assert_eq!(chosen.data, [0.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
    }
}
