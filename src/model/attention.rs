//! Multi-head attention (Vaswani et al. 2017). The same code serves training, decoding with a cache, and tracing.

use super::layers::Linear;
use std::cell::RefCell;
use tch::{Device, Kind, Tensor, nn};

/// The attention weights of one call of an attention layer.
#[derive(Debug)]
pub struct AttentionMap {
    pub kind: AttentionKind,
    /// Attention weights `[batch, heads, targets, sources]`, float32 on the CPU. They sum to 1 over the sources.
    pub weights: Tensor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// A sequence attends to itself.
    Own,
    /// A sequence attends to the encoder's output.
    Cross,
}

thread_local! {
    /// The maps that this thread records, if any. They are stored here because a layer returns only its output.
    static MAPS: RefCell<Option<Vec<AttentionMap>>> = const { RefCell::new(None) };
}

/// Runs a pass. Also returns the maps of all attention layers, in the order of their calls.
pub fn record_attention<T>(pass: impl FnOnce() -> T) -> (T, Vec<AttentionMap>) {
    MAPS.set(Some(Vec::new()));
    let outcome = pass();
    (outcome, MAPS.take().unwrap_or_default())
}

/// The algorithm for softmax(QKᵀ/√d)V.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Two matrix products and a softmax.
    Written,
    /// libtorch's scaled_dot_product_attention.
    Fused,
}

/// Up to this length, two matrix products and a softmax are faster on a CPU in float32.
const SHORT_ON_CPU: i64 = 64;

impl Kernel {
    /// The faster kernel. On a CPU, the fused kernel has a slow backward pass in bf16, and a set-up time that only long
    /// sequences repay.
    pub fn choose(device: Device, kind: Kind, length: i64) -> Self {
        match device {
            Device::Cpu if kind == Kind::BFloat16 || length <= SHORT_ON_CPU => Self::Written,
            _ => Self::Fused,
        }
    }

    /// Queries `[batch, heads, targets, d]`, keys and values `[batch, heads, sources, d]`. The mask, true where a query
    /// may attend, is broadcast to `[batch, heads, targets, sources]`.
    fn attend(
        self,
        kind: AttentionKind,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        mask: Option<&Tensor>,
    ) -> Tensor {
        MAPS.with_borrow_mut(|maps| {
            if let Some(maps) = maps {
                let weights = weights(query, key, mask).detach();
                let weights = weights.to_device(Device::Cpu).to_kind(Kind::Float);
                maps.push(AttentionMap { kind, weights });
            }
        });
        match self {
            Self::Fused => {
                // The fused kernel needs equal batch sizes, but one set of queries may serve the whole batch.
                let query = query + key.narrow(2, 0, 1).zeros_like();
                Tensor::scaled_dot_product_attention(&query, key, value, mask, 0.0, false, None, false)
            }
            Self::Written => weights(query, key, mask).matmul(value),
        }
    }
}

/// softmax(QKᵀ/√d), `[batch, heads, targets, sources]`.
fn weights(query: &Tensor, key: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let head = *query.size().last().expect("queries have dimensions") as f64;
    let scores = (query * head.powf(-0.5)).matmul(&key.transpose(-2, -1));
    let scores = match mask {
        Some(mask) => scores.masked_fill(&mask.logical_not(), f64::NEG_INFINITY),
        None => scores,
    };
    scores.softmax(-1, None::<Kind>)
}

/// `[batch, length, width]` to `[batch, heads, length, width / heads]`.
fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    x.unflatten(-1, [heads, -1]).transpose(1, 2)
}

fn merge_heads(x: &Tensor) -> Tensor {
    x.transpose(1, 2).flatten(2, 3)
}

/// Self-attention, with one fused projection.
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
        self.out.forward(
            &merge_heads(&kernel.attend(AttentionKind::Own, &query, &key, &value, mask)),
            kind,
        )
    }

    /// Decodes one more token: `x` is `[batch, 1, width]`, `cache` `[2, batch, heads, past, d]`. Returns the output,
    /// and the cache with this token appended.
    pub fn step(&self, x: &Tensor, cache: &Tensor, kind: Kind) -> (Tensor, Tensor) {
        let [query, key, value] = self.project(x, kind);
        let key = Tensor::cat(&[&cache.select(0, 0), &key], 2);
        let value = Tensor::cat(&[&cache.select(0, 1), &value], 2);
        let y = self.out.forward(
            &merge_heads(&Kernel::Written.attend(AttentionKind::Own, &query, &key, &value, None)),
            kind,
        );
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

/// Cross-attention of a sequence to the encoder's output.
#[derive(Debug)]
pub struct CrossAttention {
    query: Linear,
    kv: Linear,
    out: Linear,
    heads: i64,
}

impl CrossAttention {
    /// `memory` is the encoder's width.
    pub fn new(path: nn::Path, width: i64, memory: i64, heads: i64, bias: bool) -> Self {
        Self {
            query: Linear::new(&path / "query", width, width, bias),
            kv: Linear::new(&path / "kv", memory, 2 * width, bias),
            out: Linear::new(&path / "out", width, width, bias),
            heads,
        }
    }

    /// Keys and values of the encoder's output, computed once per sequence: `[2, batch, heads, sources, d]`.
    pub fn cache(&self, memory: &Tensor, kind: Kind) -> Tensor {
        self.kv
            .forward(memory, kind)
            .unflatten(-1, [2, self.heads, -1])
            .permute([2, 0, 3, 1, 4])
    }

    /// `x` is `[batch, targets, width]`; `cache` comes from [`Self::cache`].
    pub fn forward(&self, x: &Tensor, cache: &Tensor, mask: Option<&Tensor>, kernel: Kernel, kind: Kind) -> Tensor {
        let query = split_heads(&self.query.forward(x, kind), self.heads);
        let y = kernel.attend(
            AttentionKind::Cross,
            &query,
            &cache.select(0, 0),
            &cache.select(0, 1),
            mask,
        );
        self.out.forward(&merge_heads(&y), kind)
    }
}
