//! Noise on a network's inputs during training. It reduces overfitting, and costs no time at prediction.

use rand::RngExt;
use rand_pcg::Pcg64;

use crate::network::Network;

/// Adds a little random noise to the positions (inputs) of a batch. The noise is drawn anew in each step.
///
/// # Formula
///
/// For each position `p_j` of a row, where `s_j` is the standard deviation of `p_j` over the training rows, and `level` the option `input_noise`:
///
/// ```text
/// p_j ← clamp(p_j + level · s_j · u, 0, bins_j)        u uniform in [−√3, √3], of variance 1
/// ```
///
/// A number without bins is not clamped. Categories get no noise. In a window, `j` counts the inputs of a step: `s_j` is that of the rows of the table,
/// without those that are NaN, and each step gets noise of its own. NaN stays NaN.
///
/// # Source
///
/// Bishop, *Training with noise is equivalent to Tikhonov regularization*, Neural Computation 7(1), 1995. Here noise is uniform instead of
/// Gaussian, for speed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InputNoise {
    /// For each position of a step, the largest noise and the upper limit of the noisy position.
    reach: Vec<Reach>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Reach {
    most: f32,
    top: f32,
}

impl InputNoise {
    /// Prepares noise of the given level; `None` if the level is 0. `positions` are the training rows, or the steps that they consist of.
    pub(crate) fn new(level: f32, network: &impl Network, positions: &[f32]) -> Option<Self> {
        let width = network.inputs() / network.window();
        let reach = |at: usize| {
            let Some(top) = network.noise_top(at) else {
                return Reach {
                    most: 0.0,
                    top: f32::INFINITY,
                };
            };
            let values = || {
                positions
                    .iter()
                    .skip(at)
                    .step_by(width)
                    .filter(|p| !p.is_nan())
                    .map(|&p| f64::from(p))
            };
            let n = values().count().max(1) as f64;
            let mean = values().sum::<f64>() / n;
            let variance = values().map(|p| (p - mean).powi(2)).sum::<f64>() / n;
            Reach {
                most: level * (3.0 * variance).sqrt() as f32,
                top,
            }
        };
        (level > 0.0).then(|| Self {
            reach: (0..width).map(reach).collect(),
        })
    }

    /// Adds noise to the positions of a batch, in place.
    pub(crate) fn apply(&self, positions: &mut [f32], rng: &mut Pcg64) {
        for row in positions.chunks_exact_mut(self.reach.len()) {
            for (p, reach) in row.iter_mut().zip(&self.reach) {
                if reach.most > 0.0 {
                    let moved = *p + reach.most * (2.0 * rng.random::<f32>() - 1.0);
                    *p = if reach.top.is_finite() {
                        moved.clamp(0.0, reach.top)
                    } else {
                        moved
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InputLayout, MlpShape, RecurrentShape, Segment};
    use limbeck_runtime::Cell;
    use rand::SeedableRng;

    fn network() -> MlpShape {
        let segments = vec![
            Segment::Spline {
                edges: vec![0.0, 1.0, 2.0],
            },
            Segment::OneHot { levels: 3 },
            Segment::Linear,
        ];
        MlpShape::new(InputLayout { segments }, vec![1], 1).unwrap()
    }

    #[test]
    fn noise_reaches_as_far_as_worked_by_hand() {
        // Standard deviations 1 and 2 (positions 0, 2 and −2, 2); half of them times √3.
        let noise = InputNoise::new(0.5, &network(), &[0.0, 1.0, -2.0, 2.0, 2.0, 2.0]).unwrap();
        let most: Vec<f32> = noise.reach.iter().map(|reach| reach.most).collect();
        assert!(
            (most[0] - 0.5 * 3f32.sqrt()).abs() < 1e-6 && (most[2] - 3f32.sqrt()).abs() < 1e-6,
            "{most:?}"
        );
        assert_eq!(most[1], 0.0);
        assert_eq!(InputNoise::new(0.0, &network(), &[0.0, 1.0, -2.0]), None);
    }

    #[test]
    fn noise_of_windows_is_that_of_their_steps() {
        let step = vec![true, false];
        let shape = RecurrentShape::new(Cell::Gru, step, 3, vec![1], 1).unwrap();
        // Standard deviation 1, without the row that is NaN.
        let table = [0.0, 1.0, f32::NAN, f32::NAN, 2.0, 7.0];
        let noise = InputNoise::new(0.5, &shape, &table).unwrap();
        assert_eq!(noise.reach.len(), 2);
        assert!((noise.reach[0].most - 0.5 * 3f32.sqrt()).abs() < 1e-6);
        assert_eq!(noise.reach[1].most, 0.0);
        let mut window = [f32::NAN, f32::NAN, 0.0, 1.0, 0.0, 1.0];
        noise.apply(&mut window, &mut Pcg64::seed_from_u64(1));
        assert!(window[0].is_nan() && window[1].is_nan());
        assert!(window[2] != 0.0 && window[4] != 0.0 && window[2] != window[4]);
        assert_eq!([window[3], window[5]], [1.0, 1.0]);
    }

    #[test]
    fn moved_positions_vary_and_stay_within_their_bins() {
        let rows: Vec<f32> = (0..600)
            .map(|i| [2.0, 1.0, 0.5 * (i / 3 % 5) as f32][i % 3])
            .collect();
        let spread: Vec<f32> = (0..600)
            .map(|i| [(i / 3 % 3) as f32, 1.0, 0.5 * (i / 3 % 5) as f32][i % 3])
            .collect();
        let noise = InputNoise::new(0.3, &network(), &spread).unwrap();
        let mut moved = rows.clone();
        noise.apply(&mut moved, &mut Pcg64::seed_from_u64(1));
        let column = |at: usize| {
            moved
                .iter()
                .skip(at)
                .step_by(3)
                .copied()
                .collect::<Vec<f32>>()
        };
        assert!(
            column(0).iter().all(|p| (0.0..=2.0).contains(p)) && column(0).iter().any(|p| *p < 1.9)
        );
        assert!(column(1).iter().all(|&code| code == 1.0));
        assert!(
            column(2)
                .iter()
                .zip(rows.iter().skip(2).step_by(3))
                .all(|(a, b)| a != b)
        );
    }
}
