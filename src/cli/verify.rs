//! `laformer verify`: recomputes every row of a data set.

use super::data_options::check_threads;
use super::output::say;
use super::{Failure, UsageError};
use crate::dataset::{BadRow, Summary, verify, verify_part};
use anyhow::Context;
use clap::Args;
use std::fs::File;
use std::path::PathBuf;

/// Check the mathematics of every row of a CSV file
#[derive(Debug, Args)]
pub struct Verify {
    /// Files with the columns index, problem, distribution, operands, solution. A file without a header continues the
    /// previous one
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Bad rows to list for each file; further rows are only counted
    #[arg(long, default_value_t = 20)]
    list: usize,
    /// Threads; 0 for one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

impl Verify {
    pub fn run(self) -> Result<(), Failure> {
        check_threads(self.threads).usage()?;
        let mut all = Summary::default();
        for (place, file) in self.files.iter().enumerate() {
            let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            let mut left = self.list;
            let mut report = |row: BadRow| {
                if left > 0 {
                    left -= 1;
                    say!("{}: {row}", file.display())?;
                }
                Ok(())
            };
            let summary = match place {
                0 => verify(input, self.threads, &mut report)?,
                _ => verify_part(input, self.threads, &mut report)?,
            };
            say!("{}: {summary}", file.display())?;
            all += summary;
        }
        if self.files.len() > 1 {
            say!("{} files: {all}", self.files.len())?;
        }
        if all.bad == 0 { Ok(()) } else { Err(Failure::Found) }
    }
}
