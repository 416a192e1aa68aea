//! `laformer eval`: the accuracy of a checkpoint on fresh examples.

use super::options::{DeviceOption, SizeOptions, progress_bar};
use super::{Failure, UsageError};
use crate::dataset::{Seen, Source, Specification, Stream, Table, collisions};
use crate::evaluation::evaluate;
use crate::matrix::{Spectrum, Split};
use crate::report::{self, evaluation_json, evaluation_table};
use crate::training::Trained;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::path::PathBuf;

/// Measure a checkpoint on examples it has never seen
#[derive(Debug, Args)]
pub struct Eval {
    /// A run folder, a .pt or a .safetensors file
    checkpoint: PathBuf,
    /// Number of examples
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
            let total = source
                .count()
                .map_or(self.count as u64, |len| len.min(self.count as u64));
            let bar = progress_bar(total, &name);
            let evaluation = evaluate(
                &trained.model,
                source.as_ref(),
                self.count,
                tolerances,
                self.beam,
                |more| bar.inc(more as u64),
            )?;
            bar.finish_and_clear();
            results.push((name, evaluation));
        }
        if self.check_disjoint {
            self.check_disjoint(&trained)?;
        }
        if let Some(path) = &self.predictions {
            report::write_predictions(path, trained.model.format().problem.name(), &results)?;
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
        let stream = |split| {
            let stream = Stream::new(recipe.specification(split)?, recipe.data.seed, split);
            anyhow::Ok(stream.encoded(trained.model.format(), recipe.data.targets))
        };
        let (training, validation) = (stream(Split::Train)?, stream(Split::Validation)?);
        let batch = recipe.training.batch_size as u64;
        let seen = [
            Seen {
                stream: &training,
                count: recipe.training.steps * batch,
                batch: Some(batch),
            },
            Seen {
                stream: &validation,
                count: recipe.evaluation.count as u64,
                batch: None,
            },
        ];
        for (name, test) in self.streams(trained)? {
            let found = collisions(&test, self.count as u64, &seen)?;
            eprintln!(
                "{name}: {} of {} examples seen before occur in the test",
                found.collisions, found.seen
            );
        }
        Ok(())
    }

    /// What to measure on, by name.
    fn sources(&self, trained: &Trained) -> Result<Vec<(String, Box<dyn Source>)>> {
        ensure!(self.count > 0, "--count 0: expected at least one example");
        trained.model.check_beam(self.beam)?;
        let recipe = &trained.recipe;
        let format = trained.model.format();
        if let Some(path) = &self.data {
            let table = Table::read(path, format, recipe.data.targets, recipe.data.seed)?;
            let table = table.within(&recipe.dimensions()?)?;
            return Ok(vec![(path.display().to_string(), Box::new(table))]);
        }
        let streams = self.streams(trained)?.into_iter();
        Ok(streams
            .map(|(name, stream)| (name, Box::new(stream) as Box<dyn Source>))
            .collect())
    }

    /// The test streams, by name.
    fn streams(&self, trained: &Trained) -> Result<Vec<(String, Stream)>> {
        let recipe = &trained.recipe;
        let format = trained.model.format();
        let trained_on = recipe.specification(Split::Test)?;
        let dimensions = if self.size.is_given() {
            self.size.dimensions()?
        } else {
            trained_on.dimensions()
        };
        trained.model.check_size(dimensions.max()).context("--dim")?;
        let spectra = match self.spectrum.as_deref() {
            None => vec![trained_on.distribution().spectra.clone()],
            Some("all") => Spectrum::ALL.iter().map(|&spectrum| spectrum.into()).collect(),
            Some(text) => vec![text.parse().context("--spectrum")?],
        };
        let seed = self.seed.unwrap_or(recipe.data.seed);
        spectra
            .into_iter()
            .map(|spectra| {
                let mut distribution = trained_on.distribution().clone();
                distribution.spectra = spectra;
                let name = format!("{} {} {distribution}", format.problem.name(), dimensions.label());
                let specification = Specification::new(format.problem, dimensions, distribution)?;
                let stream = Stream::new(specification, seed, Split::Test).encoded(format, recipe.data.targets);
                Ok((name, stream))
            })
            .collect()
    }
}
