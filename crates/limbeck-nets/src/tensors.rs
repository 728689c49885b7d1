//! Computes losses and gradients by automatic differentiation, in operations of the tensor library [Burn](https://burn.dev).
//!
//! With one operation per layer, a training step on a small network is mostly overhead. Students and teachers are therefore trained by fused passes
//! on slices ([`Network::sweep`]). [`Network::define`] is the definition of a network, and tests compare the fused passes with it. This module is
//! compiled only with the feature `tensors`.

use burn::tensor::{Device, Tensor, TensorData};

use crate::loss::{StepContext, StepLoss};
use crate::network::Network;

/// The mean loss of a batch over rows and networks, as a tensor. Its automatic derivative is the gradient that `loss` computes on slices.
///
/// ```text
/// L(s) = L(s₀) + Σ (s − s₀) · ∂L/∂s |_{s₀},    s₀ the predictions, detached
/// ```
///
/// # Shapes
///
/// `pred` is `[members, n_samples, outputs]` (`members` is the number of networks), and `labels` is `[n_samples, columns]`, row-major.
#[must_use]
pub fn mean_loss(
    loss: &dyn StepLoss,
    pred: Tensor<3>,
    labels: &[f32],
    moment: StepContext,
) -> Tensor<1> {
    let (device, shape) = (pred.device(), pred.dims());
    let known = pred.clone().detach();
    let values = known.to_data();
    let Ok(values) = values.as_slice::<f32>() else {
        unreachable!("predictions are f32")
    };
    let mut grad = vec![0.0; values.len()];
    let scale = (shape[0] * shape[1]) as f32;
    let member = shape[1] * shape[2];
    let sum: f32 = values
        .chunks(member)
        .zip(grad.chunks_mut(member))
        .map(|(s, g)| loss.value_and_grad(s, labels, moment, g))
        .sum();
    grad.iter_mut().for_each(|g| *g /= scale);
    let slope = Tensor::<3>::from_data(TensorData::new(grad, shape), &device);
    ((pred - known) * slope).sum() + sum / scale
}

/// Computes the loss and the gradient of a batch by automatic differentiation, on the CPU. Returns the loss and writes the gradient to `grad`.
///
/// # Shapes
///
/// `params` and `grad` are `[members, weights]`, `positions` `[n_samples, segments]`, `labels` `[n_samples, columns]`.
pub(crate) fn gradient(
    network: &impl Network,
    loss: &dyn StepLoss,
    params: &[f32],
    positions: &[f32],
    labels: &[f32],
    moment: StepContext,
    grad: &mut [f32],
) -> f32 {
    let device = Device::flex().autodiff();
    let tensor = |values: &[f32], width: usize| {
        Tensor::<2>::from_data(
            TensorData::new(values.to_vec(), [values.len() / width, width]),
            &device,
        )
    };
    let params = tensor(params, network.weights()).require_grad();
    let pred = network.define(params.clone(), tensor(positions, network.inputs()));
    let mean = mean_loss(loss, pred, labels, moment);
    let mut grads = mean.backward();
    if let Some(found) = params.grad_remove(&mut grads) {
        let found = found.into_data();
        let Ok(found) = found.as_slice::<f32>() else {
            unreachable!("the gradient of f32 weights is f32")
        };
        grad.copy_from_slice(found);
    }
    mean.into_scalar::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MlpShape;
    use crate::losses::{Hard, LabelLoss};
    use crate::mlp::Buffers;
    use crate::mlp::tests::{random_rows, small};
    use crate::{Bins, Block, Head};
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// The fused gradient of the same batch.
    fn fused(
        shape: &MlpShape,
        loss: &dyn StepLoss,
        params: &[f32],
        positions: &[f32],
        labels: &[f32],
    ) -> (f32, Vec<f32>) {
        let (columns, outputs, n) = (
            loss.columns(),
            shape.outputs(),
            labels.len() / loss.columns(),
        );
        let scale = (n * params.len() / shape.weights()) as f32;
        let (mut sum, mut grad, mut buffers) =
            (0.0, vec![f32::NAN; params.len()], Buffers::default());
        for (params, grad) in params
            .chunks(shape.weights())
            .zip(grad.chunks_mut(shape.weights()))
        {
            sum += shape.sweep(params, positions, grad, &mut buffers, false, |block| {
                let Block {
                    row,
                    pred,
                    grad_pred,
                    ..
                } = block;
                let sum = loss.value_and_grad(
                    pred,
                    &labels[row * columns..][..pred.len() / outputs * columns],
                    StepContext::default(),
                    grad_pred,
                );
                grad_pred.iter_mut().for_each(|g| *g /= scale);
                sum
            });
        }
        (sum / scale, grad)
    }

    #[test]
    fn fused_gradient_is_that_of_the_definition() {
        let mut rng = Pcg64::seed_from_u64(3);
        let shape = small();
        let bins = Head::Binned(Bins {
            low: -3.0,
            width: 3.0,
            count: 2,
        });
        let losses = [
            LabelLoss::Gaussian,
            LabelLoss::SquaredMean(Head::Gaussian),
            LabelLoss::SquaredMean(bins),
        ]
        .map(Hard);
        for loss in &losses {
            // Fewer and more rows than a block of the sweep.
            for n in [1, 6, 33, 130] {
                let params: Vec<f32> = (0..3).flat_map(|_| shape.init(&mut rng)).collect();
                let positions = random_rows(n, &mut rng);
                let labels: Vec<f32> = (0..n)
                    .flat_map(|_| [rng.random_range(-1.0..1.0), rng.random_range(0.5..2.0)])
                    .collect();
                let mut defined = vec![f32::NAN; params.len()];
                let value = gradient(
                    &shape,
                    loss,
                    &params,
                    &positions,
                    &labels,
                    StepContext::default(),
                    &mut defined,
                );
                let (fused_value, fused) = fused(&shape, loss, &params, &positions, &labels);
                assert!(
                    (value - fused_value).abs() < 1e-5 * (1.0 + value.abs()),
                    "{value} {fused_value}"
                );
                let largest = defined
                    .iter()
                    .fold(1.0, |largest: f32, g| largest.max(g.abs()));
                for (a, b) in fused.iter().zip(&defined) {
                    assert!((a - b).abs() < 1e-5 * largest, "{n} rows: {a} {b}");
                }
                assert!(defined.iter().any(|&g| g.abs() > 0.01));
            }
        }
    }
}
