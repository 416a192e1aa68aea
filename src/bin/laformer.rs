//! Starts the program where its libtorch is found, and says what mends it where it is not.
//!
//! The program itself (`src/main.rs`, installed beside this one as `laformer-libtorch`) is linked to libtorch, and without it
//! the system's loader would end it before its first line with a message that helps nobody.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where libtorch was when this was built; the program looks there first.
const BUILT_WITH: &str = env!("LAFORMER_LIBTORCH");
const LIBRARY: &str = "libtorch_cpu.so";
const PROGRAM: &str = "laformer-libtorch";
/// How a shell and the loader say that something could not be started.
const NOT_STARTED: i32 = 127;

fn main() -> ExitCode {
    let program = match env::current_exe() {
        Ok(here) => here.with_file_name(PROGRAM),
        Err(error) => return fail(&format!("cannot find my own file: {error}")),
    };
    if !program.is_file() {
        return fail(&format!(
            "{} is missing: it is installed beside laformer; build both with `make build`",
            program.display()
        ));
    }
    let mut arguments = env::args_os();
    let mut command = Command::new(&program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    wait_passively(&mut command);
    if is_found() {
        // Only returns where the program could not be started.
        return fail(&format!("cannot start {}: {}", program.display(), command.exec()));
    }
    // The system may know it from elsewhere; then nothing is missing.
    match command.status() {
        Ok(status) if status.code() == Some(NOT_STARTED) => fail(&format!(
            "libtorch is missing: {LIBRARY} is neither in {BUILT_WITH}, where it was when laformer was built, nor in \
             LD_LIBRARY_PATH; `make build` installs it and builds again, or set LD_LIBRARY_PATH to the folder torch/lib of a \
             Python environment with torch 2.11.0"
        )),
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => fail(&format!("cannot start {}: {error}", program.display())),
    }
}

/// Lets threads that wait for others sleep. By default they spin, which keeps those that they wait for from running where other
/// programs use the cores, too. OpenMP reads its settings as it is loaded; those that are there stay.
fn wait_passively(command: &mut Command) {
    const SETTINGS: [(&str, &str); 2] = [("OMP_WAIT_POLICY", "PASSIVE"), ("KMP_BLOCKTIME", "0")];
    if env::var_os("GOMP_SPINCOUNT").is_none() {
        command.envs(SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none()));
    }
}

fn is_found() -> bool {
    let listed: Vec<PathBuf> = env::var_os("LD_LIBRARY_PATH")
        .map(|list| env::split_paths(&list).collect())
        .unwrap_or_default();
    listed
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(BUILT_WITH)])
        .any(|folder| folder.join(LIBRARY).is_file())
}

fn fail(message: &str) -> ExitCode {
    eprintln!("Error: {message}");
    ExitCode::FAILURE
}
