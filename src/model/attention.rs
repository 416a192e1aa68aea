//! Multi-head attention (Vaswani et al. 2017), written once for training, decoding with a cache, and tracing.

use super::layers::Linear;
use tch::{Device, Kind, Tensor, nn};

/// How softmax(QKᵀ/√d)V is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Two matrix products and a softmax.
    Written,
    /// libtorch's scaled_dot_product_attention.
    Fused,
}

/// Sequences up to this length are faster written out on a CPU in fp32.
const SHORT_ON_CPU: i64 = 64;

impl Kernel {
    /// The faster one: on a CPU the fused backward pass is slow in bf16 and its set-up is not repaid by short sequences.
    pub fn choose(device: Device, kind: Kind, length: i64) -> Self {
        match device {
            Device::Cpu if kind == Kind::BFloat16 || length <= SHORT_ON_CPU => Self::Written,
            _ => Self::Fused,
        }
    }

    /// Queries `[batch, heads, targets, d]`, keys and values `[batch, heads, sources, d]`; `mask` is true where a
    /// query may look, broadcastable to `[batch, heads, targets, sources]`.
    pub fn attend(self, query: &Tensor, key: &Tensor, value: &Tensor, mask: Option<&Tensor>) -> Tensor {
        match self {
            Self::Fused => Tensor::scaled_dot_product_attention(query, key, value, mask, 0.0, false, None, false),
            Self::Written => {
                let head = *query.size().last().expect("queries have dimensions") as f64;
                let scores = (query * head.powf(-0.5)).matmul(&key.transpose(-2, -1));
                let scores = match mask {
                    Some(mask) => scores.masked_fill(&mask.logical_not(), f64::NEG_INFINITY),
                    None => scores,
                };
                scores.softmax(-1, None::<Kind>).matmul(value)
            }
        }
    }
}

/// `[batch, length, width]` to `[batch, heads, length, width / heads]`.
fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    x.unflatten(-1, [heads, -1]).transpose(1, 2)
}

fn merge_heads(x: &Tensor) -> Tensor {
    x.transpose(1, 2).flatten(2, 3)
}

/// Attention of a sequence to itself, with one fused projection.
#[derive(Debug)]
pub struct SelfAttention {
    qkv: Linear,
    out: Linear,
    heads: i64,
}

impl SelfAttention {
    pub fn new(path: nn::Path, width: i64, heads: i64, bias: bool) -> Self {
        Self {
            qkv: Linear::new(&path / "qkv", width, 3 * width, bias),
            out: Linear::new(&path / "out", width, width, bias),
            heads,
        }
    }

    /// `x` `[batch, length, width]`; the result has the same shape.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>, kernel: Kernel, kind: Kind) -> Tensor {
        let [query, key, value] = self.project(x, kind);
        self.out
            .forward(&merge_heads(&kernel.attend(&query, &key, &value, mask)), kind)
    }

    /// One more step of a sequence: `x` `[batch, 1, width]`, `cache` `[2, batch, heads, past, d]`. Returns the output
    /// and the cache with this step appended.
    pub fn step(&self, x: &Tensor, cache: &Tensor, kind: Kind) -> (Tensor, Tensor) {
        let [query, key, value] = self.project(x, kind);
        let key = Tensor::cat(&[&cache.select(0, 0), &key], 2);
        let value = Tensor::cat(&[&cache.select(0, 1), &value], 2);
        let y = self
            .out
            .forward(&merge_heads(&Kernel::Written.attend(&query, &key, &value, None)), kind);
        (y, Tensor::stack(&[key, value], 0))
    }

    fn project(&self, x: &Tensor, kind: Kind) -> [Tensor; 3] {
        // [batch, length, 3, heads, d] -> three of [batch, heads, length, d]
        let qkv = self
            .qkv
            .forward(x, kind)
            .unflatten(-1, [3, self.heads, -1])
            .transpose(1, 3);
        [0, 1, 2].map(|i| qkv.select(2, i))
    }
}

/// Attention of a sequence to the encoder's memory.
#[derive(Debug)]
pub struct CrossAttention {
    query: Linear,
    kv: Linear,
    out: Linear,
    heads: i64,
}

impl CrossAttention {
    /// `memory` is the width of what is looked at.
    pub fn new(path: nn::Path, width: i64, memory: i64, heads: i64, bias: bool) -> Self {
        Self {
            query: Linear::new(&path / "query", width, width, bias),
            kv: Linear::new(&path / "kv", memory, 2 * width, bias),
            out: Linear::new(&path / "out", width, width, bias),
            heads,
        }
    }

    /// Keys and values of the memory, computed once per sequence: `[2, batch, heads, sources, d]`.
    pub fn cache(&self, memory: &Tensor, kind: Kind) -> Tensor {
        self.kv
            .forward(memory, kind)
            .unflatten(-1, [2, self.heads, -1])
            .permute([2, 0, 3, 1, 4])
    }

    /// `x` `[batch, targets, width]`, `cache` of [`Self::cache`].
    pub fn forward(&self, x: &Tensor, cache: &Tensor, mask: Option<&Tensor>, kernel: Kernel, kind: Kind) -> Tensor {
        let query = split_heads(&self.query.forward(x, kind), self.heads);
        let y = kernel.attend(&query, &cache.select(0, 0), &cache.select(0, 1), mask);
        self.out.forward(&merge_heads(&y), kind)
    }
}
