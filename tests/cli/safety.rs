//! Runs, files and weights must not be lost or silently wrong.

use super::training::{steps, tensors};
use super::{command, done, fail, here, laformer, refuse, succeed, tiny_recipe, tiny_run};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// Starts a training run and waits until it has begun.
fn start(path: &Path, arguments: &[&str]) -> Child {
    let mut child = command(path, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = arguments.iter().position(|argument| *argument == "--output").unwrap();
    let begun = path.join(arguments[output + 1]).join("metrics.csv");
    while !begun.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it began");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let process = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", name, &process])
            .status()
            .unwrap()
            .success()
    );
}

/// The content of every file of a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut contents: Vec<_> = files
        .map(|path| {
            (
                path.file_name().unwrap().display().to_string(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    contents.sort();
    contents
}

const TRAIN: [&str; 4] = ["train", "tiny.toml", "--output", "run"];

#[test]
fn a_second_process_is_kept_out_of_a_run_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "add", "");
    let mut child = start(path, &[&TRAIN[..], &["--set", "training.steps=100000000"]].concat());
    for more in [&["--resume"][..], &["--overwrite"], &[]] {
        let text = fail(path, 1, &[&TRAIN[..], more].concat());
        assert!(
            text.contains(&format!("run is in use by process {}", child.id())),
            "{text}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // A killed process holds no lock.
    succeed(path, &[&TRAIN[..], &["--overwrite"]].concat());
    assert!(!path.join("run/.lock").exists());
}

#[test]
fn a_new_run_deletes_only_files_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "add", &[]);
    let run = path.join("run");
    let overwrite = [&TRAIN[..], &["--overwrite"]].concat();
    let mine = ["notes.txt", "events.out.tfevents.1.mine", "half.partial", "best.pt"];
    mine.iter().for_each(|name| fs::write(run.join(name), "mine").unwrap());
    succeed(path, &overwrite);
    for name in mine {
        assert_eq!(fs::read_to_string(run.join(name)).unwrap(), "mine", "{name}");
    }
    for (file, part) in [("README.md", "no model card"), ("config.toml", "only replaces runs")] {
        fs::write(run.join(file), "mine").unwrap();
        let before = contents(&run);
        assert!(refuse(path, 2, &overwrite).contains(part));
        assert!(contents(&run) == before, "{file}");
    }
}

#[test]
fn the_old_run_stays_where_the_new_one_cannot_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "add", &[]);
    let before = contents(&path.join("run"));
    for set in [
        &["model.width=65536", "model.encoder_layers=1000"][..],
        &["training.batch_size=1048576"],
        &["evaluation.count=16777216"],
    ] {
        // No machine has the memory for matrices of this size.
        let sets = ["--overwrite", "--set", "dim=100"].into_iter();
        let sets = sets.chain(set.iter().flat_map(|set| ["--set", *set]));
        let text = fail(path, 1, &TRAIN.into_iter().chain(sets).collect::<Vec<_>>());
        assert!(text.contains("GiB of memory, but"), "{set:?}: {text}");
        assert!(contents(&path.join("run")) == before, "{set:?}");
    }
}

#[test]
fn a_signal_saves_and_the_run_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    let sets = [
        "training.steps=300",
        "training.log_every=70",
        "evaluation.every=0",
        "training.average=0.3",
    ];
    let train = |output: &'static str| {
        let sets = sets.iter().flat_map(|set| ["--set", *set]);
        let arguments = ["train", "tiny.toml", "--threads", "1", "--output", output];
        arguments.into_iter().chain(sets).collect::<Vec<_>>()
    };
    succeed(path, &train("whole"));
    for (name, code, output) in [("TERM", 143, "a"), ("INT", 130, "b"), ("USR1", 138, "c")] {
        let mut child = start(path, &train(output));
        signal(&child, name);
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let last = lines.map(Result::unwrap).last().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}: {last}");
        assert!(
            last.contains(&format!("stopped by SIG{name} after step ")) && last.contains("--resume"),
            "{last}"
        );
        succeed(path, &[&train(output)[..], &["--resume"]].concat());
        for file in ["model.safetensors", "resume.safetensors"] {
            let [whole, stopped] = ["whole", output].map(|run| tensors(&path.join(run).join(file)));
            assert!(whole == stopped, "{name}: {file}");
        }
        let [whole, stopped] = ["whole", output].map(|run| steps(&path.join(run)));
        assert_eq!(whole, stopped, "{name}");
    }
}

/// Runs a command under a limit of 64 blocks per file. Writes beyond it fail with an error instead of a signal.
fn with_small_files(path: &Path, arguments: &[&str]) -> String {
    let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let mut limit = Command::new("sh");
    limit
        .args(["-c", limited, env!("CARGO_BIN_EXE_laformer")])
        .args(arguments)
        .current_dir(path);
    let output = limit.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    text
}

#[test]
fn a_file_that_does_not_fit_is_an_error_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    for file in ["x.pt", "x.safetensors"] {
        fs::write(path.join(file), "old").unwrap();
        let text = with_small_files(path, &["export", "run", "--output", file]);
        assert!(text.contains(&format!("cannot write {file}: File too large")), "{text}");
        assert_eq!(fs::read_to_string(path.join(file)).unwrap(), "old");
    }
    let text = with_small_files(path, &["train", "tiny.toml", "--output", "new"]);
    assert!(text.contains("cannot write new/resume.safetensors"), "{text}");
    let partial = |folder: &Path| contents(folder).iter().any(|(name, _)| name.ends_with(".partial"));
    assert!(!partial(&path.join("new")));
}

#[test]
fn a_divergence_names_its_step_and_batch_and_advises_nothing_that_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    let train = |code, more: &[&str]| {
        let rate = [
            "--overwrite",
            "--set",
            "training.optimizer=adamw",
            "--set",
            "training.learning_rate=1e30",
        ];
        let more = more.iter().flat_map(|set| ["--set", *set]);
        fail(
            path,
            code,
            &TRAIN.into_iter().chain(rate).chain(more).collect::<Vec<_>>(),
        )
    };
    let text = train(1, &[]);
    assert!(
        text.contains("at step 2, whose batch is the examples 8 to 15"),
        "{text}"
    );
    assert!(
        text.contains("learning_rate (now 1e30)") && text.contains("training.retries"),
        "{text}"
    );
    assert!(!text.contains("fp32\"") && !text.contains("training.clip"), "{text}");
    assert!(train(1, &["training.clip=0"]).contains("training.clip = 1"));
    assert!(!path.join("run/model.safetensors").exists());
    let text = train(1, &["training.retries=2"]);
    assert_eq!(text.matches("going back to the last save").count(), 2, "{text}");
    assert!(
        text.contains("(now 2.5e29)") && !text.contains("training.retries"),
        "{text}"
    );
    // The learning rate is halved more than a hundred times, and training always restarts from the beginning.
    let text = train(0, &["training.retries=120", "evaluation.every=0"]);
    assert!(text.contains("going back to the last save"), "{text}");
    let rows = steps(&path.join("run")).into_iter().map(|row| row[0].clone());
    assert_eq!(rows.collect::<Vec<_>>(), ["2", "4", "6", "6"], "no row stands twice");
}

#[test]
fn of_models_that_are_equally_good_the_first_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    let none = ["--set", "evaluation.tolerances=[1e-300]"];
    succeed(path, &[&TRAIN[..], &none].concat());
    let card = fs::read_to_string(path.join("run/README.md")).unwrap();
    assert!(card.contains("24 examples"), "of step 3: {card}");
}

#[test]
fn input_and_output_that_fail_end_with_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    assert!(refuse(path, 1, &["train", "none.toml"]).contains("cannot read the recipe none.toml"));
    assert!(refuse(path, 1, &["train", "tiny.toml", "--data", "none.csv"]).contains("none.csv"));
    assert!(
        refuse(
            path,
            1,
            &["generate", "add", "--dim", "2", "--output", "tiny.toml/x.csv"]
        )
        .contains("tiny.toml")
    );
    symlink("loop", path.join("loop")).unwrap();
    for arguments in [
        &["eval", "loop"][..],
        &["runs", "loop"],
        &["runs", "--root", "loop"],
        &["verify", "loop"],
    ] {
        let text = refuse(path, 1, arguments);
        assert!(
            text.contains("cannot read loop") && !text.contains("does not exist"),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn outputs_are_written_through_links_and_keep_their_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let target = path.join("target.csv");
    fs::write(&target, "old").unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
    symlink("target.csv", path.join("link.csv")).unwrap();
    done(
        path,
        &["generate", "add", "--dim", "2", "--count", "3", "--output", "link.csv"],
    );
    assert!(path.join("link.csv").is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 4);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn names_that_are_not_utf8_are_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    let name = OsStr::from_bytes(b"\xff.safetensors");
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run(command(path, &["export", "run", "--output"]).arg(name));
    let solved = run(command(path, &["solve"]).arg(name).arg("[[2,1],[1,3]]"));
    assert!(!solved.is_empty());
}

#[test]
fn a_csv_file_with_only_a_header_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    fs::write(path.join("x.csv"), "index,problem,distribution,operands,solution\n").unwrap();
    assert_eq!(succeed(path, &["verify", "x.csv"]), "x.csv: 0 rows, only a header\n");
    assert!(refuse(path, 2, &["train", "tiny.toml", "--data", "x.csv"]).contains("x.csv has a header, but no rows"));
}

#[test]
fn nothing_is_generated_that_is_not_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut written = 0;
    for problem in super::PROBLEMS {
        for magnitude in ["1e-300", "1e-160", "1e60", "1e160", "1e200", "1e300"] {
            let generate = [
                "generate",
                problem,
                "--dim",
                "3",
                "--count",
                "20",
                "--magnitude",
                magnitude,
            ];
            match here(path, &[&generate[..], &["--output", "x.csv"]].concat()) {
                (0, _) => {
                    done(path, &["verify", "x.csv"]);
                    fs::remove_file(path.join("x.csv")).unwrap();
                    written += 1;
                }
                (code, text) => {
                    let says = text.contains("magnitude") || text.contains("change the distribution");
                    assert!(code == 1 && says, "{problem} {magnitude}: {code} {text}");
                    assert!(!path.join("x.csv").exists());
                }
            }
        }
    }
    assert!(written > 20, "{written} files");
}

#[test]
fn flipped_bits_are_found_or_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    let damaged = |file: &str, copy: &str, place: usize| {
        let mut bytes = fs::read(path.join("run").join(file)).unwrap();
        let place = place * bytes.len() / 60;
        bytes[place] ^= 1 << (place % 8);
        fs::write(path.join(copy), bytes).unwrap();
    };
    let export = |from: &str| here(path, &["export", from, "--output", "out.safetensors"]);
    assert_eq!(export("run").0, 0);
    let whole = tensors(&path.join("out.safetensors"));
    let mut found = 0;
    for place in 0..60 {
        damaged("model.safetensors", "broken.safetensors", place);
        match export("broken.safetensors") {
            (0, _) => assert!(tensors(&path.join("out.safetensors")) == whole, "part {place}"),
            (code, text) => {
                assert!(
                    code == 1 && text.contains("broken.safetensors"),
                    "part {place}: {code} {text}"
                );
                found += 1;
            }
        }
    }
    assert!(found > 55, "{found} of 60 are found");
    let solve = |from: &str| laformer(path, &["solve", from, "[[2,1],[1,3]]", "--json", "--trust"]);
    let whole = solve("run/model.pt");
    let mut found = 0;
    for place in (0..60).step_by(6) {
        damaged("model.pt", "broken.pt", place);
        let output = solve("broken.pt");
        if output.status.success() {
            // Damage to the padding between tensors does not change the content.
            assert_eq!(output.stdout, whole.stdout, "part {place}");
        } else {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.code() == Some(1) && text.contains("broken.pt"),
                "part {place}: {text}"
            );
            found += 1;
        }
    }
    assert!(found > 5, "{found} of 10 are found");
    let resume = path.join("run/resume.safetensors");
    let mut bytes = fs::read(&resume).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&resume, bytes).unwrap();
    let text = refuse(path, 1, &[&TRAIN[..], &["--resume"]].concat());
    assert!(text.contains("resume.safetensors is damaged: its checksum"), "{text}");
}

#[test]
fn a_small_file_cannot_ask_for_a_large_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let recipe = "problem = \"add\"\ndim = 2\n[model]\nwidth = 8192\nheads = 64\nencoder_layers = 4\n".to_string();
    let weights: [(&str, safetensors::tensor::TensorView); 0] = [];
    let content = safetensors::serialize(weights, Some([("recipe".to_string(), recipe)].into())).unwrap();
    fs::write(path.join("x.safetensors"), content).unwrap();
    let text = refuse(path, 1, &["eval", "x.safetensors"]);
    assert!(
        text.contains("x.safetensors: 0 numbers, but the recipe is of a model with at least 3489660928"),
        "{text}"
    );
}

/// A module whose `answers` prints a line first.
fn hostile(module: &Path) -> Vec<u8> {
    let mut old = ZipArchive::new(File::open(module).unwrap()).unwrap();
    let mut new = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..old.len() {
        let mut file = old.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let name = file.name().unwrap().into_owned();
        if name.ends_with("/laformer.py") {
            let text = String::from_utf8(content).unwrap();
            let (before, method) = text.split_once("  def answers(").unwrap();
            let (signature, body) = method.split_once(":\n    ").unwrap();
            let code = "print(\"code of the file ran\")";
            content = format!("{before}  def answers({signature}:\n    {code}\n    {body}").into();
        }
        new.start_file(name, SimpleFileOptions::default()).unwrap();
        new.write_all(&content).unwrap();
    }
    new.finish().unwrap().into_inner()
}

#[test]
fn code_of_a_module_runs_only_where_it_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    fs::write(path.join("x.pt"), hostile(&path.join("run/model.pt"))).unwrap();
    let solve = ["solve", "x.pt", "[[2,1],[1,3]]"];
    for arguments in [
        &solve[..],
        &["eval", "x.pt", "--count", "5"],
        &["export", "x.pt", "--output", "y.pt"],
        &["analyze", "x.pt", "--count", "20"],
        &["transfer", "x.pt"],
        &["train", "tiny.toml", "--output", "new", "--from", "x.pt"],
    ] {
        let text = refuse(path, 1, arguments);
        assert!(
            text.contains("x.pt is TorchScript") && text.contains("--trust"),
            "{text}"
        );
    }
    assert!(succeed(path, &[&solve[..], &["--trust"]].concat()).contains("code of the file ran"));
    let text = refuse(path, 1, &["eval", "run/model.safetensors", "--trust"]);
    assert!(
        text.contains("--trust: run/model.safetensors is no checkpoint: expected"),
        "{text}"
    );
    fs::remove_file(path.join("run/model.pt")).unwrap();
    assert!(refuse(path, 1, &["eval", "run", "--trust"]).contains("--trust: run holds no model.pt"));
}

#[test]
fn a_checkpoint_beyond_all_bounds_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["x.pt", "x.safetensors"] {
        File::create(path.join(name)).unwrap().set_len(8 << 30).unwrap();
        let trust: &[&str] = if name == "x.pt" { &["--trust"] } else { &[] };
        let text = refuse(path, 1, &[&["eval", name], trust].concat());
        assert!(text.contains(&format!("{name} has 8589934592 bytes")), "{text}");
    }
    tiny_recipe(path, "eigenvalues", "");
    let tolerances = format!("evaluation.tolerances={:?}", vec![0.1; 1000]);
    for (set, part) in [("model.encoder_loops=65536", "1 to 1024"), (&tolerances, "at most 100")] {
        assert!(refuse(path, 2, &["train", "tiny.toml", "--set", set]).contains(part));
    }
}
