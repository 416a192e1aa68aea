//! The real binary through its command line.

mod answers;
mod data;
mod distribution;
mod errors;
mod pipes;
mod tasks;
mod training;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary in a folder.
fn laformer(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary starts")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_laformer"));
    // One thread: tests run beside each other, and bits are compared.
    command
        .current_dir(folder)
        .args(arguments)
        .env("OMP_NUM_THREADS", "1")
        .env("MKL_NUM_THREADS", "1");
    command
}

/// Standard output of a command that must succeed.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = laformer(folder, arguments);
    assert!(
        output.status.success(),
        "laformer {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// Both outputs of a command that must end with an exit code, without a panic.
fn fail(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = laformer(folder, arguments);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "laformer {arguments:?}: {text}");
    assert!(!text.contains("panicked"), "laformer {arguments:?}: {text}");
    text
}

/// A recipe small enough for a test: a few steps of a tiny model.
fn tiny_recipe(folder: &Path, problem: &str, more: &str) {
    let recipe = format!(
        "problem = \"{problem}\"\ndim = 2\n{more}\n[model]\nwidth = 16\nheads = 2\ndecoder_heads = 2\nencoder_layers = 1\n\
         [training]\nsteps = 6\nbatch_size = 8\nlog_every = 2\nwarmup = 2\n\
         precision = \"fp32\"\n[evaluation]\nevery = 3\ncount = 20\n"
    );
    std::fs::write(folder.join("tiny.toml"), recipe).expect("the folder is writable");
}

const PROBLEMS: [&str; 10] = [
    "transpose",
    "add",
    "matrix-vector",
    "matrix-product",
    "eigenvalues",
    "eigenvectors",
    "inverse",
    "symmetric-inverse",
    "singular-values",
    "svd",
];
