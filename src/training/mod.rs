//! Training: recipe, optimizer, loop, checkpoints.

mod arena;
mod average;
mod capture;
mod loss;
mod optimizer;
mod origin;
mod precision;
mod profile;
mod recipe;
mod run;
mod schedule;
mod settings;
mod shards;
mod signs;
mod sources;
mod trainer;
mod weights;

pub use arena::Arena;
pub use capture::why_eager;
pub use loss::{BatchLoss, Loss};
pub use optimizer::Optimizer;
pub use origin::Origin;
pub use precision::{LinearTimes, Precision};
pub use profile::{Profile, flops_per_example};
pub use recipe::Recipe;
pub use run::{Progress, Run, Trained, export, load_model, write_weights};
pub use schedule::Schedule;
pub use settings::{Data, Encodings, Evaluation, Loss as LossSettings, OptimizerKind, Training};
pub use trainer::{Estimate, LogLine, Observer, Trainer};
