//! Stacks of transformer layers. A stack may run in loops with the same weights, as the universal transformer does
//! (Dehghani et al. 2019, arXiv 1807.03819), with a fixed number of steps.

use super::block::{DecoderLayer, EncoderLayer, Memory, Pass};
use super::layers::Norm;
use super::stack::{DecoderStack, EncoderStack};
use crate::recipe::Config;
use tch::{Kind, Tensor, nn};

/// The norm and the loops around a stack of layers.
#[derive(Debug)]
struct Frame {
    /// After the embeddings (post-norm), or after the last layer (pre-norm).
    norm: Norm,
    post: bool,
    loops: i64,
    /// Whether the embedding is added again before each loop after the first.
    injects: bool,
}

impl Frame {
    fn new(path: &nn::Path, config: &Config, loops: i64) -> Self {
        Self {
            norm: Norm::new(path / "norm", config.width, config.normalization),
            post: config.is_post_norm(),
            loops,
            injects: config.input_injection,
        }
    }

    /// Applies `layers` once per loop, and passes the number of previous loops.
    fn run(&self, x: &Tensor, mut layers: impl FnMut(Tensor, i64) -> Tensor) -> Tensor {
        let embedded = if self.post {
            self.norm.forward(x)
        } else {
            x.shallow_clone()
        };
        let mut x = layers(embedded.shallow_clone(), 0);
        for done in 1..self.loops {
            x = layers(if self.injects { x + &embedded } else { x }, done);
        }
        if self.post { x } else { self.norm.forward(&x) }
    }
}

#[derive(Debug)]
pub struct TransformerEncoder {
    layers: Vec<EncoderLayer>,
    frame: Frame,
}

impl TransformerEncoder {
    pub fn new(path: &nn::Path, config: &Config) -> Self {
        Self {
            layers: (0..config.encoder_layers)
                .map(|i| EncoderLayer::new(path / "layers" / i, config))
                .collect(),
            frame: Frame::new(path, config, config.encoder_loops),
        }
    }
}

impl EncoderStack for TransformerEncoder {
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>, pass: Pass) -> Tensor {
        self.frame.run(x, |x, _| {
            self.layers.iter().fold(x, |x, layer| layer.forward(&x, mask, pass))
        })
    }
}

#[derive(Debug)]
pub struct TransformerDecoder {
    layers: Vec<DecoderLayer>,
    frame: Frame,
}

impl TransformerDecoder {
    pub fn new(path: &nn::Path, config: &Config, memory: i64) -> Self {
        Self {
            layers: (0..config.decoder_layers)
                .map(|i| DecoderLayer::new(path / "layers" / i, config, memory))
                .collect(),
            frame: Frame::new(path, config, config.decoder_loops),
        }
    }

    /// Keys and values of the encoder's output for each layer, `[2, batch, heads, sources, d]`.
    fn cross(&self, memory: &Tensor, kind: Kind) -> Vec<Tensor> {
        self.layers
            .iter()
            .map(|layer| layer.cross_cache(memory, kind))
            .collect()
    }
}

impl DecoderStack for TransformerDecoder {
    fn forward(
        &self,
        x: &Tensor,
        memory: &Tensor,
        causal: Option<&Tensor>,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor {
        let cross = self.cross(memory, pass.kind);
        self.frame.run(x, |x, _| {
            self.layers.iter().zip(&cross).fold(x, |x, (layer, cache)| {
                layer.forward(&x, causal, &Memory { cache, mask }, pass)
            })
        })
    }

    /// The cache holds keys and values, `[loops * layers, 2, batch, heads, past, d]`.
    fn start(&self, memory: &Tensor, kind: Kind) -> (Tensor, Tensor) {
        let cross = Tensor::stack(&self.cross(memory, kind), 0);
        let cache = cross.narrow(4, 0, 0).repeat([self.frame.loops, 1, 1, 1, 1, 1]);
        (cross, cache)
    }

    fn step(&self, x: &Tensor, cross: &Tensor, cache: &Tensor, mask: Option<&Tensor>, pass: Pass) -> (Tensor, Tensor) {
        let mut caches = Vec::new();
        let x = self.frame.run(x, |mut x, done| {
            for (layer, i) in self.layers.iter().zip(0..) {
                let before = cache.select(0, done * self.layers.len() as i64 + i);
                let cache = &cross.select(0, i);
                let (y, longer) = layer.step(&x, &before, &Memory { cache, mask }, pass);
                caches.push(longer);
                x = y;
            }
            x
        });
        (x, Tensor::stack(&caches, 0))
    }
}
