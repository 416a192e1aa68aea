//! Tests of the real binary through its command line.

mod answers;
mod data;
mod distribution;
mod errors;
mod pipes;
mod safety;
mod sweep;
mod tasks;
mod training;

use clap::Parser;
use laformer::cli::{Arguments, Failure};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

/// Runs the binary in a folder.
fn laformer(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary starts")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_laformer"));
    // Tests run in parallel, so each uses one thread unless the environment says otherwise.
    let threads = std::env::var("OMP_NUM_THREADS").unwrap_or("1".into());
    command
        .current_dir(folder)
        .args(arguments)
        .env("OMP_NUM_THREADS", &threads)
        .env("MKL_NUM_THREADS", &threads);
    command
}

/// Runs a command that must succeed; returns its stdout.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = laformer(folder, arguments);
    assert!(
        output.status.success(),
        "laformer {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// Runs a command that must end with `code` and without a panic; returns stdout and stderr.
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

/// Runs a command in this process; returns its exit code and error. This saves the half second in which the binary
/// loads libtorch. The command must be refused or only write files.
fn here(folder: &Path, arguments: &[&str]) -> (i32, String) {
    // Paths are relative to the current folder, and a process has only one.
    static FOLDER: Mutex<()> = Mutex::new(());
    let _folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    let before = std::env::current_dir().expect("the tests have a folder");
    std::env::set_current_dir(folder).expect("the folder exists");
    let ended = match Arguments::try_parse_from(["laformer"].iter().chain(arguments)) {
        Err(error) => (error.exit_code(), error.to_string()),
        Ok(arguments) => match laformer::cli::run(arguments, None) {
            Ok(()) => (0, String::new()),
            Err(Failure::Found) => (1, String::new()),
            Err(Failure::Usage(error)) => (2, format!("{error:#}")),
            Err(Failure::Failed(error)) => (1, format!("{error:#}")),
            Err(Failure::Stopped(code)) => (code.into(), String::new()),
        },
    };
    std::env::set_current_dir(before).expect("the folder of the tests exists");
    ended
}

/// Runs a command that must end with `code`, in this process; returns its error. [`fail`] runs the binary instead.
fn refuse(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let (ended, text) = here(folder, arguments);
    assert_eq!(ended, code, "laformer {arguments:?}: {text}");
    text
}

/// Runs a command that must succeed and only writes files, in this process.
fn done(folder: &Path, arguments: &[&str]) {
    assert_eq!(here(folder, arguments), (0, String::new()), "laformer {arguments:?}");
}

/// A recipe small enough for a test: a few steps of a tiny model.
fn tiny_recipe(folder: &Path, problem: &str, more: &str) {
    let recipe = format!(
        "problem = \"{problem}\"\ndim = 2\n{more}\n[model]\nwidth = 16\nheads = 2\ndecoder_heads = 2\nencoder_layers = 1\n\
         [training]\nsteps = 6\nbatch_size = 8\nlog_every = 2\nwarmup = 2\n\
         precision = \"fp32\"\n[evaluation]\nevery = 3\ncount = 20\n"
    );
    fs::write(folder.join("tiny.toml"), recipe).expect("the folder is writable");
}

/// Writes the tiny recipe of a problem, and beside it the run that is trained with the settings `sets`. Each run is
/// trained once for all tests.
fn tiny_run(folder: &Path, name: &str, problem: &str, sets: &[&str]) {
    type Runs = HashMap<String, Arc<OnceLock<PathBuf>>>;
    static TRAINED: LazyLock<Mutex<Runs>> = LazyLock::new(Mutex::default);
    let key = [&[problem], sets].concat().join(" ");
    let run = TRAINED.lock().unwrap().entry(key.clone()).or_default().clone();
    let run = run.get_or_init(|| {
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join(key.replace(|c: char| !c.is_alphanumeric(), "-"));
        fs::create_dir_all(&shared).expect("the target folder is writable");
        tiny_recipe(&shared, problem, "");
        let mut train = vec!["train", "tiny.toml", "--overwrite", "--output", "run"];
        train.extend(sets.iter().flat_map(|set| ["--set", *set]));
        assert_eq!(succeed(&shared, &train), "run\n");
        shared.join("run")
    });
    tiny_recipe(folder, problem, "");
    fs::create_dir(folder.join(name)).expect("the folder is writable");
    for file in fs::read_dir(run).expect("a run is a folder") {
        let file = file.expect("a run is a folder").path();
        fs::copy(&file, folder.join(name).join(file.file_name().unwrap())).expect("the folder is writable");
    }
}

const PROBLEMS: [&str; 14] = [
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
    "determinant",
    "linear-solve",
    "matrix-exponential",
    "matrix-sign",
];
