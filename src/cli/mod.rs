//! The subcommands, one file each. Results go to stdout, progress and logs to stderr.

mod analyze;
mod bench;
mod curve;
mod data_options;
mod doctor;
mod encode;
mod eval;
mod export;
mod failure;
mod generate;
mod memory;
mod options;
mod output;
mod runs;
mod signals;
mod solve;
mod sweep;
mod train;
mod transfer;
mod verify;
mod watcher;

use clap::{Parser, Subcommand};
pub use failure::Failure;
use failure::UsageError;
pub use signals::Signal;

/// Train transformers to do numerical linear algebra, and check their answers
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Generate),
    Verify(verify::Verify),
    Encode(encode::Encode),
    Train(train::Train),
    Sweep(sweep::Sweep),
    Eval(eval::Eval),
    Solve(solve::Solve),
    Analyze(analyze::Analyze),
    Export(export::Export),
    Runs(runs::Runs),
    Curve(curve::Curve),
    Transfer(transfer::Transfer),
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
}

impl From<crate::libtorch::Error> for Failure {
    fn from(error: crate::libtorch::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs a command. `commit` is the commit that the program was built from; reports of measurements name it.
pub fn run(arguments: Arguments, commit: Option<&str>) -> Result<(), Failure> {
    crate::libtorch::keep_memory();
    crate::libtorch::limit_threads();
    // Only training may replace fp32 by TF32.
    crate::libtorch::set_tf32(false)?;
    memory::caught(|| match arguments.command {
        Command::Generate(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Encode(command) => command.run(),
        Command::Train(command) => command.run(commit),
        Command::Sweep(command) => command.run(commit),
        Command::Eval(command) => command.run(commit),
        Command::Solve(command) => command.run(),
        Command::Analyze(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::Curve(command) => command.run(),
        Command::Transfer(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Doctor(command) => command.run(),
    })
}
