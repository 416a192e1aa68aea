//! Several problems in one model, and training sets that repeat.

use super::training::{interrupt, json, steps, tensors};
use super::{done, laformer, refuse, succeed, tiny_recipe, tiny_run};
use laformer::evaluation::Accuracy;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const THREE: &str = "eigenvalues+transpose+add";

/// The columns of metrics.csv, and the rows that have evaluations, as maps by column.
fn evaluations(run: &Path) -> (Vec<String>, Vec<HashMap<String, String>>) {
    let mut reader = csv::Reader::from_path(run.join("metrics.csv")).unwrap();
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_string).collect();
    let rows: Vec<HashMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    (
        columns,
        rows.into_iter().filter(|row| !row["exact"].is_empty()).collect(),
    )
}

#[test]
fn several_problems_go_from_recipe_to_export() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for settings in [
        &["--set", "dim=2-3"][..],
        &["--set", "model.decoder=autoregressive", "--set", "encoding.input=P1000"],
    ] {
        tiny_recipe(path, THREE, "[data]\nspectrum = \"laplace\"");
        let train = ["train", "tiny.toml", "--output", "run", "--overwrite"];
        succeed(path, &[&train, settings].concat());
        let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
        assert!(config.contains("problem = \"transpose+add+eigenvalues\""), "{config}");

        let result = json(path, &["eval", "run", "--count", "30", "--json"]);
        assert_eq!(result["count"], 90);
        let parts: Vec<f64> = ["transpose", "add", "eigenvalues"]
            .iter()
            .map(|name| {
                let part = &result["problems"][name];
                assert_eq!(part["count"], 30, "{result}");
                assert!(part["ceiling"]["0.05"].as_f64().unwrap() > 0.9, "{result}");
                assert!(part["interval"]["0.05"][1].as_f64().unwrap() > 0.0, "{result}");
                part["median_error"].as_f64().unwrap();
                part["accuracy"]["0.05"].as_f64().unwrap()
            })
            .collect();
        let mean = result["accuracy"]["0.05"].as_f64().unwrap();
        assert!((mean - parts.iter().sum::<f64>() / 3.0).abs() < 1e-12, "{result}");
        let table = succeed(path, &["eval", "run", "--count", "5"]);
        for part in [
            "transpose: 5 examples",
            "eigenvalues: 5 examples",
            "all 3 problems: 15 examples",
        ] {
            assert!(table.contains(part), "{table}");
        }

        for (problem, operands) in [
            ("add", &["[[1,2],[3,4]]", "[[1,0],[0,1]]"][..]),
            ("transpose", &["[[1,2],[3,4]]"]),
            ("eigenvalues", &["[[2,1],[1,3]]"]),
        ] {
            let solve = |more: &[&str]| {
                json(
                    path,
                    &[&["solve", "run", "--json", "--problem", problem], more, operands].concat(),
                )
            };
            let answer = solve(&[]);
            assert_eq!(answer, solve(&["--trust"]));
            let rows = answer["prediction"][0].as_array().unwrap();
            assert_eq!(
                (rows.len(), rows[0].as_array().unwrap().len()),
                (2, if problem == "eigenvalues" { 1 } else { 2 })
            );
        }
        let text = refuse(path, 2, &["solve", "run", "[[1,2],[3,4]]"]);
        assert!(
            text.contains("--problem") && text.contains("transpose, add, eigenvalues"),
            "{text}"
        );
        let text = refuse(path, 2, &["solve", "run", "--problem", "svd", "[[1,2],[3,4]]"]);
        assert!(
            text.contains("unknown problem `svd`") && text.contains("transpose, add, eigenvalues"),
            "{text}"
        );
        let text = refuse(path, 2, &["solve", "run", "--problem", "add", "[[1,2],[3,4]]"]);
        assert!(text.contains("add wants operands of shapes"), "{text}");

        let (columns, rows) = evaluations(&path.join("run"));
        assert!(
            columns.contains(&"eigenvalues_accuracy_0.05".to_string()),
            "{columns:?}"
        );
        assert!(
            !columns.iter().any(|column| column.contains("training_set")),
            "{columns:?}"
        );
        for row in &rows {
            let share = |column: &str| row[column].parse::<f64>().unwrap();
            let parts =
                share("transpose_accuracy_0.05") + share("add_accuracy_0.05") + share("eigenvalues_accuracy_0.05");
            assert!((share("accuracy_0.05") - parts / 3.0).abs() < 1e-12, "{row:?}");
        }
        let card = fs::read_to_string(path.join("run/README.md")).unwrap();
        for part in [
            "answer = model.solve(matrix, problem=\"transpose\")\nleft = ",
            "answer = model.solve(left, right, problem=\"add\")\n",
            "values = model.solve(matrix, problem=\"eigenvalues\")\n",
            "add: 20 examples",
            "uniform/laplace",
        ] {
            assert!(card.contains(part), "{card}");
        }
    }
}

#[test]
fn spectra_and_predictions_are_told_by_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "add+eigenvalues", "");
    succeed(path, &["train", "tiny.toml", "--output", "run"]);
    let all = json(path, &["eval", "run", "--count", "4", "--spectrum", "all", "--json"]);
    let sets = all.as_object().unwrap();
    assert_eq!(sets.len(), 7);
    assert!(
        sets.values()
            .all(|set| set["problems"]["add"] == sets.values().next().unwrap()["problems"]["add"])
    );
    succeed(path, &["eval", "run", "--count", "4", "--predictions", "out.csv"]);
    let mut reader = csv::Reader::from_path(path.join("out.csv")).unwrap();
    let problems: Vec<String> = reader.records().map(|row| row.unwrap()[2].to_string()).collect();
    assert_eq!(problems, ["add", "eigenvalues"].repeat(4));
}

#[test]
fn curves_know_how_many_examples_an_accuracy_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", THREE, &[]);
    let curves = json(path, &["curve", "run", "--json"]);
    for point in curves["lines"][0]["points"].as_array().unwrap() {
        // 20 examples of each of the three problems.
        let accuracy = point["accuracy"].as_f64().unwrap();
        let accuracy = Accuracy {
            right: (60.0 * accuracy).round() as usize,
            count: 60,
        };
        let (low, high) = accuracy.interval();
        for (found, wanted) in [(&point["interval"][0], low), (&point["interval"][1], high)] {
            assert!((found.as_f64().unwrap() - wanted).abs() < 1e-12, "{point}");
        }
    }
}

#[test]
fn a_file_may_hold_several_problems() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "add+eigenvalues", "");
    let generate = |problem: &str| {
        let more = ["--dim", "2", "--count", "40", "--output", "part.csv"];
        succeed(path, &[&["generate", problem], &more[..]].concat());
        fs::read_to_string(path.join("part.csv")).unwrap()
    };
    let (add, eigenvalues) = (generate("add"), generate("eigenvalues"));
    let rows: Vec<&str> = add.lines().chain(eigenvalues.lines().skip(1)).collect();
    fs::write(path.join("both.csv"), rows.join("\n") + "\n").unwrap();
    succeed(path, &["train", "tiny.toml", "--output", "run", "--data", "both.csv"]);
    let result = json(path, &["eval", "run", "--data", "both.csv", "--json"]);
    assert_eq!(
        (&result["problems"]["add"]["count"], &result["count"]),
        (&40.into(), &80.into())
    );
    // Training repeats the rows of a file, so accuracy on them is measured, too.
    assert!(
        evaluations(&path.join("run"))
            .0
            .contains(&"training_set_accuracy_0.05".to_string())
    );
}

#[test]
fn sets_and_repetitions_that_cannot_be_are_refused_before_anything_is_begun() {
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
            "9",
            "--output",
            "x.csv",
        ],
    );
    let cases: &[(&[&str], &str)] = &[
        (&["problem=add+add"], "`add` is named twice"),
        (&["problem=add+eigenvalue"], "did you mean `eigenvalues`"),
        (
            &["problem=add+inverse", "dim=", "rows=2", "cols=3"],
            "inverse wants square matrices, not 2x3",
        ),
        (&["problem=add+inverse", "data.spectrum=laplace"], "has no spectrum"),
        (&["data.repeated_share=0.5"], "data.repeated = 1000"),
        (&["data.repeated=50"], "data.repeated_share = 0.25"),
        (&["data.repeated=50", "data.repeated_share=2"], "from 0 to 1"),
        (
            &["data.examples=50", "data.repeated=50", "data.repeated_share=0.5"],
            "give either examples",
        ),
        (&["data.examples=-5"], "data.examples"),
        (&["data.example=5"], "did you mean examples"),
    ];
    for (settings, part) in cases {
        let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let text = refuse(path, 2, &[&["train", "tiny.toml"][..], &settings].concat());
        assert!(text.contains(part), "{settings:?}: {text}");
    }
    for setting in [
        &["data.examples=9"][..],
        &["data.repeated=9", "data.repeated_share=0.5"],
    ] {
        let settings: Vec<&str> = setting.iter().flat_map(|setting| ["--set", setting]).collect();
        let text = refuse(
            path,
            2,
            &[&["train", "tiny.toml", "--data", "x.csv"][..], &settings].concat(),
        );
        assert!(text.contains("leave out data.examples"), "{text}");
    }
    assert!(!path.join("checkpoints").exists());
}

#[test]
fn interrupted_runs_of_every_kind_go_on_to_the_same_bits() {
    for (problem, data) in [
        (THREE, ""),
        (THREE, "[data]\nexamples = 12"),
        ("eigenvalues", "[data]\nexamples = 12"),
        ("eigenvalues", "[data]\nrepeated = 5\nrepeated_share = 0.5"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        tiny_recipe(path, problem, data);
        let train = |output: &str, more: &[&str]| {
            let common = ["train", "tiny.toml", "--output", output, "--threads", "1"];
            succeed(path, &[&common, more].concat())
        };
        train("whole", &[]);
        train("threads", &["--set", "training.data_threads=3"]);
        interrupt(path, &[]);
        train("stopped", &["--resume"]);
        for file in ["model.safetensors", "resume.safetensors"] {
            let bytes = |run: &str| tensors(&path.join(run).join(file));
            assert_eq!(
                bytes("whole"),
                bytes("threads"),
                "{problem} {data}: threads change nothing"
            );
            assert_eq!(
                bytes("whole"),
                bytes("stopped"),
                "{problem} {data}: a run can be gone on with"
            );
        }
        assert_eq!(steps(&path.join("whole")), steps(&path.join("stopped")));
    }
}

#[test]
fn a_repeated_set_is_measured_beside_the_validation() {
    for (data, count) in [
        ("[data]\nexamples = 12", 12),
        ("[data]\nexamples = 500", 20),
        ("[data]\nrepeated = 5\nrepeated_share = 0.5", 5),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        tiny_recipe(path, "transpose", data);
        let output = laformer(path, &["train", "tiny.toml", "--output", "run"]);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains(&format!("of {count} examples")), "{log}");
        let (columns, rows) = evaluations(&path.join("run"));
        assert!(columns.ends_with(&[
            "training_set_accuracy_0.01".into(),
            "training_set_accuracy_0.005".into()
        ]));
        for row in rows {
            let right = row["training_set_accuracy_0.05"].parse::<f64>().unwrap() * f64::from(count);
            assert!((right - right.round()).abs() < 1e-9, "a share of {count}: {row:?}");
        }
        let curves = fs::read_to_string(path.join("run/curves.svg")).unwrap();
        assert!(curves.contains("\ntraining set: "));
        let card = fs::read_to_string(path.join("run/README.md")).unwrap();
        assert!(card.contains("## Accuracy on examples of the training set"), "{card}");
        assert!(card.contains(&format!("training set: {count} examples")), "{card}");
    }
}

#[test]
fn a_small_fixed_set_is_learned_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "transpose", "[data]\nexamples = 8");
    let settings = [
        "training.steps=300",
        "model.width=64",
        "evaluation.every=300",
        "evaluation.count=200",
        "training.batch_size=16",
        // The test memorizes matrices, which normalization would change.
        "encoding.normalize=false",
    ];
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    succeed(
        path,
        &[&["train", "tiny.toml", "--output", "run"][..], &settings].concat(),
    );
    let (_, rows) = evaluations(&path.join("run"));
    let last = |column: &str| rows.last().unwrap()[column].parse::<f64>().unwrap();
    let (training, test) = (last("training_set_accuracy_0.05"), last("accuracy_0.05"));
    // Measured with four seeds: 100 % of the training set, at most 0.5 % of other examples.
    assert!(
        training >= 0.75 && test <= 0.25,
        "{training} on the training set, {test} on others"
    );
}

#[test]
fn what_training_comes_back_to_is_not_in_the_test() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (problem, data, seen) in [
        ("inverse", "[data]\nexamples = 12", 6 * 8 + 20),
        ("inverse", "[data]\nrepeated = 12\nrepeated_share = 0.5", 6 * 8 + 20),
        ("add+inverse", "", 6 * 8 + 40),
    ] {
        tiny_recipe(path, problem, data);
        succeed(path, &["train", "tiny.toml", "--output", "run", "--overwrite"]);
        let text = succeed(path, &["eval", "run", "--count", "100", "--check-disjoint"]);
        let wanted = format!("0 of {seen} examples seen before occur in the test");
        assert!(text.contains(&wanted), "{text}");
    }
}
