//! What people read of a run: lines, tables, CSV, curves, TensorBoard events, model cards.

mod card;
pub mod curves;
pub mod events;
mod metrics;
mod panels;
mod run;
pub mod table;
mod text;

pub use metrics::{EvaluationRow, last_evaluation};
pub use panels::{Panel, PanelLine, draw_panels};
pub use run::RunReport;
pub use table::Table;
pub use text::{evaluation_json, evaluation_line, evaluation_table, log_line, write_predictions};
