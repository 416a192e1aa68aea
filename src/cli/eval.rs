//! `laformer eval`: the accuracy of a checkpoint on fresh examples.

mod sources;

use super::data_options::progress_bar;
use super::options::{CheckpointOption, DeviceOption, ReadoutOption, SearchOptions};
use super::output::say;
use super::{Failure, UsageError};
use crate::dataset::{Collisions, Seen, Shard, Source, collisions};
use crate::evaluation::{Coverage, Evaluation, Search, evaluate};
use crate::matrix::{Noise, Split};
use crate::recipe::Recipe;
use crate::report::{self, Predictions, Provenance, Seal, TestSet, sets_json, sets_table};
use crate::training::Trained;
use anyhow::{Context, Result, ensure};
use clap::Args;
use sources::TestSource;
use std::path::{Path, PathBuf};

/// Measure a checkpoint on examples it has never seen
///
/// A list, as in --dim 4,5,6, gives one row per value. Lists for several options give one row per combination.
/// For noisy matrices, errors are measured against the clean ones.
#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    checkpoint: CheckpointOption,
    /// Number of examples per problem
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Seed of the test examples [default: the recipe's]
    #[arg(long)]
    seed: Option<u64>,
    /// Sizes of square matrices: 5, 5-15 for a range, or a list [default: the recipe's]
    #[arg(long, value_name = "N|N-M", value_delimiter = ',', conflicts_with_all = ["rows", "cols"])]
    dim: Vec<String>,
    /// Rows of rectangular matrices: 3, or 3-6
    #[arg(long, value_name = "N|N-M", requires = "cols")]
    rows: Option<String>,
    /// Columns of rectangular matrices: 4, or 4-8
    #[arg(long, value_name = "N|N-M", requires = "rows")]
    cols: Option<String>,
    /// Distributions of the eigenvalues: laplace, a list, or all [default: the recipe's]
    #[arg(long, value_delimiter = ',')]
    spectrum: Vec<String>,
    /// A suite of matrix families, one row per family: structured is the suite of all families
    #[arg(long, conflicts_with_all = ["spectrum", "noise"])]
    suite: Option<Suite>,
    /// Bounds of the coefficients: 20, or a list [default: the recipe's]
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    magnitude: Vec<f64>,
    /// Noise on the coefficients, as a fraction of their standard deviation: 0.02, or a list [default: the recipe's]
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    noise: Vec<Noise>,
    /// Measure on the rows of a CSV file instead of generated examples
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["dim", "rows", "cols", "spectrum", "suite", "magnitude", "seed"])]
    data: Option<PathBuf>,
    #[command(flatten)]
    search: SearchOptions,
    #[command(flatten)]
    readout: ReadoutOption,
    /// Write every answer to a CSV file
    #[arg(long, value_name = "FILE.csv")]
    predictions: Option<PathBuf>,
    /// Measure only part K of N of the examples, such as 2/8; --parts combines the parts
    #[arg(long, value_name = "K/N", requires = "predictions", conflicts_with_all = ["check_disjoint"])]
    shard: Option<Shard>,
    /// Combine the --predictions files of the same command with each --shard, without running the model
    #[arg(long, value_name = "FILE.csv", num_args = 1.., conflicts_with_all = ["shard", "predictions"])]
    parts: Vec<PathBuf>,
    /// Count the training and validation examples that occur in the test; takes as long as generating them
    #[arg(long, conflicts_with = "data")]
    check_disjoint: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// A named set of tests.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Suite {
    Structured,
}

impl Eval {
    pub fn run(self, commit: Option<&str>) -> Result<(), Failure> {
        let device = self.device.device().usage()?;
        self.check_predictions().usage()?;
        let mut trained = self.checkpoint.load(device)?;
        self.readout.apply(&mut trained).usage()?;
        let sources = self.sources(&trained).usage()?;
        let search = self.search.search(&mut trained).usage()?;
        let seal = Seal::new(self.checkpoint.checksum()?, &trained.recipe, &search)?;
        let parts = self.read_parts(&sources, &seal).usage()?;
        self.check_shard(&trained, &sources).usage()?;
        let coverage = self.coverage(&trained)?;
        let seen = if self.check_disjoint {
            self.seen_before(&trained)?
        } else {
            vec![None; sources.len()]
        };
        let mut sets = Vec::new();
        for (TestSource { name, source, paper }, seen) in sources.into_iter().zip(seen) {
            let count = self.examples(&trained, source.as_ref());
            let evaluation = match &parts {
                Some(parts) => parts.evaluation(
                    &name,
                    source.as_ref(),
                    count,
                    trained.solver.formats(),
                    &trained.recipe.evaluation.tolerances,
                )?,
                None => self.measure(&trained, &name, source.as_ref(), count, &search)?,
            };
            let outside = coverage.as_ref().map(|coverage| coverage.of_evaluation(&evaluation));
            sets.push(TestSet {
                name,
                evaluation,
                outside: outside.transpose()?,
                seen,
                paper,
            });
        }
        if let Some(path) = &self.predictions {
            report::write_predictions(path, &sets, &seal)?;
        }
        if self.json {
            let provenance = Provenance::new(commit, &trained.recipe, device)?;
            say!("{:#}", sets_json(&sets, &provenance))?;
        } else {
            say!("{}", sets_table(&sets))?;
        }
        Ok(())
    }

    /// Answers the examples of a test, or those of the shard, and measures the errors.
    fn measure(
        &self,
        trained: &Trained,
        name: &str,
        source: &dyn Source,
        count: u64,
        search: &Search,
    ) -> Result<Evaluation> {
        let indices = self.shard.map_or(0..count, |shard| shard.indices(count));
        let bar = progress_bar(indices.end - indices.start, name);
        let tolerances = &trained.recipe.evaluation.tolerances;
        let evaluation = evaluate(&trained.solver, source, indices, tolerances, search, |more| {
            bar.inc(more as u64);
            Ok(())
        })?;
        bar.finish_and_clear();
        Ok(evaluation)
    }

    /// Fails if the shard has no example of a test.
    fn check_shard(&self, trained: &Trained, tests: &[TestSource]) -> Result<()> {
        let Some(shard) = self.shard else { return Ok(()) };
        for TestSource { name, source, .. } in tests {
            let count = self.examples(trained, source.as_ref());
            shard.check(count).with_context(|| format!("--shard, {name}"))?;
        }
        Ok(())
    }

    /// Reads the answers of `--parts`. Fails if they belong to other tests.
    fn read_parts(&self, tests: &[TestSource], seal: &Seal) -> Result<Option<Predictions>> {
        if self.parts.is_empty() {
            return Ok(None);
        }
        let parts = Predictions::read(&self.parts, seal).context("--parts")?;
        let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        parts.check_sets(&names).context("--parts")?;
        Ok(Some(parts))
    }

    /// The eigenvalues of the training distribution, if the problem has a spectrum and those of the tests may differ.
    fn coverage(&self, trained: &Trained) -> Result<Option<Coverage>> {
        let differs =
            !self.dim.is_empty() || !self.spectrum.is_empty() || !self.magnitude.is_empty() || self.data.is_some();
        let has_spectrum = trained.solver.formats().len() == 1 && trained.solver.format().problem.is_symmetric();
        let is_stream = trained.recipe.data.file.is_empty();
        let training =
            (differs && has_spectrum && is_stream).then(|| Coverage::of(&trained.recipe.stream(Split::Train)?));
        training.transpose()
    }

    /// Fails before anything is measured if `--predictions` has no folder or would overwrite the data.
    fn check_predictions(&self) -> Result<()> {
        let Some(path) = &self.predictions else { return Ok(()) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        ensure!(
            folder.is_none_or(Path::is_dir),
            "--predictions {}: there is no such folder",
            path.display()
        );
        let whole = |path: &Path| path.canonicalize().ok();
        let is_data = self
            .data
            .as_deref()
            .is_some_and(|data| whole(data).is_some() && whole(data) == whole(path));
        ensure!(
            !is_data,
            "--predictions {}: the examples are read from this file; choose another",
            path.display()
        );
        Ok(())
    }

    /// How many training and validation examples occur in each test. Small matrices of few digits collide by chance.
    fn seen_before(&self, trained: &Trained) -> Result<Vec<Option<Collisions>>> {
        // Compares clean matrices, because noise alone makes no new example.
        let recipe = without_noise(&trained.recipe);
        let (training, validation) = (recipe.source(Split::Train)?, recipe.source(Split::Validation)?);
        let seen = [
            Seen::Batches {
                source: training.as_ref(),
                steps: recipe.training.steps,
                batch_size: recipe.training.batch_size,
            },
            Seen::Examples {
                source: validation.as_ref(),
                count: (recipe.evaluation.count * trained.solver.formats().len()) as u64,
            },
        ];
        let mut found: Vec<(Recipe, Collisions)> = Vec::new();
        for (_, test) in self.tests(trained)? {
            let test = without_noise(&test);
            let known = found
                .last()
                .filter(|(recipe, _)| *recipe == test)
                .map(|(_, found)| *found);
            let collisions = match known {
                Some(found) => found,
                None => collisions(test.source(Split::Test)?.as_ref(), self.total(trained) as u64, &seen)?,
            };
            found.push((test, collisions));
        }
        Ok(found.into_iter().map(|(_, collisions)| Some(collisions)).collect())
    }

    /// The number of examples that are measured of a source.
    fn examples(&self, trained: &Trained, source: &dyn Source) -> u64 {
        let count = self.total(trained) as u64;
        source.count().map_or(count, |len| len.min(count))
    }

    /// The number of examples of all problems together.
    fn total(&self, trained: &Trained) -> usize {
        self.count.saturating_mul(trained.solver.formats().len())
    }
}

fn without_noise(recipe: &Recipe) -> Recipe {
    let mut recipe = recipe.clone();
    recipe.data.noise = Noise::default();
    recipe
}
