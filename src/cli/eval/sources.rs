//! The tests of an evaluation: from the options of `laformer eval` to sources of examples.

use super::{Eval, Suite};
use crate::cli::options::check_count;
use crate::cli::output::tell;
use crate::dataset::{Dimensions, Source, Table};
use crate::matrix::{Family, Noise, Spectra, Spectrum, Split};
use crate::recipe::Recipe;
use crate::report::PaperFigures;
use crate::training::Trained;
use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// The examples of one test, with its name.
pub(super) struct TestSource {
    pub name: String,
    pub source: Arc<dyn Source>,
    pub paper: Option<PaperFigures>,
}

impl Eval {
    /// All tests, each with its name.
    pub(super) fn sources(&self, trained: &Trained) -> Result<Vec<TestSource>> {
        check_count(self.count)?;
        if let Some(path) = &self.data {
            return self.tables(path, trained);
        }
        let recipe = &trained.recipe;
        let origins = [
            ("the rows of", &recipe.data.file),
            ("the examples of", &recipe.training.from),
        ];
        for (what, name) in origins.into_iter().filter(|(_, name)| !name.is_empty()) {
            ensure!(
                !self.check_disjoint,
                "--check-disjoint: this model was also trained on {what} {name}, which its recipe cannot generate again"
            );
        }
        let mut names = HashSet::new();
        let sources = self.tests(trained)?.into_iter().map(|(name, test)| {
            ensure!(names.insert(name.clone()), "{name} is asked for twice");
            let source = test.source(Split::Test)?;
            // Draws one example per problem, so that numbers outside the range of an encoding fail before measuring.
            let first = match self.suite {
                // Draws all examples, because families without solutions are left out as a whole.
                Some(_) => self.total(trained),
                None => test.problems.len(),
            };
            for index in 0..first as u64 {
                let example = source.example(index).with_context(|| name.clone());
                if let (Err(error), Some(_)) = (&example, self.suite) {
                    tell!("left out: {error:#}");
                    return Ok(None);
                }
                example?;
            }
            let paper = PaperFigures::of(&test)?;
            Ok(Some(TestSource { name, source, paper }))
        });
        sources.filter_map(Result::transpose).collect()
    }

    /// The rows of a file, at each level of noise.
    fn tables(&self, path: &Path, trained: &Trained) -> Result<Vec<TestSource>> {
        let (recipe, format) = (&trained.recipe, trained.solver.format());
        let deviation = recipe.data.deviation();
        let tables = self.noises(recipe).into_iter().map(|noise| {
            let table = Table::read(path, format, recipe.data.targets, recipe.data.seed)?;
            let table = table.within(&recipe.dimensions)?;
            let table = table.with_noise(noise, deviation, format, Split::Test)?;
            let name = path.display().to_string();
            Ok(TestSource {
                name: named_with(name, noise),
                source: Arc::new(table),
                paper: None,
            })
        });
        tables.collect()
    }

    fn noises(&self, recipe: &Recipe) -> Vec<Noise> {
        if self.noise.is_empty() {
            vec![recipe.data.noise]
        } else {
            self.noise.clone()
        }
    }

    /// The recipe of each test, with its name: all combinations of sizes, spectra, magnitudes and noise.
    pub(super) fn tests(&self, trained: &Trained) -> Result<Vec<(String, Recipe)>> {
        let mut tests = vec![trained.recipe.clone()];
        tests[0].data.seed = self.seed.unwrap_or(trained.recipe.data.seed);
        tests = combined(tests, self.dimensions()?, |test, dimensions| {
            test.dimensions = dimensions
        });
        tests = combined(tests, self.spectra()?, |test, spectra| test.data.spectrum = spectra);
        if let Some(Suite::Structured) = self.suite {
            tests = combined(tests, Family::ALL.to_vec(), |test, family| {
                *test = test.of_family(family)
            });
        }
        tests = combined(tests, self.magnitude.clone(), |test, magnitude| {
            test.data.magnitude = magnitude
        });
        let mut named = Vec::new();
        for test in tests {
            let name = self.check(&test, trained)?;
            for noise in self.noises(&test) {
                let mut test = test.clone();
                test.data.noise = noise;
                named.push((named_with(name.clone(), noise), test));
            }
        }
        Ok(named)
    }

    /// Checks that the model can read a test, and returns the test's name.
    fn check(&self, test: &Recipe, trained: &Trained) -> Result<String> {
        let size = if self.rows.is_some() { "--rows, --cols" } else { "--dim" };
        let dimensions = test.dimensions;
        for format in trained.solver.formats() {
            trained.capacity.check(format, dimensions.max()).context(size)?;
        }
        test.validate()?;
        let distribution = test.distribution(Split::Test);
        Ok(format!("{} {} {distribution}", test.problems, dimensions.label()))
    }

    /// The sizes of `--dim`, or of `--rows` and `--cols`.
    fn dimensions(&self) -> Result<Vec<Dimensions>> {
        if let (Some(rows), Some(cols)) = (&self.rows, &self.cols) {
            let dimensions = Dimensions::from_parts(None, Some(rows), Some(cols));
            return Ok(vec![dimensions.context("--rows, --cols")?]);
        }
        let dims = self.dim.iter();
        dims.map(|dim| Dimensions::from_parts(Some(dim.trim()), None, None).context("--dim"))
            .collect()
    }

    fn spectra(&self) -> Result<Vec<Spectra>> {
        if self.spectrum == ["all"] {
            return Ok(Spectrum::ALL.iter().map(|&spectrum| spectrum.into()).collect());
        }
        ensure!(
            !self.spectrum.iter().any(|text| text == "all"),
            "--spectrum {}: all cannot be combined with other spectra",
            self.spectrum.join(",")
        );
        let spectra = self.spectrum.iter().map(|text| text.parse().context("--spectrum"));
        spectra.collect()
    }
}

/// All combinations of recipes and values; the recipes unchanged if there are no values.
fn combined<T: Clone>(tests: Vec<Recipe>, values: Vec<T>, set: impl Fn(&mut Recipe, T)) -> Vec<Recipe> {
    if values.is_empty() {
        return tests;
    }
    let with = |test: &Recipe, value: &T| {
        let mut test = test.clone();
        set(&mut test, value.clone());
        test
    };
    tests
        .iter()
        .flat_map(|test| values.iter().map(move |value| (test, value)))
        .map(|(test, value)| with(test, value))
        .collect()
}

/// `eigenvalues 5x5 uniform noise 0.02`
fn named_with(name: String, noise: Noise) -> String {
    if noise.is_none() {
        name
    } else {
        format!("{name} noise {noise}")
    }
}
