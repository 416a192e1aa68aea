//! The command line: parse, validate, run.

use clap::Parser;
use laformer::cli::{Arguments, Failure};
use std::io::Write;
use std::process::ExitCode;

/// The commit that `make build` compiles, from `git describe`. It is not in the library, so that a new commit
/// recompiles only this file.
const COMMIT: Option<&str> = option_env!("LAFORMER_COMMIT");

fn main() -> ExitCode {
    match laformer::cli::run(Arguments::parse(), COMMIT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::from(1),
        Err(Failure::Stopped(code)) => ExitCode::from(code),
        Err(Failure::Usage(error)) => fail(&error, 2),
        Err(Failure::Failed(error)) => fail(&error, 1),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    // If stderr is closed, the exit code still reports the failure.
    let _ = writeln!(std::io::stderr(), "Error: {error:#}");
    ExitCode::from(code)
}
