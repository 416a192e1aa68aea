//! `laformer train`: a recipe in, a run folder out.

use super::options::DeviceOption;
use super::{Failure, UsageError};
use crate::dataset::{Repetition, Source, Table};
use crate::evaluation::Evaluation;
use crate::libtorch;
use crate::matrix::Split;
use crate::model::Model;
use crate::report::{RunReport, log_line};
use crate::torchscript;
use crate::training::{LogLine, Observer, Progress, Recipe, Run, Trainer};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Train a model from a recipe
#[derive(Debug, Args)]
pub struct Train {
    /// A recipe in TOML
    recipe: PathBuf,
    /// The run folder [default: checkpoints/ and the recipe's name]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Change a key of the recipe: training.batch_size=128
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Train on the rows of a CSV file instead of the stream
    #[arg(long, value_name = "FILE.csv")]
    data: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceOption,
    /// Threads of libtorch on a CPU, 0 for one per core: short for --set training.threads=N
    #[arg(long)]
    threads: Option<usize>,
    /// Go on with the run in the folder
    #[arg(long)]
    resume: bool,
    /// Delete the run in the folder and begin anew
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// Use only deterministic kernels
    #[arg(long)]
    deterministic: bool,
}

impl Train {
    pub fn run(self) -> Result<(), Failure> {
        let text = fs::read_to_string(&self.recipe)
            .with_context(|| format!("cannot read the recipe {}", self.recipe.display()))
            .usage()?;
        let mut overrides = self.overrides.clone();
        overrides.extend(self.threads.map(|threads| format!("training.threads={threads}")));
        let recipe = Recipe::parse(&text, &overrides)
            .with_context(|| self.recipe.display().to_string())
            .usage()?;
        let device = self.device.device().usage()?;
        if recipe.training.threads > 0 {
            tch::set_num_threads(recipe.training.threads as i32);
        }
        libtorch::set_deterministic(self.deterministic)?;
        let (training, validation) = self.sources(&recipe).usage()?;
        let run = self.folder(&recipe).usage()?;
        let mut trainer = Trainer::new(recipe.clone(), run.clone(), device, self.resume)?;
        eprintln!(
            "{} {}: {} parameters on {device:?}, {} steps of {} examples, into {}",
            recipe.problem,
            recipe.dimensions()?.label(),
            trainer.model().parameter_count(),
            recipe.training.steps,
            recipe.training.batch_size,
            run.folder().display(),
        );
        let repeats = training.repeats().is_some();
        let report = RunReport::new(&run, &recipe, &trainer.part_names(), repeats)?;
        let mut watcher = Watcher {
            report,
            recipe: &recipe,
            run: &run,
        };
        trainer.train(training, validation.as_ref(), &mut watcher)?;
        println!("{}", run.folder().display());
        Ok(())
    }

    fn sources(&self, recipe: &Recipe) -> Result<(Arc<dyn Source>, Arc<dyn Source>)> {
        let training: Arc<dyn Source> = match &self.data {
            None => recipe.source(Split::Train)?,
            Some(path) => {
                ensure!(
                    recipe.repetition()? == Repetition::Never,
                    "--data {}: the rows of a file come again already; leave out data.examples, data.repeated and \
                     data.repeated_share, or --data",
                    path.display()
                );
                let table = Table::read(path, &recipe.format()?, recipe.data.targets, recipe.data.seed)?;
                Arc::new(table.within(&recipe.dimensions()?)?)
            }
        };
        let validation = recipe.source(Split::Validation)?;
        // A distribution that the encodings cannot write fails here, before anything is begun: for each problem.
        training.example(0)?;
        for index in 0..recipe.problems()?.len() as u64 {
            validation.example(index)?;
        }
        Ok((training, validation))
    }

    fn folder(&self, recipe: &Recipe) -> Result<Run> {
        let name = self.recipe.file_stem().context("the recipe has no file name")?;
        let folder = self
            .output
            .clone()
            .unwrap_or_else(|| Path::new("checkpoints").join(name));
        if self.resume && Run::exists(&folder) {
            let (run, begun) = Run::open(&folder)?;
            if let Some((key, was, is)) = Recipe::differences(&begun, recipe)?.into_iter().next() {
                bail!(
                    "{} was begun with {key} = {was}, not {is}; go on with the recipe of its config.toml, or choose \
                     another --output",
                    folder.display()
                );
            }
            return Ok(run);
        }
        if self.overwrite {
            Run::delete(&folder)?;
        }
        Run::create(&folder, recipe)
    }
}

/// Prints, reports and exports while the model trains.
struct Watcher<'a> {
    recipe: &'a Recipe,
    run: &'a Run,
    report: RunReport,
}

impl Observer for Watcher<'_> {
    fn started(&mut self, step: u64) -> Result<()> {
        if step > 0 {
            eprintln!("going on after step {step}");
        }
        self.report.started(step)
    }

    fn logged(&mut self, line: &LogLine) -> Result<()> {
        eprintln!("{}", log_line(line));
        self.report.logged(line)
    }

    fn evaluated(
        &mut self,
        progress: &Progress,
        evaluation: &Evaluation,
        training_set: Option<&Evaluation>,
        model: &Model,
        improved: bool,
    ) -> Result<()> {
        eprintln!(
            "{}",
            crate::report::evaluation_line(progress.step, evaluation, training_set, improved)
        );
        self.report
            .evaluated(progress, evaluation, training_set, model, improved)?;
        if improved {
            let metrics = crate::report::evaluation_json(evaluation);
            torchscript::export(model, self.recipe, &metrics, &self.run.module())?;
        }
        Ok(())
    }
}
