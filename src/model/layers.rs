//! Linear maps, norms and the feed-forward sublayer, each in a given precision.

use crate::recipe::{Activation, Normalization};
use tch::{Kind, Tensor, nn};

/// Converts `x` to the precision `kind`, unless it has this precision already.
pub fn cast(x: &Tensor, kind: Kind) -> Tensor {
    if x.kind() == kind {
        x.shallow_clone()
    } else {
        x.to_kind(kind)
    }
}

/// A linear map `[.., inputs] -> [.., outputs]`. Weights are stored in float32 and cast at each use. A stack that runs
/// in loops casts them in each loop, so that gradients of all loops are summed in float32.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Initialized as in PyTorch: uniform in ±1/√inputs.
    pub fn new(path: nn::Path, inputs: i64, outputs: i64, bias: bool) -> Self {
        let bound = (inputs as f64).powf(-0.5);
        let init = nn::Init::Uniform { lo: -bound, up: bound };
        Self {
            weight: path.var("weight", &[outputs, inputs], init),
            bias: bias.then(|| path.var("bias", &[outputs], init)),
        }
    }

    /// Sets all biases to a value.
    pub fn with_bias(self, value: f64) -> Self {
        if let Some(bias) = &self.bias {
            let _ = tch::no_grad(|| bias.shallow_clone().fill_(value));
        }
        self
    }

    pub fn forward(&self, x: &Tensor, kind: Kind) -> Tensor {
        let bias = self.bias.as_ref().map(|bias| cast(bias, kind));
        cast(x, kind).linear(&cast(&self.weight, kind), bias.as_ref())
    }
}

/// RMSNorm or LayerNorm over the last dimension, in float32.
#[derive(Debug)]
pub struct Norm {
    weight: Tensor,
    bias: Option<Tensor>,
    rms: bool,
    width: i64,
}

const RMS_EPSILON: f64 = 1e-6;
/// The epsilon of Charton's (2021) released code.
const LAYER_EPSILON: f64 = 1e-12;

impl Norm {
    pub fn new(path: nn::Path, width: i64, kind: Normalization) -> Self {
        Self {
            weight: path.var("weight", &[width], nn::Init::Const(1.0)),
            bias: (kind == Normalization::PostLayer).then(|| path.var("bias", &[width], nn::Init::Const(0.0))),
            rms: kind == Normalization::PreRms,
            width,
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        if self.rms {
            x.rms_norm(self.width, Some(&self.weight), RMS_EPSILON)
        } else {
            x.layer_norm(self.width, Some(&self.weight), self.bias.as_ref(), LAYER_EPSILON, true)
        }
    }
}

/// The feed-forward sublayer.
#[derive(Debug)]
pub struct FeedForward {
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl FeedForward {
    /// `hidden` is the number of hidden units. A gated sublayer has two thirds of them, rounded up to a multiple of 8,
    /// for the same number of parameters.
    pub fn new(path: nn::Path, width: i64, hidden: i64, bias: bool, activation: Activation) -> Self {
        let gated = activation == Activation::Bilinear;
        let hidden = if gated { (hidden * 2 / 3 + 7) / 8 * 8 } else { hidden };
        let (name, outputs) = if gated { ("gate_up", 2 * hidden) } else { ("up", hidden) };
        Self {
            up: Linear::new(&path / name, width, outputs, bias),
            down: Linear::new(&path / "down", hidden, width, bias),
            activation,
        }
    }

    pub fn forward(&self, x: &Tensor, kind: Kind) -> Tensor {
        let hidden = self.up.forward(x, kind);
        let hidden = match self.activation {
            Activation::Gelu => hidden.gelu("none"),
            Activation::Relu => hidden.relu(),
            Activation::Bilinear => {
                let [gate, up]: [Tensor; 2] = hidden.chunk(2, -1).try_into().expect("two chunks");
                gate * up
            }
        };
        self.down.forward(&hidden, kind)
    }
}
