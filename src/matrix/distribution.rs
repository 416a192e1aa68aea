//! How operands are drawn, and its text form.

use std::{fmt, str::FromStr};

use super::{
    Coefficients, Generator, Matrix, Spectra,
    name::{UnknownName, serde_as_text},
};

/// How operands are drawn.
///
/// The text form, found in CSV files, is the law of the coefficients, `:` and their magnitude if it is not 10, and `/`
/// and the spectra if they are not the semicircle: `uniform`, `gaussian:5`, `uniform/laplace+gaussian`.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub coefficients: Coefficients,
    /// The paper's A, a positive number.
    pub magnitude: f64,
    /// Of symmetric operands; others ignore it.
    pub spectra: Spectra,
}

impl Distribution {
    /// The magnitude of the paper's coefficients.
    pub const DEFAULT_MAGNITUDE: f64 = 10.0;

    /// Fails if the magnitude is not a positive number.
    pub fn new(coefficients: Coefficients, magnitude: f64, spectra: Spectra) -> Result<Self, InvalidDistribution> {
        if magnitude.is_finite() && magnitude > 0.0 {
            Ok(Self {
                coefficients,
                magnitude,
                spectra,
            })
        } else {
            Err(InvalidDistribution::Magnitude(magnitude.to_string()))
        }
    }

    /// Draws independent coefficients into a matrix that already has its shape.
    pub fn fill(&self, generator: &mut Generator, matrix: &mut Matrix) {
        self.coefficients.fill(self.magnitude, generator, matrix.as_mut_slice());
    }

    /// Draws a symmetric matrix into one that already has its shape.
    pub fn fill_symmetric(&self, generator: &mut Generator, matrix: &mut Matrix) {
        let spectrum = self.spectra.draw(generator);
        spectrum.fill(self.coefficients, self.magnitude, generator, matrix);
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            coefficients: Coefficients::Uniform,
            magnitude: Self::DEFAULT_MAGNITUDE,
            spectra: Spectra::default(),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.coefficients)?;
        if self.magnitude != Self::DEFAULT_MAGNITUDE {
            write!(f, ":{}", self.magnitude)?;
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
        let (law, spectra) = match text.split_once('/') {
            Some((law, spectra)) => (law, spectra.parse()?),
            None => (text, Spectra::default()),
        };
        let (coefficients, magnitude) = match law.split_once(':') {
            Some((coefficients, magnitude)) => {
                let number = magnitude
                    .parse()
                    .map_err(|_| InvalidDistribution::Magnitude(magnitude.to_owned()))?;
                (coefficients, number)
            }
            None => (law, Self::DEFAULT_MAGNITUDE),
        };
        Self::new(coefficients.parse()?, magnitude, spectra)
    }
}

serde_as_text!(Distribution);

/// Why a text or a magnitude names no distribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDistribution {
    #[error("the magnitude of coefficients is `{0}`, but must be a positive number such as 10")]
    Magnitude(String),
    #[error(transparent)]
    Name(#[from] UnknownName),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Address, Spectrum, Split};

    #[test]
    fn distributions_parse_as_they_print() {
        for text in [
            "uniform",
            "gaussian",
            "uniform:2.5",
            "uniform/laplace",
            "gaussian:1/uniform+abs-laplace",
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
        assert!(message("uniform:inf").contains("`inf`"));
        assert!(message("normal").contains("Allowed: uniform, gaussian"));
        assert!(message("uniform/cauchy").contains("marchenko-pastur"));
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
                let mut generator = Address {
                    seed: 1,
                    split: Split::Train,
                    index: 0,
                }
                .generator(0);
                let mut matrix = Matrix::zeros(4, 4);
                distribution.fill_symmetric(&mut generator, &mut matrix);
                matrix
            };
            let difference = (draw(8.0) - draw(2.0) * 4.0).amax();
            assert!(difference < 1e-12, "{spectrum}: {difference}");
        }
    }
}
