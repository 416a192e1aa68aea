//! Training: optimizer, loop, checkpoints.

mod average;
mod capture;
mod divergence;
mod lock;
mod loss;
mod meter;
mod observer;
mod optimizer;
mod origin;
mod parameters;
mod precision;
mod profile;
mod ranks;
mod run;
mod shards;
mod signs;
mod trainer;
mod weights;

pub use capture::why_eager;
pub use divergence::Divergence;
pub use lock::{InUse, Lock};
pub use loss::{BatchLoss, Loss};
pub use observer::{Ending, Estimate, LogLine, Observer};
pub use optimizer::Optimizer;
pub use origin::Origin;
pub use parameters::FlatParameters;
pub use precision::LinearTimes;
pub use profile::{Profile, flops_per_example};
pub use ranks::{Rank, Ranks};
pub use run::{Progress, Run, Trained, checksum, export, load_model, write_weights};
pub use trainer::Trainer;
