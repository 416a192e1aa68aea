//! The commands of `src/bin/laformer.rs`.

mod data_options;
mod encode;
mod failure;
mod generate;
mod output;
mod runs;
mod verify;

pub use encode::Encode;
pub use failure::Failure;
use failure::UsageError;
pub use generate::Generate;
pub use runs::Runs;
pub use verify::Verify;
