//! The common interface of all layers. An encoder maps a source to its output (`memory`). A decoder attends to that
//! output and to its own sequence, all at once or token by token.

use super::block::Pass;
use std::fmt::Debug;
use tch::{Kind, Tensor};

/// The layers of an encoder.
pub trait EncoderStack: Debug + Send {
    /// `x` is `[batch, length, width]`, and the result has the same shape. `mask` `[batch, 1, 1, length]` is false for
    /// padding, which comes last.
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>, pass: Pass) -> Tensor;
}

/// The layers of a decoder.
pub trait DecoderStack: Debug + Send {
    /// Decodes a whole sequence: `x` is `[batch, targets, width]`, or `[1, targets, width]` if it is the same for the
    /// whole batch. `causal` `[targets, targets]` is true where a target may attend.
    fn forward(
        &self,
        x: &Tensor,
        memory: &Tensor,
        causal: Option<&Tensor>,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor;

    /// Prepares decoding. Returns keys and values of `memory` `[layers, 2, batch, heads, sources, d]`, and the cache
    /// before the first token. Dimension 2 of the cache is also the batch.
    fn start(&self, memory: &Tensor, kind: Kind) -> (Tensor, Tensor);

    /// Decodes one token: `x` is `[batch, 1, width]`. Also returns the cache with this token.
    fn step(&self, x: &Tensor, cross: &Tensor, cache: &Tensor, mask: Option<&Tensor>, pass: Pass) -> (Tensor, Tensor);
}

/// Zeros `[batch, 1, 1]`. A sum with them has the batch size of `memory`, without reading a size.
pub(super) fn batch_of(memory: &Tensor) -> Tensor {
    memory.narrow(1, 0, 1).narrow(2, 0, 1).zeros_like()
}
