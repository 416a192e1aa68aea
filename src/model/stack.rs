//! What all kinds of layers have in common: an encoder makes a memory of a source; a decoder reads it beside its own
//! sequence, all at once or step by step.

use super::block::Pass;
use std::fmt::Debug;
use tch::{Kind, Tensor};

/// The layers of an encoder.
pub trait EncoderStack: Debug + Send {
    /// `x` `[batch, length, width]`; the result has the same shape. `mask` `[batch, 1, 1, length]` is true where there is
    /// no padding, which comes last.
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>, pass: Pass) -> Tensor;
}

/// The layers of a decoder.
pub trait DecoderStack: Debug + Send {
    /// A whole sequence: `x` `[batch, targets, width]`, or `[1, targets, width]` where it is the same for every memory; `causal` `[targets, targets]` is true where a target may look.
    fn forward(
        &self,
        x: &Tensor,
        memory: &Tensor,
        causal: Option<&Tensor>,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor;

    /// What is computed once for a memory: its keys and values `[layers, 2, batch, heads, sources, d]`, and the cache
    /// before the first step, whose dimension 2 is the batch too.
    fn start(&self, memory: &Tensor, kind: Kind) -> (Tensor, Tensor);

    /// One step: `x` `[batch, 1, width]`; also the cache with this step.
    fn step(&self, x: &Tensor, cross: &Tensor, cache: &Tensor, mask: Option<&Tensor>, pass: Pass) -> (Tensor, Tensor);
}

/// Zeros `[batch, 1, 1]` that give a sum the batch of `memory` without reading a size.
pub(super) fn batch_of(memory: &Tensor) -> Tensor {
    memory.narrow(1, 0, 1).narrow(2, 0, 1).zeros_like()
}
