//! `alpha · L_soft + (1 − alpha) · L_hard` as training rows and a loss.
//!
//! The soft loss is taken over all rows that the teacher labelled, the hard loss over the rows with a target. Both meet in
//! one pool of rows: labelled rows are repeated until they make up the share `ρ` of what training sees, and each of them has
//! the row-wise share `a` of soft loss with `1 − alpha = ρ (1 − a)`.

use burn::tensor::Tensor;
use limbeck_nets::loss::{Hard, PointLoss, column, weighted_mean};
use limbeck_nets::{Rows, StepLoss};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which loss compares student and label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Squared error.
    #[default]
    Squared,
    /// Huber's, linear beyond `huber_delta`.
    Huber,
}

/// Share of the soft loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Alpha {
    /// Chosen on validation rows.
    #[default]
    Auto,
    /// Given.
    Fixed(f64),
}

impl Serialize for Alpha {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(alpha) => serializer.serialize_f64(*alpha),
        }
    }
}

impl<'de> Deserialize<'de> for Alpha {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Alpha;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"auto\" or a number in [0, 1]")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Alpha, E> {
                text.parse().map_err(|()| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Alpha, E> {
                if (0.0..=1.0).contains(&value) {
                    Ok(Alpha::Fixed(value))
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Float(value), &self))
                }
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> std::result::Result<Alpha, E> {
                self.visit_f64(value as f64)
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<Alpha, E> {
                self.visit_f64(value as f64)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl std::str::FromStr for Alpha {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().ok().filter(|alpha| (0.0..=1.0).contains(alpha)).map(Self::Fixed).ok_or(())
    }
}

/// The point loss of an option pair.
///
/// # Errors
///
/// [`Error::InvalidOption`] for a `huber_delta` that is not positive.
pub fn point_loss(kind: LossKind, huber_delta: f64) -> Result<PointLoss> {
    match kind {
        LossKind::Squared => Ok(PointLoss::Squared),
        LossKind::Huber if huber_delta > 0.0 => Ok(PointLoss::Huber { delta: huber_delta as f32 }),
        LossKind::Huber => {
            let found = huber_delta.to_string();
            Err(Error::InvalidOption { option: "objective.huber_delta", found, expected: "positive" })
        }
    }
}

/// `a · L(s, t) + (1 − a) · L(s, y)` row by row.
///
/// # Formula
///
/// With the [`PointLoss`] `L` and the row's own `a`. For squared error this is, up to a constant, `L(s, a·t + (1 − a)·y)`, so
/// [`rows`] blends the labels instead and this loss serves the others.
///
/// Labels: target, teacher, `a`, weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blend(pub PointLoss);

impl StepLoss for Blend {
    fn columns(&self) -> usize {
        4
    }

    fn outputs(&self) -> usize {
        1
    }

    fn loss(&self, pred: Tensor<3>, labels: Tensor<2>, _progress: f32) -> Tensor<1> {
        let hard = self.0.forward(pred.clone(), column(&labels, 0));
        let soft = self.0.forward(pred, column(&labels, 1));
        let loss = hard.clone() + (soft - hard) * column(&labels, 2);
        weighted_mean(loss, column(&labels, 3))
    }

    fn direct(&self, pred: &[f32], labels: &[f32], _progress: f32, grad: &mut [f32]) -> Option<f32> {
        let mut sum = 0.0;
        for ((&pred, label), grad) in pred.iter().zip(labels.chunks_exact(4)).zip(grad) {
            let (hard, soft) = (self.0.direct(pred, label[0]), self.0.direct(pred, label[1]));
            let (share, weight) = (label[2], label[3]);
            sum += weight * (hard.0 + share * (soft.0 - hard.0));
            *grad = weight * (hard.1 + share * (soft.1 - hard.1));
        }
        Some(sum)
    }
}

/// Labelled and synthetic rows, in network units.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Positions of the rows with a target.
    pub positions: Vec<f32>,
    /// Their targets, standardized.
    pub target: Vec<f32>,
    /// Their teacher labels, standardized; NaN where there is none.
    pub teacher: Vec<f32>,
    /// Their weights.
    pub weight: Vec<f32>,
    /// Positions of the rows that only the teacher labelled.
    pub new_positions: Vec<f32>,
    /// Their teacher labels, standardized.
    pub new_teacher: Vec<f32>,
}

/// Least share of training that rows with a target have, so that a large transfer set does not drown them.
const LABELLED_SHARE: f64 = 0.25;

/// Training rows and loss for one `alpha`; `None` trains on targets alone, without the teacher.
///
/// Labels that a row lacks are replaced by the other kind.
#[must_use]
pub fn rows(pool: &Pool, alpha: Option<f64>, loss: PointLoss) -> (Rows, Box<dyn StepLoss>) {
    let n = pool.target.len();
    let inputs = pool.positions.len() / n.max(1);
    let new = if alpha.is_some() { pool.new_teacher.len() } else { 0 };
    let alpha = alpha.unwrap_or(0.0);
    let (copies, share) = copies(n, new, alpha);
    let soft = if share > 0.0 { (1.0 - (1.0 - alpha) / share).clamp(0.0, 1.0) as f32 } else { 0.0 };
    let mean_weight = pool.weight.iter().sum::<f32>() / n.max(1) as f32;
    let blend = !matches!(loss, PointLoss::Squared);
    let mut rows = Rows::default();
    rows.positions.reserve(pool.positions.len() * copies + new * inputs);
    for _ in 0..copies {
        rows.positions.extend_from_slice(&pool.positions);
        for i in 0..n {
            let (y, t) = (pool.target[i], pool.teacher[i]);
            let a = if t.is_nan() { 0.0 } else { soft };
            let t = if t.is_nan() { y } else { t };
            push(&mut rows.labels, blend, y, t, a, pool.weight[i] / mean_weight);
        }
    }
    rows.positions.extend_from_slice(&pool.new_positions[..new * inputs]);
    for &t in &pool.new_teacher[..new] {
        push(&mut rows.labels, blend, t, t, 1.0, 1.0);
    }
    (rows, if blend { Box::new(Blend(loss)) } else { Box::new(Hard(loss)) })
}

fn push(labels: &mut Vec<f32>, blend: bool, y: f32, t: f32, a: f32, weight: f32) {
    if blend {
        labels.extend([y, t, a, weight]);
    } else {
        labels.extend([y + a * (t - y), weight]);
    }
}

/// How often labelled rows are repeated, and the share of all rows that they then are.
fn copies(n: usize, new: usize, alpha: f64) -> (usize, f64) {
    if new == 0 || n == 0 {
        return (1, 1.0);
    }
    let wanted = LABELLED_SHARE.max(1.0 - alpha).min(0.9);
    let copies = (wanted / (1.0 - wanted) * new as f64 / n as f64).round().max(1.0);
    let labelled = copies * n as f64;
    (copies as usize, labelled / (labelled + new as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rand::{RngExt, SeedableRng};

    fn loss_value(loss: &dyn StepLoss, pred: &[f32], labels: &[f32]) -> f32 {
        let device = Device::flex();
        let pred = Tensor::from_data(TensorData::new(pred.to_vec(), [1, pred.len(), 1]), &device);
        let labels = Tensor::from_data(TensorData::new(labels.to_vec(), [labels.len() / 4, 4]), &device);
        loss.loss(pred, labels, 0.0).into_scalar()
    }

    #[test]
    fn blend_is_worked_by_hand() {
        // .25 · (2 − 1)² + .75 · (2 − 4)² = 3.25, weight 2
        let found = loss_value(&Blend(PointLoss::Squared), &[2.0], &[4.0, 1.0, 0.25, 2.0]);
        assert!((found - 6.5).abs() < 1e-6);
    }

    #[test]
    fn blend_at_its_limits_is_one_loss() {
        let huber = Blend(PointLoss::Huber { delta: 0.5 });
        let hard = loss_value(&huber, &[2.0], &[4.0, 1.0, 0.0, 1.0]);
        let soft = loss_value(&huber, &[2.0], &[4.0, 1.0, 1.0, 1.0]);
        assert!((hard - 0.5 * 3.5).abs() < 1e-6 && (soft - 0.5 * 1.5).abs() < 1e-6);
        assert!(loss_value(&huber, &[f32::NAN], &[4.0, 1.0, 0.5, 1.0]).is_nan());
    }

    #[test]
    fn gradient_of_blend_matches_differences() {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(8);
        for _ in 0..10 {
            let blend = Blend(PointLoss::Huber { delta: rng.random_range(0.2..1.5) });
            let labels = [rng.random_range(-2.0..2.0), rng.random_range(-2.0..2.0), rng.random_range(0.0..1.0), 1.5];
            let at: f32 = rng.random_range(-2.0..2.0);
            let device = Device::flex().autodiff();
            let pred = Tensor::<3>::from_data(TensorData::new(vec![at], [1, 1, 1]), &device).require_grad();
            let rows = Tensor::from_data(TensorData::new(labels.to_vec(), [1, 4]), &device);
            let grads = blend.loss(pred.clone(), rows, 0.0).backward();
            let grad: f32 = pred.grad(&grads).unwrap().into_scalar();
            let mut direct = [f32::NAN];
            let sum = blend.direct(&[at], &labels, 0.0, &mut direct).unwrap();
            assert!((direct[0] - grad).abs() < 1e-5 && (sum - loss_value(&blend, &[at], &labels)).abs() < 1e-5);
            let h = 5e-3;
            let difference = (loss_value(&blend, &[at + h], &labels) - loss_value(&blend, &[at - h], &labels)) / (2.0 * h);
            assert!((grad - difference).abs() < 1e-2, "{grad} {difference}");
        }
    }

    fn pool() -> Pool {
        Pool {
            positions: vec![0.0, 1.0],
            target: vec![1.0, 2.0],
            teacher: vec![3.0, f32::NAN],
            weight: vec![1.0, 3.0],
            new_positions: vec![5.0; 8],
            new_teacher: vec![9.0; 8],
        }
    }

    #[test]
    fn squared_labels_are_blended_with_the_overall_share() {
        let (rows, loss) = rows(&pool(), Some(0.75), PointLoss::Squared);
        assert_eq!(loss.columns(), 2);
        // A quarter of all rows wanted: 8 / 3 / 2 rounds to one copy, share 2 / 10, less than 1 − alpha: all hard.
        assert_eq!(rows.labels[..4], [1.0, 0.5, 2.0, 1.5]);
        assert_eq!(rows.labels[4..6], [9.0, 1.0]);
        assert_eq!(rows.positions.len(), 10);
    }

    #[test]
    fn alpha_one_takes_the_teacher_where_it_has_an_opinion() {
        let (rows, _) = rows(&pool(), Some(1.0), PointLoss::Squared);
        assert_eq!(rows.labels[..4], [3.0, 0.5, 2.0, 1.5]);
    }

    #[test]
    fn lone_rows_are_the_targets() {
        let (rows, _) = rows(&pool(), None, PointLoss::Squared);
        assert_eq!(rows.labels, [1.0, 0.5, 2.0, 1.5]);
        assert_eq!(rows.positions, [0.0, 1.0]);
    }

    #[test]
    fn alpha_reads_auto_and_shares_only() {
        assert_eq!("auto".parse(), Ok(Alpha::Auto));
        assert_eq!("0.7".parse(), Ok(Alpha::Fixed(0.7)));
        assert!("1.5".parse::<Alpha>().is_err() && "NaN".parse::<Alpha>().is_err());
    }
}
