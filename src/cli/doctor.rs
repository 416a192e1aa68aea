//! `laformer doctor`: versions and devices of this machine.

use super::Failure;
use super::output::say;
use crate::libtorch;
use crate::recipe::Recipe;
use crate::report::Table;
use crate::training::LinearTimes;
use clap::Args;
use std::env;
use tch::Device;

/// Show versions, devices and threads, and the options that work on this machine
#[derive(Debug, Args)]
pub struct Doctor {}

impl Doctor {
    pub fn run(self) -> Result<(), Failure> {
        let mut table = Table::new(&["what", "found", "what it means"]);
        let mut row = |what: &str, found: String, meaning: &str| {
            table.row(vec![what.to_string(), found, meaning.to_string()]);
        };
        row("laformer", env!("CARGO_PKG_VERSION").to_string(), "");
        let found = libtorch::capabilities()?;
        row(
            "libtorch",
            found.version,
            concat!("built against ", env!("LAFORMER_TORCH")),
        );
        row(
            "CPU capability",
            found.cpu,
            "the widest instructions that libtorch uses",
        );
        // Training uses one thread by default.
        tch::set_num_threads(1);
        let recipe = Recipe::parse("problem = \"eigenvalues\"\ndim = 5", &[])?;
        let mut devices = vec![("precision on the CPU", Device::Cpu)];
        if found.cuda_devices > 0 {
            devices.push(("precision on cuda:0", Device::Cuda(0)));
        }
        for (what, device) in devices {
            let times = LinearTimes::measure(&recipe, device)?;
            let meaning = format!(
                "training.precision = \"auto\" takes {} for small models",
                times.faster().name()
            );
            row(what, times.comparison(), &meaning);
        }
        row("threads", found.threads.to_string(), "train --threads changes it");
        let devices = found.cuda_devices;
        let meaning = match (found.cuda_compiled, devices) {
            (false, _) => "this libtorch was built without CUDA: install torch with CUDA for --device cuda",
            (true, 0) => "libtorch has CUDA, but no driver or device is found: --device cpu only",
            (true, _) => "--device auto uses cuda:0",
        };
        row("CUDA devices", devices.to_string(), meaning);
        let (graphs, meaning) = match (libtorch::Graph::is_compiled(), found.cuda_compiled) {
            (true, _) => ("compiled in", "train captures its steps on a CUDA device"),
            (false, true) => (
                "not compiled in",
                "the headers of the CUDA runtime were missing: pip install -r requirements.txt, then build again",
            ),
            (false, false) => ("not compiled in", "this libtorch was built without CUDA"),
        };
        row("CUDA graphs", graphs.to_string(), meaning);
        row(
            "folder",
            env::current_dir().map_or_else(|error| error.to_string(), |path| path.display().to_string()),
            "",
        );
        say!("{table}")?;
        Ok(())
    }
}
