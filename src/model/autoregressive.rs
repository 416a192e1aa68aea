//! The autoregressive decoder: one token after the other, with output weights tied to the token table.

use super::block::{DecoderLayer, Memory, Pass};
use super::config::Config;
use super::embedding::{Extent, PositionEmbedding, deviation, lookup, table};
use super::layers::{Norm, cast};
use tch::{Kind, Tensor, nn};

#[derive(Debug)]
pub struct AutoregressiveDecoder {
    tokens: Tensor,
    bias: Tensor,
    positions: PositionEmbedding,
    layers: Vec<DecoderLayer>,
    norm: Norm,
    post: bool,
}

impl AutoregressiveDecoder {
    pub fn new(path: nn::Path, config: &Config, vocabulary: i64, extent: Extent) -> Self {
        // Tied to the output, so small whatever the norm: logits of order one at the start.
        let spread = deviation(config).min((config.width as f64).powf(-0.5));
        Self {
            tokens: table(&path, "tokens", vocabulary, config.width, spread),
            bias: path.var("bias", &[vocabulary], nn::Init::Const(0.0)),
            positions: PositionEmbedding::new(&path / "positions", config, extent),
            layers: (0..config.decoder_layers)
                .map(|i| DecoderLayer::new(&path / "layers" / i, config))
                .collect(),
            norm: Norm::new(&path / "norm", config.width, config.normalization),
            post: config.is_post_norm(),
        }
    }

    /// Keys and values of the memory for every layer, `[layers, 2, batch, heads, sources, d]`.
    pub fn cross_cache(&self, memory: &Tensor, kind: Kind) -> Tensor {
        let caches: Vec<_> = self
            .layers
            .iter()
            .map(|layer| layer.cross_cache(memory, kind))
            .collect();
        Tensor::stack(&caches, 0)
    }

    /// Teacher forcing: `tokens` `[batch, targets]`, `positions` `[targets, 5]` to logits `[batch, targets, vocabulary]`
    /// of the token that follows each.
    pub fn forward(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        cross: &Tensor,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor {
        let place = positions.select(1, 0);
        let causal = place.unsqueeze(1).ge_tensor(&place.unsqueeze(0));
        let mut x = self.embed(tokens, positions);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(
                &x,
                Some(&causal),
                &Memory {
                    cache: &cross.select(0, i as i64),
                    mask,
                },
                pass,
            );
        }
        self.logits(&x, pass.kind)
    }

    /// One step: `tokens` `[batch, 1]`, `positions` `[1, 5]`, `cache` `[layers, 2, batch, heads, past, d]`. Returns logits
    /// `[batch, vocabulary]` of the next token and the cache with this step appended.
    pub fn step(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        cross: &Tensor,
        cache: &Tensor,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> (Tensor, Tensor) {
        let mut x = self.embed(tokens, positions);
        let mut caches = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            let i = i as i64;
            let (y, longer) = layer.step(
                &x,
                &cache.select(0, i),
                &Memory {
                    cache: &cross.select(0, i),
                    mask,
                },
                pass,
            );
            x = y;
            caches.push(longer);
        }
        (self.logits(&x, pass.kind).squeeze_dim(1), Tensor::stack(&caches, 0))
    }

    fn embed(&self, tokens: &Tensor, positions: &Tensor) -> Tensor {
        let x = lookup(&self.tokens, tokens) + self.positions.forward(positions);
        if self.post { self.norm.forward(&x) } else { x }
    }

    fn logits(&self, x: &Tensor, kind: Kind) -> Tensor {
        let x = if self.post {
            x.shallow_clone()
        } else {
            self.norm.forward(x)
        };
        cast(&x, kind)
            .linear(&cast(&self.tokens, kind), Some(&cast(&self.bias, kind)))
            .to_kind(Kind::Float)
    }
}
