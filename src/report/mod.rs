//! Reports of a run for people: lines, tables, CSV, curves, TensorBoard events, model cards.

mod analysis;
mod attention;
mod card;
pub mod curves;
pub mod events;
pub mod heatmap;
mod history;
mod metrics;
mod paper;
mod picture;
mod predictions;
mod provenance;
mod run;
mod sets;
pub mod table;
mod text;

pub use analysis::{analysis_files, analysis_text};
pub use attention::{AttentionPanel, draw_attention};
pub use history::{EvaluationRow, evaluations, last_evaluation};
pub use paper::{PaperFigures, PaperTransfer};
pub use predictions::{Predictions, Seal, write_predictions};
pub use provenance::Provenance;
pub use run::RunReport;
pub use sets::{TestSet, sets_json, sets_table};
pub use table::{Table, percent};
pub use text::{error_percent, estimate_line, evaluation_json, evaluation_line, evaluation_table, log_line};
