//! Run folders and checkpoints.

use super::weights;
use crate::file;
use crate::inference::{self, Archive, Solver, Tables};
use crate::model::{Capacity, Model};
use crate::recipe::{Precision, Recipe};
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// The folder of one training run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    folder: PathBuf,
}

/// The progress of a run, which is saved with its weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The number of steps done.
    pub step: u64,
    /// Seconds of training, over all sessions.
    pub elapsed: f64,
    /// The best validation accuracy so far, and its step.
    pub best: Option<(f64, u64)>,
    /// The number of returns to a save. Each halved the learning rate.
    #[serde(default)]
    pub retries: u32,
    /// The window since the last log line, if the save lies between two lines.
    #[serde(default)]
    pub window: Window,
}

/// Steps and time since the last log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub steps: u64,
    pub seconds: f64,
    /// The part of these seconds spent waiting for data.
    pub waited: f64,
}

impl Recipe {
    /// The inference module of a model of this recipe.
    pub fn solver(&self, model: &Model) -> Result<Solver> {
        Solver::new(model, &self.dimensions)
    }

    /// The tables of the inference module.
    pub fn tables(&self, model: &Model) -> Result<Tables> {
        inference::tables(model, &self.dimensions)
    }
}

/// The best model of a run, as weights and as a TorchScript module.
const WEIGHTS: &str = "model.safetensors";
const MODULE: &str = "model.pt";
/// Keys of the recipe and of the module's attributes in the metadata of a safetensors file.
const RECIPE: &str = "recipe";
const TABLES: &str = "tables";
const PROGRESS: &str = "progress";
/// A phrase that all model cards contain.
const CARD: &str = "trained by laformer";

impl Run {
    /// Creates a run in a folder. Fails if the folder has a run, or a file that the run would overwrite.
    pub fn create(folder: &Path, recipe: &Recipe) -> Result<Self> {
        let run = Self::prepare(folder, false)?;
        run.begin(recipe)?;
        Ok(run)
    }

    /// The run in a folder, which another process begins and writes.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
        }
    }

    /// Prepares a run without changing files; [`Self::begin`] creates it. Fails if the folder has a run that must not
    /// be overwritten, or an unrelated file that the run would overwrite.
    pub fn prepare(folder: &Path, overwrites: bool) -> Result<Self> {
        let run = Self::at(folder);
        if file::exists(&run.config())? {
            ensure!(
                overwrites,
                "{} already holds a run: continue it with --resume, begin anew with --overwrite, or choose another --output",
                folder.display()
            );
            Self::open(folder).context("--overwrite only replaces runs: choose another --output")?;
            let card = run.card();
            ensure!(
                !file::exists(&card)? || fs::read_to_string(&card).is_ok_and(|text| text.contains(CARD)),
                "{} is no model card of a run: move it away, or choose another --output",
                card.display()
            );
            return Ok(run);
        }
        for path in run.files() {
            ensure!(
                !file::exists(&path)?,
                "{} is of no run, and a run in this folder would overwrite it: choose another --output",
                path.display()
            );
        }
        Ok(run)
    }

    /// Creates the run: deletes only the files of the run that it overwrites, and writes its recipe.
    pub fn begin(&self, recipe: &Recipe) -> Result<()> {
        ensure!(
            recipe.training.precision != Precision::Auto,
            "training.precision = \"auto\" has not been resolved by a measurement: call Recipe::resolve_precision first"
        );
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot create {}", self.folder.display()))?;
        let mut old = self.files();
        old.extend(named(&self.folder, |name| {
            name.starts_with("events.out.tfevents.") && name.contains(".laformer.")
        })?);
        old.extend(named(&self.folder, file::is_partial)?);
        old.iter()
            .filter(|path| path.exists())
            .try_for_each(|path| delete(path))?;
        // The recipe is replaced last, because its presence marks the folder as a run.
        file::replace(&self.config(), recipe.to_toml()?.as_bytes())
    }

    /// Opens the run in a folder, and returns its recipe.
    pub fn open(folder: &Path) -> Result<(Self, Recipe)> {
        let run = Self {
            folder: folder.to_path_buf(),
        };
        let text = fs::read_to_string(run.config())
            .with_context(|| format!("{} holds no run: cannot read config.toml", folder.display()))?;
        let recipe = Recipe::parse(&text, &[]).with_context(|| format!("{} is damaged", run.config().display()))?;
        Ok((run, recipe))
    }

    /// Whether a folder has a run.
    pub fn exists(folder: &Path) -> Result<bool> {
        file::exists(&folder.join("config.toml"))
    }

    /// All files that a run may have beside its recipe.
    fn files(&self) -> Vec<PathBuf> {
        vec![
            self.weights(),
            self.module(),
            self.resume(),
            self.metrics(),
            self.curves(),
            self.card(),
            self.folder.join("evaluation.json"),
        ]
    }

    /// Deletes incomplete files that a killed process left.
    pub fn clear_partial(&self) -> Result<()> {
        let partial = named(&self.folder, file::is_partial)?;
        partial.iter().try_for_each(|path| delete(path))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The best weights.
    pub fn weights(&self) -> PathBuf {
        self.folder.join(WEIGHTS)
    }

    /// The best weights as a TorchScript module.
    pub fn module(&self) -> PathBuf {
        self.folder.join(MODULE)
    }

    /// The last weights, and everything else that resuming needs.
    pub fn resume(&self) -> PathBuf {
        self.folder.join("resume.safetensors")
    }

    pub fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.csv")
    }

    pub fn curves(&self) -> PathBuf {
        self.folder.join("curves.svg")
    }

    pub fn card(&self) -> PathBuf {
        self.folder.join("README.md")
    }

    /// Saves the best weights.
    pub fn save_weights(&self, model: &Model, recipe: &Recipe) -> Result<()> {
        write_weights(&self.weights(), model, recipe)
    }

    /// Saves the last weights, and everything else that resuming needs.
    pub fn save_resume(&self, recipe: &Recipe, tensors: BTreeMap<String, Tensor>, progress: &Progress) -> Result<()> {
        let text = HashMap::from([
            (RECIPE.to_string(), recipe.to_toml()?),
            (PROGRESS.to_string(), serde_json::to_string(progress)?),
        ]);
        weights::write(&self.resume(), &tensors, text)
    }

    /// Loads the weights of [`Self::save_resume`] into a model. Returns all saved tensors, and the progress.
    pub fn load_resume(&self, model: &Model) -> Result<(BTreeMap<String, Tensor>, Progress)> {
        let path = self.resume();
        let (tensors, text) = weights::read(&path)?;
        weights::copy_into(&model.variables(), &tensors, &path)?;
        let progress = text
            .get(PROGRESS)
            .with_context(|| format!("{} is damaged: it has no progress", path.display()))?;
        let progress = serde_json::from_str(progress).with_context(|| format!("{} is damaged", path.display()))?;
        Ok((tensors, progress))
    }
}

/// Writes weights, the recipe that rebuilds their model, and the tables that Python needs without TorchScript.
pub fn write_weights(path: &Path, model: &Model, recipe: &Recipe) -> Result<()> {
    let tables = recipe.tables(model)?;
    let mut tensors = model.variables();
    tensors.extend(tables.buffers());
    let text = HashMap::from([
        (RECIPE.to_string(), recipe.to_toml()?),
        (TABLES.to_string(), tables.attributes()?),
    ]);
    weights::write(path, &tensors, text)
}

/// A checkpoint as a solver, and its recipe.
#[derive(Debug)]
pub struct Trained {
    pub recipe: Recipe,
    pub solver: Solver,
    pub capacity: Capacity,
}

impl Trained {
    /// Loads the weights of a run folder, or a `.safetensors` file. They are data: no code of a file runs.
    pub fn load(path: &Path, device: Device) -> Result<Self> {
        let (recipe, model) = load_model(path, device)?;
        let solver = recipe.solver(&model)?;
        Ok(Self::of(recipe, solver))
    }

    /// Loads a `.pt` file, or the one in a run folder, and answers with its methods. **This runs code from the file.**
    pub fn run(path: &Path, device: Device) -> Result<Self> {
        let archive = Archive::read(&checkpoint(path, MODULE)?)?;
        let recipe = module_recipe(&archive)?;
        let solver = Solver::load(&archive, &recipe.format(), device)?;
        Ok(Self::of(recipe, solver))
    }

    fn of(recipe: Recipe, solver: Solver) -> Self {
        let capacity = Capacity::of(&recipe.model, solver.formats(), recipe.dimensions.max());
        Self {
            recipe,
            solver,
            capacity,
        }
    }
}

/// Loads a checkpoint as a model, for uses other than answering.
pub fn load_model(path: &Path, device: Device) -> Result<(Recipe, Model)> {
    let path = checkpoint(path, WEIGHTS)?;
    let (tensors, text) = weights::read(&path)?;
    let recipe = text.get(RECIPE).with_context(|| {
        format!(
            "{} has no recipe in its metadata: it was not written by laformer",
            path.display()
        )
    })?;
    let recipe = parsed(recipe, &path)?;
    let count = tensors.values().map(Tensor::numel).sum();
    recipe
        .check_parameter_count(count)
        .with_context(|| path.display().to_string())?;
    recipe.check_model_memory()?;
    let model = recipe.build(device);
    weights::copy_into(&model.variables(), &tensors, &path)?;
    Ok((recipe, model))
}

/// A checksum of the file that [`Trained::load`] reads, or [`Trained::run`].
pub fn checksum(path: &Path, runs: bool) -> Result<u32> {
    let file = checkpoint(path, if runs { MODULE } else { WEIGHTS })?;
    Ok(crc32fast::hash(&file::read(&file)?))
}

/// The file of a checkpoint: the file `name` in a run folder, or a given file with the same extension.
fn checkpoint(path: &Path, name: &str) -> Result<PathBuf> {
    let file = if path.is_dir() {
        path.join(name)
    } else {
        path.to_path_buf()
    };
    let is_of = |name: &str| file.extension() == Path::new(name).extension();
    ensure!(
        name != WEIGHTS || !is_of(MODULE),
        "{} is TorchScript, a program that runs as soon as it is loaded: name its run folder or {WEIGHTS}, or pass --trust to `solve` or \
         `eval` if you trust whoever made it",
        path.display()
    );
    if !file::exists(&file)? {
        ensure!(
            path.is_dir(),
            "{} does not exist: expected a run folder or a file such as {name}",
            path.display()
        );
        bail!(
            "{} holds no {name} (was the run stopped before its first evaluation? continue it with train --resume)",
            path.display()
        );
    }
    ensure!(
        is_of(name),
        "{} is no checkpoint: expected a run folder or a file such as {name}",
        path.display()
    );
    Ok(file)
}

fn module_recipe(archive: &Archive) -> Result<Recipe> {
    let path = archive.path();
    let recipe = archive.extra(CONFIG_FILE)?.with_context(|| {
        format!(
            "{} has no {CONFIG_FILE}: it is a TorchScript module, but laformer did not write it",
            path.display()
        )
    })?;
    // Keys that are newer than the module take their defaults.
    let recipe: toml::Table =
        serde_json::from_slice(&recipe).with_context(|| format!("{}: {CONFIG_FILE} is damaged", path.display()))?;
    parsed(&toml::to_string(&recipe)?, path)
}

fn parsed(recipe: &str, path: &Path) -> Result<Recipe> {
    Recipe::parse(recipe, &[]).with_context(|| format!("{}: the recipe is damaged", path.display()))
}

/// Name of the module's extra file that has the recipe as JSON.
const CONFIG_FILE: &str = "config.json";

/// Writes the module of a model, with its recipe (`config.json`) and results (`metrics.json`) inside. Parameters are
/// float32 in any training precision, unless the model was halved.
pub fn export(solver: &Solver, recipe: &Recipe, metrics: &serde_json::Value, path: &Path) -> Result<()> {
    let extra = BTreeMap::from([
        (CONFIG_FILE.to_string(), serde_json::to_string_pretty(recipe)?),
        ("metrics.json".to_string(), serde_json::to_string_pretty(metrics)?),
    ]);
    solver.save(path, &extra)
}

fn delete(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("cannot delete {}", path.display()))
}

/// The files of a folder whose names satisfy a condition.
fn named(folder: &Path, is_such: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let paths: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    let is_named = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_such);
    Ok(paths.into_iter().filter(is_named).collect())
}
