//! Examples as the tensors of a model, made ahead by threads.

mod prefetch;
mod tensors;

pub use prefetch::{BatchMaker, Prefetch};
pub use tensors::{Batch, Batcher};
