//! Encoder and decoder layers: attention and feed-forward sublayers, each with norm and residual sum.

use super::attention::{CrossAttention, Kernel, SelfAttention};
use super::gate::CopyGate;
use super::layers::{FeedForward, Norm};
use crate::recipe::{Config, Gate};
use tch::{Kind, Tensor, nn};

/// Options that all layers of a pass share.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub kernel: Kernel,
    /// Precision of linear maps and attention. Residual sums and norms are always float32.
    pub kind: Kind,
}

/// A sublayer with norm and residual sum: `x + f(norm(x))`, or `norm(x + f(x))` for post-norm.
fn residual(x: &Tensor, norm: &Norm, post: bool, f: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    if post {
        norm.forward(&(x + f(x)))
    } else {
        x + f(&norm.forward(x))
    }
}

#[derive(Debug)]
pub struct EncoderLayer {
    attention: SelfAttention,
    attention_norm: Norm,
    transition: Transition,
    post: bool,
}

impl EncoderLayer {
    pub fn new(path: nn::Path, config: &Config) -> Self {
        let (width, bias) = (config.width, config.is_post_norm());
        Self {
            attention: SelfAttention::new(&path / "attention", width, config.heads, bias),
            attention_norm: Norm::new(&path / "attention_norm", width, config.normalization),
            transition: Transition::new(&path, config),
            post: config.is_post_norm(),
        }
    }

    /// `x` `[batch, length, width]`, `mask` `[batch, 1, 1, length]`.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>, pass: Pass) -> Tensor {
        let y = residual(x, &self.attention_norm, self.post, |x| {
            self.attention.forward(x, mask, pass.kernel, pass.kind)
        });
        self.transition.forward(x, &y, pass.kind)
    }
}

#[derive(Debug)]
pub struct DecoderLayer {
    self_attention: SelfAttention,
    self_norm: Norm,
    cross_attention: CrossAttention,
    cross_norm: Norm,
    transition: Transition,
    post: bool,
}

/// The encoder's output, as a decoder layer needs it.
pub struct Memory<'a> {
    /// `[2, batch, heads, sources, d]`.
    pub cache: &'a Tensor,
    /// `[batch, 1, 1, sources]`.
    pub mask: Option<&'a Tensor>,
}

impl DecoderLayer {
    /// `memory` is the encoder's width; `config` has the decoder's.
    pub fn new(path: nn::Path, config: &Config, memory: i64) -> Self {
        let (width, heads, bias) = (config.width, config.decoder_heads, config.is_post_norm());
        Self {
            self_attention: SelfAttention::new(&path / "self_attention", width, heads, bias),
            self_norm: Norm::new(&path / "self_norm", width, config.normalization),
            cross_attention: CrossAttention::new(&path / "cross_attention", width, memory, heads, bias),
            cross_norm: Norm::new(&path / "cross_norm", width, config.normalization),
            transition: Transition::new(&path, config),
            post: config.is_post_norm(),
        }
    }

    /// Keys and values of the encoder's output for this layer, `[2, batch, heads, sources, d]`.
    pub fn cross_cache(&self, memory: &Tensor, kind: Kind) -> Tensor {
        self.cross_attention.cache(memory, kind)
    }

    /// `x` is `[batch, targets, width]`; `mask` `[targets, targets]` is true where a target may attend.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>, memory: &Memory, pass: Pass) -> Tensor {
        let y = residual(x, &self.self_norm, self.post, |x| {
            self.self_attention.forward(x, mask, pass.kernel, pass.kind)
        });
        self.after_self_attention(x, &y, memory, pass)
    }

    /// Decodes one more token: `x` is `[batch, 1, width]`, `cache` `[2, batch, heads, past, d]`. Also returns the cache
    /// with this token appended.
    pub fn step(&self, x: &Tensor, cache: &Tensor, memory: &Memory, pass: Pass) -> (Tensor, Tensor) {
        let mut longer = None;
        let y = residual(x, &self.self_norm, self.post, |x| {
            let (y, cache) = self.self_attention.step(x, cache, pass.kind);
            longer = Some(cache);
            y
        });
        let longer = longer.expect("residual calls its function once");
        (self.after_self_attention(x, &y, memory, pass), longer)
    }

    /// `x` is the layer's input, `y` the output of its self-attention.
    fn after_self_attention(&self, x: &Tensor, y: &Tensor, memory: &Memory, pass: Pass) -> Tensor {
        let y = residual(y, &self.cross_norm, self.post, |x| {
            self.cross_attention
                .forward(x, memory.cache, memory.mask, pass.kernel, pass.kind)
        });
        self.transition.forward(x, &y, pass.kind)
    }
}

/// The end of a layer: the feed-forward sublayer, and the gate if there is one.
#[derive(Debug)]
struct Transition {
    feedforward: FeedForward,
    norm: Norm,
    gate: Option<CopyGate>,
    post: bool,
}

impl Transition {
    fn new(path: &nn::Path, config: &Config) -> Self {
        let hidden = config.feedforward * config.width;
        Self {
            feedforward: FeedForward::new(
                path / "feedforward",
                config.width,
                hidden,
                config.is_post_norm(),
                config.activation,
            ),
            norm: Norm::new(path / "feedforward_norm", config.width, config.normalization),
            gate: (config.gate == Gate::Copy).then(|| CopyGate::new(path / "gate", config.width)),
            post: config.is_post_norm(),
        }
    }

    /// `x` is the layer's input, `y` the output of its attention. The result has their shape.
    fn forward(&self, x: &Tensor, y: &Tensor, kind: Kind) -> Tensor {
        let mut share = None;
        let new = residual(y, &self.norm, self.post, |y| {
            share = self.gate.as_ref().map(|gate| gate.share(y, kind));
            self.feedforward.forward(y, kind)
        });
        match share {
            None => new,
            Some(share) => x.lerp_tensor(&new, &share),
        }
    }
}
