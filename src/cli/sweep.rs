//! `laformer sweep`: trains variants of recipes with several seeds, each into a run folder of its own.

use super::options::DeviceOption;
use super::output::tell;
use super::runs::Runs;
use super::signals::Signals;
use super::train::Train;
use super::{Failure, UsageError};
use crate::dataset::Shard;
use crate::recipe::Recipe;
use crate::report::last_evaluation;
use crate::training::{InUse, Run};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use serde::Deserialize;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Train variants of recipes with several seeds, each into a run folder of its own
///
/// Skips finished runs and resumes interrupted ones. Several processes may work on one sweep at once; each takes runs
/// that no other process trains. At the end, prints one row per variant, with the mean over its seeds.
#[derive(Debug, Args)]
pub struct Sweep {
    /// A sweep in TOML: recipes, seeds and variants
    sweep: PathBuf,
    /// The folder that contains the run folders
    #[arg(long)]
    output: PathBuf,
    /// Seeds instead of the sweep's: 1,2,3
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Train only runs whose names contain this text
    #[arg(long, default_value = "", hide_default_value = true)]
    only: String,
    /// Set a key of all recipes, for example training.threads=1
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Train part K of N of the runs, as in a job array
    #[arg(long, value_name = "K/N", default_value = "1/1")]
    shard: Shard,
    #[command(flatten)]
    device: DeviceOption,
}

/// The contents of a sweep file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// Files beside the sweep.
    recipes: Vec<PathBuf>,
    /// Seed 1 alone if there are none.
    seeds: Option<Vec<u64>>,
    /// The recipes themselves if there are none.
    variants: Option<Vec<Variant>>,
}

/// The longest name of a run folder, in bytes: what file systems allow.
const LONGEST: usize = 255;

/// A change of recipes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    /// Empty for recipes without a change.
    name: String,
    /// The recipes that it changes; all if empty.
    #[serde(default)]
    recipes: Vec<PathBuf>,
    /// Settings in the form of `laformer train --set`.
    #[serde(default)]
    set: Vec<String>,
}

/// A run of a sweep.
#[derive(Debug)]
struct Task {
    folder: PathBuf,
    recipe: PathBuf,
    overrides: Vec<String>,
    steps: u64,
}

impl Task {
    /// Whether the run was evaluated after its last step.
    fn is_done(&self) -> Result<bool> {
        let last = last_evaluation(&self.folder.join("metrics.csv"))?;
        Ok(last.is_some_and(|last| last.step == self.steps))
    }
}

impl Sweep {
    pub fn run(self, commit: Option<&str>) -> Result<(), Failure> {
        self.device.device().usage()?;
        let tasks = self.tasks().usage()?;
        let part = self.shard.indices(tasks.len() as u64);
        // Trainings only read the signals, so that none is lost between two of them.
        let signals = Signals::listen()?;
        let mut failed = 0;
        for index in part {
            let task = &tasks[index as usize];
            let name = task.folder.display();
            let place = format!("run {} of {}, {name}", index + 1, tasks.len());
            if let Some(signal) = signals.received() {
                tell!(
                    "stopped by {} before {place}: give the same command to continue",
                    signal.name
                );
                return Err(Failure::Stopped(signal.code));
            }
            match self.train(task, &place, &signals, commit) {
                Err(Failure::Failed(error)) if error.is::<InUse>() => tell!("{name}: another process trains it"),
                // The other runs do not depend on this one.
                Err(Failure::Failed(error) | Failure::Usage(error)) => {
                    tell!("{name} failed: {error:#}");
                    failed += 1;
                }
                outcome => outcome?,
            }
        }
        let listed = Runs::over_seeds(&self.output).run();
        if failed > 0 {
            return Err(anyhow!("{failed} of {} runs failed; their errors are above", tasks.len()).into());
        }
        listed
    }

    /// Trains a run until its last step or a signal, unless it is done.
    fn train(&self, task: &Task, place: &str, signals: &Signals, commit: Option<&str>) -> Result<(), Failure> {
        if task.is_done()? {
            tell!("{place}: done before");
            return Ok(());
        }
        tell!("{place}");
        let train = Train::new(
            task.recipe.clone(),
            task.folder.clone(),
            task.overrides.clone(),
            self.device.clone(),
        );
        train.run_until(|| Ok(signals.clone()), commit)
    }

    /// All runs, with their recipes parsed.
    fn tasks(&self) -> Result<Vec<Task>> {
        let file = self.sweep.display();
        let text = fs::read_to_string(&self.sweep).with_context(|| format!("cannot read the sweep {file}"))?;
        let plan: Plan = toml::from_str(&text).with_context(|| file.to_string())?;
        let beside = self.sweep.parent().unwrap_or(Path::new(""));
        let seeds = match &plan.seeds {
            _ if !self.seeds.is_empty() => self.seeds.clone(),
            Some(seeds) => seeds.clone(),
            None => vec![1],
        };
        ensure!(
            !plan.recipes.is_empty(),
            "{file}: recipes is empty: name at least one file"
        );
        ensure!(
            !seeds.is_empty(),
            "{file}: seeds is empty: name at least one, or leave the key out"
        );
        let variants = match plan.variants {
            None => vec![Variant::default()],
            Some(variants) => {
                ensure!(
                    !variants.is_empty(),
                    "{file}: variants is empty: name at least one, or leave the key out"
                );
                for variant in &variants {
                    ensure!(
                        !slug(&variant.name).is_empty(),
                        "{file}: the variant name {:?} has no letters or digits, which name its run folders",
                        variant.name
                    );
                }
                variants
            }
        };
        for variant in &variants {
            for recipe in &variant.recipes {
                ensure!(
                    plan.recipes.contains(recipe),
                    "{file}: the variant {} changes {}, which is not among the recipes",
                    variant.name,
                    recipe.display()
                );
            }
        }
        let mut tasks = Vec::new();
        let mut names = HashSet::new();
        for recipe in &plan.recipes {
            let path = beside.join(recipe);
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read the recipe {}", path.display()))?;
            let stem = recipe.file_stem().unwrap_or(recipe.as_os_str()).to_string_lossy();
            for variant in &variants {
                if !variant.recipes.is_empty() && !variant.recipes.contains(recipe) {
                    continue;
                }
                let mut overrides = variant.set.clone();
                overrides.extend(self.overrides.clone());
                let seeds_itself = overrides
                    .iter()
                    .any(|set| set.trim_start().starts_with("training.seed="));
                ensure!(
                    !seeds_itself,
                    "{file}: training.seed is set: name the seeds in `seeds` or --seeds"
                );
                for seed in &seeds {
                    let name = variant.run_of(&stem, *seed);
                    ensure!(
                        names.insert(name.clone()),
                        "{file}: there are two runs {name}: give recipes, variants and seeds different names"
                    );
                    ensure!(
                        name.len() <= LONGEST,
                        "{file}: the run name {name} has {} bytes, but at most {LONGEST} are allowed: shorten the names of recipe or variant",
                        name.len()
                    );
                    let mut overrides = overrides.clone();
                    overrides.push(format!("training.seed={seed}"));
                    let parsed = Recipe::parse(&text, &overrides).with_context(|| format!("{file}: {name}"))?;
                    ensure!(
                        parsed.data.file.is_empty() && parsed.training.from.is_empty(),
                        "{file}: {name} has data.file or training.from, which only `laformer train` can give"
                    );
                    if name.contains(&self.only) {
                        self.check_begun(&name, &parsed)?;
                        tasks.push(Task {
                            folder: self.output.join(name),
                            recipe: path.clone(),
                            overrides,
                            steps: parsed.training.steps,
                        });
                    }
                }
            }
        }
        ensure!(!tasks.is_empty(), "{file}: no run has {:?} in its name", self.only);
        Ok(tasks)
    }

    /// Fails if the folder of a run has a run of another recipe.
    fn check_begun(&self, name: &str, recipe: &Recipe) -> Result<()> {
        let folder = self.output.join(name);
        if !Run::exists(&folder)? {
            return Ok(());
        }
        let (_, begun) = Run::open(&folder)?;
        let mut recipe = recipe.clone();
        recipe.keep_resolved(&begun);
        if let Some((key, was, is)) = Recipe::differences(&begun, &recipe)?.into_iter().next() {
            bail!(
                "{} was begun with {key} = {was}, not {is}: choose another --output or another name",
                folder.display()
            );
        }
        Ok(())
    }
}

impl Variant {
    /// The name of a run: `RECIPE-VARIANT-SEED`, or `RECIPE-SEED` without a change.
    fn run_of(&self, recipe: &str, seed: u64) -> String {
        let parts = [recipe.to_string(), slug(&self.name), seed.to_string()];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("-")
    }
}

/// A name as part of a file name: `no products` to `no-products`.
fn slug(name: &str) -> String {
    let words: Vec<String> = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}
