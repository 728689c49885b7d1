//! A network of one of the kinds that there are.

use limbeck_runtime::Graph;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::head::Head;
use crate::mlp::{Buffers, MlpShape};
use crate::network::{Block, Network};
use crate::positions::Positions;
use crate::recurrent::{RecurrentBuffers, RecurrentShape};

/// The shape of a network: a perceptron or a recurrent network. In files, it looks like the shape itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shape {
    /// A multilayer perceptron.
    Mlp(MlpShape),
    /// A stack of GRU or LSTM layers.
    Recurrent(RecurrentShape),
}

impl From<MlpShape> for Shape {
    fn from(shape: MlpShape) -> Self {
        Self::Mlp(shape)
    }
}

impl From<RecurrentShape> for Shape {
    fn from(shape: RecurrentShape) -> Self {
        Self::Recurrent(shape)
    }
}

/// Working memory of [`Network::sweep`] for a network of any kind, reused between steps.
#[derive(Clone, Debug, Default)]
pub struct ShapeBuffers {
    mlp: Buffers,
    recurrent: RecurrentBuffers,
}

/// Calls the same function of either shape.
macro_rules! either {
    ($shape:expr, $own:ident => $call:expr) => {
        match $shape {
            Shape::Mlp($own) => $call,
            Shape::Recurrent($own) => $call,
        }
    };
}

/// Number of samples that are cut at once for a prediction.
const BLOCK: usize = 256;

impl Shape {
    /// Widths of the hidden layers, or units of the recurrent layers.
    #[must_use]
    pub fn hidden(&self) -> &[usize] {
        match self {
            Self::Mlp(own) => own.hidden(),
            Self::Recurrent(own) => own.units(),
        }
    }

    /// Number of hidden activations per row, over all layers; for recurrent layers, these are their final states.
    #[must_use]
    pub fn activations(&self) -> usize {
        either!(self, own => own.activations())
    }

    /// Splits a flat weight vector by layer. Each slice has the weights of one layer, followed by its biases.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn layer_weights<'p>(&self, params: &'p [f32]) -> Vec<&'p [f32]> {
        either!(self, own => own.layer_weights(params))
    }

    /// The hidden activations of all samples: one `[n_samples, width]` matrix per layer.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn hidden_of(&self, params: &[f32], positions: &Positions) -> Vec<Vec<f32>> {
        let mut all = vec![Vec::new(); self.hidden().len()];
        positions.in_blocks(self, BLOCK, |rows| {
            let layers = either!(self, own => own.hidden_of(params, rows));
            let layers = all.iter_mut().zip(layers);
            layers.for_each(|(all, layer)| all.extend(layer));
        });
        all
    }

    /// The outputs of all samples, `[n_samples, outputs]`, computed in blocks that fit in the cache.
    ///
    /// # Panics
    ///
    /// Panics if `params` is shorter than [`weights`](Self::weights).
    #[must_use]
    pub fn predict(&self, params: &[f32], positions: &Positions) -> Vec<f32> {
        let n = positions.samples(self.inputs()) * self.reads();
        let mut all = Vec::with_capacity(n * self.outputs());
        positions.in_blocks(self, BLOCK, |rows| {
            all.extend(either!(self, own => own.predict(params, rows)));
        });
        all
    }
}

impl Network for Shape {
    type Buffers = ShapeBuffers;

    fn inputs(&self) -> usize {
        either!(self, own => own.inputs())
    }

    fn window(&self) -> usize {
        either!(self, own => own.window())
    }

    fn outputs(&self) -> usize {
        either!(self, own => own.outputs())
    }

    fn reads(&self) -> usize {
        either!(self, own => own.reads())
    }

    fn weights(&self) -> usize {
        either!(self, own => own.weights())
    }

    fn init(&self, rng: &mut impl Rng) -> Vec<f32> {
        either!(self, own => own.init(rng))
    }

    fn noise_top(&self, index: usize) -> Option<f32> {
        either!(self, own => own.noise_top(index))
    }

    fn sweep(
        &self,
        params: &[f32],
        positions: &[f32],
        grad: &mut [f32],
        buffers: &mut ShapeBuffers,
        inside: bool,
        loss: impl FnMut(Block<'_>) -> f32,
    ) -> f32 {
        match self {
            Self::Mlp(own) => own.sweep(params, positions, grad, &mut buffers.mlp, inside, loss),
            Self::Recurrent(own) => {
                let buffers = &mut buffers.recurrent;
                own.sweep(params, positions, grad, buffers, inside, loss)
            }
        }
    }

    #[cfg(feature = "tensors")]
    fn define(
        &self,
        params: burn::tensor::Tensor<2>,
        positions: burn::tensor::Tensor<2>,
    ) -> burn::tensor::Tensor<3> {
        either!(self, own => own.define(params, positions))
    }

    fn lower(&self, params: &[f32], head: Head) -> Result<Graph> {
        either!(self, own => own.lower(params, head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InputLayout, Segment, Window};
    use limbeck_runtime::Cell;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    /// A perceptron and a GRU over three steps, both on rows of two numbers.
    fn shapes() -> [Shape; 2] {
        let segments = vec![Segment::Linear; 2];
        let mlp = MlpShape::new(InputLayout { segments }, vec![4, 3], 2).unwrap();
        let gru = RecurrentShape::new(Cell::Gru, vec![true; 2], 3, vec![4, 3], 2).unwrap();
        [mlp.into(), gru.into()]
    }

    /// More samples than are cut at once.
    fn windows() -> Positions {
        let table: Vec<f32> = (0..800).map(|i| (i as f32 * 0.37).sin()).collect();
        let window = |last: u32| Window {
            first: last.saturating_sub(4),
            last,
        };
        Positions::windows(table, 2, (0..400).map(window).collect()).unwrap()
    }

    #[test]
    fn windows_and_their_rows_give_the_same_bits() {
        for shape in shapes() {
            let params = shape.init(&mut Pcg64::seed_from_u64(1));
            assert_eq!((shape.hidden(), shape.activations()), (&[4, 3][..], 7));
            assert_eq!(shape.layer_weights(&params).concat(), params);
            let rows = Positions::from(windows().rows(&shape).into_owned());
            let pred = shape.predict(&params, &windows());
            assert_eq!(pred.len(), 800);
            assert_eq!(pred, shape.predict(&params, &rows));
            let hidden = shape.hidden_of(&params, &windows());
            assert_eq!((hidden[0].len(), hidden[1].len()), (1600, 1200));
            assert_eq!(hidden, shape.hidden_of(&params, &rows));
        }
    }

    #[test]
    fn a_shape_has_the_passes_of_its_kind() {
        let (mut rng, [mlp, gru]) = (Pcg64::seed_from_u64(1), shapes());
        let loss = |block: Block<'_>| {
            block.grad_pred.copy_from_slice(block.pred);
            block.pred.iter().sum()
        };
        let Shape::Recurrent(own) = &gru else {
            panic!("a GRU")
        };
        let params = gru.init(&mut rng);
        let rows = windows().rows(&gru).into_owned();
        let (mut grad, mut own_grad) = (vec![0.0; params.len()], vec![0.0; params.len()]);
        let mut buffers = (ShapeBuffers::default(), RecurrentBuffers::default());
        let sum = gru.sweep(&params, &rows, &mut grad, &mut buffers.0, false, loss);
        let own_sum = own.sweep(&params, &rows, &mut own_grad, &mut buffers.1, false, loss);
        assert_eq!((sum, grad), (own_sum, own_grad));
        let (width, sizes) = ((gru.window(), mlp.window()), (gru.inputs(), mlp.inputs()));
        assert_eq!((width, sizes), ((3, 1), (6, 2)));
        assert!(gru.lower(&params, Head::Gaussian).unwrap().is_recurrent());
    }
}
