//! `laformer verify`: recomputes every row of a data set.

use super::Failure;
use crate::dataset::verify_file;
use clap::Args;
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
}

impl Verify {
    pub fn run(self) -> Result<(), Failure> {
        let mut sound = true;
        for file in &self.files {
            let summary = verify_file(file)?;
            for row in summary.bad.iter().take(self.list) {
                println!("{}: {row}", file.display());
            }
            println!("{}: {summary}", file.display());
            sound &= summary.is_sound();
        }
        if sound { Ok(()) } else { Err(Failure::Found) }
    }
}
