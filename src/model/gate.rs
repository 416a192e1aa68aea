//! The copy gate of Csordás et al. (2021, "The Neural Data Router", arXiv 2110.07732): a layer changes only what it must, so
//! that many loops of the same weights neither blow up nor wash out what was found early. As there, the gate is a small
//! network that starts nearly closed; unlike there, what it lets in is the layer's whole output, residual sums included.

use super::layers::Linear;
use tch::{Kind, Tensor, nn};

/// The bias that a gate starts with: it lets in five percent.
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

    /// The share of the new that is let in, from 0 to 1: `x` `[.., width]` to the same shape, fp32.
    pub fn share(&self, x: &Tensor, kind: Kind) -> Tensor {
        let hidden = self.up.forward(x, kind).relu();
        self.down.forward(&hidden, kind).to_kind(Kind::Float).sigmoid()
    }
}
