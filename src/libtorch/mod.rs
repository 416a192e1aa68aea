//! What tch lacks of libtorch, through a small C++ bridge (`bridge.cc`, `module.cc`); the only `unsafe` of the crate.
//!
//! Every C++ exception is caught at the boundary and becomes an [`Error`].

mod archive;
mod ffi;
mod module;
mod optimizer;
mod runtime;

pub use archive::{read_extra_files, read_module};
pub use module::ModuleBuilder;
pub use optimizer::{AdamW, clip_gradients, fused_adamw, set_gradient};
pub use runtime::{
    MatmulPrecision, cpu_capability, has_cuda_build, has_fast_bf16, set_deterministic, set_matmul_precision, version,
};

/// What libtorch said, without its backtrace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);
