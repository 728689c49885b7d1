//! The evidence (marginal likelihood) of a kernel, and the search for the kernel with the largest evidence.

use limbeck_data::Stop;
use nalgebra::{DMatrix, DVector};

use super::kernel::Kernel;
use super::linear;

/// The rows, with warped (transformed) targets, on which kernels are compared.
pub(super) struct Evidence {
    /// Coordinates, `[width, n_samples]`.
    x: DMatrix<f64>,
    z: DVector<f64>,
    /// Noise variance of each row, divided by the noise variance of a row of mean weight.
    noise_scale: Vec<f64>,
}

/// Number of previous steps, with their gradient changes, that L-BFGS uses.
const MEMORY: usize = 8;
/// Largest change of any component of `θ` (the logarithms of the kernel's parameters) in one step.
const LONGEST: f64 = 1.5;
/// The search ends when a step increases the log evidence plus log prior by less than this.
const ENOUGH: f64 = 1e-3;
/// Maximum number of step lengths that are tried in one direction; each is half of the one before.
const HALVINGS: usize = 6;

impl Evidence {
    pub(super) fn new(x: DMatrix<f64>, z: DVector<f64>, noise_scale: Vec<f64>) -> Self {
        Self { x, z, noise_scale }
    }

    /// The log evidence plus the log prior of a kernel, and the gradient of this sum with respect to `θ`.
    ///
    /// # Formula
    ///
    /// With `C = K + noise`, `α = C⁻¹ z` and `W = α αᵀ − C⁻¹`:
    ///
    /// ```text
    /// ln p(z) = −½ zᵀ α − ½ ln |C| − n/2 ln 2π        ∂/∂θ = ½ Σ_ij W_ij ∂C_ij/∂θ
    /// ```
    ///
    /// # Source
    ///
    /// Rasmussen & Williams, *Gaussian Processes for Machine Learning*, 2006, equations 5.8 and 5.9.
    pub(super) fn value(&self, kernel: &Kernel) -> (f64, Vec<f64>) {
        let derivatives = kernel.derivatives(&self.x);
        let (value, w) = linear::factor_with_noise(
            &mut derivatives.covariance(),
            &self.noise_scale,
            kernel.noise(),
            |factor| {
                let alpha = linear::solve(factor, &self.z);
                let log_root: f64 = factor.diagonal().iter().map(|root| root.ln()).sum();
                let n = self.z.len() as f64;
                let value = -0.5 * self.z.dot(&alpha)
                    - log_root
                    - 0.5 * n * (2.0 * std::f64::consts::PI).ln();
                let inverse = linear::inverse_lower(factor);
                let mut w = inverse.tr_mul(&inverse);
                w.gemm(1.0, &alpha, &alpha.transpose(), -1.0);
                (value, w)
            },
        );
        let mut gradient = kernel.gradient(derivatives, &w, &self.noise_scale);
        let (prior, prior_gradient) = kernel.log_prior();
        gradient
            .iter_mut()
            .zip(prior_gradient)
            .for_each(|(g, p)| *g += p);
        (value + prior, gradient)
    }

    /// The kernel with the largest log evidence plus log prior near `start`, and that sum. The search is L-BFGS with step halving; if `stop` ends it,
    /// the result is the best kernel so far.
    ///
    /// # Source
    ///
    /// Nocedal & Wright, *Numerical Optimization*, 2006, algorithm 7.4.
    pub(super) fn maximize(&self, start: Kernel, steps: usize, stop: Stop<'_>) -> (Kernel, f64) {
        let mut kernel = start;
        let (mut value, mut gradient) = self.value(&kernel);
        let mut memory: Vec<(DVector<f64>, DVector<f64>)> = Vec::new();
        for _ in 0..steps {
            if stop.is_over() {
                break;
            }
            let slope = DVector::from_vec(gradient.clone());
            let mut direction = quasi_newton(&slope, &memory);
            if direction.dot(&slope) <= 0.0 {
                direction.clone_from(&slope);
            }
            let longest = direction.amax();
            if longest > LONGEST {
                direction *= LONGEST / longest;
            }
            let mut found = None;
            for halving in (0..HALVINGS).take_while(|_| !stop.is_over()) {
                let step = &direction * 0.5f64.powi(halving as i32);
                let theta = kernel
                    .theta()
                    .iter()
                    .zip(step.iter())
                    .map(|(theta, step)| theta + step)
                    .collect();
                let next = kernel.with_theta(theta);
                let (next_value, next_gradient) = self.value(&next);
                if next_value > value + 1e-4 * step.dot(&slope) {
                    found = Some((next, next_value, next_gradient, step));
                    break;
                }
            }
            let Some((next, next_value, next_gradient, step)) = found else {
                break;
            };
            // The change of the gradient of the negative value, which L-BFGS minimizes.
            let change = &slope - DVector::from_vec(next_gradient.clone());
            if step.dot(&change) > 1e-12 {
                memory.push((step, change));
                if memory.len() > MEMORY {
                    memory.remove(0);
                }
            }
            let gain = next_value - value;
            (kernel, value, gradient) = (next, next_value, next_gradient);
            if gain < ENOUGH {
                break;
            }
        }
        (kernel, value)
    }
}

/// The direction of ascent: the gradient times an approximation of the inverse of the negative Hessian.
fn quasi_newton(slope: &DVector<f64>, memory: &[(DVector<f64>, DVector<f64>)]) -> DVector<f64> {
    let mut direction = slope.clone();
    let mut shares = Vec::with_capacity(memory.len());
    for (step, change) in memory.iter().rev() {
        let share = step.dot(&direction) / step.dot(change);
        direction.axpy(-share, change, 1.0);
        shares.push(share);
    }
    match memory.last() {
        Some((step, change)) => direction *= step.dot(change) / change.dot(change),
        None => direction /= slope.norm().max(1.0),
    }
    for ((step, change), share) in memory.iter().zip(shares.into_iter().rev()) {
        direction.axpy(share - change.dot(&direction) / step.dot(change), step, 1.0);
    }
    direction
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Shape;
    use super::*;
    use limbeck_data::generator;
    use rand::RngExt;

    #[test]
    fn gradient_of_evidence_matches_differences() {
        for (at, shape) in Shape::ALL.into_iter().enumerate() {
            let mut rng = generator(5, "evidence", at as u64);
            let mut draw = |n: usize| -> Vec<f64> {
                (0..n).map(|_| rng.random::<f64>() * 2.0 - 1.0).collect()
            };
            let x = DMatrix::from_vec(4, 30, draw(120));
            let noise = draw(30).into_iter().map(|v| 1.0 + 0.5 * v).collect();
            let evidence = Evidence::new(x, DVector::from_vec(draw(30)), noise);
            let theta = draw(6);
            let kernel = Kernel::start(shape, &[0, 1, 1, 2]).with_theta(theta.clone());
            let (_, gradient) = evidence.value(&kernel);
            for place in 0..theta.len() {
                let moved = |step: f64| {
                    let mut theta = theta.clone();
                    theta[place] += step;
                    evidence.value(&kernel.with_theta(theta)).0
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!(
                    (difference - gradient[place]).abs() < 1e-5 * (1.0 + difference.abs()),
                    "{shape:?} {place}: {difference} {}",
                    gradient[place]
                );
            }
        }
    }

    #[test]
    fn evidence_of_one_row_is_the_normal_density() {
        let kernel = Kernel::start(Shape::Smooth, &[0]).with_theta(vec![0.0, 0.0, -60.0, 0.0]);
        let evidence = Evidence::new(
            DMatrix::from_element(1, 1, 0.3),
            DVector::from_element(1, 1.2),
            vec![1.0],
        );
        // Variance 1 + 1 + the least noise.
        let variance: f64 = 2.0 + 1e-6;
        let expected = -0.5 * 1.44 / variance - 0.5 * (2.0 * std::f64::consts::PI * variance).ln();
        assert!((evidence.value(&kernel).0 - kernel.log_prior().0 - expected).abs() < 1e-12);
    }

    #[test]
    fn search_gains_evidence_and_finds_a_short_scale() {
        let x = DMatrix::from_fn(2, 120, |d, i| {
            ((i * (3 + 2 * d)) as f64 * 0.618_034).fract() * 4.0 - 2.0
        });
        let z = DVector::from_fn(120, |i, _| (3.0 * x[(0, i)]).sin());
        let evidence = Evidence::new(x, z, vec![1.0; 120]);
        let start = Kernel::start(Shape::Smooth, &[0, 1]);
        let before = evidence.value(&start).0;
        let (kernel, after) = evidence.maximize(start, 40, Stop::NEVER);
        assert!(after > before + 50.0, "{before} {after}");
        // The second column says nothing: its length scale is far longer.
        assert!(
            kernel.theta()[3] > kernel.theta()[4] + 1.5,
            "{:?}",
            kernel.theta()
        );
    }
}
