//! The perceptron as one differentiable Burn operation.
//!
//! A training step on a small network is mostly overhead when each layer is an operation of its own. [`mlp`] registers
//! the whole network as one step of Burn's graph, with a backward pass of its own that runs on slices
//! ([`MlpShape::forward`], [`MlpShape::backward`]). Losses stay text on tensors. [`mlp_plain`] says the same in
//! Burn's own operations: it is the reference in tests, and what a device without the fused form would run.
//!
//! # For whoever changes this file
//!
//! Two traits, because Burn's dispatch calls an extension on the autodiff backend as well: [`MlpKernels`] are the passes on a
//! concrete backend, [`MlpOps`] is what is dispatched. A new backend implements both; the autodiff form follows.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};

use crate::input::Segment;
use crate::mlp::{MlpShape, Scratch};

/// Passes of the network on a concrete backend.
pub trait MlpKernels: Backend {
    /// What the forward pass leaves for the backward pass.
    type Activations: Clone + Debug + Send + 'static;

    /// Outputs `[members, n_samples, outputs]` and the hidden activations, for [`MlpKernels::backward`].
    fn forward(
        params: FloatTensor<Self>,
        positions: FloatTensor<Self>,
        shape: &MlpShape,
    ) -> (FloatTensor<Self>, Self::Activations);

    /// Gradient of `params`, `[members, weights]`, from that of the outputs.
    fn backward(
        params: FloatTensor<Self>,
        positions: FloatTensor<Self>,
        activations: Self::Activations,
        grad_out: FloatTensor<Self>,
        shape: &MlpShape,
    ) -> FloatTensor<Self>;
}

/// The operation that [`mlp`] dispatches.
#[backend_extension(Flex, Autodiff)]
pub trait MlpOps: Backend {
    /// Outputs `[members, n_samples, outputs]`.
    fn mlp(params: FloatTensor<Self>, positions: FloatTensor<Self>, shape: Arc<MlpShape>) -> FloatTensor<Self>;
}

/// Predictions of one or several networks of one shape on the same rows.
///
/// # Shapes
///
/// `params` is `[members, weights]`, `positions` `[n_samples, segments]`; the result is `[members, n_samples, outputs]`.
/// Only `params` receives a gradient.
#[must_use]
pub fn mlp(params: Tensor<2>, positions: Tensor<2>, shape: &Arc<MlpShape>) -> Tensor<3> {
    let out = <Dispatch as MlpOps>::mlp(params.into_dispatch(), positions.into_dispatch(), shape.clone());
    Tensor::from_dispatch(out)
}

/// [`mlp`] in Burn's own operations.
#[must_use]
pub fn mlp_plain(params: Tensor<2>, positions: Tensor<2>, shape: &MlpShape) -> Tensor<3> {
    let [members, _] = params.dims();
    let inputs = plain_inputs(positions, shape);
    let outputs = (0..members).map(|member| {
        let params = params.clone().narrow(0, member, 1);
        let mut x = inputs.clone();
        let mut at = 0;
        let widths: Vec<usize> = shape.hidden().iter().copied().chain([shape.outputs()]).collect();
        for (index, &width) in widths.iter().enumerate() {
            let inputs = x.dims()[1];
            let weight = params.clone().narrow(1, at, inputs * width).reshape([inputs, width]);
            let bias = params.clone().narrow(1, at + inputs * width, width);
            at += (inputs + 1) * width;
            x = x.matmul(weight) + bias;
            if index + 1 < widths.len() {
                x = burn::tensor::activation::relu(x);
            }
        }
        x
    });
    Tensor::stack(outputs.collect(), 0)
}

/// The inputs that a plain first layer would read, `[n_samples, rows]`.
fn plain_inputs(positions: Tensor<2>, shape: &MlpShape) -> Tensor<2> {
    let device = positions.device();
    let columns = shape.input().segments.iter().enumerate().map(|(index, segment)| {
        let p = positions.clone().narrow(1, index, 1);
        let steps = |n: usize| -> Tensor<2> {
            Tensor::from_data(TensorData::new((0..n).map(|k| k as f32).collect(), [1, n]), &device)
        };
        match segment {
            Segment::Linear => p,
            Segment::Spline { edges } => (p - steps(edges.len() - 1)).clamp(0.0, 1.0),
            Segment::OneHot { levels } => (p - steps(*levels)).abs().lower_elem(0.5).float(),
        }
    });
    Tensor::cat(columns.collect(), 1)
}

fn values(tensor: &FlexTensor) -> std::borrow::Cow<'_, [f32]> {
    match tensor.as_slice::<f32>() {
        Some(slice) => slice.into(),
        None => {
            let contiguous = tensor.to_contiguous();
            contiguous.as_slice::<f32>().map(<[f32]>::to_vec).unwrap_or_default().into()
        }
    }
}

fn tensor(values: Vec<f32>, shape: impl Into<burn::tensor::Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Buffers of a pass. A training step needs the same sizes again and again; asking the system for them each time costs more
/// than the arithmetic of a small layer.
#[derive(Clone, Debug, Default)]
struct Buffers {
    activations: Vec<f32>,
    scratch: Scratch,
}

thread_local! {
    /// Buffers that the last pass of this thread no longer needs.
    static SPARE: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
}

/// Most buffers that a thread keeps: one for the pass under way, one for an evaluation between.
const SPARE_BUFFERS: usize = 2;

/// Buffers that go back to their thread's spare ones.
#[derive(Clone, Debug)]
pub struct Borrowed(Buffers);

impl Borrowed {
    fn new(activations: usize) -> Self {
        let mut buffers = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        buffers.activations.resize(activations, 0.0);
        Self(buffers)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let buffers = std::mem::take(&mut self.0);
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_BUFFERS {
                spare.push(buffers);
            }
        });
    }
}

impl MlpKernels for Flex {
    type Activations = Arc<Borrowed>;

    fn forward(params: FlexTensor, positions: FlexTensor, shape: &MlpShape) -> (FlexTensor, Arc<Borrowed>) {
        let (params, positions) = (values(&params), values(&positions));
        let members = params.len() / shape.weights();
        let n = positions.len() / shape.input().segments.len();
        let mut out = vec![0.0; members * n * shape.outputs()];
        let mut borrowed = Borrowed::new(members * n * shape.activations());
        let Buffers { activations, scratch } = &mut borrowed.0;
        let per_member = out.chunks_mut(n * shape.outputs()).zip(activations.chunks_mut(n * shape.activations()));
        for (params, (out, activations)) in params.chunks(shape.weights()).zip(per_member) {
            shape.forward(params, &positions, activations, out, scratch);
        }
        (tensor(out, [members, n, shape.outputs()]), Arc::new(borrowed))
    }

    fn backward(
        params: FlexTensor,
        positions: FlexTensor,
        activations: Arc<Borrowed>,
        grad_out: FlexTensor,
        shape: &MlpShape,
    ) -> FlexTensor {
        let (params, positions) = (values(&params), values(&positions));
        let mut borrowed = Arc::unwrap_or_clone(activations);
        let Buffers { activations, scratch } = &mut borrowed.0;
        let grad_out = values(&grad_out);
        let members = params.len() / shape.weights();
        let n = positions.len() / shape.input().segments.len();
        let mut grad = vec![0.0; params.len()];
        for member in 0..members {
            let part = |size: usize| member * size..(member + 1) * size;
            shape.backward(
                &params[part(shape.weights())],
                &positions,
                &activations[part(n * shape.activations())],
                &grad_out[part(n * shape.outputs())],
                &mut grad[part(shape.weights())],
                scratch,
            );
        }
        tensor(grad, [members, shape.weights()])
    }
}

impl MlpOps for Flex {
    fn mlp(params: FlexTensor, positions: FlexTensor, shape: Arc<MlpShape>) -> FlexTensor {
        <Self as MlpKernels>::forward(params, positions, &shape).0
    }
}

#[derive(Debug)]
struct MlpBackward;

impl<B: MlpKernels> Backward<B, 1> for MlpBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, B::Activations, Arc<MlpShape>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad_out = grads.consume::<B>(&ops.node);
        let (params, positions, activations, shape) = ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            let grad = <B as MlpKernels>::backward(params, positions, activations, grad_out, &shape);
            grads.register::<B>(parent.id, grad);
        }
    }
}

impl<B: Backend + MlpKernels + MlpOps, C: CheckpointStrategy> MlpOps for Autodiff<B, C> {
    fn mlp(params: FloatTensor<Self>, positions: FloatTensor<Self>, shape: Arc<MlpShape>) -> FloatTensor<Self> {
        let (params, guard) = params.into_parts();
        let positions = positions.into_primitive();
        let (out, activations) = <B as MlpKernels>::forward(params.clone(), positions.clone(), &shape);
        match MlpBackward.prepare::<C>([guard]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((params, positions, activations, shape), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlp::tests::{random_rows, small};
    use burn::tensor::Device;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    #[test]
    fn fused_mlp_agrees_with_plain_one() {
        let mut rng = Pcg64::seed_from_u64(3);
        let shape = Arc::new(small());
        let device = Device::flex().autodiff();
        for n in [1, 6, 33] {
            let params: Vec<f32> = (0..3).flat_map(|_| shape.init(&mut rng)).collect();
            let positions = random_rows(n, &mut rng);
            let weight: Vec<f32> = (0..3 * n * 2).map(|_| rng.random_range(-1.0..1.0)).collect();
            let run = |fused: bool| {
                let p = Tensor::<2>::from_data(TensorData::new(params.clone(), [3, shape.weights()]), &device).require_grad();
                let x = Tensor::<2>::from_data(TensorData::new(positions.clone(), [n, 3]), &device);
                let w = Tensor::<3>::from_data(TensorData::new(weight.clone(), [3, n, 2]), &device);
                let out = if fused { mlp(p.clone(), x, &shape) } else { mlp_plain(p.clone(), x, &shape) };
                let grads = (out.clone() * w).sum().backward();
                let grad = p.grad(&grads).unwrap();
                (out.into_data().try_to_vec::<f32>().unwrap(), grad.into_data().try_to_vec::<f32>().unwrap())
            };
            let (fused, plain) = (run(true), run(false));
            for (a, b) in fused.0.iter().zip(&plain.0).chain(fused.1.iter().zip(&plain.1)) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
            assert_eq!(fused.1.len(), 3 * shape.weights());
            assert!(fused.1.iter().any(|&g| g.abs() > 0.01));
        }
    }
}
