//! The provenance of a measurement: program, recipe and machine.

use crate::libtorch;
use crate::matrix::fingerprint;
use crate::recipe::Recipe;
use anyhow::Result;
use std::{env, fmt};
use sysinfo::{CpuRefreshKind, System};
use tch::Device;

/// The program, recipe and machine of a measurement, which are needed to repeat it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Provenance {
    /// The version of laformer.
    pub laformer: &'static str,
    /// The commit from which laformer was built; `None` if it was not built by `make build` in a clone.
    pub commit: Option<String>,
    /// A hash of the recipe as `config.toml` has it.
    pub recipe: String,
    /// The version of libtorch.
    pub libtorch: String,
    /// The name of the processor, or its architecture if it has no name.
    pub processor: String,
    /// The widest vector instructions that libtorch uses: `AVX512`.
    pub instructions: String,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Threads of an operation on the CPU.
    pub threads: usize,
}

impl Provenance {
    pub fn new(commit: Option<&str>, recipe: &Recipe, device: Device) -> Result<Self> {
        let found = libtorch::capabilities()?;
        Ok(Self {
            laformer: env!("CARGO_PKG_VERSION"),
            commit: commit.filter(|commit| !commit.is_empty()).map(str::to_string),
            recipe: format!("{:016x}", fingerprint(&recipe.to_toml()?)),
            libtorch: found.version,
            processor: processor(),
            instructions: found.cpu,
            device: libtorch::device_name(device),
            threads: found.threads,
        })
    }
}

fn processor() -> String {
    let name = System::new().ok().and_then(|mut system| {
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system.cpus().first().map(|cpu| cpu.brand().trim().to_string())
    });
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| env::consts::ARCH.to_string())
}

/// `laformer 0.2.0 of a0fc84d, libtorch 2.13.0, AMD EPYC with AVX2, cpu, 2 threads, recipe 1f…`
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self
            .commit
            .as_deref()
            .map_or(String::new(), |commit| format!(" of {commit}"));
        write!(
            f,
            "laformer {}{commit}, libtorch {}, {} with {}, {}, {} thread{}, recipe {}",
            self.laformer,
            self.libtorch,
            self.processor,
            self.instructions,
            self.device,
            self.threads,
            if self.threads == 1 { "" } else { "s" },
            self.recipe
        )
    }
}
