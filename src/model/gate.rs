//! The copy gate of Csordás et al. (2021, "The Neural Data Router", arXiv 2110.07732). A layer changes only a part of
//! its input, so that activations stay bounded over many loops, and early results are kept.
//!
//! As in the paper, the gate is a small network that starts nearly closed. Unlike in the paper, it gates the layer's
//! whole output, with the residual sums.

use super::layers::Linear;
use tch::{Kind, Tensor, nn};

/// Initial bias of the gate, with which it passes five percent of the layer's output.
const CLOSED: f64 = -3.0;

#[derive(Debug)]
pub struct CopyGate {
    up: Linear,
    down: Linear,
}

impl CopyGate {
    pub fn new(path: nn::Path, width: i64) -> Self {
        Self {
            up: Linear::new(&path / "up", width, width, true),
            down: Linear::new(&path / "down", width, width, true).with_bias(CLOSED),
        }
    }

    /// The fraction of the layer's output that passes, from 0 to 1: `x` `[.., width]` to the same shape, float32.
    pub fn share(&self, x: &Tensor, kind: Kind) -> Tensor {
        let hidden = self.up.forward(x, kind).relu();
        self.down.forward(&hidden, kind).to_kind(Kind::Float).sigmoid()
    }
}
