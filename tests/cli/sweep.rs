//! `laformer sweep` and `laformer runs --seeds`.

use super::{command, laformer, refuse, succeed, tiny_recipe};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{str, thread};

const SWEEP: &str = "recipes = [\"tiny.toml\"]\nseeds = [1, 2]\n\
    [[variants]]\nname = \"whole recipe\"\n\
    [[variants]]\nname = \"AdamW\"\nrecipes = [\"tiny.toml\"]\nset = [\"training.optimizer=adamw\"]\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny_recipe(folder.path(), "add", "");
    fs::write(folder.path().join("sweep.toml"), SWEEP).unwrap();
    folder
}

const ALL: [&str; 4] = ["sweep", "sweep.toml", "--output", "runs"];

#[test]
fn parts_of_a_sweep_train_every_variant_with_every_seed_once() {
    let folder = folder();
    let path = folder.path();
    for shard in ["1/3", "2/3", "3/3"] {
        succeed(path, &[&ALL[..], &["--shard", shard]].concat());
    }
    let mut found: Vec<_> = fs::read_dir(path.join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let names = [
        "tiny-adamw-1",
        "tiny-adamw-2",
        "tiny-whole-recipe-1",
        "tiny-whole-recipe-2",
    ];
    assert_eq!(found, names);
    let config = fs::read_to_string(path.join("runs/tiny-adamw-2/config.toml")).unwrap();
    assert!(
        config.contains("optimizer = \"adamw\"") && config.contains("[training]\nseed = 2\n"),
        "{config}"
    );

    let again = laformer(path, &ALL);
    let (told, table) = (
        str::from_utf8(&again.stderr).unwrap(),
        str::from_utf8(&again.stdout).unwrap(),
    );
    assert!(
        again.status.success() && told.matches("done before").count() == 4,
        "{told}"
    );
    assert_eq!(table, succeed(path, &["runs", "--root", "runs", "--seeds"]));
    let row = |name| table.lines().find(|line| line.contains(name)).unwrap();
    for name in ["runs/tiny-adamw ", "runs/tiny-whole-recipe "] {
        assert!(row(name).contains('±'), "{table}");
    }
}

#[test]
fn a_stopped_sweep_goes_on() {
    let folder = folder();
    let path = folder.path();
    let more = [
        "--only",
        "adamw-1",
        "--set",
        "training.steps=600",
        "--set",
        "training.save_every=2",
    ];
    let mut sweep = command(path, &[&ALL[..], &more].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = path.join("runs/tiny-adamw-1");
    while !run.join("resume.safetensors").exists() && sweep.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(20));
    }
    let kill = Command::new("kill").args(["-TERM", &sweep.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(sweep.wait().unwrap().code(), Some(143));
    let steps = || {
        let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
        metrics.lines().last().unwrap().split(',').next().unwrap().to_string()
    };
    assert_ne!(steps(), "600");
    succeed(path, &[&ALL[..], &more].concat());
    assert_eq!(steps(), "600");
}

#[test]
fn runs_of_another_process_are_left_to_it() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir_all(path.join("runs/tiny-adamw-1")).unwrap();
    let lock = File::create(path.join("runs/tiny-adamw-1/.lock")).unwrap();
    lock.lock().unwrap();
    let output = laformer(path, &[&ALL[..], &["--only", "adamw"]].concat());
    let told = str::from_utf8(&output.stderr).unwrap();
    assert!(
        output.status.success() && told.contains("tiny-adamw-1: another process trains it"),
        "{told}"
    );
    assert!(path.join("runs/tiny-adamw-2/model.pt").exists());
}

#[test]
fn a_sweep_is_checked_before_its_first_run() {
    let folder = folder();
    let path = folder.path();
    let long = "a".repeat(250);
    let cases = [
        (
            "recipes = [\"tiny.toml\"]\nseeds",
            "recipes = [\"tiny.toml\", \"other.toml\"]\nseeds",
            "cannot read the recipe other.toml",
        ),
        (
            "recipes = [\"tiny.toml\"]\nset",
            "recipes = [\"other.toml\"]\nset",
            "not among the recipes",
        ),
        ("AdamW", "whole, recipe", "there are two runs tiny-whole-recipe-1"),
        ("optimizer=adamw", "optimizer=adam", "tiny-adamw-1"),
        ("seeds", "sseds", "unknown field `sseds`"),
        ("seeds = [1, 2]", "seeds = []", "seeds is empty"),
        ("name = \"AdamW\"", "name = \" \"", "has no letters or digits"),
        ("AdamW", &long, "bytes, but at most 255 are allowed"),
        ("optimizer=adamw", "from=x", "only `laformer train` can give"),
        (
            "training.optimizer=adamw",
            "training.seed=3",
            "name the seeds in `seeds`",
        ),
    ];
    for (from, to, message) in cases {
        fs::write(path.join("bad.toml"), SWEEP.replacen(from, to, 1)).unwrap();
        let code = if message.starts_with("cannot read") { 1 } else { 2 };
        let text = refuse(path, code, &["sweep", "bad.toml", "--output", "runs"]);
        assert!(text.contains(message), "{text}");
        assert!(!path.join("runs").exists());
    }
    assert!(refuse(path, 2, &[&ALL[..], &["--only", "none"]].concat()).contains("no run has \"none\" in its name"));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/ablation/sweep.toml");
    let shipped = shipped.to_str().unwrap();
    let text = refuse(path, 2, &["sweep", shipped, "--output", "runs", "--only", "none"]);
    assert!(text.contains("no run has"), "{text}");
}

#[test]
fn a_sweep_without_variants_trains_its_recipes_with_every_seed() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("plain.toml"), "recipes = [\"tiny.toml\"]\nseeds = [3, 4]\n").unwrap();
    succeed(path, &["sweep", "plain.toml", "--output", "runs"]);
    for name in ["runs/tiny-3/model.pt", "runs/tiny-4/model.pt"] {
        assert!(path.join(name).exists(), "{name}");
    }
    // The same names with another recipe are no finished runs.
    let changed = [
        "sweep",
        "plain.toml",
        "--output",
        "runs",
        "--set",
        "training.learning_rate=0.5",
    ];
    let text = refuse(path, 2, &changed);
    assert!(
        text.contains("runs/tiny-3 was begun with training.learning_rate ="),
        "{text}"
    );
}

#[test]
fn a_run_that_fails_does_not_end_the_sweep() {
    let folder = folder();
    let path = folder.path();
    // A folder with a file of this name cannot hold a run's weights.
    fs::create_dir_all(path.join("runs/tiny-whole-recipe-1/model.safetensors")).unwrap();
    let output = laformer(path, &[&ALL[..], &["--seeds", "1"]].concat());
    let told = str::from_utf8(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("tiny-whole-recipe-1 failed: ") && told.contains("1 of 2 runs failed"),
        "{told}"
    );
    assert!(path.join("runs/tiny-adamw-1/model.pt").exists());
}

/// A finished run of `add` in `runs/NAME`, with a seed.
fn finished(folder: &Path, name: &str, seed: &str) {
    let run = format!("runs/{name}");
    let seed = format!("training.seed={seed}");
    succeed(folder, &["train", "tiny.toml", "--output", &run, "--set", &seed]);
}

#[test]
fn only_finished_runs_count_and_each_seed_once() {
    let folder = folder();
    let path = folder.path();
    finished(path, "whole-1", "1");
    finished(path, "whole-2", "2");
    let table = |more: &[&str]| {
        let output = laformer(path, &[&["runs", "--root", "runs", "--seeds"], more].concat());
        let [told, table] = [output.stderr, output.stdout].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), told, table)
    };
    let (_, _, before) = table(&[]);
    assert!(before.contains("runs/whole "), "{before}");

    // Other threads and another precision, as `auto` chooses them on another machine, make no other variant.
    let config = path.join("runs/whole-2/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let other = text.replace("precision = \"fp32\"", "precision = \"bf16\"");
    assert_ne!(text, other);
    fs::write(&config, other).unwrap();
    assert_eq!(table(&[]).2, before);

    // A run that has not done all its steps.
    let third = path.join("runs/whole-3");
    fs::create_dir(&third).unwrap();
    let text = fs::read_to_string(path.join("runs/whole-1/config.toml")).unwrap();
    let seed = text.replacen("[training]\nseed = 1\n", "[training]\nseed = 3\n", 1);
    fs::write(third.join("config.toml"), seed.replacen("\nsteps = ", "\nsteps = 1", 1)).unwrap();
    fs::copy(path.join("runs/whole-1/metrics.csv"), third.join("metrics.csv")).unwrap();
    let (_, told, with_third) = table(&[]);
    assert!(
        with_third.contains("not finished yet") && told.contains("runs/whole-3 is not finished"),
        "{told}{with_third}"
    );

    // A copy of a run under another name.
    fs::remove_dir_all(&third).unwrap();
    for name in ["a", "b"] {
        let copy = path.join("runs").join(name);
        fs::create_dir(&copy).unwrap();
        for file in ["config.toml", "metrics.csv"] {
            fs::copy(path.join("runs/whole-1").join(file), copy.join(file)).unwrap();
        }
    }
    let (code, told, _) = table(&[]);
    assert_eq!(code, Some(0));
    assert!(told.contains("runs/b has the recipe and the seeds of runs/a"), "{told}");
}

#[test]
fn damaged_metrics_are_named_and_left_out() {
    let folder = folder();
    let path = folder.path();
    finished(path, "whole", "1");
    finished(path, "other", "2");
    let metrics = path.join("runs/other/metrics.csv");
    let right = fs::read_to_string(&metrics).unwrap();
    let last = right.trim_end().rsplit('\n').next().unwrap();
    let column = right
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|name| name.starts_with("accuracy"))
        .unwrap();
    let with = |cell: &str| {
        let cells: Vec<&str> = last
            .split(',')
            .enumerate()
            .map(|(i, own)| if i == column { cell } else { own })
            .collect();
        right.replace(last, &cells.join(","))
    };
    let few: String = right
        .lines()
        .map(|line| format!("{}\n", line.split(',').take(column + 1).collect::<Vec<_>>().join(",")))
        .collect();
    let cases = [
        (with("2.5"), "is 2.5, but must be from 0 to 1"),
        (with("-0.1"), "is -0.1, but must be from 0 to 1"),
        (with("NaN"), "is NaN, but must be from 0 to 1"),
        (with("x"), "is `x`, which is no number"),
        (right.replace(last, &format!("9{last}")), "and 6 steps"),
        (right.replacen("step,", "stop,", 1), "must begin with the columns step"),
        (few, "it has 1 accuracies after step"),
    ];
    for (text, message) in cases {
        fs::write(&metrics, text).unwrap();
        let output = laformer(path, &["runs", "--root", "runs"]);
        let [told, table] = [&output.stderr, &output.stdout].map(|text| str::from_utf8(text).unwrap());
        assert!(
            told.contains(message) && told.contains("runs/other/metrics.csv is damaged"),
            "{told}"
        );
        assert!(table.contains("runs/whole") && !table.contains("runs/other"), "{table}");
        assert_eq!(output.status.code(), Some(1));
    }
    // The end of a line that is being written does not count.
    fs::write(&metrics, format!("{right}{}", &last[..last.len() / 2])).unwrap();
    assert_eq!(succeed(path, &["runs", "runs/other"]), {
        fs::write(&metrics, &right).unwrap();
        succeed(path, &["runs", "runs/other"])
    });
    fs::remove_file(&metrics).unwrap();
    assert!(Command::new("mkfifo").arg(&metrics).status().unwrap().success());
    assert!(refuse(path, 1, &["runs", "runs/other"]).contains("not a regular file"));
}

#[test]
fn a_signal_between_two_runs_ends_the_sweep() {
    let folder = folder();
    let path = folder.path();
    let mut sweep = command(path, &[&ALL[..], &["--only", "adamw"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A run ends with its folder on stdout; the next one does not train yet.
    let mut lines = BufReader::new(sweep.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "runs/tiny-adamw-1");
    let kill = Command::new("kill").args(["-TERM", &sweep.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(sweep.wait().unwrap().code(), Some(143));
    assert!(!path.join("runs/tiny-adamw-2/model.pt").exists());
}
