//! `laformer verify`: recomputes every row of a data set.

use super::data_options::check_threads;
use super::output::say;
use super::{Failure, UsageError};
use crate::dataset::verify;
use anyhow::Context;
use clap::Args;
use std::fs::File;
use std::path::PathBuf;

/// Check the mathematics of every row of a CSV file
#[derive(Debug, Args)]
pub struct Verify {
    /// Files with the columns index, problem, distribution, operands, solution
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Bad rows to list before only counting them
    #[arg(long, default_value_t = 20)]
    list: usize,
    /// Threads; 0 for one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

impl Verify {
    pub fn run(self) -> Result<(), Failure> {
        check_threads(self.threads).usage()?;
        let mut sound = true;
        for file in &self.files {
            let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            let mut left = self.list;
            let summary = verify(input, self.threads, |row| {
                if left > 0 {
                    left -= 1;
                    say!("{}: {row}", file.display())?;
                }
                Ok(())
            })?;
            say!("{}: {summary}", file.display())?;
            sound &= summary.bad == 0;
        }
        if sound { Ok(()) } else { Err(Failure::Found) }
    }
}
