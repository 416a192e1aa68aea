//! Checks and repairs of answers, and their analysis, with the shipped models.

use super::training::json;
use super::{done, refuse, succeed, tiny_recipe, tiny_run};
use serde_json::Value;
use std::path::Path;

fn checkpoint(name: &str) -> String {
    format!("{}/checkpoints/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn an_answer_is_verified_and_repaired() {
    let (folder, run) = (Path::new("."), checkpoint("eigenvectors-3x3"));
    let matrix = "[[2,1,0],[1,3,1],[0,1,4]]";
    let plain = json(folder, &["solve", &run, matrix, "--json"]);
    assert_eq!(plain["trusted"], true, "{plain}");
    let verified = json(folder, &["solve", &run, matrix, "--json", "--verify"]);
    assert_eq!(
        (&verified["prediction"], &verified["proposals"]),
        (&plain["prediction"], &1.into())
    );
    let repaired = json(folder, &["solve", &run, matrix, "--json", "--verify", "--repair"]);
    assert_eq!(repaired["first"]["prediction"], plain["prediction"]);
    assert!(
        number(&repaired["residual"]) < number(&verified["residual"]),
        "{repaired}"
    );
    // The error of eigenvectors is at most their residual, so trusted answers are right.
    assert_eq!((&repaired["trusted"], &repaired["right"]), (&true.into(), &true.into()));

    let measured = json(
        folder,
        &["eval", &run, "--count", "300", "--json", "--verify", "--repair"],
    );
    let [own, verified, repaired] = ["accuracy", "verified", "repaired"].map(|key| number(&measured[key]["0.005"]));
    // A repair step corrects nearly right answers.
    assert!(own == verified && repaired > 0.99, "{measured}");
    assert_eq!(measured["confirmed"]["0.005"]["right"], 1.0);
    assert_eq!(number(&measured["confirmed"]["0.005"]["share"]), repaired);
}

#[test]
fn a_wrong_answer_is_not_to_be_trusted_and_a_singular_matrix_has_none() {
    let (folder, run) = (Path::new("."), checkpoint("inverse-3x3"));
    let hilbert = "[[1,0.5,0.333],[0.5,0.333,0.25],[0.333,0.25,0.2]]";
    let text = succeed(folder, &["solve", &run, "[[2,1,0],[1,3,1],[0,1,4]]"]);
    assert!(text.contains("%: trusted\n"), "{text}");
    let solved = json(folder, &["solve", &run, hilbert, "--json"]);
    // The residual of an inverse is its error.
    assert!(
        (number(&solved["residual"]) - number(&solved["error"])).abs() < 1e-9,
        "{solved}"
    );
    assert_eq!(solved["trusted"], number(&solved["error"]) < 0.05);
    let singular = refuse(folder, 1, &["solve", &run, "[[1,2,3],[4,5,6],[7,8,9]]"]);
    assert!(
        singular.contains("the matrix is singular: it has no inverse"),
        "{singular}"
    );
    let measured = json(folder, &["eval", &run, "--count", "500", "--json"]);
    let (wrong, right) = (&measured["flagged"]["wrong"], &measured["flagged"]["right"]);
    assert_eq!(number(&wrong["of"]) + number(&right["of"]), 500.0);
    assert!(
        number(&wrong["of"]) == 0.0 || number(&wrong["share"]) == 1.0,
        "{measured}"
    );
    assert_eq!(number(&right["share"]), 0.0, "{measured}");
}

#[test]
fn a_model_of_the_semicircle_answers_for_all_spectra_and_magnitudes() {
    // The model was trained only on the semicircle spectrum and on coefficients up to 10.
    let run = checkpoint("eigenvalues-3x3");
    let eval = ["eval", &run, "--count", "400", "--json"];
    let spectra = json(Path::new("."), &[&eval[..], &["--spectrum", "all"]].concat());
    let accuracies: Vec<f64> = spectra
        .as_object()
        .unwrap()
        .values()
        .map(|set| number(&set["accuracy"]["0.05"]))
        .collect();
    assert_eq!(accuracies.len(), 7);
    assert!(accuracies.iter().all(|&accuracy| accuracy > 0.98), "{accuracies:?}");
    let large = [&eval[..], &["--magnitude", "1000"]].concat();
    let normalized = json(Path::new("."), &large);
    assert!(number(&normalized["accuracy"]["0.05"]) > 0.98, "{normalized}");
    let given = json(Path::new("."), &[&large[..], &["--as-given"]].concat());
    assert!(number(&given["accuracy"]["0.05"]) < 0.05, "{given}");
}

#[test]
fn a_matrix_is_answered_as_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let solve = |matrix: &str, more: &[&str]| {
        let model = checkpoint("eigenvalues-3x3");
        let command = [&["solve", &model, matrix, "--json"], more].concat();
        serde_json::from_str::<Value>(&succeed(folder.path(), &command)).unwrap()
    };
    // A matrix that is symmetric only up to rounding errors is accepted, and the rounded operands are reported.
    let rounded = solve("[[1.2345678,0,0.1],[0,5.4321987,0],[0.10000000001,0,2]]", &[]);
    let seen: Value = serde_json::from_str("[[[1.23,0,0.1],[0,5.43,0],[0.1,0,2]]]").unwrap();
    assert_eq!(
        rounded["operands"].to_string().replace(".0,", ",").replace(".0]", "]"),
        seen.to_string()
    );
    assert!(solve("[[1,0,0],[0,5,0],[0,0,2]]", &[])["operands"].is_null());
    // All eigenvalues of a multiple of the identity equal their mean, which normalization removes exactly.
    let identity = solve("[[3,0,0],[0,3,0],[0,0,3]]", &[]);
    assert_eq!(number(&identity["error"]), 0.0, "{identity}");
}

#[test]
fn the_median_of_what_is_predicted_is_nearer_than_its_mode() {
    let run = checkpoint("eigenvectors-3x3");
    let accuracy = |readout: &str| {
        let measured = json(
            Path::new("."),
            &["eval", &run, "--count", "1000", "--json", "--readout", readout],
        );
        number(&measured["accuracy"]["0.005"])
    };
    let (median, mode) = (accuracy("median"), accuracy("mode"));
    assert!(median > mode + 0.05, "{median} {mode}");
}

#[test]
fn between_its_digits_the_median_of_an_inverse_is_nearer_than_the_ceiling_of_digits() {
    let run = checkpoint("inverse-5x5");
    let measured = |readout: &str| {
        json(
            Path::new("."),
            &["eval", &run, "--count", "1000", "--json", "--readout", readout],
        )
    };
    let (between, median) = (measured("interpolated"), measured("median"));
    let share = |measured: &Value, measure: &str| number(&measured[measure]["0.005"]);
    assert!(
        share(&between, "accuracy") > share(&median, "accuracy") + 0.1,
        "{between} {median}"
    );
    assert!(share(&between, "accuracy") > share(&median, "ceiling"), "{between}");
}

#[test]
fn an_exported_module_keeps_the_readout_that_it_was_exported_with() {
    let folder = tempfile::tempdir().unwrap();
    let (run, module) = (checkpoint("inverse-2x2"), folder.path().join("model.pt"));
    let module = module.to_str().unwrap();
    let answer = |checkpoint: &str, options: &[&str]| {
        let command = [&["solve", checkpoint, "[[2,1],[1,-3]]", "--json"], options].concat();
        json(folder.path(), &command)["prediction"].clone()
    };
    let [between, written] = ["interpolated", "median"].map(|readout| {
        done(
            folder.path(),
            &["export", &run, "--output", module, "--readout", readout],
        );
        let answered = answer(module, &["--trust"]);
        assert_eq!(answered, answer(&run, &["--readout", readout]), "{readout}");
        answered
    });
    assert_ne!(between, written);
}

#[test]
fn searches_that_cannot_be_are_refused_with_what_can() {
    let folder = Path::new(".");
    for (name, options, message) in [
        (
            "add-5x5",
            &["--repair"][..],
            "there is no repair for add, but for eigenvalues, eigenvectors",
        ),
        ("inverse-2x2", &["--beam", "3", "--verify"], "no beam search"),
    ] {
        let run = checkpoint(name);
        let text = refuse(folder, 2, &[&["eval", &run], options].concat());
        assert!(text.contains(message), "{text}");
    }
    let text = refuse(
        folder,
        2,
        &["analyze", &checkpoint("inverse-2x2"), "--matrix", "[[1,2],[3,4]]"],
    );
    assert!(text.contains("--output"), "{text}");
}

#[test]
fn an_analysis_finds_the_loss_of_orthogonality() {
    let folder = tempfile::tempdir().unwrap();
    let run = checkpoint("eigenvectors-3x3");
    let options = ["--count", "600", "--tolerance", "0.005", "--output", "report"];
    let text = succeed(folder.path(), &[&["analyze", &run][..], &options].concat());
    assert!(
        text.contains("orthogonal vectors") && text.contains("condition of V"),
        "{text}"
    );
    let read = |name: &str| std::fs::read_to_string(folder.path().join("report").join(name)).unwrap();
    assert_eq!(read("report.txt"), text);
    let mut rows = csv::Reader::from_reader(std::io::Cursor::new(read("properties.csv")))
        .into_records()
        .map(|row| row.unwrap())
        .collect::<Vec<_>>();
    let share = |rows: &[csv::StringRecord], name: &str| -> f64 {
        let row = rows.iter().find(|row| &row[0] == name).unwrap();
        row[4].parse().unwrap()
    };
    // Charton: eigenvalues are often right although the eigenvectors are not orthogonal.
    assert!(
        share(&rows, "eigenvalues") > share(&rows, "the whole answer") + 0.5,
        "{rows:?}"
    );
    rows.retain(|row| row[0].starts_with("orthogonal"));
    assert_eq!(rows.len(), 1);
    for (picture, text) in [
        ("properties.svg", "unit norms"),
        ("signals.svg", "smallest gap"),
        ("calibration.svg", "least to the most"),
    ] {
        assert!(read(picture).contains(text), "{picture}");
    }
}

#[test]
fn beams_are_verified_and_attention_of_tokens_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "svd", "");
    let paper = ["--set", "model.architecture=paper", "--set", "training.warmup=2"];
    succeed(path, &[&["train", "tiny.toml", "--output", "run"][..], &paper].concat());
    let solved = json(
        path,
        &["solve", "run", "[[1,2],[3,4]]", "--beam", "3", "--verify", "--json"],
    );
    assert_eq!(solved["proposals"], 3);
    assert!(number(&solved["residual"]) <= number(&solved["first"]["residual"]));
    let options = ["--count", "20", "--output", "report", "--matrix", "[[1,2],[3,4]]"];
    succeed(path, &[&["analyze", "run"][..], &options].concat());
    let svg = std::fs::read_to_string(path.join("report/attention.svg")).unwrap();
    assert!(
        svg.contains("encoder 1, head 2") && svg.contains("decoder 1 to source, head 1"),
        "{svg}"
    );
    assert!(svg.contains("V2") && svg.contains("E-2"), "the words of the tokens");
}

#[test]
fn condensed_forms_are_trained_answered_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "inverse", "[encoding]\ninput = \"condensed\"");
    succeed(path, &["train", "tiny.toml", "--output", "run"]);
    let card = std::fs::read_to_string(path.join("run/README.md")).unwrap();
    assert!(card.contains("| reads | the condensed form: two diagonals |"), "{card}");
    let solved = json(
        path,
        &["solve", "run", "[[1,2],[3,4]]", "--verify", "--repair", "--json"],
    );
    assert_eq!(solved["proposals"], 1);
    let measured = json(path, &["eval", "run", "--count", "30", "--json"]);
    assert_eq!(measured["ceiling"]["0.05"], 1.0, "{measured}");
    let options = ["--count", "20", "--output", "report", "--matrix", "[[1,2],[3,4]]"];
    succeed(path, &[&["analyze", "run"][..], &options].concat());
    assert!(path.join("report/attention.svg").exists());
    let text = refuse(
        path,
        2,
        &["train", "tiny.toml", "--set", "problem=add", "--output", "other"],
    );
    assert!(
        text.contains("encoding.input = \"condensed") && text.contains("only inverses"),
        "{text}"
    );
}

#[test]
fn an_evaluation_tells_what_it_was_measured_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "add", &[]);
    let measured = json(path, &["eval", "run", "--count", "10", "--device", "cpu", "--json"]);
    let found = &measured["provenance"];
    assert_eq!(found["laformer"], env!("CARGO_PKG_VERSION"));
    let recipe = std::fs::read_to_string(path.join("run/config.toml")).unwrap();
    let recipe = format!("{:016x}", laformer::matrix::fingerprint(&recipe));
    assert_eq!(found["recipe"], Value::from(recipe.clone()));
    assert_eq!(found["device"], "cpu");
    let doctor = succeed(path, &["doctor"]);
    for key in ["libtorch", "instructions"] {
        assert!(doctor.contains(found[key].as_str().unwrap()), "{key}: {found} {doctor}");
    }
    assert!(!found["processor"].as_str().unwrap().is_empty());
    assert!(found["threads"].as_u64() >= Some(1));
    assert!(found["commit"].is_null() || found["commit"].as_str().unwrap().len() >= 7);
    // The model card of the training run names the same recipe.
    let card = std::fs::read_to_string(path.join("run/README.md")).unwrap();
    assert!(card.contains(&format!("recipe {recipe} |")), "{card}");
    let several = json(path, &["eval", "run", "--count", "10", "--dim", "1,2", "--json"]);
    let several = several.as_object().unwrap();
    assert!(
        several.len() == 2
            && several
                .values()
                .all(|set| set["provenance"]["recipe"] == recipe.as_str())
    );
}

#[test]
fn solve_says_where_the_scale_is_not_that_of_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "singular-values", "");
    succeed(path, &["train", "tiny.toml", "--output", "run"]);
    let scale = |operand: &str, more: &[&str]| {
        let text = succeed(path, &[&["solve", "run", operand], more].concat());
        text.lines().find(|line| line.starts_with("scale")).map(str::to_owned)
    };
    // The standard deviation of the training coefficients is 10 / √3.
    let given = ["--as-given"];
    let small = scale("[[1,-1],[1,1]]", &given).unwrap();
    assert!(small.contains("0.17 times that of the training, which"), "{small}");
    assert!(scale("[[20,-20],[20,20]]", &given).unwrap().contains("3.46 times"));
    assert_eq!(scale("[[5,-7],[6,4]]", &given), None);
    assert_eq!(scale("[[1,-1],[1,1]]", &[]), None);
    assert_eq!(scale("[[0,0],[0,0]]", &given), None);
    let printed = succeed(path, &["solve", "run", "[[20,-20],[20,20]]", "--json"]);
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!((printed["scale"].as_f64().unwrap() - 12f64.sqrt()).abs() < 1e-12);
}
