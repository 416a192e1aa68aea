//! Batches of examples as tensors, prepared in advance by threads.

mod prefetch;
mod tensors;

pub use prefetch::{BatchMaker, Prefetch};
pub use tensors::{Batch, Batcher};
