//! The reports of `src/bin/laformer.rs`, which needs no libtorch.

mod history;
mod table;

pub use history::{EvaluationRow, last_evaluation};
pub use table::{Table, percent};
