//! `laformer train`: a recipe in, a run folder out.

use super::options::{DeviceOption, GraphOption};
use super::output::{say, tell};
use super::signals::Signals;
use super::watcher::{Follower, Watcher};
use super::{Failure, UsageError};
use crate::dataset::{Repetition, Source, Table};
use crate::evaluation::check_memory;
use crate::libtorch;
use crate::matrix::{Split, fingerprint};
use crate::recipe::Recipe;
use crate::report::{Provenance, RunReport};
use crate::training::{Ending, Lock, Origin, Rank, Ranks, Run, Trainer, why_eager};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tch::Device;

/// Exit code of a process that stops because another one was stopped: the code of SIGTERM.
const STOPPED: u8 = 143;

/// Seconds after which a silent process counts as lost.
const TIMEOUT: u64 = 600;

/// Train a model from a recipe
#[derive(Debug, Args)]
pub struct Train {
    /// A recipe in TOML
    recipe: PathBuf,
    /// The run folder [default: checkpoints/NAME, where NAME is the recipe's file name without .toml]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Set a key of the recipe, for example training.batch_size=128
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Train on the rows of a CSV file instead of generated examples
    #[arg(long, value_name = "FILE.csv")]
    data: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    graph: GraphOption,
    /// Threads on a CPU, 0 for one per core; the same as --set training.threads=N
    #[arg(long)]
    threads: Option<usize>,
    /// Begin with the weights of a checkpoint with the same model and encodings; sizes and data may differ
    #[arg(long, value_name = "CHECKPOINT")]
    from: Option<PathBuf>,
    /// Resume the run in the folder
    #[arg(long)]
    resume: bool,
    /// Replace the run in the folder; its files are deleted only when the new run can start
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// If processes train together (torchrun): seconds to wait for a process that does not respond
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Use only deterministic kernels: results are bitwise equal on the same device with as many threads
    #[arg(long)]
    deterministic: bool,
}

impl Train {
    /// A command that begins a run, or resumes it if it exists.
    pub fn new(recipe: PathBuf, output: PathBuf, overrides: Vec<String>, device: DeviceOption) -> Self {
        Self {
            recipe,
            output: Some(output),
            overrides,
            data: None,
            device,
            graph: GraphOption { no_graph: false },
            threads: None,
            from: None,
            resume: true,
            overwrite: false,
            timeout: TIMEOUT,
            deterministic: false,
        }
    }

    pub fn run(self, commit: Option<&str>) -> Result<(), Failure> {
        self.run_until(Signals::listen, commit)
    }

    /// Like [`Train::run`], with signals that are listened to when the first step begins.
    pub fn run_until(self, signals: impl FnOnce() -> Result<Signals>, commit: Option<&str>) -> Result<(), Failure> {
        let text = fs::read_to_string(&self.recipe)
            .with_context(|| format!("cannot read the recipe {}", self.recipe.display()))
            .usage()?;
        let mut overrides = self.overrides.clone();
        overrides.extend(self.threads.map(|threads| format!("training.threads={threads}")));
        let mut recipe = Recipe::parse(&text, &overrides)
            .with_context(|| self.recipe.display().to_string())
            .usage()?;
        self.check_folders().usage()?;
        let origin = self.from.as_deref().map(Origin::load).transpose()?;
        self.begin_from(origin.as_ref(), &mut recipe).usage()?;
        self.read_from(&mut recipe).usage()?;
        let rank = Rank::from_environment().usage()?;
        let device = self.device.device_of(rank.as_ref()).usage()?;
        self.graph.check(recipe.model.architecture, device).usage()?;
        libtorch::set_deterministic(self.deterministic)?;
        let (training, validation) = self.sources(&recipe).usage()?;
        self.keep_resolved(&mut recipe).usage()?;
        if let Some(rank) = &rank {
            rank.check_batch(recipe.training.batch_size).usage()?;
        }
        recipe.resolve_threads(rank.as_ref());
        let precision = recipe.resolve_precision(device)?;
        let timeout = Duration::from_secs(self.timeout);
        let ranks = rank.map(|rank| Ranks::join(rank, device, timeout)).transpose()?;
        if let Some(ranks) = &ranks {
            // All processes use the same values, measured ones included.
            recipe = Recipe::parse(&ranks.text(&recipe.to_toml()?)?, &[])?;
        }
        let ranks = match ranks {
            Some(ranks) if !ranks.rank().is_first() => return self.follow(recipe, device, ranks, signals()?),
            ranks => ranks,
        };
        recipe.check_training_memory(device == Device::Cpu)?;
        check_memory(validation.as_ref(), recipe.evaluation.count * recipe.problems.len())?;
        let lock = Lock::take(&self.path()?)?;
        if lock.is_none() {
            tell!(
                "the file system does not support locks: do not start a second process that writes to {}",
                self.path()?.display()
            );
        }
        let run = self.folder(&recipe).usage()?;
        let is_new = !(self.resume && Run::exists(run.folder())?);
        let mut trainer = Trainer::new(recipe.clone(), run.clone(), device, self.resume)?;
        match &origin {
            Some(origin) if !self.goes_on(&run) => trainer.begin_with(origin)?,
            _ => {}
        }
        if self.graph.no_graph {
            trainer.run_eagerly();
        }
        if is_new {
            if Run::exists(run.folder())? {
                // The old run is deleted only after the new one has survived its peak of memory.
                trainer.rehearse(training.clone())?;
            }
            run.begin(&recipe)?;
        }
        tell!(
            "{} {}: {} parameters on {device:?}, {} steps of {} examples, into {}",
            recipe.problems,
            recipe.dimensions.label(),
            trainer.model().parameter_count(),
            recipe.training.steps,
            recipe.training.batch_size,
            run.folder().display(),
        );
        tell!("{precision}");
        let settings = &recipe.training;
        if settings.warmup > settings.steps {
            tell!(
                "training.warmup = {} is longer than the run: training.learning_rate is never reached; \
                 try --set training.warmup={}",
                settings.warmup,
                settings.steps / 20
            );
        }
        if device.is_cuda() && !self.graph.no_graph {
            match why_eager(recipe.model.architecture, device) {
                None => tell!("steps are captured in CUDA graphs"),
                Some(reason) => tell!("steps are not captured in CUDA graphs: {reason}"),
            }
        }
        let repeats = training.repeats().is_some();
        let provenance = Provenance::new(commit, &recipe, device)?;
        let report = RunReport::new(&run, &recipe, provenance, &trainer.part_names(), repeats)?;
        let mut watcher = Watcher {
            report,
            recipe: &recipe,
            run: &run,
            parameters: trainer.model().parameter_count(),
            signals: signals()?,
        };
        if let Some(ranks) = ranks {
            tell!("{} processes train together", ranks.rank().count);
            trainer.join(ranks)?;
        }
        let ending = trainer.train(training, validation.as_ref(), &mut watcher)?;
        if let Ending::Stopped(step) = ending {
            // If processes train together, another one may have received the signal.
            let signal = watcher.signals.received();
            tell!(
                "stopped by {} after step {step}, which is saved: continue with --resume",
                signal.map_or("another process", |signal| signal.name)
            );
            return Err(Failure::Stopped(signal.map_or(STOPPED, |signal| signal.code)));
        }
        say!("{}", run.folder().display())?;
        Ok(())
    }

    /// Trains as any process but process 0: computes its share of every batch, and writes no files.
    fn follow(&self, recipe: Recipe, device: Device, ranks: Ranks, signals: Signals) -> Result<(), Failure> {
        let (training, validation) = self.sources(&recipe).usage()?;
        let run = Run::at(&self.path()?);
        let mut trainer = Trainer::new(recipe, run, device, false)?;
        trainer.join(ranks)?;
        let mut follower = Follower(signals);
        match trainer.train(training, validation.as_ref(), &mut follower)? {
            Ending::Stopped(_) => Err(Failure::Stopped(
                follower.0.received().map_or(STOPPED, |signal| signal.code),
            )),
            Ending::Done => Ok(()),
        }
    }

    fn sources(&self, recipe: &Recipe) -> Result<(Arc<dyn Source>, Arc<dyn Source>)> {
        let training: Arc<dyn Source> = match &self.data {
            None => recipe.source(Split::Train)?,
            Some(path) => {
                ensure!(
                    recipe.data.repetition() == Repetition::Never,
                    "--data {}: the rows of a file are repeated anyway; leave out data.examples, data.repeated and \
                     data.repeated_share, or --data",
                    path.display()
                );
                ensure!(
                    recipe.data.oversampling().is_none(),
                    "--data {}: the rows of a file stay as they are; leave out data.sign_bias, data.small_share, \
                     data.large_share, data.singular_share and data.structured_share, or --data",
                    path.display()
                );
                let format = recipe.format();
                let table = Table::read(path, &format, recipe.data.targets, recipe.data.seed)?;
                let table = table.within(&recipe.dimensions)?;
                let deviation = recipe.data.coefficients.deviation(recipe.data.magnitude);
                Arc::new(table.with_noise(recipe.data.noise, deviation, &format, Split::Train)?)
            }
        };
        let validation = recipe.source(Split::Validation)?;
        // Draws one example per problem, so that numbers outside the range of an encoding fail before the run begins.
        training.example(0)?;
        for index in 0..recipe.problems.len() as u64 {
            validation.example(index)?;
        }
        Ok((training, validation))
    }

    /// Fails if `--overwrite` would delete the checkpoint of `--from`.
    fn check_folders(&self) -> Result<()> {
        let (Some(from), true) = (&self.from, self.overwrite) else {
            return Ok(());
        };
        let path = self.path()?;
        if let (Ok(from), Ok(output)) = (from.canonicalize(), path.canonicalize()) {
            ensure!(
                !from.starts_with(&output),
                "--overwrite would delete {}, with which --from begins: choose another --output",
                path.display()
            );
        }
        Ok(())
    }

    /// Checks the origin of the run's initial weights, and writes its label into the recipe.
    fn begin_from(&self, origin: Option<&Origin>, recipe: &mut Recipe) -> Result<()> {
        let given = std::mem::take(&mut recipe.training.from);
        match origin {
            Some(origin) => {
                origin.check(recipe).context("--from")?;
                let label = origin.label()?;
                ensure!(
                    given.is_empty() || given == label,
                    "--from is {label}, but the recipe has training.from = \"{given}\": give that checkpoint, or leave the key out"
                );
                recipe.training.from = label;
            }
            None => {
                // A resumed run has its weights already.
                let begun = Run::open(&self.path()?).ok().filter(|(run, _)| self.goes_on(run));
                recipe.training.from = match begun {
                    Some((_, begun)) if given.is_empty() => begun.training.from,
                    Some(_) => given,
                    None => {
                        ensure!(
                            given.is_empty(),
                            "training.from = \"{given}\": give that checkpoint with --from, or leave the key out"
                        );
                        given
                    }
                };
            }
        }
        Ok(())
    }

    /// Checks the data file of the run, and writes it into the recipe.
    fn read_from(&self, recipe: &mut Recipe) -> Result<()> {
        let given = std::mem::take(&mut recipe.data.file);
        let Some(path) = &self.data else {
            let begun = Run::open(&self.path()?).ok().filter(|_| self.resume);
            let file = begun.map_or(given, |(_, begun)| begun.data.file);
            ensure!(
                file.is_empty(),
                "data.file = \"{file}\": give that file with --data, or leave the key out of a new run"
            );
            return Ok(());
        };
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let label = format!("{name} {:016x}", fingerprint(&text));
        ensure!(
            given.is_empty() || given == label,
            "--data is {label}, but the recipe has data.file = \"{given}\": give that file, or leave the key out"
        );
        recipe.data.file = label;
        Ok(())
    }

    fn keep_resolved(&self, recipe: &mut Recipe) -> Result<()> {
        let folder = self.path()?;
        if self.resume && Run::exists(&folder)? {
            recipe.keep_resolved(&Run::open(&folder)?.1);
        }
        Ok(())
    }

    /// Whether the run resumes from a saved state.
    fn goes_on(&self, run: &Run) -> bool {
        self.resume && run.resume().exists()
    }

    fn path(&self) -> Result<PathBuf> {
        let name = self.recipe.file_stem().context("the recipe has no file name")?;
        let default = || Path::new("checkpoints").join(name);
        Ok(self.output.clone().unwrap_or_else(default))
    }

    fn folder(&self, recipe: &Recipe) -> Result<Run> {
        let folder = self.path()?;
        if self.resume && Run::exists(&folder)? {
            let (run, begun) = Run::open(&folder)?;
            if let Some((key, was, is)) = Recipe::differences(&begun, recipe)?.into_iter().next() {
                ensure!(
                    key != "training.from" || self.from.is_some(),
                    "{} was begun with the weights of {was} and has no saved state yet: pass --from again",
                    folder.display()
                );
                bail!(
                    "{} was begun with {key} = {was}, not {is}; continue with the recipe in its config.toml, or choose \
                     another --output",
                    folder.display()
                );
            }
            ensure!(
                self.goes_on(&run) || !run.module().exists(),
                "{} has a model, but no resume.safetensors to resume from: choose another --output, \
                 or pass --overwrite",
                folder.display()
            );
            run.clear_partial()?;
            return Ok(run);
        }
        Run::prepare(&folder, self.overwrite)
    }
}
