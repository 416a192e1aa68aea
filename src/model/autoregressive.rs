//! The autoregressive decoder: it predicts one token at a time. The output weights are tied to the token table.

use super::architecture;
use super::block::Pass;
use super::embedding::{Extent, PositionEmbedding, deviation, lookup, table};
use super::layers::cast;
use super::stack::DecoderStack;
use crate::recipe::Config;
use tch::{Kind, Tensor, nn};

#[derive(Debug)]
pub struct AutoregressiveDecoder {
    tokens: Tensor,
    bias: Tensor,
    positions: PositionEmbedding,
    stack: Box<dyn DecoderStack>,
}

impl AutoregressiveDecoder {
    pub fn new(path: nn::Path, config: &Config, vocabulary: i64, extent: Extent) -> Self {
        let (memory, config) = (config.width, &config.of_decoder());
        // The table is also the output layer. A small deviation gives logits of order one at the start, whatever the
        // norm.
        let spread = deviation(config).min((config.width as f64).powf(-0.5));
        Self {
            tokens: table(&path, "tokens", vocabulary, config.width, spread),
            bias: path.var("bias", &[vocabulary], nn::Init::Const(0.0)),
            positions: PositionEmbedding::new(&path / "positions", config, extent),
            stack: architecture::decoder(&path, config, memory),
        }
    }

    /// Prepares decoding. Returns keys and values of the encoder's output for all layers,
    /// `[layers, 2, batch, heads, sources, d]`, and the cache before the first token. Dimension 2 of the cache is
    /// also the batch.
    pub fn start(&self, memory: &Tensor, kind: Kind) -> (Tensor, Tensor) {
        self.stack.start(memory, kind)
    }

    /// Teacher forcing. From `tokens` `[batch, targets]` and `positions` `[targets, 5]`, computes logits
    /// `[batch, targets, vocabulary]` of the token after each.
    pub fn forward(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        memory: &Tensor,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor {
        let place = positions.select(1, 0);
        let causal = place.unsqueeze(1).ge_tensor(&place.unsqueeze(0));
        let x = self.embed(tokens, positions);
        let x = self.stack.forward(&x, memory, Some(&causal), mask, pass);
        self.logits(&x, pass.kind)
    }

    /// Decodes one token: `tokens` is `[batch, 1]`, `positions` `[1, 5]`; `cross` comes from [`Self::start`], `cache`
    /// from there or from the previous step. Returns logits `[batch, vocabulary]` of the next token, and the cache with
    /// this token.
    pub fn step(
        &self,
        tokens: &Tensor,
        positions: &Tensor,
        cross: &Tensor,
        cache: &Tensor,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> (Tensor, Tensor) {
        let x = self.embed(tokens, positions);
        let (x, cache) = self.stack.step(&x, cross, cache, mask, pass);
        (self.logits(&x, pass.kind).squeeze_dim(1), cache)
    }

    fn embed(&self, tokens: &Tensor, positions: &Tensor) -> Tensor {
        lookup(&self.tokens, tokens) + self.positions.forward(positions)
    }

    fn logits(&self, x: &Tensor, kind: Kind) -> Tensor {
        cast(x, kind)
            .linear(&cast(&self.tokens, kind), Some(&cast(&self.bias, kind)))
            .to_kind(Kind::Float)
    }
}
