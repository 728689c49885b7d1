//! A linear student: ridge regression in closed form.

use limbeck_data::encode::fit_encoder;
use limbeck_data::ridge::{Line, Normal, Weighted};
use limbeck_data::stop::Stopped;
use limbeck_data::{FeatureValues, Features, Stop};
use limbeck_runtime::{Encoder, Op};

use super::rows::EncodedTable;
use super::spec::{Spec, TARGET_PARAMETERS};
use crate::student::options::{StudentOptions, encode_options};

/// Ridge penalties that the search tries.
const RIDGES: [f64; 6] = [1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0];
/// Maximum number of encoded columns of all category columns together. The normal equations are a dense matrix, so more columns would be slow.
const CATEGORY_WIDTH: usize = 256;

/// The encoder of a linear student. All category columns together get as many encoded columns as the parameter budget allows, up to
/// `CATEGORY_WIDTH`. Each of these encoded columns costs at most two parameters: one in the encoder, and a weight.
pub(super) fn encoder(features: &Features, options: &StudentOptions) -> Encoder {
    let rows: Vec<usize> = (0..features.rows).collect();
    let numbers = features
        .columns
        .iter()
        .filter(|column| matches!(column.values, FeatureValues::Number(_)))
        .count();
    // At most, a numeric column costs a fill value, two numbers for its scale and two weights (with a missing-value indicator); a level costs itself and its weight.
    let room = options
        .params
        .saturating_sub(TARGET_PARAMETERS + 1 + 5 * numbers);
    fit_encoder(
        features,
        &rows,
        &encode_options(options, (room / 2).min(CATEGORY_WIDTH)),
    )
}

/// Fits one ridge regression per penalty, all from the same normal equations. Returns each fit with its hyperparameters.
///
/// # Errors
///
/// [`Stopped`] if the user asks to stop.
pub(super) fn candidates(rows: &EncodedTable, stop: Stop<'_>) -> Result<Vec<(Spec, Op)>, Stopped> {
    let normal = normal(rows, stop)?;
    let solved = |&ridge: &f64| {
        stop.check()?;
        Ok((Spec::Linear { ridge }, op(&normal.solve(ridge))))
    };
    RIDGES.iter().map(solved).collect()
}

/// Fits a ridge regression with the penalty `ridge`, see [`Normal`].
///
/// # Errors
///
/// [`Stopped`] if the user asks to stop.
pub(super) fn fit(rows: &EncodedTable, ridge: f64, stop: Stop<'_>) -> Result<Op, Stopped> {
    Ok(op(&normal(rows, stop)?.solve(ridge)))
}

fn normal(rows: &EncodedTable, stop: Stop<'_>) -> Result<Normal, Stopped> {
    let double = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
    let (y, w): (Vec<f64>, Vec<f64>) = (double(&rows.y), double(&rows.w));
    let rows = Weighted {
        x: &rows.x,
        width: rows.width,
        y: &y,
        w: &w,
    };
    Normal::new(rows, stop)
}

fn op(line: &Line) -> Op {
    Op::Linear {
        rows: line.slopes.len(),
        cols: 1,
        weight: line.slopes.iter().map(|&slope| slope as f32).collect(),
        bias: vec![line.bias as f32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(op: Op) -> (Vec<f32>, f32) {
        let Op::Linear { weight, bias, .. } = op else {
            panic!("not linear")
        };
        (weight, bias[0])
    }

    #[test]
    fn line_is_found_and_shrunk_as_by_hand() {
        // y = 2 x + 1 at x = −1, 1: variance 1, so that a ridge of 1 halves the slope and leaves the mean.
        let rows = EncodedTable {
            x: vec![-1.0, 1.0],
            width: 1,
            y: vec![-1.0, 3.0],
            w: vec![3.0; 2],
        };
        let (slope, bias) = weights(fit(&rows, 0.0, Stop::NEVER).unwrap());
        assert!((slope[0] - 2.0).abs() < 1e-6 && (bias - 1.0).abs() < 1e-6);
        assert_eq!(
            weights(fit(&rows, 1.0, Stop::NEVER).unwrap()),
            (vec![1.0], 1.0)
        );
    }

    #[test]
    fn weights_of_rows_count() {
        // The same line twice, or once with twice the weight.
        let once = EncodedTable {
            x: vec![0.0, 1.0, 3.0],
            width: 1,
            y: vec![0.0, 2.0, 3.0],
            w: vec![1.0, 2.0, 1.0],
        };
        let twice = EncodedTable {
            x: vec![0.0, 1.0, 1.0, 3.0],
            width: 1,
            y: vec![0.0, 2.0, 2.0, 3.0],
            w: vec![1.0; 4],
        };
        assert_eq!(
            weights(fit(&once, 0.01, Stop::NEVER).unwrap()),
            weights(fit(&twice, 0.01, Stop::NEVER).unwrap())
        );
    }

    #[test]
    fn dependent_columns_share() {
        let rows = EncodedTable {
            x: vec![-1.0, -1.0, 1.0, 1.0],
            width: 2,
            y: vec![-2.0, 2.0],
            w: vec![1.0; 2],
        };
        let (slopes, _) = weights(fit(&rows, 1e-6, Stop::NEVER).unwrap());
        assert!(
            (slopes[0] - 1.0).abs() < 1e-3 && (slopes[1] - 1.0).abs() < 1e-3,
            "{slopes:?}"
        );
    }
}
