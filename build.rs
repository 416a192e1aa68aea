//! Compiles the C++ bridge against the libtorch that torch-sys found, and lets every binary find libtorch at run time.

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

const SOURCES: [&str; 5] = [
    "src/libtorch/bridge.cc",
    "src/libtorch/channels.cc",
    "src/libtorch/graph.cc",
    "src/libtorch/module.cc",
    "src/libtorch/process_group.cc",
];
const HEADERS: [&str; 2] = ["src/libtorch/bridge.h", "src/libtorch/guard.h"];

const HOW_TO_INSTALL: &str = "install it with `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt`, then build with \
     `PATH=$PWD/.venv/bin:$PATH LIBTORCH_USE_PYTORCH=1 cargo build --release`; or set LIBTORCH to an unpacked libtorch";

fn main() {
    for file in SOURCES.iter().chain(&HEADERS) {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    if env::var_os("CARGO_FEATURE_LIBTORCH").is_none() {
        println!("cargo:rustc-env=LAFORMER_LIBTORCH=");
        println!("cargo:rustc-env=LAFORMER_TORCH=of no version");
        return;
    }

    // torch-sys (`links = "tch"`) tells where the libraries are.
    let Some(libraries) = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        fail("torch-sys did not say where libtorch is");
    };
    // A wheel and an archive keep `include` beside `lib`; LIBTORCH_INCLUDE separates them.
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    let root = env::var_os("LIBTORCH_INCLUDE").map(PathBuf::from);
    let include = root
        .as_deref()
        .or(libraries.parent())
        .unwrap_or(&libraries)
        .join("include");
    if !include.join("torch/script.h").is_file() {
        fail(&format!("libtorch has no C++ headers in {}", include.display()));
    }

    let version = version(&include);
    let numbers = version.map(|number| number.map_or("?".into(), |number| number.to_string()));
    println!("cargo:rustc-env=LAFORMER_TORCH={}", numbers.join("."));
    let mut build = cc::Build::new();
    build
        .cpp(true)
        // Headers of 2.14 and later are written in C++20.
        .std(if version >= [Some(2), Some(14), None] {
            "c++20"
        } else {
            "c++17"
        })
        .pic(true)
        .flag("-isystem")
        .flag(include.as_os_str())
        .flag("-isystem")
        .flag(include.join("torch/csrc/api/include").as_os_str())
        .define("GLOG_USE_GLOG_EXPORT", None)
        .files(SOURCES);
    // torch-sys reads the same variable; libtorch has been built with the new ABI since 2.6.
    build.define(
        "_GLIBCXX_USE_CXX11_ABI",
        env::var("LIBTORCH_CXX11_ABI").as_deref().unwrap_or("1"),
    );
    let has_cuda = libraries.join("libtorch_cuda.so").is_file();
    let cuda = has_cuda.then(|| cuda_headers(&libraries)).flatten();
    // The header of NCCL includes this one. It comes with a whole toolkit, or from the package nvidia-cuda-cccl.
    let has_cccl = cuda.as_ref().is_some_and(|cuda| cuda.join("nv/target").is_file());
    if let Some(cuda) = cuda {
        build
            .define("LAFORMER_CUDA_GRAPHS", None)
            .flag("-isystem")
            .flag(cuda.as_os_str());
    }
    if env::var_os("CARGO_FEATURE_DISTRIBUTED").is_some() {
        build.define("LAFORMER_DISTRIBUTED", None);
        // `-idirafter` comes last: these headers of Gloo are used only if libtorch has none.
        build.flag("-idirafter").flag("src/libtorch");
        if let (true, Some(nccl)) = (has_cccl, nccl_headers(&libraries)) {
            build
                .define("LAFORMER_NCCL", None)
                .define("USE_C10D_NCCL", None)
                .flag("-isystem")
                .flag(nccl.as_os_str());
        }
        build.define("USE_C10D_GLOO", None);
    }
    build.compile("laformer_bridge");

    // Binaries, tests, examples and benches start without LD_LIBRARY_PATH.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    // libtorch_cuda registers its kernels when it is loaded. The linker would drop it, because no symbol of it is used.
    if has_cuda {
        for target in ["bin=laformer-libtorch", "tests"] {
            println!("cargo:rustc-link-arg-{target}=-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state");
        }
    }
    // `laformer` looks for libtorch there before it starts `laformer-libtorch`.
    println!("cargo:rustc-env=LAFORMER_LIBTORCH={}", libraries.display());
}

/// The folder of the CUDA runtime's headers: beside a torch from pip, or in the toolkit. CUDA graphs need them; without
/// them, the bridge reports that it has no CUDA graphs.
fn cuda_headers(libraries: &Path) -> Option<PathBuf> {
    for variable in ["CUDA_HOME", "CUDA_PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    // Wheels are installed in site-packages/torch/lib and site-packages/nvidia.
    let wheels = libraries.join("../../nvidia");
    let toolkits = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(env::var_os);
    let folders = ["cu13/include", "cuda_runtime/include"]
        .map(|folder| wheels.join(folder))
        .into_iter()
        .chain(toolkits.map(|toolkit| Path::new(&toolkit).join("include")))
        .chain(["/usr/local/cuda/include".into()])
        .filter(|folder| folder.join("cuda_runtime_api.h").is_file());
    for folder in folders {
        // Cargo runs this script again when a missing header is installed.
        println!("cargo:rerun-if-changed={}", folder.display());
        // This header is included by the first one, but comes from another package, nvidia-cuda-crt.
        if folder.join("crt/host_defines.h").is_file() {
            return Some(folder);
        }
    }
    None
}

/// The folder of NCCL's header: beside a torch from pip, or installed in the system.
fn nccl_headers(libraries: &Path) -> Option<PathBuf> {
    [libraries.join("../../nvidia/nccl/include"), "/usr/include".into()]
        .into_iter()
        .find(|folder| folder.join("nccl.h").is_file())
}

/// Major, minor and patch version of libtorch's headers.
fn version(include: &Path) -> [Option<u32>; 3] {
    let text = std::fs::read_to_string(include.join("torch/headeronly/version.h"))
        .or_else(|_| std::fs::read_to_string(include.join("torch/version.h")))
        .unwrap_or_default();
    ["MAJOR", "MINOR", "PATCH"].map(|part| {
        let name = format!("#define TORCH_VERSION_{part} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name))?;
        line.trim().parse().ok()
    })
}

fn fail(what: &str) -> ! {
    eprintln!("{what}: {HOW_TO_INSTALL}");
    exit(1);
}
