//! What the commands of `src/bin/laformer.rs` print.

mod history;
mod table;

pub use history::last_evaluation;
pub use table::{Table, percent};
