//! The commands `generate`, `verify` and `encode`.

use super::{PROBLEMS, done, fail, refuse, succeed};
use std::fs;

#[test]
fn what_is_generated_verifies_for_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let any = PROBLEMS.iter().flat_map(|problem| {
        let sizes = [
            &["--dim", "4", "--count", "200"][..],
            &["--dim", "2-6", "--count", "200"],
        ];
        sizes.map(|size| [&[*problem], size].concat())
    });
    let rectangular = [
        "transpose",
        "add",
        "matrix-vector",
        "matrix-product",
        "singular-values",
        "svd",
    ]
    .map(|problem| {
        let size = [
            "--rows",
            "2-3",
            "--cols",
            "4",
            "--coefficients",
            "gaussian",
            "--count",
            "50",
        ];
        [&[problem][..], &size].concat()
    });
    // A file may hold rows of many problems, so one call verifies all.
    let mut all = String::new();
    for arguments in any.chain(rectangular) {
        let output = ["--output", "part.csv"];
        done(folder.path(), &[&["generate"], &arguments[..], &output].concat());
        let rows = fs::read_to_string(folder.path().join("part.csv")).unwrap();
        let body = rows.split_once('\n').unwrap().1;
        all += if all.is_empty() { &rows } else { body };
    }
    fs::write(folder.path().join("x.csv"), all).unwrap();
    let summary = succeed(folder.path(), &["verify", "x.csv"]);
    assert!(summary.contains("5900 rows, all right"), "{summary}");
    for problem in PROBLEMS {
        assert!(summary.contains(problem), "{summary}");
    }
}

#[test]
fn shards_concatenate_to_the_same_file_whatever_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let generate = |more: &[&str]| {
        succeed(
            folder.path(),
            &[
                &[
                    "generate",
                    "eigenvalues",
                    "--dim",
                    "3",
                    "--count",
                    "1001",
                    "--seed",
                    "5",
                ],
                more,
            ]
            .concat(),
        )
    };
    let whole = generate(&["--threads", "1"]);
    let parts = ["1/3", "2/3", "3/3"].map(|shard| generate(&["--shard", shard, "--threads", "2"]));
    assert_eq!(whole, parts.concat());
    assert_eq!(whole.lines().count(), 1002);

    // One verdict for all parts; only the first has a header.
    let names = ["1.csv", "2.csv", "3.csv"];
    for (name, part) in names.iter().zip(&parts) {
        fs::write(folder.path().join(name), part).unwrap();
    }
    let verify = [&["verify"][..], &names].concat();
    let verdict = succeed(folder.path(), &verify);
    assert!(
        verdict.ends_with("3 files: 1001 rows, all right: eigenvalues (3x3: 1001)\n"),
        "{verdict}"
    );
    let broken = parts[1].replacen("eigenvalues", "eigenvectors", 1);
    fs::write(folder.path().join("2.csv"), broken).unwrap();
    let verdict = fail(folder.path(), 1, &verify);
    assert!(verdict.contains("2.csv: line 1, column solution"), "{verdict}");
    assert!(verdict.contains("3 files: 1001 rows, 1 wrong"), "{verdict}");
    // A file by itself needs its header.
    assert!(fail(folder.path(), 1, &["verify", "3.csv"]).contains("the first line must be"));
    fs::write(folder.path().join("2.csv"), "").unwrap();
    assert!(fail(folder.path(), 1, &verify).contains("2.csv: line 1: the first line must be"));
    let more = [
        "generate",
        "eigenvalues",
        "--dim",
        "3",
        "--count",
        "5",
        "--shard",
        "1/9",
    ];
    assert!(refuse(folder.path(), 2, &more).contains("make at most 5 parts"));
    assert!(whole.starts_with("index,problem,distribution,operands,solution\n0,eigenvalues,uniform,\"[[["));
}

#[test]
fn splits_and_seeds_give_other_examples() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |more: &[&str]| {
        succeed(
            folder.path(),
            &[&["generate", "add", "--dim", "2", "--count", "50"], more].concat(),
        )
    };
    let sets = [
        rows(&[]),
        rows(&["--seed", "2"]),
        rows(&["--split", "test"]),
        rows(&["--split", "validation"]),
    ];
    for (i, a) in sets.iter().enumerate() {
        for b in &sets[i + 1..] {
            assert!(a.lines().skip(1).all(|line| !b.contains(line)));
        }
    }
}

#[test]
fn verification_names_line_column_and_reason_of_each_bad_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = |rows: &str| {
        fs::write(
            folder.path().join("x.csv"),
            format!("index,problem,distribution,operands,solution\n{rows}"),
        )
        .unwrap()
    };
    let good = "0,matrix-vector,uniform,\"[[[1.5,2],[3,-4]],[[1],[2]]]\",\"[[[5.5],[-5]]]\"\n";
    file(good);
    succeed(folder.path(), &["verify", "x.csv"]);
    let bad = [
        (
            "1,matrix-vector,uniform,\"[[[1.5,2],[3,-4]],[[1],[2]]]\",\"[[[5.5],[-4]]]\"",
            "solution",
        ),
        (
            "1,eigenvalues,uniform,\"[[[2,1],[1,2]]]\",\"[[[1],[3]]]\"",
            "descending",
        ),
        ("1,eigenvalues,uniform,\"[[[2,1],[0,2]]]\",\"[[[3],[1]]]\"", "symmetric"),
        (
            "1,inverse,uniform,\"[[[2,0],[0,4]]]\",\"[[[0.5,0],[0,0.5]]]\"",
            "solution",
        ),
        (
            "1,transposed,uniform,\"[[[2,0],[0,4]]]\",\"[[[0.5,0],[0,0.5]]]\"",
            "problem",
        ),
        (
            "1,transpose,uniform,\"[[[2,0],[0]]]\",\"[[[0.5,0],[0,0.5]]]\"",
            "operands",
        ),
        ("1,transpose,uniform,\"[[[2,0],[0,1]]]\"", "line 3"),
    ];
    for (row, reason) in bad {
        file(&format!("{good}{row}\n"));
        let text = fail(folder.path(), 1, &["verify", "x.csv"]);
        assert!(text.contains("line 3") && text.contains(reason), "{row}: {text}");
    }
}

#[test]
fn a_matrix_is_written_in_the_words_of_each_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let encode = |encoding| succeed(folder.path(), &["encode", encoding, "[[3.14,-6.02],[0,999.5]]"]);
    assert_eq!(encode("P10"), "V2 V2 + 3 1 4 E-2 - 6 0 2 E-2 + 0 E0 + 1 0 0 E1\n");
    assert_eq!(encode("P1000"), "V2 V2 + 314 E-2 - 602 E-2 + 0 E0 + 100 E1\n");
    assert_eq!(encode("B1999"), "V2 V2 N314 E-2 N-602 E-2 N0 E0 N100 E1\n");
    assert_eq!(encode("FP15"), "V2 V2 N314e7 N-602e7 N0e0 N100e10\n");
    assert_eq!(
        encode("P1000:5"),
        "V2 V2 + 314 0 E-4 - 602 0 E-4 + 0 0 E0 + 999 50 E-2\n"
    );
}
