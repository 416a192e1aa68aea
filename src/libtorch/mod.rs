//! Bindings to the parts of libtorch that tch lacks, by a small C++ bridge (`*.cc`). All `unsafe` code of the crate is here.
//!
//! C++ exceptions are caught at the boundary and become an [`Error`].

mod channels;
mod ffi;
mod graph;
mod module;
mod optimizer;
mod process_group;
mod runtime;

pub use channels::{channel_norm, channel_product};
pub use graph::{Graph, Stream, pin_memory};
pub use module::Module;
pub use optimizer::{Adam, AdamState, set_gradient};
pub use process_group::{Network, ProcessGroup, Rendezvous};
pub use runtime::{
    Capabilities, Tf32, capabilities, device_name, keep_memory, limit_threads, seeded, set_deterministic, set_tf32,
};

/// An error message of libtorch, without its backtrace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

pub type Result<T> = std::result::Result<T, Error>;
