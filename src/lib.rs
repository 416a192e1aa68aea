//! Transformers that calculate.

pub mod dataset;
pub mod encoding;
pub mod matrix;
pub mod problem;
