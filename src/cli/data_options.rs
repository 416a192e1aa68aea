//! Options and the progress bar of commands that need no libtorch.

use crate::dataset::Dimensions;
use anyhow::{Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

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

/// Fails above 256 threads, which speed up no machine.
pub fn check_threads(threads: usize) -> Result<()> {
    const MOST: usize = 256;
    ensure!(
        threads <= MOST,
        "--threads {threads}: at most {MOST}; 0 for one per core"
    );
    Ok(())
}

/// A progress bar on stderr that disappears when it is done. It is not drawn if stderr is not a terminal.
pub fn progress_bar(total: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(what.to_string())
}
