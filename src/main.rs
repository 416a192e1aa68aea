//! The command line: parse, validate, run.

use clap::Parser;
use laformer::cli::{Arguments, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    match laformer::cli::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::from(1),
        Err(Failure::Usage(error)) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(1)
        }
    }
}
