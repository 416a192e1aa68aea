//! Readers that close the pipe early: `laformer eval run | head -1`.

use super::{command, succeed, tiny_recipe, tiny_run};
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Runs a command whose stdout is closed. It must end with code 1 and print nothing about it.
fn fail_quietly(folder: &Path, arguments: &[&str]) {
    let (reader, writer) = std::io::pipe().expect("pipes can be made");
    drop(reader);
    let mut command = command(folder, arguments);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn();
    let output = child.and_then(|child| child.wait_with_output()).expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "laformer {arguments:?}: {text}");
    assert!(
        !text.contains("panicked") && !text.contains("Error"),
        "laformer {arguments:?}: {text}"
    );
}

#[test]
fn commands_end_quietly_where_their_output_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    let generate = ["generate", "eigenvalues", "--dim", "2", "--count", "5"];
    succeed(path, &[&generate[..], &["--output", "right.csv"]].concat());
    fs::write(path.join("wrong.csv"), "index\n1\n").unwrap();
    let bench = ["bench", "generate", "--seconds", "0.01"];
    let cases: &[&[&str]] = &[
        &generate,
        &["generate", "add", "--dim", "2", "--count", "5", "--output", "new.csv"],
        &["verify", "right.csv"],
        &["verify", "wrong.csv"],
        &["encode", "P1000", "[[1]]"],
        &["train", "tiny.toml", "--output", "other"],
        &["eval", "run", "--count", "5"],
        &["eval", "run", "--count", "5", "--json"],
        &["solve", "run", "[[2,1],[1,3]]"],
        &["solve", "run", "[[2,1],[1,3]]", "--json"],
        &["export", "run", "--output", "model.safetensors"],
        &["runs", "run"],
        &["curve", "run"],
        &["curve", "run", "--json"],
        &["transfer", "run", "--count", "5"],
        &bench,
        &[&bench[..], &["--json"]].concat(),
        &[&bench[..], &["--turns", "1"]].concat(),
        &["doctor"],
    ];
    for arguments in cases {
        fail_quietly(path, arguments);
    }
    for file in ["new.csv", "other/model.pt", "model.safetensors"] {
        assert!(path.join(file).exists(), "{file} is written all the same");
    }
}

#[test]
fn a_training_goes_on_where_nobody_reads_its_progress() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    let (reader, writer) = std::io::pipe().expect("pipes can be made");
    drop(reader);
    let mut train = command(path, &["train", "tiny.toml", "--output", "run"]);
    let status = train.stdout(Stdio::null()).stderr(writer).status().expect("it starts");
    assert_eq!(status.code(), Some(0));
    succeed(path, &["solve", "run", "[[2,1],[1,3]]"]);
    // With stderr closed, the exit code still reports an error.
    let (reader, writer) = std::io::pipe().expect("pipes can be made");
    drop(reader);
    let status = command(path, &["eval", "nowhere"])
        .stderr(writer)
        .status()
        .expect("it starts");
    assert!(matches!(status.code(), Some(1 | 2)), "{status}");
}
