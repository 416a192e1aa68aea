//! The distribution of operands, and its text form.

use std::{fmt, str::FromStr};

use super::{
    Coefficients, Entries, Family, Generator, Matrix, Oversampling, Spectra,
    name::UnknownName,
    oversampling::{scale_smallest, scale_smallest_symmetric, uniform_or},
};

/// The distribution of operands.
///
/// CSV files hold its text form, which has up to five parts:
///
/// * the distribution of the coefficients: `uniform`, `gaussian`;
/// * `:` and their magnitude, unless it is 10: `gaussian:5`;
/// * the [oversampling](Oversampling), if any: `uniform+bias:0.5`;
/// * `@` and the family, if any: `uniform@covariance`;
/// * `/` and the spectra, unless they are the semicircle: `uniform/laplace+gaussian`.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub coefficients: Coefficients,
    /// The paper's A, a positive number.
    pub magnitude: f64,
    /// The spectra of symmetric operands. Other operands ignore them.
    pub spectra: Spectra,
    pub oversampling: Oversampling,
    /// The family of all matrices; `None` for independent coefficients.
    pub family: Option<Family>,
}

impl Distribution {
    /// The magnitude of coefficients in the paper.
    pub const DEFAULT_MAGNITUDE: f64 = 10.0;

    /// A distribution without oversampling or family. Fails if the magnitude is not a positive number.
    pub fn new(coefficients: Coefficients, magnitude: f64, spectra: Spectra) -> Result<Self, InvalidDistribution> {
        if magnitude.is_finite() && magnitude > 0.0 {
            Ok(Self {
                coefficients,
                magnitude,
                spectra,
                oversampling: Oversampling::default(),
                family: None,
            })
        } else {
            Err(InvalidDistribution::Magnitude(magnitude.to_string()))
        }
    }

    /// Sets the oversampling. Fails if a share is not between 0 and 1.
    pub fn with_oversampling(self, oversampling: Oversampling) -> Result<Self, InvalidDistribution> {
        oversampling.validate()?;
        Ok(Self { oversampling, ..self })
    }

    #[must_use]
    pub fn with_family(self, family: Option<Family>) -> Self {
        Self { family, ..self }
    }

    /// The distribution of the next matrix's coefficients.
    fn entries(&self, generator: &mut Generator) -> Entries {
        let oversampling = self.oversampling;
        Entries {
            coefficients: self.coefficients,
            magnitude: self.magnitude,
            positive: uniform_or(oversampling.sign_bias, 0.0, generator),
            small: oversampling.small,
            power: uniform_or(oversampling.large, 1.0, generator),
        }
    }

    /// The family of the next matrix; `None` for independent coefficients.
    fn next_family(&self, generator: &mut Generator) -> Option<Family> {
        self.family.or_else(|| self.oversampling.family(generator))
    }

    /// Fills a matrix with independent coefficients, or with a matrix of the family.
    pub fn fill(&self, generator: &mut Generator, matrix: &mut Matrix) {
        if let Some(family) = self.next_family(generator) {
            return family.fill(self.coefficients, self.magnitude, generator, matrix);
        }
        self.entries(generator).fill(generator, matrix.as_mut_slice());
        let smallest_factor = self.oversampling.smallest_factor(generator);
        if smallest_factor < 1.0 {
            scale_smallest(matrix, smallest_factor);
        }
    }

    /// Fills a square matrix with a symmetric one.
    pub fn fill_symmetric(&self, generator: &mut Generator, matrix: &mut Matrix) {
        if let Some(family) = self.next_family(generator) {
            return family.fill_symmetric(self.coefficients, self.magnitude, generator, matrix);
        }
        let spectrum = self.spectra.draw(generator);
        spectrum.fill(&self.entries(generator), generator, matrix);
        let smallest_factor = self.oversampling.smallest_factor(generator);
        if smallest_factor < 1.0 {
            scale_smallest_symmetric(matrix, smallest_factor);
        }
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            coefficients: Coefficients::Uniform,
            magnitude: Self::DEFAULT_MAGNITUDE,
            spectra: Spectra::default(),
            oversampling: Oversampling::default(),
            family: None,
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.coefficients)?;
        if self.magnitude != Self::DEFAULT_MAGNITUDE {
            write!(f, ":{}", self.magnitude)?;
        }
        write!(f, "{}", self.oversampling)?;
        if let Some(family) = self.family {
            write!(f, "@{family}")?;
        }
        if !self.spectra.is_semicircle() {
            write!(f, "/{}", self.spectra)?;
        }
        Ok(())
    }
}

impl FromStr for Distribution {
    type Err = InvalidDistribution;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (coefficients, spectra) = match text.split_once('/') {
            Some((coefficients, spectra)) => (coefficients, spectra.parse()?),
            None => (text, Spectra::default()),
        };
        let (coefficients, family) = match coefficients.split_once('@') {
            Some((coefficients, family)) => (coefficients, Some(family.parse()?)),
            None => (coefficients, None),
        };
        let (coefficients, oversampling) = Oversampling::split(coefficients)?;
        let (coefficients, magnitude) = match coefficients.split_once(':') {
            Some((coefficients, magnitude)) => {
                let invalid = |_| InvalidDistribution::Magnitude(magnitude.to_owned());
                (coefficients, magnitude.parse().map_err(invalid)?)
            }
            None => (coefficients, Self::DEFAULT_MAGNITUDE),
        };
        Self::new(coefficients.parse()?, magnitude, spectra)?
            .with_family(family)
            .with_oversampling(oversampling)
    }
}

/// The error of an invalid text form, magnitude or share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDistribution {
    #[error("the magnitude of coefficients is `{0}`, but must be a positive number such as 10")]
    Magnitude(String),
    #[error("the {name} is `{value}`, but must be from 0 to 1")]
    Share {
        /// The key of the share in a recipe.
        key: &'static str,
        name: &'static str,
        value: String,
    },
    #[error(transparent)]
    Name(#[from] UnknownName),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Spectrum, address::test_generator};

    fn oversampled(oversampling: Oversampling) -> Distribution {
        Distribution::default().with_oversampling(oversampling).unwrap()
    }

    #[test]
    fn distributions_parse_as_they_print() {
        for text in [
            "uniform",
            "gaussian",
            "uniform:2.5",
            "uniform/laplace",
            "uniform+bias:0.5",
            "gaussian:3+bias:1/laplace",
            "uniform+small:0.3",
            "uniform:5+bias:0.5+small:0.25",
            "uniform+large:0.3",
            "uniform+singular:0.5",
            "gaussian+bias:0.5+small:0.25+large:1+singular:0.125/laplace",
            "gaussian:1/uniform+abs-laplace",
            "uniform@covariance",
            "gaussian:5+structured:0.5@mixed-rows",
        ] {
            assert_eq!(text.parse::<Distribution>().unwrap().to_string(), text);
        }
        assert_eq!("uniform:10/semicircle".parse(), Ok(Distribution::default()));
        assert_eq!(
            "uniform/laplace".parse::<Distribution>().unwrap().spectra,
            Spectrum::Laplace.into()
        );
    }

    #[test]
    fn wrong_distributions_say_what_is_allowed() {
        let message = |text: &str| text.parse::<Distribution>().unwrap_err().to_string();
        assert!(message("uniform:0").contains("must be a positive number"));
        assert!(message("uniform:ten").contains("`ten`"));
        assert!(message("uniform+small:2").contains("from 0 to 1"));
        assert!(message("uniform+large:some").contains("share of large draws is `some`"));
        assert!(message("uniform:inf").contains("`inf`"));
        assert!(message("uniform+bias:1.5").contains("the sign bias is `1.5`, but must be from 0 to 1"));
        assert!(message("uniform+singular:-0.5").contains("share of nearly singular draws is `-0.5`"));
        assert!(message("normal").contains("Allowed: uniform, gaussian"));
        assert!(message("uniform@covarianc").contains("did you mean `covariance`?"));
        assert!(message("uniform/cauchy").contains("marchenko-pastur"));
    }

    #[test]
    fn a_named_family_and_a_share_of_families_are_drawn() {
        let zeros = |text: &str| {
            let distribution: Distribution = text.parse().unwrap();
            let mut matrix = Matrix::zeros(4, 4);
            let mut zeros = 0;
            for index in 0..400 {
                distribution.fill(&mut test_generator(1, index), &mut matrix);
                zeros += usize::from(matrix.iter().any(|x| *x == 0.0));
            }
            zeros
        };
        assert_eq!(zeros("uniform"), 0);
        assert_eq!(zeros("uniform@diagonal"), 400);
        // About half of the families have zeros.
        assert!((10..40).contains(&zeros("uniform+structured:0.1")));
    }

    #[test]
    fn biased_draws_are_symmetric_keep_their_spectrum_and_are_mostly_positive() {
        let share = |sign_bias| {
            let distribution = oversampled(Oversampling {
                sign_bias,
                ..Default::default()
            });
            let mut matrix = Matrix::zeros(4, 4);
            let (mut positive, mut trace) = (0, 0.0);
            for index in 0..2000 {
                distribution.fill_symmetric(&mut test_generator(1, index), &mut matrix);
                assert_eq!(matrix, matrix.transpose());
                positive += matrix.iter().filter(|x| **x > 0.0).count();
                let uniform = Distribution {
                    spectra: Spectrum::Uniform.into(),
                    ..distribution.clone()
                };
                uniform.fill_symmetric(&mut test_generator(1, index), &mut matrix);
                trace += matrix.trace();
            }
            assert!(trace.abs() / 2000.0 < 1.5, "{trace}");
            positive as f64 / (2000.0 * 16.0)
        };
        assert!((share(0.0) - 0.5).abs() < 0.01);
        assert!((share(1.0) - 0.75).abs() < 0.02);
    }

    #[test]
    fn some_draws_have_larger_coefficients() {
        let distribution = oversampled(Oversampling {
            large: 0.5,
            ..Default::default()
        });
        let mut matrix = Matrix::zeros(20, 20);
        let (mut as_they_are, mut larger) = (0, 0);
        for index in 0..1000 {
            distribution.fill(&mut test_generator(1, index), &mut matrix);
            let below_half = matrix.iter().filter(|x| x.abs() < 5.0).count() as f64 / 400.0;
            as_they_are += usize::from((below_half - 0.5).abs() < 0.1);
            larger += usize::from(below_half < 0.4);
        }
        // At power t, a coefficient is below one half with probability 2^(-1/t), which is below 0.4 if t is below 0.76.
        assert!((as_they_are as f64 / 1000.0 - 0.62).abs() < 0.05, "{as_they_are}");
        assert!((larger as f64 / 1000.0 - 0.38).abs() < 0.05, "{larger}");
    }

    #[test]
    fn some_draws_have_only_their_smallest_singular_value_reduced() {
        let (plain, near) = (
            Distribution::default(),
            oversampled(Oversampling {
                singular: 1.0,
                ..Default::default()
            }),
        );
        let values = |distribution: &Distribution, symmetric: bool, index| {
            let mut matrix = Matrix::zeros(4, 4);
            if symmetric {
                distribution.fill_symmetric(&mut test_generator(1, index), &mut matrix);
                assert_eq!(matrix, matrix.transpose());
            } else {
                distribution.fill(&mut test_generator(1, index), &mut matrix);
            }
            matrix.singular_values()
        };
        for symmetric in [false, true] {
            let mut decades = 0.0;
            for index in 0..200 {
                let [given, moved] = [&plain, &near].map(|distribution| values(distribution, symmetric, index));
                assert!((given.rows(0, 3) - moved.rows(0, 3)).amax() < 1e-9);
                let decade = (given[3] / moved[3]).log10();
                assert!((-1e-6..2.0 + 1e-6).contains(&decade), "{decade}");
                decades += decade / 200.0;
            }
            assert!((decades - 1.0).abs() < 0.15, "{decades}");
        }
    }

    #[test]
    fn the_magnitude_scales_every_draw() {
        for spectrum in Spectrum::ALL {
            let draw = |magnitude| {
                let distribution = Distribution {
                    magnitude,
                    spectra: spectrum.into(),
                    ..Default::default()
                };
                let mut generator = test_generator(1, 0);
                let mut matrix = Matrix::zeros(4, 4);
                distribution.fill_symmetric(&mut generator, &mut matrix);
                matrix
            };
            let difference = (draw(8.0) - draw(2.0) * 4.0).amax();
            assert!(difference < 1e-12, "{spectrum}: {difference}");
        }
    }
}
