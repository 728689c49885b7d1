//! The feature loss: it compares hidden layers of a student with layers of its teacher.

use limbeck_runtime::kernel;

use super::{HintKind, HintOptions, partner};
use crate::objective::LabelRow;
use crate::objective::term::{Loss, View};

/// Feature loss, summed over pairs of a student layer and a teacher layer. It is computed for a block of rows at a time.
///
/// # Formula
///
/// The student's layer `l` has hidden activations `h_l` `[m_l]`. The paired layer of the teacher ([`partner`](super::partner)) has coordinates `z_l`
/// `[K]` with weights `w`. The adapter has weights `A_l` `[m_l, K]` and biases `c_l` `[K]`. With row weights `r_i`:
///
/// ```text
/// L = β(p) Σ_l λ_l(p) Σ_i r_i Σ_k w_k (h_l A_l + c_l − z_l)_k²
/// ```
///
/// `β` is [`HintOptions::weight_at`] and `λ` is [`HintOptions::layer_weight`] at progress `p`. For [`HintKind::Relational`], there is no adapter, and
/// row weights are not used. The sum over rows `i` and coordinates `k` is replaced by two means: over pairs of rows at most six places apart, and
/// over triples of consecutive rows in the block. `n` is the number of rows in the block, `H` the Huber loss with threshold 1, and `μ` the mean
/// distance of the pairs:
///
/// ```text
/// n · [ mean_{ij} H(‖h_i − h_j‖ / μ_h − ‖z_i − z_j‖ / μ_z) + 2 · mean_i H(cos ∠h_{i,i+1,i+2} − cos ∠z_{i,i+1,i+2}) ]
/// ```
///
/// # Shapes
///
/// Hidden activations are stored layer by layer, each `[n_samples, m_l]`; coordinates are `[n_samples, layers of the teacher · K]`.
///
/// # Source
///
/// Romero et al. 2015 (hints); Park et al. 2019 (relational, where all pairs and triples of a batch are used, with weights 25 and 50).
#[derive(Clone, Debug)]
pub struct HintLoss {
    options: HintOptions,
    /// Widths of the student's hidden layers.
    hidden: Vec<usize>,
    /// Number of layers of the teacher.
    theirs: usize,
    /// Weights of the coordinates, `[layers of the teacher, K]`.
    attention: Vec<f32>,
}

/// Two rows of a block form a pair if their positions in the block differ by at most this number.
const REACH: usize = 6;
/// Weight of the angle term relative to the distance term of the relational loss.
const ANGLE: f32 = 2.0;

/// A student layer with the teacher layer that it is compared with, and the offsets of its values in flat vectors.
struct Pair {
    layer: usize,
    /// Width of the student's layer.
    width: usize,
    /// Sum of the widths of the student's earlier layers.
    before: usize,
    /// Number of adapter weights and biases of the student's earlier layers.
    own: usize,
    /// Index of the teacher's layer.
    partner: usize,
}

impl HintLoss {
    /// The loss for a student whose hidden layers have the widths `hidden`. `attention` has the weights of the coordinates,
    /// `[layers of the teacher, width]`.
    #[must_use]
    pub fn new(options: &HintOptions, hidden: &[usize], attention: &[f32]) -> Self {
        let theirs = attention.len() / options.width;
        Self {
            options: options.clone(),
            hidden: hidden.to_vec(),
            theirs,
            attention: attention.to_vec(),
        }
    }

    /// Number of coordinates per row, over all layers of the teacher.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.theirs * self.options.width
    }

    /// Number of adapter weights and biases; 0 for relational hints.
    #[must_use]
    pub fn aux_weights(&self) -> usize {
        let layer = |width: &usize| (width + 1) * self.options.width;
        match self.options.kind {
            HintKind::None | HintKind::Relational => 0,
            _ => self.hidden.iter().map(layer).sum(),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = Pair> {
        let (mut before, mut own) = (0, 0);
        self.hidden.iter().enumerate().map(move |(layer, &width)| {
            let pair = Pair {
                layer,
                width,
                before,
                own,
                partner: partner(layer, self.hidden.len(), self.theirs),
            };
            before += width;
            own += (width + 1) * self.options.width;
            pair
        })
    }

    /// Returns the loss, summed over rows with their weights, and adds its gradients to `grad_hidden` and `aux_grad`.
    ///
    /// `hidden` has the student's hidden activations, `own` the weights and biases of the adapters, `coordinates` the teacher's coordinates, and
    /// `weight` one weight per row.
    ///
    /// # Panics
    ///
    /// Panics if a slice is shorter than its shape says.
    pub fn add(
        &self,
        (hidden, grad_hidden): (&[f32], &mut [f32]),
        (own, aux_grad): (&[f32], &mut [f32]),
        (coordinates, weight): (&[f32], &[f32]),
        progress: f64,
    ) -> f32 {
        let mut total = 0.0;
        for pair in self.pairs().filter(|_| !weight.is_empty()) {
            let layers = self.hidden.len();
            let share = self.options.weight_at(progress)
                * self.options.layer_weight(pair.layer, layers, progress);
            if share != 0.0 {
                total += self.layer(
                    &pair,
                    share as f32,
                    (hidden, &mut *grad_hidden),
                    (own, &mut *aux_grad),
                    (coordinates, weight),
                );
            }
        }
        total
    }

    /// One distance per student layer: the feature loss of this layer as a mean over rows, without the factors `β` and `λ`. Row weights are 1.
    #[must_use]
    pub fn distances(&self, hidden: &[f32], own: &[f32], coordinates: &[f32]) -> Vec<f64> {
        let rows = coordinates.len() / self.columns().max(1);
        let (mut grad_hidden, mut aux_grad) = (vec![0.0; hidden.len()], vec![0.0; own.len()]);
        let mut distance = |pair: Pair| {
            self.layer(
                &pair,
                1.0,
                (hidden, &mut grad_hidden),
                (own, &mut aux_grad),
                (coordinates, &vec![1.0; rows]),
            )
        };
        self.pairs()
            .map(|pair| f64::from(distance(pair)) / rows as f64)
            .collect()
    }

    /// Returns the loss of one pair of layers, summed over rows and multiplied by `share` (the factor `β λ_l`). Adds its gradients to `grad_hidden`
    /// and `aux_grad`.
    fn layer(
        &self,
        pair: &Pair,
        share: f32,
        (hidden, grad_hidden): (&[f32], &mut [f32]),
        (own, aux_grad): (&[f32], &mut [f32]),
        (coordinates, weight): (&[f32], &[f32]),
    ) -> f32 {
        let (n, k) = (weight.len(), self.options.width);
        let attention = &self.attention[pair.partner * k..][..k];
        let span = pair.before * n..(pair.before + pair.width) * n;
        let (h, grad_h) = (&hidden[span.clone()], &mut grad_hidden[span]);
        let z: Vec<f32> = coordinates
            .chunks_exact(self.columns())
            .flat_map(|row| &row[pair.partner * k..][..k])
            .copied()
            .collect();
        if self.options.kind == HintKind::Relational {
            let is_alive = attention.iter().any(|a| *a > 0.0);
            return if is_alive {
                relational((h, pair.width), (&z, k), share, grad_h)
            } else {
                0.0
            };
        }
        let (matrix, end) = (
            pair.own..pair.own + pair.width * k,
            pair.own + (pair.width + 1) * k,
        );
        let bias = matrix.end..end;
        let mut error = vec![0.0; n * k];
        kernel::matmul_bias(
            h,
            &own[matrix.clone()],
            Some(&own[bias.clone()]),
            &mut error,
            n,
            pair.width,
            k,
        );
        error.iter_mut().zip(&z).for_each(|(e, z)| *e -= z);
        let mut total = 0.0;
        for (row, &r) in error.chunks_exact_mut(k).zip(weight) {
            for (e, &w) in row.iter_mut().zip(attention) {
                total += share * r * w * *e * *e;
                *e *= 2.0 * share * r * w;
            }
        }
        kernel::matmul_at_b(h, &error, &mut aux_grad[matrix.clone()], n, pair.width, k);
        let grad_bias = &mut aux_grad[bias];
        error
            .chunks_exact(k)
            .for_each(|row| grad_bias.iter_mut().zip(row).for_each(|(g, e)| *g += e));
        let mut below = vec![0.0; n * pair.width];
        kernel::matmul_a_bt(&error, &own[matrix], &mut below, n, k, pair.width);
        grad_h.iter_mut().zip(&below).for_each(|(g, b)| *g += b);
        total
    }
}

impl Loss for HintLoss {
    fn columns(&self) -> usize {
        Self::columns(self)
    }

    fn aux_weights(&self) -> usize {
        Self::aux_weights(self)
    }

    fn add(&self, view: View<'_>) -> f32 {
        let weight: Vec<f32> = view
            .rows
            .chunks_exact(LabelRow::COLUMNS)
            .map(|row| row[LabelRow::COLUMNS - 1])
            .collect();
        Self::add(
            self,
            (view.hidden, view.grad_hidden),
            (view.own, view.aux_grad),
            (view.labels, &weight),
            view.progress,
        )
    }

    /// One value per student layer: [`distances`](HintLoss::distances).
    fn figures(&self, view: View<'_>) -> Vec<f64> {
        self.distances(view.hidden, view.own, view.labels)
    }
}

/// The Huber loss of `x` with threshold 1, and its derivative.
fn huber(x: f32) -> (f32, f32) {
    if x.abs() <= 1.0 {
        (0.5 * x * x, x)
    } else {
        (x.abs() - 0.5, x.signum())
    }
}

fn difference(rows: &[f32], width: usize, i: usize, j: usize) -> Vec<f32> {
    rows[i * width..][..width]
        .iter()
        .zip(&rows[j * width..][..width])
        .map(|(a, b)| a - b)
        .collect()
}

fn norm(v: &[f32]) -> f32 {
    v.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// Returns the relational loss of one pair of layers, multiplied by `share` (the factor `β λ_l`). Adds its gradient with respect to the student's
/// activations `h` to `grad`.
fn relational(
    (h, m): (&[f32], usize),
    (z, k): (&[f32], usize),
    share: f32,
    grad: &mut [f32],
) -> f32 {
    let n = h.len() / m;
    let near: Vec<(usize, usize)> = (0..n)
        .flat_map(|i| (i + 1..(i + 1 + REACH).min(n)).map(move |j| (i, j)))
        .collect();
    let scale = share * n as f32;
    if near.is_empty() {
        return 0.0;
    }
    let count = near.len() as f32;
    let distances = |rows: &[f32], width| {
        near.iter()
            .map(|&(i, j)| norm(&difference(rows, width, i, j)))
            .collect::<Vec<f32>>()
    };
    let (ours, theirs) = (distances(h, m), distances(z, k));
    let mean = |values: &[f32]| values.iter().sum::<f32>() / count;
    let (mu, mu_z) = (mean(&ours), mean(&theirs));
    let mut total = 0.0;
    if mu > 0.0 && mu_z > 0.0 {
        let slopes: Vec<f32> = ours
            .iter()
            .zip(&theirs)
            .map(|(d, t)| {
                let (loss, slope) = huber(d / mu - t / mu_z);
                total += scale * loss / count;
                slope
            })
            .collect();
        // μ is the mean of all distances d, so each distance changes every ratio d/μ.
        let shared = slopes.iter().zip(&ours).map(|(s, d)| s * d).sum::<f32>() / (count * mu * mu);
        for ((&(i, j), &d), slope) in near
            .iter()
            .zip(&ours)
            .zip(slopes)
            .filter(|((_, d), _)| **d > 0.0)
        {
            let factor = scale / count * (slope / mu - shared) / d;
            for (axis, difference) in difference(h, m, i, j).into_iter().enumerate() {
                grad[i * m + axis] += factor * difference;
                grad[j * m + axis] -= factor * difference;
            }
        }
    }
    let triples = n.saturating_sub(2);
    for i in 0..triples {
        let (a, b) = (difference(h, m, i, i + 1), difference(h, m, i + 2, i + 1));
        let (c, d) = (difference(z, k, i, i + 1), difference(z, k, i + 2, i + 1));
        let lengths = (norm(&a), norm(&b));
        let theirs = norm(&c) * norm(&d);
        if lengths.0 <= 0.0 || lengths.1 <= 0.0 || theirs <= 0.0 {
            continue;
        }
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
        let cosine = dot(&a, &b) / (lengths.0 * lengths.1);
        let (loss, slope) = huber(cosine - dot(&c, &d) / theirs);
        let factor = scale * ANGLE / triples as f32;
        total += factor * loss;
        for axis in 0..m {
            let by_a = (b[axis] / lengths.1 - cosine * a[axis] / lengths.0) / lengths.0;
            let by_b = (a[axis] / lengths.0 - cosine * b[axis] / lengths.1) / lengths.1;
            grad[i * m + axis] += factor * slope * by_a;
            grad[(i + 2) * m + axis] += factor * slope * by_b;
            grad[(i + 1) * m + axis] -= factor * slope * (by_a + by_b);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    const KINDS: [HintKind; 4] = [
        HintKind::Hint,
        HintKind::Attention,
        HintKind::AttentionLiteral,
        HintKind::Relational,
    ];

    fn options(kind: HintKind) -> HintOptions {
        HintOptions {
            kind,
            weight: 1.0,
            width: 2,
            ..HintOptions::default()
        }
    }

    #[test]
    fn hints_are_worked_by_hand() {
        // One row, one layer of one unit: 3 · (2, −1) + (1, 0) − (5, −1) = (2, −2); 2 · (0.25 · 4 + 0.75 · 4) = 8, half of it.
        let options = HintOptions {
            weight: 0.5,
            ..options(HintKind::Hint)
        };
        let loss = HintLoss::new(&options, &[1], &[0.25, 0.75]);
        let (mut grad_h, mut aux_grad) = ([0.0], [0.0; 4]);
        let found = loss.add(
            (&[3.0], &mut grad_h),
            (&[2.0, -1.0, 1.0, 0.0], &mut aux_grad),
            (&[5.0, -1.0], &[2.0]),
            0.0,
        );
        assert_eq!((loss.aux_weights(), loss.columns(), found), (4, 2, 4.0));
        // Slopes of the errors: 2 · 0.5 · 2 · w · e = (1, −3).
        assert_eq!(aux_grad, [3.0, -9.0, 1.0, -3.0]);
        assert_eq!(grad_h, [1.0 * 2.0 + 3.0]);
        // Without row weight and share: 0.25 · 4 + 0.75 · 4.
        assert_eq!(
            loss.distances(&[3.0], &[2.0, -1.0, 1.0, 0.0], &[5.0, -1.0]),
            [4.0]
        );
    }

    #[test]
    fn relations_that_agree_cost_nothing() {
        let mut rng = Pcg64::seed_from_u64(3);
        let z: Vec<f32> = (0..20).map(|_| rng.random_range(-1.0..1.0)).collect();
        // The student's layer is the teacher's, larger and turned by a right angle.
        let h: Vec<f32> = z
            .chunks(2)
            .flat_map(|p| [-3.0 * p[1], 3.0 * p[0]])
            .collect();
        let loss = HintLoss::new(&options(HintKind::Relational), &[2], &[0.5, 0.5]);
        let mut grad = [0.0; 20];
        let found = loss.add((&h, &mut grad), (&[], &mut []), (&z, &[1.0; 10]), 0.0);
        assert!(
            found.abs() < 1e-5 && grad.iter().all(|g| g.abs() < 1e-4),
            "{found}"
        );
    }

    #[test]
    fn gradients_match_differences() {
        let mut rng = Pcg64::seed_from_u64(9);
        let n = 7;
        for kind in KINDS {
            let options = HintOptions {
                weight: rng.random_range(0.2..2.0),
                weight_end: Some(rng.random_range(0.0..1.0)),
                progressive: true,
                ..options(kind)
            };
            let loss = HintLoss::new(&options, &[3, 4], &[0.3, 0.7, 0.6, 0.4]);
            let mut draw = |count: usize| {
                (0..count)
                    .map(|_| rng.random_range(-1.0..1.0))
                    .collect::<Vec<f32>>()
            };
            let (h, own, z) = (draw(7 * n), draw(loss.aux_weights()), draw(4 * n));
            let weight: Vec<f32> = match kind {
                HintKind::Relational => vec![1.0; n],
                _ => draw(n).iter().map(|w| w + 1.5).collect(),
            };
            let value = |h: &[f32], own: &[f32]| {
                let (mut a, mut b) = (vec![0.0; h.len()], vec![0.0; own.len()]);
                f64::from(loss.add((h, &mut a), (own, &mut b), (&z, &weight), 0.75))
            };
            let (mut grad_h, mut aux_grad) = (vec![0.0; h.len()], vec![0.0; own.len()]);
            assert!(
                loss.add(
                    (&h, &mut grad_h),
                    (&own, &mut aux_grad),
                    (&z, &weight),
                    0.75
                ) > 0.0
            );
            let close = |difference: f64, grad: f32| {
                (difference - f64::from(grad)).abs() < 2e-2 * (1.0 + difference.abs())
            };
            for i in 0..h.len() {
                let at = |step: f32| {
                    let mut moved = h.clone();
                    moved[i] += step;
                    value(&moved, &own)
                };
                assert!(
                    close((at(2e-3) - at(-2e-3)) / 4e-3, grad_h[i]),
                    "{kind:?} {i}"
                );
            }
            for i in 0..own.len() {
                let at = |step: f32| {
                    let mut moved = own.clone();
                    moved[i] += step;
                    value(&h, &moved)
                };
                assert!(
                    close((at(5e-3) - at(-5e-3)) / 1e-2, aux_grad[i]),
                    "{kind:?} own {i}"
                );
            }
        }
    }

    #[test]
    fn layers_that_have_not_joined_have_no_gradient() {
        let options = HintOptions {
            progressive: true,
            ..options(HintKind::Hint)
        };
        let loss = HintLoss::new(&options, &[1, 1], &[0.5, 0.5]);
        let (mut grad_h, mut aux_grad) = ([0.0; 2], [0.0; 8]);
        loss.add(
            (&[1.0, 1.0], &mut grad_h),
            (&[1.0; 8], &mut aux_grad),
            (&[5.0, 3.0], &[1.0]),
            0.0,
        );
        assert!(grad_h[0] != 0.0 && grad_h[1] == 0.0 && aux_grad[4..] == [0.0; 4]);
    }

    #[test]
    fn no_rows_cost_nothing_and_a_nan_shows() {
        for kind in KINDS {
            let loss = HintLoss::new(&options(kind), &[2], &[0.5, 0.5]);
            assert_eq!(
                loss.add((&[], &mut []), (&[0.0; 6], &mut [0.0; 6]), (&[], &[]), 0.0),
                0.0
            );
        }
        let loss = HintLoss::new(&options(HintKind::Hint), &[1], &[0.5, 0.5]);
        let found = loss.add(
            (&[f32::NAN], &mut [0.0]),
            (&[1.0; 4], &mut [0.0; 4]),
            (&[0.0, 0.0], &[1.0]),
            0.0,
        );
        assert!(found.is_nan());
    }
}
