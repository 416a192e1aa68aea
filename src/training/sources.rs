//! Where a recipe's examples come from.

use super::recipe::Recipe;
use crate::dataset::{Mixture, Repetition, Source, Specification, Stream};
use crate::matrix::{Distribution, Emphasis, InvalidDistribution, Noise, Split};
use crate::problem::Problems;
use anyhow::{Result, anyhow, ensure};
use std::sync::Arc;

/// The most examples of `data.examples`: the order of an epoch is in memory, in four bytes for each.
const MOST_EXAMPLES: u32 = 100_000_000;

impl Recipe {
    /// The problems that the model learns.
    pub fn problems(&self) -> Result<Problems> {
        ensure!(
            !self.problem.is_empty(),
            "a recipe needs its problem: problem = \"eigenvalues\" (one of {}, or several joined by +)",
            crate::problem::ALL
                .iter()
                .map(|problem| problem.name())
                .collect::<Vec<_>>()
                .join(", ")
        );
        self.problem.parse().map_err(|error| anyhow!("problem: {error}"))
    }

    /// How coefficients and spectra of a split are drawn; emphasis is on training examples alone.
    pub fn distribution(&self, split: Split) -> Result<Distribution> {
        let data = &self.data;
        let spectra = data
            .spectrum
            .parse()
            .map_err(|error| anyhow!("data.spectrum: {error}"))?;
        let emphasis = match split {
            Split::Train => data.emphasis(),
            Split::Validation | Split::Test => Emphasis::default(),
        };
        let refused = |error| match error {
            InvalidDistribution::Share { key, .. } => anyhow!("data.{key}: {error}"),
            error => anyhow!("data.magnitude: {error}"),
        };
        Distribution::new(data.coefficients, data.magnitude, spectra)
            .and_then(|distribution| distribution.with_emphasis(emphasis))
            .map_err(refused)
    }

    /// Problem, sizes and distribution; fails where there are several problems.
    pub fn specification(&self, split: Split) -> Result<Specification> {
        let mut specifications = self.specifications(split)?;
        ensure!(
            specifications.len() == 1,
            "{} are several problems, but this is for models of one",
            self.problem
        );
        Ok(specifications.swap_remove(0))
    }

    /// Problem, sizes and distribution of every problem, in the order of the tasks.
    pub fn specifications(&self, split: Split) -> Result<Vec<Specification>> {
        let (dimensions, distribution) = (self.dimensions()?, self.distribution(split)?);
        Specification::of_set(&self.problems()?, dimensions, &distribution)
    }

    /// The noise on operands.
    pub fn noise(&self) -> Result<Noise> {
        Noise::new(self.data.noise).map_err(|error| anyhow!("data.noise: {error}"))
    }

    /// The examples of a split as the model sees them, each once; fails where there are several problems.
    pub fn stream(&self, split: Split) -> Result<Stream> {
        let stream = Stream::new(self.specification(split)?, self.data.seed, split);
        let stream = stream.encoded(&self.format()?, self.data.targets);
        Ok(stream.with_noise(self.noise()?))
    }

    /// The examples that training comes back to.
    pub fn repetition(&self) -> Result<Repetition> {
        let data = &self.data;
        let (fixed, repeated, share) = (data.examples, data.repeated, data.repeated_share);
        ensure!(
            (0.0..=1.0).contains(&share),
            "data.repeated_share = {share}: expected a number from 0 to 1"
        );
        ensure!(
            fixed == 0 || (repeated == 0 && share == 0.0),
            "data.examples = {fixed} with data.repeated = {repeated} and data.repeated_share = {share}: all examples come \
             again already; give either examples, or repeated and repeated_share"
        );
        ensure!(
            repeated > 0 || share == 0.0,
            "data.repeated_share = {share} with data.repeated = 0: say how many examples are repeated, e.g. data.repeated = \
             1000"
        );
        ensure!(
            repeated == 0 || share > 0.0,
            "data.repeated = {repeated} with data.repeated_share = 0: say which share of a batch is repeated, e.g. \
             data.repeated_share = 0.25"
        );
        ensure!(
            fixed <= MOST_EXAMPLES.into(),
            "data.examples = {fixed}: expected at most {MOST_EXAMPLES}, or 0 for no limit"
        );
        Ok(match (fixed, repeated) {
            (0, 0) => Repetition::Never,
            (0, examples) => Repetition::TwoSets { examples, share },
            (examples, _) => Repetition::Fixed {
                examples: examples as u32,
            },
        })
    }

    /// The examples of a split as the model sees them; those of the training come back as the recipe says.
    pub fn source(&self, split: Split) -> Result<Arc<dyn Source>> {
        self.source_of(self.specifications(split)?, self.data.seed, split)
    }

    /// The same of other specifications, one per problem of the model, and another seed.
    pub fn source_of(&self, specifications: Vec<Specification>, seed: u64, split: Split) -> Result<Arc<dyn Source>> {
        let (format, noise) = (self.format()?, self.noise()?);
        let repetition = match split {
            Split::Train => self.repetition()?,
            _ => Repetition::Never,
        };
        let stream = |specification| {
            let stream = Stream::new(specification, seed, split).encoded(&format, self.data.targets);
            stream.with_repetition(repetition).with_noise(noise)
        };
        Ok(Mixture::of(specifications.into_iter().map(stream).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str) -> Result<Recipe> {
        Recipe::parse(text, &[])
    }

    fn error(text: &str) -> String {
        format!("{:#}", recipe(text).unwrap_err())
    }

    #[test]
    fn the_spectrum_is_of_the_symmetric_problems() {
        let recipe = recipe("problem = \"add+eigenvalues\"\ndim = 3\n[data]\nspectrum = \"laplace\"").unwrap();
        let specifications = recipe.specifications(Split::Test).unwrap();
        let texts: Vec<String> = specifications.iter().map(|each| each.to_string()).collect();
        assert_eq!(texts, ["add 3 uniform", "eigenvalues 3 uniform/laplace"]);
        assert!(
            recipe
                .specification(Split::Test)
                .unwrap_err()
                .to_string()
                .contains("several problems")
        );
    }

    #[test]
    fn sets_that_cannot_be_are_refused_with_the_member() {
        let message = error("problem = \"add+inverse\"\nrows = 2\ncols = 3");
        assert!(message.contains("inverse wants square matrices, not 2x3"), "{message}");
        let message = error("problem = \"add+inverse\"\ndim = 3\n[data]\nspectrum = \"laplace\"");
        assert!(message.contains("has no spectrum"), "{message}");
        let message = error("problem = \"add+add\"\ndim = 3");
        assert!(message.contains("problem: `add` is named twice"), "{message}");
        assert!(recipe("problem = \"svd+add\"\nrows = 2\ncols = 3").is_ok());
    }

    #[test]
    fn the_order_of_problems_makes_no_other_recipe() {
        let [a, b] =
            ["svd+add", "add + svd"].map(|problem| recipe(&format!("problem = \"{problem}\"\ndim = 2")).unwrap());
        assert_eq!(a, b);
        assert_eq!(a.problem, "add+svd");
    }

    #[test]
    fn repetitions_that_contradict_themselves_are_refused_with_what_mends_them() {
        let of = |data: &str| recipe(&format!("problem = \"add\"\ndim = 2\n[data]\n{data}"));
        assert_eq!(of("").unwrap().repetition().unwrap(), Repetition::Never);
        assert_eq!(
            of("examples = 9").unwrap().repetition().unwrap(),
            Repetition::Fixed { examples: 9 }
        );
        let two = Repetition::TwoSets {
            examples: 9,
            share: 0.5,
        };
        assert_eq!(
            of("repeated = 9\nrepeated_share = 0.5").unwrap().repetition().unwrap(),
            two
        );
        for (data, part) in [
            ("repeated_share = 0.5", "data.repeated = 1000"),
            ("repeated = 9", "data.repeated_share = 0.25"),
            ("repeated = 9\nrepeated_share = 1.5", "from 0 to 1"),
            (
                "examples = 9\nrepeated = 9\nrepeated_share = 0.5",
                "give either examples",
            ),
            ("examples = 9\nrepeated_share = 0.5", "give either examples"),
            ("examples = -1", "data.examples"),
        ] {
            let message = format!("{:#}", of(data).unwrap_err());
            assert!(message.contains(part), "{data}: {message}");
        }
    }

    #[test]
    fn only_training_comes_back_to_examples() {
        let recipe = recipe("problem = \"add+svd\"\ndim = 2\n[data]\nexamples = 5").unwrap();
        let repeats = Split::ALL.map(|split| recipe.source(split).unwrap().repeats());
        assert_eq!(repeats, [Some(10), None, None]);
    }
}
