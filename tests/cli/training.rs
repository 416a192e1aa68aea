//! The commands `train`, `eval`, `solve`, `export`, `runs` and `doctor`.

use super::{PROBLEMS, done, laformer, refuse, succeed, tiny_recipe, tiny_run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(folder, arguments)).expect("the output is JSON")
}

/// One test for each problem, so that they run in parallel.
macro_rules! from_recipe_to_export {
    ($($name:ident: $problem:literal, $($operand:literal),+;)+) => {
        mod every_problem_goes_from_recipe_to_export {
            $(#[test]
            fn $name() {
                super::from_recipe_to_export($problem, &[$($operand),+]);
            })+
        }

        #[test]
        fn no_problem_is_left_out() {
            assert_eq!([$($problem),+], PROBLEMS);
        }
    };
}

from_recipe_to_export! {
    transpose: "transpose", "[[2,1],[1,3]]";
    add: "add", "[[2,1],[1,3]]", "[[1,0],[0,1]]";
    matrix_vector: "matrix-vector", "[[2,1],[1,3]]", "[1,2]";
    matrix_product: "matrix-product", "[[2,1],[1,3]]", "[[1,0],[0,1]]";
    eigenvalues: "eigenvalues", "[[2,1],[1,3]]";
    eigenvectors: "eigenvectors", "[[2,1],[1,3]]";
    inverse: "inverse", "[[2,1],[1,3]]";
    symmetric_inverse: "symmetric-inverse", "[[2,1],[1,3]]";
    singular_values: "singular-values", "[[2,1],[1,3]]";
    svd: "svd", "[[2,1],[1,3]]";
    determinant: "determinant", "[[2,1],[1,3]]";
    linear_solve: "linear-solve", "[[2,1],[1,3]]", "[1,2]";
    matrix_exponential: "matrix-exponential", "[[2,1],[1,3]]";
    matrix_sign: "matrix-sign", "[[2,1],[1,-3]]";
}

fn from_recipe_to_export(problem: &str, operands: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", problem, &[]);
    for file in [
        "config.toml",
        "metrics.csv",
        "curves.svg",
        "model.pt",
        "model.safetensors",
        "resume.safetensors",
        "README.md",
    ] {
        assert!(path.join("run").join(file).exists(), "{problem} has no {file}");
    }
    let result = json(path, &["eval", "run", "--count", "30", "--json"]);
    assert_eq!(result["count"], 30);
    assert!(result["ceiling"]["0.05"].as_f64().unwrap() > 0.5, "{result}");
    done(path, &["export", "run", "--output", "again.pt"]);
    done(path, &["export", "run", "--half", "--output", "half.pt"]);
    let answer = json(path, &[&["solve", "run"], operands, &["--json"]].concat());
    let predicted = answer["prediction"].as_array();
    assert!(predicted.is_some_and(|matrices| !matrices.is_empty()), "{answer}");
    let exported = json(
        path,
        &[&["solve", "again.pt", "--trust"], operands, &["--json"]].concat(),
    );
    assert_eq!(answer, exported);
    let text = succeed(path, &[&["solve", "half.pt", "--trust"], operands].concat());
    assert!(text.contains("nalgebra") && text.contains("error"), "{text}");
}

#[test]
fn all_forms_of_a_checkpoint_give_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    tiny_run(folder.path(), "run", "svd", &[]);
    let answer = |checkpoint: &[&str]| {
        let words = [&["solve"], checkpoint, &["[[2,1],[1,3]]", "--json"]].concat();
        json(folder.path(), &words)
    };
    let wanted = answer(&["run"]);
    for checkpoint in [
        &["run/model.safetensors"][..],
        &["run/model.pt", "--trust"],
        &["run", "--trust"],
    ] {
        assert_eq!(answer(checkpoint), wanted, "{checkpoint:?}");
    }
}

#[test]
fn runs_are_listed_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for problem in ["add", "svd"] {
        tiny_run(path, problem, problem, &[]);
    }
    let table = succeed(path, &["runs", "--root", "."]);
    assert!(table.contains("add") && table.contains("svd"), "{table}");
    let difference = succeed(path, &["runs", "add", "svd"]);
    assert!(
        difference.contains("problem") && difference.contains("\"svd\""),
        "{difference}"
    );
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    for more in ["", "[data]\ntargets = \"exact\"\n[encoding]\ninput = \"P1000\""] {
        for settings in [
            &["--set", "training.optimizer=muon", "--set", "training.precision=bf16"][..],
            &["--set", "model.decoder=autoregressive", "--set", "training.average=0.3"],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            tiny_recipe(path, "eigenvalues", more);
            let train = |output: &str, more: &[&str]| {
                let common = ["train", "tiny.toml", "--output", output, "--threads", "1"];
                succeed(path, &[&common, settings, more].concat())
            };
            train("whole", &[]);
            train("parts", &[]);
            interrupt(path, settings);
            train("stopped", &["--resume"]);
            for file in ["model.safetensors", "resume.safetensors"] {
                let bytes = |run: &str| tensors(&path.join(run).join(file));
                assert_eq!(bytes("whole"), bytes("parts"), "{file}: a run can be repeated");
                assert_eq!(bytes("whole"), bytes("stopped"), "{file}: a run can be gone on with");
            }
            assert_eq!(steps(&path.join("whole")), steps(&path.join("stopped")));
        }
    }
}

#[test]
fn the_mean_of_the_weights_is_kept_and_changes_no_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    let train = |output: &str, average: &str| {
        let common = ["train", "tiny.toml", "--output", output, "--threads", "1", "--set"];
        succeed(path, &[&common[..], &[average]].concat());
        let losses: Vec<_> = steps(&path.join(output))
            .into_iter()
            .map(|row| row[..7].to_vec())
            .collect();
        (losses, tensors(&path.join(output).join("model.safetensors")))
    };
    let (losses, last) = train("last", "training.average=0");
    let (same_losses, mean) = train("mean", "training.average=0.5");
    assert_eq!(losses, same_losses);
    assert_ne!(last, mean);
}

#[test]
fn captured_steps_have_the_bits_of_launched_ones() {
    if !tch::Cuda::is_available() {
        println!("skipped: no CUDA device");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    for settings in ["training.optimizer=muon", "model.decoder=autoregressive"] {
        let train = |output: &str, more: &[&str]| {
            let common = [
                "train",
                "tiny.toml",
                "--output",
                output,
                "--overwrite",
                "--deterministic",
            ];
            let settings = ["--set", "training.steps=20", "--set", settings];
            succeed(path, &[&common, &settings[..], more].concat())
        };
        train("launched", &["--no-graph"]);
        train("captured", &[]);
        let weights = |run: &str| tensors(&path.join(run).join("resume.safetensors"));
        assert_eq!(weights("captured"), weights("launched"), "{settings}");
        assert_eq!(steps(&path.join("captured")), steps(&path.join("launched")));
    }
}

#[test]
fn graphs_are_refused_where_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    tiny_recipe(folder.path(), "eigenvalues", "");
    let text = refuse(
        folder.path(),
        2,
        &["train", "tiny.toml", "--device", "cpu", "--no-graph"],
    );
    assert!(text.contains("--no-graph: only a CUDA device has graphs"), "{text}");
    assert!(!folder.path().join("checkpoints").exists());
}

/// Starts the run `stopped` and kills it after its first save.
pub fn interrupt(path: &Path, settings: &[&str]) {
    let train = ["train", "tiny.toml", "--output", "stopped", "--threads", "1"];
    let mut child = super::command(path, &[&train[..], settings].concat())
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let saved = path.join("stopped/resume.safetensors");
    while !saved.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended before its first save"
        );
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The bytes of all tensors of a safetensors file. The metadata is left out, because its elapsed seconds differ.
pub fn tensors(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

/// Step, losses and accuracies of every row of metrics.csv, without times.
pub fn steps(run: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(run.join("metrics.csv")).unwrap();
    let timed = [
        "elapsed_seconds",
        "examples_per_second",
        "waiting_share",
        "remaining_seconds",
    ];
    let headers = reader.headers().unwrap().clone();
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            headers
                .iter()
                .zip(&record)
                .filter(|(name, _)| !timed.contains(name))
                .map(|(_, cell)| cell.to_string())
                .collect()
        })
        .collect()
}

/// Settings with which a tiny model learns to transpose.
pub const LEARNED: [&str; 4] = [
    "training.steps=400",
    "model.width=64",
    "evaluation.every=200",
    "training.batch_size=32",
];

#[test]
fn a_small_model_learns() {
    let folder = tempfile::tempdir().unwrap();
    tiny_run(folder.path(), "run", "transpose", &LEARNED);
    let result = json(folder.path(), &["eval", "run", "--count", "500", "--json"]);
    // Measured with four seeds: at least 99.8 %.
    assert!(result["accuracy"]["0.05"].as_f64().unwrap() > 0.5, "{result}");
    let rows = steps(&folder.path().join("run"));
    let loss = |row: &Vec<String>| row[2].parse::<f64>().unwrap_or(f64::NAN);
    assert!(loss(&rows[rows.len() - 2]) < 0.5 * loss(&rows[0]));
}

#[test]
fn training_and_evaluation_read_csv_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    done(
        path,
        &[
            "generate",
            "eigenvalues",
            "--dim",
            "2",
            "--count",
            "64",
            "--output",
            "x.csv",
        ],
    );
    succeed(path, &["train", "tiny.toml", "--output", "run", "--data", "x.csv"]);
    assert_eq!(json(path, &["eval", "run", "--data", "x.csv", "--json"])["count"], 64);
}

#[test]
fn a_run_goes_on_with_the_file_that_it_was_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    for (file, seed) in [("x.csv", "1"), ("y.csv", "2")] {
        let size = ["--dim", "2", "--count", "64", "--seed", seed, "--output", file];
        succeed(path, &[&["generate", "eigenvalues"], &size[..]].concat());
    }
    let train = ["train", "tiny.toml", "--output", "run"];
    succeed(path, &[&train[..], &["--data", "x.csv"]].concat());
    let again = |more: &[&str]| refuse(path, 2, &[&train[..], &["--resume"], more].concat());
    assert!(again(&[]).contains("give that file with --data"));
    assert!(again(&["--data", "y.csv"]).contains("data.file = \"x.csv"));
    let metrics = fs::read_to_string(path.join("run/metrics.csv")).unwrap();
    succeed(path, &[&train[..], &["--resume", "--data", "x.csv"]].concat());
    assert_eq!(fs::read_to_string(path.join("run/metrics.csv")).unwrap(), metrics);
    assert!(
        fs::read_to_string(path.join("run/README.md"))
            .unwrap()
            .contains("repeated rows of x.csv")
    );
    // The recipe cannot reproduce the rows of a file, and `--predictions` must not overwrite the data.
    assert!(refuse(path, 2, &["eval", "run", "--check-disjoint"]).contains("the rows of x.csv"));
    let over = ["eval", "run", "--data", "x.csv", "--predictions", "./x.csv"];
    assert!(refuse(path, 2, &over).contains("choose another"));
    assert!(refuse(path, 2, &["eval", "run", "--predictions", "none/p.csv"]).contains("no such folder"));
    let header = fs::read_to_string(path.join("x.csv"))
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_string();
    let row = r#"0,eigenvalues,uniform,"[[[1,100],[0,1]]]","[[[5],[4]]]""#;
    fs::write(path.join("z.csv"), format!("{header}\n{row}\n")).unwrap();
    assert!(
        refuse(path, 2, &["eval", "run", "--data", "z.csv"]).contains("z.csv line 2: the operand must be symmetric")
    );
}

#[test]
fn what_a_kill_left_half_written_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    let train = ["train", "tiny.toml", "--output", "run"];
    let partial = path.join("run/.tmp1.partial");
    for more in ["--resume", "--overwrite"] {
        fs::write(&partial, "half").unwrap();
        succeed(path, &[&train[..], &[more]].concat());
        assert!(!partial.exists(), "{more}");
    }
    // Without saved state, `--resume` must not start again over the trained model.
    fs::remove_file(path.join("run/resume.safetensors")).unwrap();
    let text = refuse(path, 2, &[&train[..], &["--resume"]].concat());
    assert!(text.contains("no resume.safetensors"), "{text}");
}

#[test]
fn predictions_hold_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "inverse", &[]);
    let result = json(
        path,
        &["eval", "run", "--count", "40", "--json", "--predictions", "out.csv"],
    );
    let mut reader = csv::Reader::from_path(path.join("out.csv")).unwrap();
    let errors: Vec<f64> = reader
        .records()
        .map(|record| record.unwrap()[6].parse().unwrap())
        .collect();
    let right = errors.iter().filter(|error| **error < 0.05).count() as f64 / 40.0;
    assert_eq!(errors.len(), 40);
    assert_eq!(result["accuracy"]["0.05"].as_f64().unwrap(), right);
}

#[test]
fn parts_of_an_evaluation_merge_into_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "symmetric-inverse", &[]);
    let eval = ["eval", "run", "--count", "40", "--noise", "0.01,0.02", "--json"];
    let whole = json(path, &[&eval[..], &["--predictions", "whole.csv"]].concat());
    assert_eq!(json(path, &[&eval[..], &["--parts", "whole.csv"]].concat()), whole);

    let parts = ["1.csv", "2.csv", "3.csv"];
    for (shard, part) in ["1/3", "2/3", "3/3"].into_iter().zip(parts) {
        succeed(path, &[&eval[..], &["--shard", shard, "--predictions", part]].concat());
    }
    let merged = json(path, &[&eval[..], &["--parts"], &parts[..]].concat());
    for (name, measures) in whole.as_object().unwrap() {
        assert_eq!(merged[name]["count"], 40);
        // Answers may differ in ties, because batches are of other sizes.
        for (tolerance, accuracy) in measures["accuracy"].as_object().unwrap() {
            let other = merged[name]["accuracy"][tolerance].as_f64().unwrap();
            assert!(
                (accuracy.as_f64().unwrap() - other).abs() <= 0.025,
                "{name} {tolerance}"
            );
        }
        assert_eq!(merged[name]["ceiling"], measures["ceiling"]);
        let [found, whole] = [&merged[name], measures].map(|measures| measures["median_error"].as_f64().unwrap());
        assert!((found - whole).abs() <= 0.1 * whole, "{name}: {found} and {whole}");
    }

    let refused = |more: &[&str], code| refuse(path, code, &[&eval[..], more].concat());
    assert!(refused(&["--parts", "1.csv", "3.csv"], 1).contains("example 13 of"));
    assert!(refused(&["--parts", "1.csv", "1.csv"], 2).contains("give each part once"));
    assert!(refused(&["--parts", "whole.csv", "--seed", "5"], 1).contains("other operands"));
    assert!(refused(&["--parts", "whole.csv", "--magnitude", "5"], 2).contains("which is not evaluated here"));
    assert!(refused(&["--parts", "none.csv"], 1).contains("cannot read none.csv"));
    assert!(refused(&["--parts", "."], 2).contains("not a regular file"));
    let of = |run: &str, count: &str, code| {
        let less = [
            "eval",
            run,
            "--count",
            count,
            "--noise",
            "0.01,0.02",
            "--parts",
            "whole.csv",
        ];
        refuse(path, code, &less)
    };
    assert!(of("run", "39", 1).contains("not among the first 39"));
    let shard = ["--shard", "1/9", "--count", "5", "--predictions", "9.csv"];
    assert!(refuse(path, 2, &[&["eval", "run"], &shard[..]].concat()).contains("make at most 5 parts"));

    // Answers of another model, with other options, or changed afterwards.
    let other = "another model or other options gave this answer, or the row was changed";
    assert!(refused(&["--parts", "whole.csv", "--as-given"], 2).contains(other));
    tiny_run(path, "other", "symmetric-inverse", &["training.seed=2"]);
    assert!(of("other", "40", 2).contains(other));
    let text = fs::read_to_string(path.join("whole.csv")).unwrap();
    fs::write(path.join("changed.csv"), text.replacen(",false,", ",true,", 1)).unwrap();
    assert!(refused(&["--parts", "changed.csv"], 2).contains(other));
    assert!(refused(&["--shard", "1/3"], 2).contains("--predictions"));
    assert!(refused(&["--shard", "4/3", "--predictions", "4.csv"], 2).contains("is not a shard"));
}

#[test]
fn all_spectra_and_sizes_are_measured_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    let more = [
        "--set",
        "dim=2-3",
        "--set",
        "encoding.input=FP15",
        "--set",
        "model.architecture=paper",
    ];
    let sizes = [
        "--set",
        "model.width=16",
        "--set",
        "model.decoder_layers=1",
        "--set",
        "encoding.output=P10",
    ];
    succeed(
        path,
        &[&["train", "tiny.toml", "--output", "run"], &more[..], &sizes[..]].concat(),
    );
    let table = succeed(
        path,
        &["eval", "run", "--count", "20", "--beam", "2", "--check-disjoint"],
    );
    assert!(table.contains("2x2") && table.contains("3x3"), "{table}");
    let all = json(path, &["eval", "run", "--count", "10", "--spectrum", "all", "--json"]);
    assert_eq!(all.as_object().unwrap().len(), 7, "{all}");
}

#[test]
fn tests_are_proven_to_be_unseen() {
    let folder = tempfile::tempdir().unwrap();
    tiny_run(folder.path(), "run", "inverse", &[]);
    let check = ["eval", "run", "--count", "200", "--check-disjoint"];
    let text = succeed(folder.path(), &check);
    // Six steps of eight training examples, and twenty validation examples.
    assert!(
        text.contains("0 of 68 examples seen before occur in the test"),
        "{text}"
    );
    let measures = json(folder.path(), &[&check[..], &["--json"]].concat());
    assert_eq!(measures["seen_before"]["in_test"], 0, "{measures}");
    assert_eq!(measures["seen_before"]["examples"], 68, "{measures}");
}

#[test]
fn a_run_records_the_precision_that_was_measured_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "add", "");
    let train = |output: &str, precision: &str, more: &[&str]| {
        let set = format!("training.precision={precision}");
        let arguments = ["train", "tiny.toml", "--output", output, "--set", &set];
        let output = laformer(path, &[&arguments[..], more].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        told
    };
    let recorded = |run: &str| {
        let config = fs::read_to_string(path.join(run).join("config.toml")).unwrap();
        config.parse::<toml::Table>().unwrap()["training"]["precision"]
            .as_str()
            .unwrap()
            .to_string()
    };
    let told = train("auto", "auto", &[]);
    let chosen = recorded("auto");
    assert!(["fp32", "bf16"].contains(&chosen.as_str()), "{chosen}");
    assert!(
        told.lines()
            .nth(1)
            .unwrap()
            .starts_with(&format!("precision {chosen}: ")),
        "{told}"
    );
    for precision in ["fp32", "bf16"] {
        train(precision, precision, &[]);
        train(precision, "auto", &["--resume"]);
        assert_eq!(recorded(precision), precision);
        let card = fs::read_to_string(path.join(precision).join("README.md")).unwrap();
        assert!(card.contains(&format!("| precision | {precision} |")), "{card}");
        let metrics = fs::read_to_string(path.join(precision).join("metrics.csv")).unwrap();
        assert!(metrics.contains(&format!(",{precision},")), "{metrics}");
    }
}

#[test]
fn the_time_left_is_told_before_the_first_line_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    tiny_recipe(folder.path(), "add", "");
    let steps = [
        "training.steps=100000000",
        "training.log_every=100000000",
        "evaluation.every=0",
    ];
    let mut train = super::command(folder.path(), &["train", "tiny.toml", "--output", "run"]);
    let mut child = train
        .args(steps.iter().flat_map(|set| ["--set", set]))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines.map(Result::unwrap).find(|line| line.starts_with("step "));
    child.kill().unwrap();
    child.wait().unwrap();
    let told = told.expect("the run goes on until it is killed");
    assert!(told.contains("examples/s") && told.ends_with(" left"), "{told}");
}

#[test]
fn the_doctor_tells_versions_and_devices() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["doctor"]);
    for part in [
        env!("LAFORMER_TORCH"),
        "precision on the CPU",
        "times as fast as",
        "CUDA devices",
        "CUDA graphs",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn bench_measures_generating_training_and_decoding() {
    let folder = tempfile::tempdir().unwrap();
    for what in ["generate", "train", "decode"] {
        let more = ["--dim", "2", "--seconds", "0.2", "--set", "model.width=16", "--json"];
        let result = json(folder.path(), &[&["bench", what], &more[..]].concat());
        assert!(result["examples_per_second"].as_f64().unwrap() > 0.0, "{result}");
    }
    let device = json(folder.path(), &["bench", "device", "--json"]);
    for key in [
        "matrix_product_fp32_gflops",
        "matrix_product_bf16_gflops",
        "linear_map_bf16_milliseconds",
        "memory_gigabytes_per_second",
    ] {
        assert!(device[key].as_f64().unwrap() > 0.0, "{device}");
    }
}

#[test]
fn bench_takes_turns_as_often_as_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("asked"), "\n\n\n").unwrap();
    for what in ["generate", "train"] {
        let asked = fs::File::open(folder.path().join("asked")).unwrap();
        let bench = ["bench", what, "--turns", "4", "--dim", "2", "--set", "model.width=16"];
        let output = super::command(folder.path(), &bench).stdin(asked).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4, "what is measured, and three turns: {text}");
        assert_eq!(lines[0]["examples"], 4 * 64);
        assert!(lines[0]["recipe"].as_str().unwrap().contains("width = 16"));
        assert!(lines[1..].iter().all(|line| line.as_f64().unwrap() > 0.0), "{text}");
    }
}

#[test]
fn bench_refuses_options_of_other_measurements() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| refuse(folder.path(), 2, arguments);
    assert!(refused(&["bench", "decode", "--turns", "3"]).contains("--turns is for generate and train"));
    assert!(refused(&["bench", "train", "--turns", "0"]).contains("--turns 0"));
    assert!(refused(&["bench", "device", "--threads", "4294967296"]).contains("1 to 1024"));
    let heads = ["bench", "train", "--set", "model.width=100", "--set", "model.heads=3"];
    assert!(refused(&heads).contains("model.heads = 3"));
}

#[test]
fn a_warmup_that_a_run_does_not_get_through_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "add", "");
    let told = |warmup: &str| {
        let set = format!("training.warmup={warmup}");
        let arguments = ["train", "tiny.toml", "--output", "run", "--overwrite", "--set", &set];
        String::from_utf8(laformer(path, &arguments).stderr).unwrap()
    };
    assert!(told("7").contains("training.warmup = 7 is longer than the run"));
    assert!(!told("6").contains("longer than the run"));
}
