//! What people read of a run: lines, tables, CSV, curves, TensorBoard events, model cards.

mod card;
pub mod comparison;
pub mod curves;
pub mod events;
pub mod heatmap;
mod metrics;
mod panels;
mod run;
mod sets;
pub mod table;
mod text;

pub use metrics::{EvaluationRow, evaluations, last_evaluation};
pub use panels::{Panel, PanelLine, draw_panels};
pub use run::RunReport;
pub use sets::{TestSet, sets_json, sets_table};
pub use table::Table;
pub use text::{evaluation_json, evaluation_line, evaluation_table, log_line, percent, write_predictions};
