//! The launcher `laformer`. It runs the commands that need no model itself, because libtorch takes most of a second to
//! load. For all other commands it starts `laformer-libtorch`. If libtorch is missing, it says how to install it.
//!
//! `laformer-libtorch` (`src/main.rs`, installed beside the launcher) is linked to libtorch. Without libtorch, the
//! system's loader ends it before `main` with an unhelpful message. Every program that uses this crate's library is
//! linked to libtorch, too. The launcher therefore compiles its own copy of the modules that need no libtorch.

// The library uses the rest of the modules.
#![allow(dead_code, unused_imports, unused_macros)]

#[path = "../cli/without_libtorch.rs"]
mod cli;
#[path = "../dataset/mod.rs"]
mod dataset;
#[path = "../differences.rs"]
mod differences;
#[path = "../encoding/mod.rs"]
mod encoding;
#[path = "../file.rs"]
mod file;
#[path = "../matrix/mod.rs"]
mod matrix;
#[path = "../problem/mod.rs"]
mod problem;
#[path = "../report/without_libtorch.rs"]
mod report;

use clap::{Parser, Subcommand};
use cli::Failure;
use std::env;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Debug, Parser)]
#[command(name = "laformer", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Commands,
}

/// All commands, for `--help`. `laformer-libtorch` runs the commands that have no arguments here.
#[derive(Debug, Subcommand)]
enum Commands {
    Generate(cli::Generate),
    Verify(cli::Verify),
    Encode(cli::Encode),
    /// Train a model from a recipe
    Train,
    /// Train variants of recipes with several seeds, each into a run folder of its own
    Sweep,
    /// Measure a checkpoint on examples it has never seen
    Eval,
    /// Solve one problem with a model, and check the answer
    Solve,
    /// Analyze a model's right and wrong answers, and what predicts failure
    Analyze,
    /// Write a checkpoint as a TorchScript module (.pt) or as weights (.safetensors)
    Export,
    Runs(cli::Runs),
    /// Compare runs: validation accuracy against the number of training examples
    Curve,
    /// Test runs of a symmetric problem on all spectra: a table of training by test
    Transfer,
    /// Measure how fast this machine generates, trains or decodes
    Bench,
    /// Show versions, devices and threads, and the options that work on this machine
    Doctor,
}

/// The folder of libtorch at build time.
const BUILT_WITH: &str = env!("LAFORMER_LIBTORCH");
/// The torch version that laformer is built for.
const TORCH: &str = env!("LAFORMER_TORCH");
const LIBRARY: &str = "libtorch_cpu.so";
const PROGRAM: &str = "laformer-libtorch";
/// The exit code with which shells and the loader report that a program cannot be started.
const NOT_STARTED: i32 = 127;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (first, more) = (arguments.next(), arguments.next().is_some());
    match first.as_ref().and_then(|first| first.to_str()) {
        Some("generate" | "verify" | "encode" | "runs") => run(),
        Some("--help" | "-h" | "help" | "--version" | "-V") if !more => run(),
        _ => start(),
    }
}

/// Runs a command that needs no libtorch.
fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Commands::Generate(command) => command.run(),
        Commands::Verify(command) => command.run(),
        Commands::Encode(command) => command.run(),
        Commands::Runs(command) => command.run(),
        _ => return start(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::from(1),
        Err(Failure::Stopped(code)) => ExitCode::from(code),
        Err(Failure::Usage(error)) => fail(&format!("{error:#}"), 2),
        Err(Failure::Failed(error)) => fail(&format!("{error:#}"), 1),
    }
}

/// Replaces this process by `laformer-libtorch` with the same arguments.
fn start() -> ExitCode {
    let program = match env::current_exe() {
        Ok(here) => here.with_file_name(PROGRAM),
        Err(error) => return fail(&format!("cannot find my own file: {error}"), 1),
    };
    if !program.is_file() {
        return fail(
            &format!(
                "{} is missing: it is installed beside laformer; build both with `make build`",
                program.display()
            ),
            1,
        );
    }
    let mut arguments = env::args_os();
    let mut command = Command::new(&program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    wait_passively(&mut command);
    if is_found() {
        // `exec` returns only if it fails.
        return fail(&format!("cannot start {}: {}", program.display(), command.exec()), 1);
    }
    // The loader may still find libtorch elsewhere.
    match command.status() {
        Ok(status) if status.code() == Some(NOT_STARTED) => fail(
            &format!(
                "libtorch is missing: {LIBRARY} is neither in {BUILT_WITH}, where it was when laformer was built, nor in \
             LD_LIBRARY_PATH; `make build` installs it and builds again, or set LD_LIBRARY_PATH to the folder torch/lib of a \
             Python environment with torch {TORCH}"
            ),
            1,
        ),
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => fail(&format!("cannot start {}: {error}", program.display()), 1),
    }
}

/// Makes waiting OpenMP threads sleep. By default they spin, and on a shared machine take cores from the threads that
/// they wait for. OpenMP reads these variables when it is loaded. Variables that the user has set are kept.
fn wait_passively(command: &mut Command) {
    const SETTINGS: [(&str, &str); 2] = [("OMP_WAIT_POLICY", "PASSIVE"), ("KMP_BLOCKTIME", "0")];
    if env::var_os("GOMP_SPINCOUNT").is_none() {
        command.envs(SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none()));
    }
}

fn is_found() -> bool {
    let listed: Vec<PathBuf> = env::var_os("LD_LIBRARY_PATH")
        .map(|list| env::split_paths(&list).collect())
        .unwrap_or_default();
    listed
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(BUILT_WITH)])
        .any(|folder| folder.join(LIBRARY).is_file())
}

fn fail(message: &str, code: u8) -> ExitCode {
    // If stderr is closed, the exit code still reports the failure.
    let _ = writeln!(std::io::stderr(), "Error: {message}");
    ExitCode::from(code)
}
