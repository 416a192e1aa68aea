//! Bad input: a clear message and exit code 1 or 2, never a panic.

use super::{done, fail, refuse, succeed, tiny_recipe, tiny_run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

#[test]
fn bad_usage_ends_with_code_2_and_says_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["generat"], "generate"),
        (&["generate", "eigenvalue", "--dim", "3"], "eigenvalues"),
        (&["generate", "eigenvalues"], "--dim 5"),
        (&["generate", "eigenvalues", "--dim", "0"], "1 to 100"),
        (&["generate", "eigenvalues", "--dim", "5-3"], "smaller first"),
        (&["generate", "inverse", "--rows", "2", "--cols", "3"], "square"),
        (&["generate", "add", "--dim", "3", "--spectrum", "laplace"], "spectrum"),
        (&["generate", "add", "--dim", "3", "--magnitude", "-1"], "magnitude"),
        (&["generate", "add", "--dim", "3", "--shard", "9/8"], "shard"),
        (&["encode", "P100", "[[1]]"], "P1000"),
        (&["encode", "P1000", "[[1,2],[3]]"], "row"),
        (&["encode", "P1000", "[[1,x]]"], "matrix"),
        (&["encode", "FP15", "[[1e9]]"], "1e9"),
        (&["encode", "P1000", "[[1e200]]"], "1e103"),
        (&["generate", "add", "--dim", "3", "--threads", "100000"], "at most 256"),
        (&["verify", "none.csv", "--threads", "257"], "at most 256"),
        (&["bench", "decode", "--no-graph"], "--no-graph is for train"),
        (
            &["bench", "train", "--no-graph", "--device", "cpu"],
            "only a CUDA device",
        ),
    ];
    for (arguments, part) in cases {
        let text = refuse(folder.path(), 2, arguments);
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}

#[test]
fn the_binary_ends_with_the_code_of_each_kind_of_failure_and_says_it_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wrong.csv"), "index\n1\n").unwrap();
    let cases: &[(i32, &[&str], &str)] = &[
        (2, &[], "Usage"),
        (2, &["generat"], "error: unrecognized subcommand"),
        (2, &["generate", "eigenvalues"], "Error: "),
        (1, &["train", "none.toml"], "Error: "),
        (2, &["encode", "P1000", "[[1,2],[3]]"], "Error: "),
        (1, &["eval", "nowhere"], "Error: nowhere does not exist"),
        (1, &["verify", "wrong.csv"], "1 wrong"),
    ];
    for (code, arguments, part) in cases {
        let text = fail(folder.path(), *code, arguments);
        assert_eq!(text.matches(part).count(), 1, "{arguments:?}: {text}");
    }
}

#[test]
fn a_bad_recipe_names_key_value_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    tiny_recipe(folder.path(), "eigenvalues", "");
    let cases = [
        ("trainin.steps=3", "training"),
        ("training.step=3", "did you mean steps"),
        ("training.optimizer=sgd", "muon"),
        ("training.batch_size=0", "training.batch_size = 0"),
        ("training.batch_size=many", "training.batch_size"),
        ("model.heads=3", "model.heads = 3"),
        ("model.gate=open", "copy"),
        ("model.input_injection=true", "model.encoder_loops"),
        ("model.value_features=digit", "digits"),
        ("model.value_features=fourier", "this value was removed; use \"all\""),
        ("training.momentum=0.9", "training.momentum = 0.9: this key was removed"),
        ("model.architecture=bert", "laformer"),
        ("encoding.output=P100", "P1000"),
        ("encoding.input=valuess", "values"),
        ("encoding.input=triangles", "triangle"),
        ("data.spectrum=lapace", "laplace"),
        ("dim=200", "1 to 100"),
        ("problem=svdd", "svd"),
        ("evaluation.tolerances=[]", "evaluation.tolerances"),
        ("loss.sign=-1", "loss.sign = -1"),
        ("data.magnitude=1e200", "cannot be written in P1000"),
        ("data.magnitude=1e20", "magnitudes below 1e18"),
        ("evaluation.count=1000000000000", "at most 16777216"),
        ("model.max_dim=1", "model.max_dim = 1"),
        ("data.file=x.csv", "give that file with --data"),
        ("novalue", "KEY=VALUE"),
    ];
    for (set, part) in cases {
        let text = refuse(folder.path(), 2, &["train", "tiny.toml", "--set", set]);
        assert!(text.contains(part), "{set}: {text}");
        assert!(
            !folder.path().join("checkpoints").exists(),
            "nothing is begun with a bad recipe"
        );
    }
    fs::write(folder.path().join("broken.toml"), "problem = ").unwrap();
    assert!(refuse(folder.path(), 2, &["train", "broken.toml"]).contains("broken.toml"));
}

#[test]
fn a_missing_libtorch_is_named_with_what_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (launcher, program) = (folder.path().join("laformer"), folder.path().join("laformer-libtorch"));
    install(&fs::read(env!("CARGO_BIN_EXE_laformer")).unwrap(), &launcher);
    let run = || {
        let output = std::process::Command::new(&launcher)
            .arg("doctor")
            .env_remove("LD_LIBRARY_PATH")
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, text) = run();
    assert!(
        code == Some(1) && text.contains("laformer-libtorch is missing"),
        "{text}"
    );
    // The same binaries, patched to look for libtorch in a folder that does not exist.
    let nowhere = |path: &std::path::Path, original: &str| {
        let mut bytes = fs::read(original).unwrap();
        let gone = format!("{}_", &LIBTORCH[..LIBTORCH.len() - 1]);
        replace_all(&mut bytes, LIBTORCH.as_bytes(), gone.as_bytes());
        install(&bytes, path);
    };
    nowhere(&launcher, env!("CARGO_BIN_EXE_laformer"));
    nowhere(&program, env!("CARGO_BIN_EXE_laformer-libtorch"));
    let (code, text) = run();
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("libtorch is missing") && text.contains("make build"),
        "{text}"
    );
}

#[test]
fn commands_without_a_model_need_no_libtorch() {
    let folder = tempfile::tempdir().unwrap();
    // The launcher alone, without `laformer-libtorch` beside it.
    let launcher = folder.path().join("laformer");
    install(&fs::read(env!("CARGO_BIN_EXE_laformer")).unwrap(), &launcher);
    tiny_recipe(folder.path(), "add", "");
    succeed(folder.path(), &["train", "tiny.toml", "--output", "run"]);
    let run = |arguments: &str| {
        let mut command = std::process::Command::new(&launcher);
        command.current_dir(folder.path()).args(arguments.split(' '));
        let output = command.output().unwrap();
        let code = output.status.code().unwrap();
        (
            code,
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    for (arguments, code, part) in [
        ("generate add --dim 2 --count 5 --output x.csv", 0, "x.csv"),
        ("verify x.csv", 0, "all right"),
        ("verify run/metrics.csv", 1, "line 1"),
        ("encode P10 [[3.14]]", 0, "E-"),
        ("runs run", 0, "add"),
        ("runs folder", 1, "holds no run"),
        ("generate add", 2, "a size is needed"),
        ("--version", 0, env!("CARGO_PKG_VERSION")),
    ] {
        let (found, text) = run(arguments);
        assert!(found == code && text.contains(part), "{arguments}: {found}: {text}");
    }
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_laformer-libtorch"));
    // Other tests change and delete this process's current folder.
    program.current_dir(folder.path());
    let wanted = program.arg0("laformer").arg("--help").output().unwrap();
    assert!(wanted.status.success(), "{wanted:?}");
    assert_eq!(
        run("--help").1,
        String::from_utf8(wanted.stdout).unwrap(),
        "the program tells the same"
    );
}

#[test]
fn waiting_threads_sleep_unless_the_environment_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let (launcher, program) = (folder.path().join("laformer"), folder.path().join("laformer-libtorch"));
    install(&fs::read(env!("CARGO_BIN_EXE_laformer")).unwrap(), &launcher);
    install(
        b"#!/bin/sh\necho $OMP_WAIT_POLICY $KMP_BLOCKTIME $GOMP_SPINCOUNT\n",
        &program,
    );
    let settings = ["OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT"];
    let told = |given: &[(&str, &str)]| {
        let mut command = std::process::Command::new(&launcher);
        for name in settings {
            command.env_remove(name);
        }
        let output = command.arg("doctor").envs(given.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    };
    assert_eq!(told(&[]), "PASSIVE 0");
    assert_eq!(told(&[("OMP_WAIT_POLICY", "ACTIVE")]), "ACTIVE 0");
    assert_eq!(told(&[("GOMP_SPINCOUNT", "1000")]), "1000");
}

/// The folder of libtorch at build time, which is a string in the binaries.
const LIBTORCH: &str = env!("LAFORMER_LIBTORCH");

/// Writes an executable file in another process. A file that is open for writing cannot be executed, and child
/// processes of other tests inherit this process's open files.
fn install(content: &[u8], path: &std::path::Path) {
    let draft = path.with_extension("draft");
    fs::write(&draft, content).unwrap();
    let mut copy = std::process::Command::new("cp");
    assert!(copy.arg(&draft).arg(path).status().unwrap().success());
    fs::remove_file(draft).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn replace_all(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let mut places = 0;
    let mut start = 0;
    while let Some(place) = bytes[start..].windows(old.len()).position(|window| window == old) {
        bytes[start + place..start + place + old.len()].copy_from_slice(new);
        start += place + old.len();
        places += 1;
    }
    assert!(places > 0, "the folder stands in the binary");
}

#[test]
fn an_unavailable_device_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    tiny_recipe(folder.path(), "eigenvalues", "");
    assert!(refuse(folder.path(), 2, &["train", "tiny.toml", "--device", "tpu"]).contains("cuda:N"));
    if tch::Cuda::device_count() == 0 {
        let text = refuse(folder.path(), 2, &["train", "tiny.toml", "--device", "cuda"]);
        assert!(
            text.contains("no CUDA device") && text.contains("--device cpu"),
            "{text}"
        );
    }
}

#[test]
fn malformed_csv_is_refused_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    tiny_recipe(folder.path(), "eigenvalues", "");
    let write = |text: &str| fs::write(folder.path().join("x.csv"), text).unwrap();
    let train = || refuse(folder.path(), 2, &["train", "tiny.toml", "--data", "x.csv"]);
    write("a,b\n1,2\n");
    assert!(train().contains("x.csv"));
    write("index,problem,distribution,operands,solution\n0,eigenvalues,uniform,\"[[[1,0],[0\",\"[[[1],[0]]]\"\n");
    let text = train();
    assert!(text.contains("line 2") && text.contains("operands"), "{text}");
    write("index,problem,distribution,operands,solution\n0,add,uniform,\"[[[1]],[[2]]]\",\"[[[3]]]\"\n");
    assert!(train().contains("add"), "rows of another problem");
    done(
        folder.path(),
        &[
            "generate",
            "eigenvalues",
            "--dim",
            "3",
            "--count",
            "5",
            "--output",
            "x.csv",
        ],
    );
    assert!(train().contains("3x3"), "rows of another size");
    assert!(refuse(folder.path(), 1, &["verify", "missing.csv"]).contains("missing.csv"));
}

#[test]
fn damaged_and_foreign_checkpoints_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    assert!(refuse(path, 1, &["eval", "nowhere"]).contains("nowhere does not exist"));
    fs::create_dir(path.join("empty")).unwrap();
    assert!(refuse(path, 1, &["eval", "empty"]).contains("holds no model"));
    fs::write(path.join("text.txt"), "x").unwrap();
    assert!(refuse(path, 1, &["eval", "text.txt"]).contains("no checkpoint"));
    for name in ["model.safetensors", "model.pt"] {
        let bytes = fs::read(path.join("run").join(name)).unwrap();
        let copy = format!("broken.{}", name.rsplit('.').next().unwrap());
        for length in [0, 10, bytes.len() / 2] {
            fs::write(path.join(&copy), &bytes[..length]).unwrap();
            let trust: &[&str] = if name == "model.pt" { &["--trust"] } else { &[] };
            let text = refuse(path, 1, &[&["eval", &copy], trust].concat());
            assert!(text.contains(&copy) && text.contains("damaged"), "{text}");
        }
    }
    fs::write(path.join("run/resume.safetensors"), b"not tensors").unwrap();
    let text = refuse(path, 1, &["train", "tiny.toml", "--output", "run", "--resume"]);
    assert!(
        text.contains("resume.safetensors") && text.contains("damaged"),
        "{text}"
    );
}

#[test]
fn a_run_is_not_overwritten_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    tiny_run(folder.path(), "run", "eigenvalues", &[]);
    assert!(refuse(folder.path(), 2, &["train", "tiny.toml", "--output", "run"]).contains("--resume"));
    let text = refuse(
        folder.path(),
        2,
        &[
            "train",
            "tiny.toml",
            "--output",
            "run",
            "--resume",
            "--set",
            "training.batch_size=4",
        ],
    );
    assert!(text.contains("training.batch_size = 8"), "{text}");
    succeed(folder.path(), &["train", "tiny.toml", "--output", "run", "--overwrite"]);
}

#[test]
fn a_run_does_not_write_over_files_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_recipe(path, "eigenvalues", "");
    fs::create_dir(path.join("notes")).unwrap();
    fs::write(path.join("notes/README.md"), "my own").unwrap();
    for more in [&[][..], &["--overwrite"]] {
        let text = refuse(path, 2, &[&["train", "tiny.toml", "--output", "notes"], more].concat());
        assert!(text.contains("README.md is of no run"), "{text}");
        assert_eq!(fs::read_to_string(path.join("notes/README.md")).unwrap(), "my own");
        assert!(!path.join("notes/config.toml").exists());
    }
}

#[test]
fn what_cannot_be_shown_or_held_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    let few = ["transfer", "run", "--count", "2"];
    let text = refuse(
        path,
        2,
        &[&few[..], &["--csv", "rows.csv", "--picture", "x.png"]].concat(),
    );
    assert!(text.contains("x.png: pictures are SVG"), "{text}");
    assert!(!path.join("rows.csv").exists());
    assert!(refuse(path, 2, &[&few[..], &["--csv", "none/rows.csv"]].concat()).contains("no such folder"));
    assert!(refuse(path, 2, &["curve", "run", "--picture", "x.png"]).contains("pictures are SVG"));
    for command in ["eval", "transfer", "analyze"] {
        for count in ["0", "99999999999"] {
            let text = refuse(path, 2, &[command, "run", "--count", count]);
            assert!(text.contains(&format!("--count {count}: expected 1 to")), "{text}");
        }
    }
    assert!(refuse(path, 2, &["eval", "run", "--spectrum", "all,laplace"]).contains("all cannot be combined w"));
    done(
        path,
        &[
            "generate",
            "eigenvalues",
            "--dim",
            "2",
            "--count",
            "8",
            "--output",
            "rows.csv",
        ],
    );
    for share in ["sign_bias", "small_share", "large_share", "singular_share"] {
        let set = format!("data.{share}=0.5");
        let text = refuse(
            path,
            2,
            &[
                "train",
                "tiny.toml",
                "--output",
                "of-rows",
                "--data",
                "rows.csv",
                "--set",
                &set,
            ],
        );
        assert!(text.contains("the rows of a file stay as they are"), "{text}");
    }
    assert!(refuse(path, 2, &["train", "tiny.toml", "--set", "=1"]).contains("expected KEY=VALUE"));
}

#[test]
fn solve_refuses_what_the_model_is_not_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    tiny_run(path, "run", "eigenvalues", &[]);
    let cases: &[(&[&str], &str)] = &[
        (&["[[1,2,3],[2,4,5],[3,5,6]]"], "2"),
        (&["[[1,2],[3,4]]"], "symmetric"),
        (&["[[1,2,3],[2,4,5]]"], "square"),
        (&["[[1,2],[2,1]]", "[[1,2],[2,1]]"], "shapes"),
        (&["[[1,2],[2,1"], "matrix"),
        (&["[[1e200,2],[2,1]]"], "range"),
        (&["[[1e20,2],[2,1]]"], "below 1e18"),
        (&["[[1,2],[2,1]]", "--beam", "3"], "beam"),
        (&["[[1,2],[2,1]]", "--beam", "1000000000000"], "1 to 1000"),
    ];
    for (arguments, part) in cases {
        let text = refuse(path, 2, &[&["solve", "run"], *arguments].concat());
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
    assert!(refuse(path, 2, &["eval", "run", "--spectrum", "lapace"]).contains("laplace"));
    assert!(refuse(path, 2, &["eval", "run", "--dim", "9"]).contains("--dim"));
    for count in ["0", "1000000000000"] {
        let text = refuse(path, 2, &["eval", "run", "--count", count]);
        assert!(text.contains(&format!("--count {count}")), "{text}");
    }
    assert!(refuse(path, 2, &["export", "run", "--output", "model.onnx"]).contains(".safetensors"));
}

#[test]
fn soft_labels_are_refused_where_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    tiny_recipe(folder.path(), "eigenvalues", "");
    for sets in [&["model.decoder=autoregressive"][..], &["encoding.output=FP15"]] {
        let sets = sets
            .iter()
            .chain(&["loss.smoothing=0.5"])
            .flat_map(|set| ["--set", set]);
        let text = refuse(
            folder.path(),
            2,
            &["train", "tiny.toml"].into_iter().chain(sets).collect::<Vec<_>>(),
        );
        assert!(text.contains("loss.smoothing = 0.5"), "{text}");
    }
}

#[test]
fn numbers_that_no_file_can_hold_are_not_generated() {
    let folder = tempfile::tempdir().unwrap();
    let size = ["--dim", "2", "--count", "1", "--magnitude", "1e200"];
    let text = refuse(folder.path(), 1, &[&["generate", "matrix-product"], &size[..]].concat());
    assert!(text.contains("beyond 1.8e308"), "{text}");
}
