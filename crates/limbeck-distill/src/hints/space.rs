//! Maps the features of a teacher's layer to a few coordinates.

use limbeck_runtime::kernel;
use nalgebra::{DMatrix, SymmetricEigen};

use super::HintKind;

/// An affine map from the features of a teacher's layer to `K` coordinates, and the weight of each coordinate.
///
/// # Formula
///
/// With raw features `f`, their mean `m`, their covariance `C = Σ_j v_j u_j u_jᵀ` (largest `v_j` first), and the teacher's predictions `t`:
///
/// ```text
/// hint                z_j = u_j · (f − m) / √v_j                  w_j = 1 / K
/// attention           the same z                                  w_j = |cov(t, z_j)| / Σ_i |cov(t, z_i)|
/// attention_literal   z_j = (f_{k_j} − m) / s, the K features
///                     with the largest mean |f|                   w_j = exp(mean |f_{k_j}|) / Σ_i exp(mean |f_{k_i}|)
/// relational          z_j = u_j · (f − m) / √Σ v                  w_j = 1 / K
/// ```
///
/// `s` is the square root of the mean variance of the chosen features, so that distances have the same magnitude with all kinds. `cov(t, z_j)` is the
/// slope of the least-squares line from `z_j` to `t`. For normally distributed features it is also the mean derivative `∂t/∂z_j` (Stein's lemma).
/// Coordinates without variance are 0 and have weight 0; `K` in the weights then counts only the other coordinates.
///
/// # Source
///
/// The weights of `attention_literal` are the usual definition of attention-weighted feature distillation. The weights of `attention` are this
/// project's variant: after whitening, the usual weights would be nearly equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Matrix `[raw, width]` of the map, where `raw` is the number of features and `width` the number of coordinates `K`.
    matrix: Vec<f32>,
    /// Offsets `[width]` of the map, chosen so that the coordinates have mean 0.
    shift: Vec<f32>,
    raw: usize,
    attention: Vec<f32>,
}

/// A principal component is dropped if its variance is at most this share of the largest one.
const FLAT: f64 = 1e-6;

impl Space {
    /// Fits the map to features `[n_samples, raw]` and the teacher's predictions, one per row. A prediction is NaN if the teacher has none for the
    /// row.
    #[must_use]
    pub fn fit(values: &[f32], raw: usize, teacher: &[f64], kind: HintKind, width: usize) -> Self {
        let n = (values.len() / raw).max(1) as f64;
        let mut mean = vec![0.0f64; raw];
        let mut size = vec![0.0f64; raw];
        for row in values.chunks_exact(raw) {
            for ((mean, size), &f) in mean.iter_mut().zip(&mut size).zip(row) {
                *mean += f64::from(f) / n;
                *size += f64::from(f.abs()) / n;
            }
        }
        let mut covariance = DMatrix::<f64>::zeros(raw, raw);
        for row in values.chunks_exact(raw) {
            let centered: Vec<f64> = row
                .iter()
                .zip(&mean)
                .map(|(&f, m)| f64::from(f) - m)
                .collect();
            for i in 0..raw {
                for j in 0..=i {
                    covariance[(i, j)] += centered[i] * centered[j] / n;
                }
            }
        }
        covariance.fill_upper_triangle_with_lower_triangle();
        let mut matrix = vec![0.0; raw * width];
        let mut attention = vec![0.0f64; width];
        let variance = |j: usize| covariance[(j, j)];
        if kind == HintKind::AttentionLiteral {
            let mut order: Vec<usize> = (0..raw).collect();
            order.sort_by(|&a, &b| size[b].total_cmp(&size[a]).then(a.cmp(&b)));
            order.truncate(width);
            let scale =
                (order.iter().map(|&j| variance(j)).sum::<f64>() / order.len() as f64).sqrt();
            let largest = size[order[0]];
            for (k, &j) in order
                .iter()
                .enumerate()
                .filter(|(_, j)| scale > 0.0 && variance(**j) > 0.0)
            {
                matrix[j * width + k] = (1.0 / scale) as f32;
                attention[k] = (size[j] - largest).exp();
            }
        } else {
            let total: f64 = (0..raw).map(variance).sum();
            let eigen = SymmetricEigen::new(covariance);
            let mut order: Vec<usize> = (0..raw).collect();
            order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
            let largest = eigen.eigenvalues[order[0]];
            for (k, &j) in order.iter().take(width).enumerate() {
                let value = eigen.eigenvalues[j];
                if value <= FLAT * largest || value <= 0.0 {
                    break;
                }
                let scale = if kind == HintKind::Relational {
                    total.sqrt()
                } else {
                    value.sqrt()
                };
                for i in 0..raw {
                    matrix[i * width + k] = (eigen.eigenvectors[(i, j)] / scale) as f32;
                }
                attention[k] = 1.0;
            }
        }
        let shift = (0..width)
            .map(|k| {
                -(0..raw)
                    .map(|j| mean[j] * f64::from(matrix[j * width + k]))
                    .sum::<f64>() as f32
            })
            .collect();
        let mut space = Self {
            matrix,
            shift,
            raw,
            attention: Vec::new(),
        };
        if kind == HintKind::Attention {
            let slopes = space.slopes(values, teacher);
            attention
                .iter_mut()
                .zip(&slopes)
                .for_each(|(a, slope)| *a *= slope.abs());
        }
        let sum: f64 = attention.iter().sum();
        space.attention = attention
            .iter()
            .map(|a| if sum > 0.0 { (a / sum) as f32 } else { 0.0 })
            .collect();
        space
    }

    fn slopes(&self, values: &[f32], teacher: &[f64]) -> Vec<f64> {
        let width = self.shift.len();
        let z = self.project(values);
        let known: Vec<usize> = (0..teacher.len())
            .filter(|&row| teacher[row].is_finite())
            .collect();
        let mean = known.iter().map(|&row| teacher[row]).sum::<f64>() / known.len().max(1) as f64;
        (0..width)
            .map(|k| {
                known
                    .iter()
                    .map(|&row| (teacher[row] - mean) * f64::from(z[row * width + k]))
                    .sum()
            })
            .collect()
    }

    /// The weight of each coordinate in the feature loss, `[width]`. The weights add up to 1; they are all 0 if the features never vary.
    #[must_use]
    pub fn attention(&self) -> &[f32] {
        &self.attention
    }

    /// Maps features `[n_samples, raw]` to coordinates `[n_samples, width]`.
    #[must_use]
    pub fn project(&self, values: &[f32]) -> Vec<f32> {
        let (n, width) = (values.len() / self.raw, self.shift.len());
        let mut out = vec![0.0; n * width];
        kernel::matmul_bias(
            values,
            &self.matrix,
            Some(&self.shift),
            &mut out,
            n,
            self.raw,
            width,
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// Three features: one of variance 4 on which the teacher depends, one of variance 1 on which it does not, and a copy of the first.
    fn rows() -> (Vec<f32>, Vec<f64>) {
        let mut rng = Pcg64::seed_from_u64(4);
        let (mut values, mut teacher) = (Vec::new(), Vec::new());
        for _ in 0..4000 {
            let (a, b): (f32, f32) = (rng.random_range(-3.5..3.5), rng.random_range(-1.7..1.7));
            values.extend([a + 5.0, b, a]);
            teacher.push(f64::from(a) * 2.0);
        }
        (values, teacher)
    }

    #[test]
    fn whitened_coordinates_have_unit_variance_and_no_mean() {
        let (values, teacher) = rows();
        let space = Space::fit(&values, 3, &teacher, HintKind::Hint, 4);
        let z = space.project(&values);
        for k in 0..4 {
            let column: Vec<f64> = z.iter().skip(k).step_by(4).map(|&v| f64::from(v)).collect();
            let mean = column.iter().sum::<f64>() / 4000.0;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4000.0;
            assert!(mean.abs() < 1e-4, "{mean}");
            // Two directions have variance; the third and fourth do not exist.
            assert!(
                (variance - f64::from(u8::from(k < 2))).abs() < 1e-3,
                "{k}: {variance}"
            );
        }
        assert_eq!(space.attention(), [0.5, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn attention_goes_where_the_answer_moves() {
        let (values, teacher) = rows();
        let space = Space::fit(&values, 3, &teacher, HintKind::Attention, 2);
        assert!(space.attention()[0] > 0.95, "{:?}", space.attention());
        assert!((space.attention().iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn literal_attention_is_the_softmax_of_mean_sizes() {
        // Mean sizes 3 and 1 of two features; a third is constant.
        let values = [2.0, 1.0, 9.0, 4.0, -1.0, 9.0];
        let space = Space::fit(&values, 3, &[0.0, 1.0], HintKind::AttentionLiteral, 3);
        let total = 1.0 + (-2f64).exp();
        let expected = [0.0, 1.0 / total, (-2f64).exp() / total];
        assert!(
            space
                .attention()
                .iter()
                .zip(expected)
                .all(|(a, e)| (f64::from(*a) - e).abs() < 1e-6),
            "{:?}",
            space.attention()
        );
    }

    #[test]
    fn relational_coordinates_keep_the_ratio_of_distances() {
        let (values, teacher) = rows();
        let z = Space::fit(&values, 3, &teacher, HintKind::Relational, 3).project(&values);
        let distance = |m: &[f32], a: usize, b: usize| {
            (0..3)
                .map(|k| (m[a * 3 + k] - m[b * 3 + k]).powi(2))
                .sum::<f32>()
                .sqrt()
        };
        let ratio = |a, b| distance(&z, a, b) / distance(&values, a, b);
        assert!((ratio(0, 1) / ratio(2, 3) - 1.0).abs() < 1e-4);
    }

    #[test]
    fn features_that_never_vary_count_for_nothing() {
        for kind in [
            HintKind::Hint,
            HintKind::Attention,
            HintKind::AttentionLiteral,
            HintKind::Relational,
        ] {
            let space = Space::fit(&[1.0; 8], 2, &[0.0, 1.0, f64::NAN, 2.0], kind, 2);
            assert_eq!(space.attention(), [0.0, 0.0], "{kind:?}");
            assert!(space.project(&[3.0, 1.0]).iter().all(|v| *v == 0.0));
        }
    }
}
