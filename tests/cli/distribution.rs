//! Noise, distributions and sizes that differ from training; fine-tuning; comparisons of runs.

use super::training::{LEARNED, interrupt, json, tensors};
use super::{laformer, refuse, succeed, tiny_recipe, tiny_run};
use std::fs;
use std::path::Path;

fn train(path: &Path, output: &str, sets: &[&str]) {
    let mut arguments = vec!["train", "tiny.toml", "--output", output];
    arguments.extend(sets.iter().flat_map(|set| ["--set", *set]));
    succeed(path, &arguments);
}

#[test]
fn noise_is_measured_level_by_level_beside_the_limit_of_the_exact_operation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    train(path, "run", &["data.noise=0.02"]);
    let card = fs::read_to_string(path.join("run/README.md")).unwrap();
    assert!(card.contains("noise of 0.02"), "{card}");
    let own = json(path, &["eval", "run", "--count", "400", "--json"]);
    let levels = json(
        path,
        &["eval", "run", "--count", "400", "--noise", "0,0.02,0.1", "--json"],
    );
    let [none, small, large] =
        ["", " noise 0.02", " noise 0.1"].map(|end| &levels[format!("eigenvalues 2x2 uniform{end}")]);
    assert_eq!(&own, small, "the recipe's noise is the default");
    assert!(none["limit"].is_null() && none["count"] == 400, "{none}");
    let limit = |level: &serde_json::Value| level["limit"]["0.02"].as_f64().unwrap();
    assert!(
        limit(small) > 0.5 && limit(large) < 0.5 * limit(small),
        "{small} {large}"
    );
    // The ceiling belongs to the clean answer, so it does not depend on the noise.
    assert_eq!(none["ceiling"], large["ceiling"]);
    let table = succeed(path, &["eval", "run", "--count", "50", "--noise", "0,0.02"]);
    assert_eq!(
        table.lines().filter(|line| line.starts_with("eigenvalues 2x2")).count(),
        2,
        "{table}"
    );
    assert!(table.contains("limits"), "{table}");
    let one = succeed(path, &["eval", "run", "--count", "50", "--noise", "0.1"]);
    assert!(one.contains("limit") && one.contains("noise 0.1"), "{one}");
    let levels = ["--check-disjoint", "--noise", "0,0.1"];
    let text = succeed(path, &[&["eval", "run", "--count", "50"], &levels[..]].concat());
    assert!(
        text.contains("seen before") && text.matches("0 of 68").count() == 2,
        "{text}"
    );
}

#[test]
fn predictions_for_noisy_matrices_hold_the_clean_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "transpose", &[]);
    let rows = |more: &[&str]| {
        succeed(
            path,
            &[&["eval", "run", "--count", "5", "--predictions", "out.csv"], more].concat(),
        );
        let mut reader = csv::Reader::from_path(path.join("out.csv")).unwrap();
        let rows = reader.records().map(|row| row.unwrap());
        rows.map(|row| (row[3].to_string(), row[4].to_string(), row[10].to_string()))
            .collect::<Vec<_>>()
    };
    let (clean, noisy) = (rows(&[]), rows(&["--noise", "0.1"]));
    for (clean, noisy) in clean.iter().zip(&noisy) {
        assert!(clean.2.is_empty());
        assert_eq!(
            (&noisy.2, &noisy.1),
            (&clean.0, &clean.1),
            "the operand and the solution without noise"
        );
        assert_ne!(noisy.0, clean.0);
    }
}

#[test]
fn noise_is_on_the_rows_of_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    let generate = [
        "generate",
        "eigenvalues",
        "--dim",
        "2",
        "--count",
        "64",
        "--output",
        "x.csv",
    ];
    succeed(path, &generate);
    let common = ["train", "tiny.toml", "--data", "x.csv", "--output"];
    succeed(path, &[&common[..], &["clean"]].concat());
    succeed(path, &[&common[..], &["noisy", "--set", "data.noise=0.2"]].concat());
    let [clean, noisy] = ["clean", "noisy"].map(|run| tensors(&path.join(run).join("model.safetensors")));
    assert_ne!(clean, noisy);
    let levels = json(
        path,
        &["eval", "clean", "--data", "x.csv", "--noise", "0,0.2", "--json"],
    );
    assert!(
        levels["x.csv noise 0.2"]["limit"]["0.05"].as_f64().unwrap() < 0.9,
        "{levels}"
    );
    assert!(
        levels["x.csv"]["limit"].is_null() && levels["x.csv"]["count"] == 64,
        "{levels}"
    );
}

#[test]
fn magnitudes_and_sizes_are_measured_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "symmetric-inverse", "");
    train(path, "run", &["model.max_dim=4"]);
    let lists = ["--magnitude", "5,10,50", "--dim", "2,3-4", "--count", "60"];
    let all = json(path, &[&["eval", "run", "--json"], &lists[..]].concat());
    assert_eq!(all.as_object().unwrap().len(), 6, "{all}");
    let outside = |name: &str, which: &str| {
        all[format!("symmetric-inverse {name}")]["outside"][which]
            .as_f64()
            .unwrap()
    };
    assert!(outside("2x2 uniform", "range") < 0.05);
    assert_eq!(outside("2x2 uniform:5", "range"), 0.0);
    assert!(outside("2x2 uniform:50", "range") > 0.5);
    assert_eq!(outside("3-4 uniform:5", "ranks"), 1.0, "no such size was trained on");
    let table = succeed(path, &[&["eval", "run"], &lists[..]].concat());
    assert!(
        table.contains("outside") && table.contains("symmetric-inverse 3-4 uniform:50"),
        "{table}"
    );
    let one = succeed(path, &["eval", "run", "--count", "20", "--spectrum", "laplace"]);
    assert!(one.contains("outside of the training's eigenvalues"), "{one}");
    let spectra = [
        "eval",
        "run",
        "--count",
        "20",
        "--spectrum",
        "laplace,uniform+gaussian",
        "--json",
    ];
    assert_eq!(json(path, &spectra).as_object().unwrap().len(), 2);
}

#[test]
fn tests_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "add", "");
    train(path, "run", &["encoding.input=FP15", "encoding.output=FP15"]);
    let cases: &[(&[&str], &str)] = &[
        (&["--noise", "-0.1"], "zero or a positive number"),
        (&["--noise", "0.1,nan"], "zero or a positive number"),
        (&["--noise", "2%"], "zero or a positive number"),
        (&["--noise", "0.1,0.1"], "asked for twice"),
        (&["--magnitude", "-5"], "must be a positive number"),
        (&["--magnitude", "10,inf"], "must be a positive number"),
        (&["--magnitude", "10,1e9"], "1e9"),
        (&["--magnitude", "ten"], "invalid value"),
        (&["--dim", "2,3"], "up to 2x2"),
        (&["--dim", "2,two"], "`two` is not a size"),
        (&["--spectrum", "laplace"], "add has no spectrum"),
        (&["--data", "x.csv", "--magnitude", "5"], "cannot be used with"),
    ];
    for (arguments, part) in cases {
        let text = refuse(path, 2, &[&["eval", "run"], *arguments].concat());
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
    let text = refuse(path, 2, &["train", "tiny.toml", "--set", "data.noise=-1"]);
    assert!(text.contains("data.noise: the noise is `-1`"), "{text}");
    // A row's solution must solve its operands. It would not solve noisy operands.
    let text = refuse(path, 2, &["generate", "add", "--dim", "2", "--noise", "0.1"]);
    assert!(text.contains("unexpected argument"), "{text}");
}

#[test]
fn runs_of_several_spectra_make_a_table_of_training_by_test() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "a", "eigenvalues", &[]);
    train(path, "b", &["data.spectrum=laplace"]);
    train(path, "c", &["data.spectrum=laplace", "training.seed=2"]);
    let files = ["--csv", "t.csv", "--picture", "t.svg", "--count", "80"];
    let table = succeed(path, &[&["transfer", "a", "b"], &files[..]].concat());
    assert!(table.contains("eigenvalues 2x2, % within 5 %"), "{table}");
    assert_eq!(
        table.lines().filter(|line| line.starts_with("laplace")).count(),
        3,
        "{table}"
    );
    let mut reader = csv::Reader::from_path(path.join("t.csv")).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 14);
    let svg = fs::read_to_string(path.join("t.svg")).unwrap();
    assert!(svg.contains("marchenko-pastur") && svg.contains("trained on"));
    let result = json(path, &["transfer", "a", "b", "--count", "80", "--json"]);
    let pairs = result["pairs"].as_array().unwrap();
    for (pair, row) in pairs.iter().zip(&rows) {
        assert_eq!(
            (pair["training"].as_str(), pair["test"].as_str()),
            (Some(&row[1]), Some(&row[2]))
        );
        assert_eq!(pair["accuracy"].as_f64().unwrap(), row[5].parse::<f64>().unwrap());
    }
    let ranks = |training: &str, test: &str| {
        let is_it = |pair: &&serde_json::Value| pair["training"] == training && pair["test"] == test;
        pairs.iter().find(is_it).unwrap()["outside"]["ranks"].as_f64().unwrap()
    };
    assert!(ranks("semicircle", "semicircle") < 0.05 && ranks("laplace", "laplace") < 0.05);
    assert!(ranks("semicircle", "laplace") > ranks("laplace", "semicircle"));
    // The table agrees with the evaluation of one run.
    let laplace = json(path, &["eval", "a", "--spectrum", "laplace", "--count", "80", "--json"]);
    let pair = pairs
        .iter()
        .find(|pair| pair["training"] == "semicircle" && pair["test"] == "laplace")
        .unwrap();
    assert_eq!(laplace["accuracy"]["0.05"], pair["accuracy"]);
    assert_eq!(laplace["outside"], pair["outside"]);
    let same = succeed(path, &["transfer", "b", "c", "--count", "10"]);
    assert!(same.contains("laplace (b)") && same.contains("laplace (c)"), "{same}");
}

#[test]
fn the_papers_table_of_spectra_stands_beside_that_of_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    train(path, "two", &["data.spectrum=laplace"]);
    train(path, "five", &["dim=5", "data.spectrum=marchenko-pastur"]);
    let text = succeed(path, &["transfer", "five", "--count", "10"]);
    let paper = text
        .split("\n\n")
        .find(|part| part.starts_with("Charton (2021)"))
        .unwrap();
    assert!(paper.contains("(recalled; confidence high)"), "{paper}");
    let row = paper.lines().find(|line| line.starts_with("marchenko-pastur")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["marchenko-pastur", "0", "4", "4", "4", "100", "76", "100"]);
    let result = json(path, &["transfer", "five", "--count", "10", "--json"]);
    assert_eq!(result["pairs"][5]["paper"], 0.76);
    for other in [&["two"][..], &["five", "--tolerance", "0.01"]] {
        let text = succeed(path, &[&["transfer", "--count", "10"], other].concat());
        assert!(!text.contains("Charton"), "{text}");
    }
}

#[test]
fn tables_of_runs_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "two", "eigenvalues", &[]);
    train(path, "three", &["dim=3"]);
    tiny_run(path, "add", "add", &[]);
    let cases: &[(&[&str], &str)] = &[
        (&["two", "three"], "dim is \"3\", but \"2\""),
        (&["add"], "add has no spectrum"),
        (&["two", "--tolerance", "-1"], "--tolerance -1"),
        (&["two", "--count", "0"], "--count 0"),
        (&[], "CHECKPOINTS"),
    ];
    for (arguments, part) in cases {
        let text = refuse(path, 2, &[&["transfer"], *arguments].concat());
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
    assert!(refuse(path, 1, &["transfer", "nowhere"]).contains("nowhere does not exist"));
}

#[test]
fn a_model_that_begins_with_the_weights_of_another_learns_from_fewer_examples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "base", "transpose", &LEARNED);
    let few = |output: &str, from: &[&str]| {
        let sets = [
            "dim=3",
            "training.steps=150",
            "model.width=64",
            "training.batch_size=32",
            "evaluation.every=150",
        ];
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        succeed(
            path,
            &[&["train", "tiny.toml", "--output", output], &sets[..], from].concat(),
        );
        let result = json(path, &["eval", output, "--count", "300", "--json"]);
        1.0 - result["median_error"].as_f64().unwrap()
    };
    let (scratch, tuned) = (few("scratch", &[]), few("few", &["--from", "base"]));
    // Measured with four seeds: at least 0.998 fine-tuned, at most 0.65 from scratch.
    assert!(tuned > scratch + 0.1, "{scratch} {tuned}");
    let card = fs::read_to_string(path.join("few/README.md")).unwrap();
    let config = fs::read_to_string(path.join("few/config.toml")).unwrap();
    assert!(
        card.contains("began with the weights of | base ") && config.contains("from = \"base "),
        "{card}"
    );
}

#[test]
fn a_run_from_other_weights_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "base", "eigenvalues", &[]);
    fs::create_dir(path.join("elsewhere")).unwrap();
    let settings = ["--from", "base", "--set", "dim=2-3", "--set", "data.magnitude=4"];
    let go = |output: &str, more: &[&str]| {
        let common = ["train", "tiny.toml", "--threads", "1", "--output", output];
        succeed(path, &[&common[..], &settings[2..], more].concat());
        tensors(&path.join(output).join("resume.safetensors"))
    };
    let whole = go("whole", &["--from", "base"]);
    assert_eq!(whole, go("file", &["--from", "base/model.safetensors"]));
    assert_ne!(whole, go("scratch", &[]));
    interrupt(path, &settings);
    // A saved run has its own weights, so `--resume` needs no `--from`.
    assert_eq!(whole, go("stopped", &["--resume"]));
    // A run's config.toml repeats the run, but needs `--from` with the same checkpoint.
    let again = ["train", "whole/config.toml", "--output", "again"];
    let text = refuse(path, 2, &again);
    assert!(
        text.contains("training.from = \"base") && text.contains("--from"),
        "{text}"
    );
    succeed(path, &[&again[..], &["--from", "base/model.safetensors"]].concat());
    assert_eq!(whole, tensors(&path.join("again/resume.safetensors")));
    // Both files keep the scale of value inputs from the first training run.
    let answer = |run: &str| succeed(path, &["solve", run, "[[1,2],[2,-3]]"]);
    assert_eq!(answer("again"), answer("again/model.safetensors"));
}

#[test]
fn weights_of_other_models_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "base", "eigenvalues", &[]);
    let cases = [
        ("model.width=32", "model.width = 16, but the recipe has 32"),
        (
            "encoding.digits=4",
            "encoding.output = \"P1000:3\", but the recipe has \"P1000:4\"",
        ),
        (
            "problem=inverse",
            "problem = \"eigenvalues\", but the recipe has \"inverse\"",
        ),
        ("training.from=other", "training.from = \"other\""),
    ];
    for (set, part) in cases {
        let text = refuse(
            path,
            2,
            &["train", "tiny.toml", "--output", "new", "--from", "base", "--set", set],
        );
        assert!(text.contains(part), "{set}: {text}");
        assert!(!path.join("new").exists(), "nothing is begun");
    }
    assert!(refuse(path, 1, &["train", "tiny.toml", "--from", "nowhere"]).contains("nowhere does not exist"));
    for from in ["base", "base/model.safetensors"] {
        let own = ["train", "tiny.toml", "--output", "base", "--overwrite", "--from", from];
        assert!(refuse(path, 2, &own).contains("--overwrite would delete base, with which --from begins"));
    }
    // A deeper encoder gives the same answers at first.
    let deeper = [
        "--from",
        "base",
        "--set",
        "model.encoder_layers=3",
        "--set",
        "training.steps=1",
        "--set",
        "training.learning_rate=1e-30",
    ];
    let slow = [
        "--set",
        "training.muon_learning_rate=1e-30",
        "--set",
        "training.warmup=0",
    ];
    succeed(
        path,
        &[&["train", "tiny.toml", "--output", "deep"][..], &deeper, &slow].concat(),
    );
    let answer = |run| succeed(path, &["solve", run, "[[2,1],[1,3]]", "--json"]);
    let predicted = |run| serde_json::from_str::<serde_json::Value>(&answer(run)).unwrap()["prediction"].clone();
    assert_eq!(predicted("deep"), predicted("base"));
}

#[test]
fn runs_are_compared_by_their_examples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "transpose", "");
    for steps in ["3", "6", "12"] {
        train(path, &format!("few-{steps}"), &[&format!("training.steps={steps}")]);
    }
    train(path, "other", &["training.steps=12", "training.seed=5"]);
    let runs = ["curve", "few-12", "few-3", "other", "few-6"];
    let ends = json(path, &[&runs[..], &["--ends", "--json"]].concat());
    let lines = ends["lines"].as_array().unwrap();
    let line = |i: usize| {
        (
            lines[i]["line"].as_str().unwrap(),
            lines[i]["points"].as_array().unwrap().clone(),
        )
    };
    let (name, points) = line(0);
    let examples: Vec<_> = points.iter().map(|point| point["examples"].as_u64().unwrap()).collect();
    assert_eq!((name, examples), ("few", vec![24, 48, 96]));
    assert_eq!((line(1).0, line(1).1.len(), lines.len()), ("other", 1, 2));
    let more = ["--tolerance", "0.01", "--csv", "c.csv", "--picture", "c.svg"];
    let table = succeed(path, &[&runs[..], &more[..]].concat());
    assert!(table.contains("within 1 %") && table.contains("few-12"), "{table}");
    // The header and 4 + 1 + 4 + 2 evaluations, one every three steps.
    assert_eq!(fs::read_to_string(path.join("c.csv")).unwrap().lines().count(), 12);
    let svg = fs::read_to_string(path.join("c.svg")).unwrap();
    assert!(svg.matches("<circle").count() == 11 && svg.contains("few-3: "), "{svg}");
    let text = refuse(path, 2, &["curve", "few-3", "--tolerance", "0.03"]);
    assert!(
        text.contains("--tolerance 0.03: few-3 was evaluated within 0.05, 0.02, 0.01, 0.005"),
        "{text}"
    );
    assert!(refuse(path, 1, &["curve", "nowhere"]).contains("nowhere holds no run"));
    fs::remove_file(path.join("few-6/metrics.csv")).unwrap();
    assert!(refuse(path, 2, &["curve", "few-6"]).contains("was not evaluated yet"));
}

#[test]
fn matrices_of_a_family_are_generated_verified_and_learned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (problem, family) in [
        ("eigenvalues", "laplacian"),
        ("matrix-product", "permutation"),
        ("inverse", "kernel"),
    ] {
        let arguments = [
            problem, "--dim", "3", "--family", family, "--count", "30", "--output", "x.csv",
        ];
        succeed(path, &[&["generate"], &arguments[..]].concat());
        assert!(succeed(path, &["verify", "x.csv"]).contains("all right"));
        let text = fs::read_to_string(path.join("x.csv")).unwrap();
        assert!(text.contains(&format!("uniform@{family}")), "{text}");
    }
    let generate = ["generate", "eigenvalues", "--dim", "3"];
    let unknown = refuse(path, 2, &[&generate[..], &["--family", "laplacien"]].concat());
    assert!(unknown.contains("did you mean `laplacian`?"), "{unknown}");
    let both = refuse(
        path,
        2,
        &[&generate[..], &["--family", "kernel", "--spectrum", "laplace"]].concat(),
    );
    assert!(both.contains("choose either a family or a spectrum"), "{both}");
    tiny_run(path, "run", "inverse", &["data.structured_share=0.5"]);
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert!(config.contains("structured_share = 0.5"), "{config}");
}

#[test]
fn the_structured_suite_has_a_row_for_each_family_that_has_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "inverse", &[]);
    let output = laformer(
        path,
        &["eval", "run", "--suite", "structured", "--count", "4", "--json"],
    );
    let sets: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let sets = sets.as_object().unwrap();
    assert_eq!(
        sets.len(),
        ::laformer::matrix::Family::ALL.len() - 1,
        "Laplacians are singular"
    );
    assert!(
        sets["inverse 2x2 uniform@permutation"]["ceiling"]["0.05"].as_f64() == Some(1.0),
        "{sets:?}"
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("left out: inverse 2x2 uniform@laplacian") && told.contains("singular"),
        "{told}"
    );
}
