//! Training: recipe, optimizer, loop, checkpoints.

mod arena;
mod loss;
mod optimizer;
mod recipe;
mod run;
mod schedule;
mod trainer;
pub mod weights;

pub use arena::Arena;
pub use loss::{BatchLoss, Loss};
pub use optimizer::Optimizer;
pub use recipe::{Data, Encodings, Evaluation, Loss as LossSettings, OptimizerKind, Precision, Recipe, Training};
pub use run::{CONFIG_FILE, Progress, Run, Trained, write_weights};
pub use schedule::Schedule;
pub use trainer::{LogLine, Observer, Trainer};
