//! `laformer eval`: the accuracy of a checkpoint on fresh examples.

use super::options::{DeviceOption, SizeOptions, progress_bar};
use super::{Failure, UsageError};
use crate::dataset::{Case, Seen, Source, Specification, Table, collisions};
use crate::evaluation::evaluate;
use crate::matrix::{Distribution, Spectrum, Split};
use crate::report::{self, evaluation_json, evaluation_table};
use crate::training::Trained;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Measure a checkpoint on examples it has never seen
#[derive(Debug, Args)]
pub struct Eval {
    /// A run folder, a .pt or a .safetensors file
    checkpoint: PathBuf,
    /// Number of examples, of each problem
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Seed of the test examples [default: the recipe's]
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    size: SizeOptions,
    /// Law of the eigenvalues: laplace, or all for each law in turn [default: the recipe's]
    #[arg(long)]
    spectrum: Option<String>,
    /// Measure on the rows of a CSV file instead of the stream
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["dim", "rows", "cols", "spectrum", "seed"])]
    data: Option<PathBuf>,
    /// Candidates that an autoregressive decoder keeps
    #[arg(long, default_value_t = 1)]
    beam: usize,
    /// Write every answer to a CSV file
    #[arg(long, value_name = "FILE.csv")]
    predictions: Option<PathBuf>,
    /// Prove that none of the examples occurs among those of the training and the validation; takes as long as making them
    #[arg(long, conflicts_with = "data")]
    check_disjoint: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

impl Eval {
    pub fn run(self) -> Result<(), Failure> {
        let device = self.device.device().usage()?;
        let trained = Trained::load(&self.checkpoint, device)?;
        let sources = self.sources(&trained).usage()?;
        let tolerances = &trained.recipe.evaluation.tolerances;
        let mut results = Vec::new();
        for (name, source) in sources {
            let count = self.tests(&trained);
            let total = source.count().map_or(count as u64, |len| len.min(count as u64));
            let bar = progress_bar(total, &name);
            let evaluation = evaluate(&trained.model, source.as_ref(), count, tolerances, self.beam, |more| {
                bar.inc(more as u64)
            })?;
            bar.finish_and_clear();
            results.push((name, evaluation));
        }
        if self.check_disjoint {
            self.check_disjoint(&trained)?;
        }
        if let Some(path) = &self.predictions {
            report::write_predictions(path, &results)?;
        }
        if self.json {
            let json = match results.as_slice() {
                [(_, evaluation)] => evaluation_json(evaluation),
                many => many
                    .iter()
                    .map(|(name, evaluation)| (name.clone(), evaluation_json(evaluation)))
                    .collect(),
            };
            println!("{json:#}");
        } else {
            for (name, evaluation) in &results {
                println!("{}", evaluation_table(name, evaluation));
            }
        }
        Ok(())
    }

    /// Tells how many of the examples the model has seen. Small matrices of few digits occur twice by chance.
    fn check_disjoint(&self, trained: &Trained) -> Result<()> {
        let recipe = &trained.recipe;
        let (training, validation) = (recipe.source(Split::Train)?, recipe.source(Split::Validation)?);
        let seen = [
            Seen::Batches {
                source: training.as_ref(),
                steps: recipe.training.steps,
                batch_size: recipe.training.batch_size,
            },
            Seen::Examples {
                source: validation.as_ref(),
                count: (recipe.evaluation.count * trained.model.formats().len()) as u64,
            },
        ];
        for (name, test) in self.tests_by_name(trained)? {
            let found = collisions(test.as_ref(), self.tests(trained) as u64, &seen)?;
            eprintln!(
                "{name}: {} of {} examples seen before occur in the test",
                found.collisions, found.seen
            );
        }
        Ok(())
    }

    /// How many examples there are of all problems.
    fn tests(&self, trained: &Trained) -> usize {
        self.count.saturating_mul(trained.model.formats().len())
    }

    /// What to measure on, by name.
    fn sources(&self, trained: &Trained) -> Result<Vec<(String, Arc<dyn Source>)>> {
        ensure!(self.count > 0, "--count 0: expected at least one example");
        trained.model.check_beam(self.beam)?;
        let recipe = &trained.recipe;
        let format = trained.model.format();
        if let Some(path) = &self.data {
            let table = Table::read(path, format, recipe.data.targets, recipe.data.seed)?;
            let table = table.within(&recipe.dimensions()?)?;
            return Ok(vec![(path.display().to_string(), Arc::new(table))]);
        }
        self.tests_by_name(trained)
    }

    /// The test examples, by name.
    fn tests_by_name(&self, trained: &Trained) -> Result<Vec<(String, Arc<dyn Source>)>> {
        let recipe = &trained.recipe;
        let (problems, trained_on) = (recipe.problems()?, recipe.distribution(Split::Test)?);
        let dimensions = if self.size.is_given() {
            self.size.dimensions()?
        } else {
            recipe.dimensions()?
        };
        for task in 0..problems.len() {
            let size = dimensions.max();
            trained.model.check_size(Case { task, size }).context("--dim")?;
        }
        let spectra = match self.spectrum.as_deref() {
            None => vec![trained_on.spectra.clone()],
            Some("all") => Spectrum::ALL.iter().map(|&spectrum| spectrum.into()).collect(),
            Some(text) => vec![text.parse().context("--spectrum")?],
        };
        let seed = self.seed.unwrap_or(recipe.data.seed);
        spectra
            .into_iter()
            .map(|spectra| {
                let distribution = Distribution {
                    spectra,
                    ..trained_on.clone()
                };
                let name = format!("{problems} {} {distribution}", dimensions.label());
                let specifications = Specification::of_set(&problems, dimensions, &distribution)?;
                Ok((name, recipe.source_of(specifications, seed, Split::Test)?))
            })
            .collect()
    }
}
