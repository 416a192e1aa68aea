//! Options that several commands share.

use crate::dataset::Dimensions;
use anyhow::{Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tch::{Cuda, Device};

/// `--dim`, or `--rows` and `--cols`.
#[derive(Debug, Args)]
pub struct SizeOptions {
    /// Size of square matrices: 5, or 5-15 for a range
    #[arg(long, value_name = "N|N-M", conflicts_with_all = ["rows", "cols"])]
    pub dim: Option<String>,
    /// Rows of rectangular matrices: 3, or 3-6
    #[arg(long, value_name = "N|N-M", requires = "cols")]
    pub rows: Option<String>,
    /// Columns of rectangular matrices: 4, or 4-8
    #[arg(long, value_name = "N|N-M", requires = "rows")]
    pub cols: Option<String>,
}

impl SizeOptions {
    pub fn is_given(&self) -> bool {
        self.dim.is_some() || self.rows.is_some()
    }

    pub fn dimensions(&self) -> Result<Dimensions> {
        Ok(Dimensions::from_parts(
            self.dim.as_deref(),
            self.rows.as_deref(),
            self.cols.as_deref(),
        )?)
    }
}

/// `--device`.
#[derive(Debug, Args)]
pub struct DeviceOption {
    /// Where to compute: auto (CUDA where there is one), cpu, cuda, cuda:1
    #[arg(long, default_value = "auto")]
    device: String,
}

impl DeviceOption {
    pub fn device(&self) -> Result<Device> {
        let count = Cuda::device_count() as usize;
        let index = match self.device.as_str() {
            "cpu" => return Ok(Device::Cpu),
            "auto" if count == 0 => return Ok(Device::Cpu),
            "auto" | "cuda" => 0,
            other => match other.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
                Some(index) => index,
                None => bail!("--device {other}: expected auto, cpu, cuda or cuda:N"),
            },
        };
        ensure!(
            count > 0,
            "--device {}: no CUDA device is available here (laformer doctor says why); use --device cpu",
            self.device
        );
        ensure!(
            index < count,
            "--device {}: there are {count} CUDA devices, numbered from 0",
            self.device
        );
        Ok(Device::Cuda(index))
    }
}

/// A bar on stderr that vanishes when it is done, and that is not drawn where stderr is no terminal.
pub fn progress_bar(total: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(what.to_string())
}
