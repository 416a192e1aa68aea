//! The examples of a recipe.

use super::Recipe;
use crate::dataset::{Mixture, Repetition, Source, Specification, Stream};
use crate::matrix::{Distribution, Family, InvalidDistribution, Oversampling, Spectra, Split};
use anyhow::{Result, anyhow, ensure};
use std::sync::Arc;

impl Recipe {
    /// The distribution of a split's operands. Only training examples are oversampled.
    pub fn distribution(&self, split: Split) -> Distribution {
        let data = &self.data;
        Distribution {
            coefficients: data.coefficients,
            magnitude: data.magnitude,
            spectra: data.spectrum.clone(),
            oversampling: match split {
                Split::Train => data.oversampling(),
                Split::Validation | Split::Test => Oversampling::default(),
            },
            family: data.family,
        }
    }

    /// The same recipe with all matrices from one family.
    #[must_use]
    pub fn of_family(&self, family: Family) -> Self {
        let mut recipe = self.clone();
        (recipe.data.family, recipe.data.spectrum) = (Some(family), Spectra::default());
        recipe
    }

    /// Problem, sizes and distribution. Fails if there are several problems.
    pub fn specification(&self, split: Split) -> Result<Specification> {
        let mut specifications = self.specifications(split)?;
        ensure!(
            specifications.len() == 1,
            "{} is a set of several problems, but this needs a model of one problem",
            self.problems
        );
        Ok(specifications.swap_remove(0))
    }

    /// Problem, sizes and distribution of each problem, in the order of the tasks.
    pub fn specifications(&self, split: Split) -> Result<Vec<Specification>> {
        let specifications = Specification::of_set(&self.problems, self.dimensions, &self.distribution(split));
        specifications.map_err(|error| match error.downcast_ref() {
            Some(InvalidDistribution::Share { key, .. }) => anyhow!("data.{key}: {error}"),
            Some(_) => anyhow!("data.magnitude: {error}"),
            None => error,
        })
    }

    /// The examples of a split in the model's format, without repetition. Fails if there are several problems.
    pub fn stream(&self, split: Split) -> Result<Stream> {
        let stream = Stream::new(self.specification(split)?, self.data.seed, split);
        let stream = stream.encoded(&self.format(), self.data.targets);
        Ok(stream.with_noise(self.data.noise))
    }

    /// The examples of a split in the model's format. Only training repeats examples, if the recipe says so.
    pub fn source(&self, split: Split) -> Result<Arc<dyn Source>> {
        self.source_of(self.specifications(split)?, self.data.seed, split)
    }

    /// The examples of the given seed and specifications, one per problem of the model, in the model's format.
    pub fn source_of(&self, specifications: Vec<Specification>, seed: u64, split: Split) -> Result<Arc<dyn Source>> {
        let format = self.format();
        let repetition = match split {
            Split::Train => self.data.repetition(),
            _ => Repetition::Never,
        };
        let stream = |specification| {
            let stream = Stream::new(specification, seed, split).encoded(&format, self.data.targets);
            stream.with_repetition(repetition).with_noise(self.data.noise)
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
    fn only_symmetric_problems_take_the_spectrum() {
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
    fn invalid_sets_are_refused_with_the_member_at_fault() {
        let message = error("problem = \"add+inverse\"\nrows = 2\ncols = 3");
        assert!(message.contains("inverse wants square matrices, not 2x3"), "{message}");
        let message = error("problem = \"add+inverse\"\ndim = 3\n[data]\nspectrum = \"laplace\"");
        assert!(message.contains("has no spectrum"), "{message}");
        let message = error("problem = \"add+add\"\ndim = 3");
        assert!(message.contains("problem: `add` is named twice"), "{message}");
        assert!(recipe("problem = \"svd+add\"\nrows = 2\ncols = 3").is_ok());
    }

    #[test]
    fn the_order_of_problems_does_not_matter() {
        let [a, b] =
            ["svd+add", "add + svd"].map(|problem| recipe(&format!("problem = \"{problem}\"\ndim = 2")).unwrap());
        assert_eq!(a, b);
        assert_eq!(a.problems.to_string(), "add+svd");
    }

    #[test]
    fn contradictory_repetitions_are_refused_with_a_remedy() {
        let of = |data: &str| recipe(&format!("problem = \"add\"\ndim = 2\n[data]\n{data}"));
        assert_eq!(of("").unwrap().data.repetition(), Repetition::Never);
        assert_eq!(
            of("examples = 9").unwrap().data.repetition(),
            Repetition::Fixed { examples: 9 }
        );
        let two = Repetition::TwoSets {
            examples: 9,
            share: 0.5,
        };
        assert_eq!(of("repeated = 9\nrepeated_share = 0.5").unwrap().data.repetition(), two);
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
    fn only_training_repeats_examples() {
        let recipe = recipe("problem = \"add+svd\"\ndim = 2\n[data]\nexamples = 5").unwrap();
        let repeats = Split::ALL.map(|split| recipe.source(split).unwrap().repeats());
        assert_eq!(repeats, [Some(10), None, None]);
    }
}
