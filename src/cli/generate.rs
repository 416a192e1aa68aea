//! `laformer generate`: a data set as CSV.

use super::data_options::{SizeOptions, check_threads, progress_bar};
use super::output::say;
use super::{Failure, UsageError};
use crate::dataset::{self, Dimensions, Shard, Specification, Stream};
use crate::file;
use crate::matrix::{Coefficients, Distribution, Family, Spectra, Split};
use crate::problem;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Write solved examples as CSV
///
/// The examples have no noise, so that each solution solves the operands of its row. Training and evaluation add noise
/// (data.noise, eval --noise).
#[derive(Debug, Args)]
pub struct Generate {
    #[arg(help = format!("A problem: {}", problem::ALL.iter().map(|problem| problem.name()).collect::<Vec<_>>().join(", ")))]
    problem: String,
    #[command(flatten)]
    size: SizeOptions,
    /// Number of examples
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The stream of examples: train, validation or test; the streams are disjoint
    #[arg(long, default_value = "train")]
    split: Split,
    /// How entries are drawn: uniform or gaussian
    #[arg(long, default_value = "uniform")]
    coefficients: Coefficients,
    /// Bound of uniform entries; Gaussian entries have the same standard deviation
    #[arg(long, default_value_t = 10.0, allow_negative_numbers = true)]
    magnitude: f64,
    /// Distribution of the eigenvalues of symmetric problems, or a mixture: laplace+gaussian
    #[arg(long, default_value = "semicircle")]
    spectrum: Spectra,
    /// Draw matrices of this family instead of independent entries: identity, covariance, toeplitz, ...
    #[arg(long)]
    family: Option<Family>,
    /// Generate only part K of N; the concatenated parts are the whole file
    #[arg(long, value_name = "K/N", default_value = "1/1")]
    shard: Shard,
    /// Threads; 0 for one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Where to write [default: stdout]
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Generate {
    pub fn run(self) -> Result<(), Failure> {
        check_threads(self.threads).usage()?;
        self.shard.check(self.count).context("--shard").usage()?;
        let stream = Stream::new(self.specification().usage()?, self.seed, self.split);
        let indices = self.shard.indices(self.count);
        let bar = progress_bar(indices.end - indices.start, "generate");
        let header = self.shard.is_first();
        let write = |writer: &mut dyn Write| {
            dataset::generate(&stream, indices.clone(), header, self.threads, writer, |more| {
                bar.inc(more)
            })
        };
        match &self.output {
            None => write(&mut BufWriter::new(io::stdout()))?,
            Some(path) => {
                if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
                }
                file::replace_by(path, |beside| {
                    let mut writer = BufWriter::new(File::create(beside)?);
                    write(&mut writer)?;
                    Ok(writer.flush()?)
                })?;
                say!("{}", path.display())?;
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn specification(&self) -> Result<Specification> {
        let problem = problem::named(&self.problem)?;
        if !self.size.is_given() {
            bail!("a size is needed: --dim 5, --dim 5-15, or --rows 3 --cols 4");
        }
        let dimensions: Dimensions = self.size.dimensions()?;
        let distribution =
            Distribution::new(self.coefficients, self.magnitude, self.spectrum.clone()).context("--magnitude")?;
        Specification::new(problem, dimensions, distribution.with_family(self.family))
    }
}
