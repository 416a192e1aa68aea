//! What tch lacks of libtorch, through a small C++ bridge (`bridge.cc`, `channels.cc`, `graph.cc`, `module.cc`); the only `unsafe` of the crate.
//!
//! Every C++ exception is caught at the boundary and becomes an [`Error`].

mod channels;
mod ffi;
mod graph;
mod module;
mod optimizer;
mod runtime;

pub use channels::{channel_norm, channel_product};
pub use graph::{Graph, Stream, pin_memory};
pub use module::Module;
pub use optimizer::{Adam, AdamState, set_gradient};
pub use runtime::{Capabilities, Tf32, capabilities, keep_memory, limit_threads, seeded, set_deterministic, set_tf32};

/// What libtorch said, without its backtrace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

pub type Result<T> = std::result::Result<T, Error>;
