//! How operands are drawn, and its text form.

use std::{fmt, str::FromStr};

use rand::RngExt;

use super::{
    Coefficients, Entries, Generator, Matrix, Spectra,
    name::{UnknownName, serde_as_text},
};

/// How operands are drawn.
///
/// The text form, found in CSV files, is the law of the coefficients, `:` and their magnitude if it is not 10, `+bias:`
/// and the sign bias if there is one, `+small:` and the share of small coefficients if there is one,
/// `+large:` and the share of large draws if there is one, and `/` and the spectra if
/// they are not the semicircle: `uniform`, `gaussian:5`, `uniform+bias:0.5`, `uniform/laplace+gaussian`.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub coefficients: Coefficients,
    /// The paper's A, a positive number.
    pub magnitude: f64,
    /// Of symmetric operands; others ignore it.
    pub spectra: Spectra,
    /// Share of the draws whose signs lean to the positive: each has a probability of its own, uniform on [0, 1], with
    /// which a coefficient is replaced by its magnitude.
    ///
    /// Determinants and their kin are sums of products whose signs are parities of the coefficients' signs, and a parity
    /// of fair signs tells a gradient nothing until it is known whole. Among leaning signs its parts show, and what is
    /// learned there holds for fair ones too (Abbe, Cornacchia & Lotfi 2023, arXiv 2306.16921).
    pub sign_bias: f64,
    /// Probability with which a coefficient is made smaller by up to six powers of ten, each as likely as any other.
    ///
    /// Of uniform coefficients one in a thousand is below a thousandth of the magnitude, too few to learn to copy from.
    pub small_share: f64,
    /// Share of the draws whose coefficients are made larger: each has a power of its own, uniform on [0, 1], to which their share of the
    /// magnitude is raised.
    ///
    /// Where coefficients are large together, so is what is made of them. Of the coefficients of products of uniform 5x5
    /// matrices one in a thousand is beyond half of the bound, too few for a model to learn their places on its scale.
    pub large_share: f64,
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
                sign_bias: 0.0,
                small_share: 0.0,
                large_share: 0.0,
            })
        } else {
            Err(InvalidDistribution::Magnitude(magnitude.to_string()))
        }
    }

    /// Fails if the bias is not a share.
    pub fn with_sign_bias(self, sign_bias: f64) -> Result<Self, InvalidDistribution> {
        if (0.0..=1.0).contains(&sign_bias) {
            Ok(Self { sign_bias, ..self })
        } else {
            Err(InvalidDistribution::SignBias(sign_bias.to_string()))
        }
    }

    /// Fails if the share is not one.
    pub fn with_small_share(self, small_share: f64) -> Result<Self, InvalidDistribution> {
        if (0.0..=1.0).contains(&small_share) {
            Ok(Self { small_share, ..self })
        } else {
            Err(InvalidDistribution::SmallShare(small_share.to_string()))
        }
    }

    /// Fails if the share is not one.
    pub fn with_large_share(self, large_share: f64) -> Result<Self, InvalidDistribution> {
        if (0.0..=1.0).contains(&large_share) {
            Ok(Self { large_share, ..self })
        } else {
            Err(InvalidDistribution::LargeShare(large_share.to_string()))
        }
    }

    /// The law of the next matrix's coefficients.
    fn entries(&self, generator: &mut Generator) -> Entries {
        // A share of zero takes no random number, so that examples of other recipes stay what they are.
        let mut of_share = |share: f64, otherwise: f64| {
            let chosen = share > 0.0 && generator.random::<f64>() < share;
            if chosen { generator.random() } else { otherwise }
        };
        Entries {
            coefficients: self.coefficients,
            magnitude: self.magnitude,
            positive: of_share(self.sign_bias, 0.0),
            small: self.small_share,
            power: of_share(self.large_share, 1.0),
        }
    }

    /// Draws independent coefficients into a matrix that already has its shape.
    pub fn fill(&self, generator: &mut Generator, matrix: &mut Matrix) {
        self.entries(generator).fill(generator, matrix.as_mut_slice());
    }

    /// Draws a symmetric matrix into one that already has its shape.
    pub fn fill_symmetric(&self, generator: &mut Generator, matrix: &mut Matrix) {
        let spectrum = self.spectra.draw(generator);
        spectrum.fill(&self.entries(generator), generator, matrix);
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            coefficients: Coefficients::Uniform,
            magnitude: Self::DEFAULT_MAGNITUDE,
            spectra: Spectra::default(),
            sign_bias: 0.0,
            small_share: 0.0,
            large_share: 0.0,
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.coefficients)?;
        if self.magnitude != Self::DEFAULT_MAGNITUDE {
            write!(f, ":{}", self.magnitude)?;
        }
        if self.sign_bias > 0.0 {
            write!(f, "+bias:{}", self.sign_bias)?;
        }
        if self.small_share > 0.0 {
            write!(f, "+small:{}", self.small_share)?;
        }
        if self.large_share > 0.0 {
            write!(f, "+large:{}", self.large_share)?;
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
        let (law, large_share) = split_number(law, "+large:", 0.0, InvalidDistribution::LargeShare)?;
        let (law, small_share) = split_number(law, "+small:", 0.0, InvalidDistribution::SmallShare)?;
        let (law, sign_bias) = split_number(law, "+bias:", 0.0, InvalidDistribution::SignBias)?;
        let (coefficients, magnitude) =
            split_number(law, ":", Self::DEFAULT_MAGNITUDE, InvalidDistribution::Magnitude)?;
        Self::new(coefficients.parse()?, magnitude, spectra)?
            .with_sign_bias(sign_bias)?
            .with_small_share(small_share)?
            .with_large_share(large_share)
    }
}

/// What stands before a mark, and the number after it; all and the default where there is no mark.
fn split_number<'a>(
    text: &'a str,
    mark: &str,
    default: f64,
    invalid: impl Fn(String) -> InvalidDistribution,
) -> Result<(&'a str, f64), InvalidDistribution> {
    match text.split_once(mark) {
        Some((before, number)) => Ok((before, number.parse().map_err(|_| invalid(number.to_owned()))?)),
        None => Ok((text, default)),
    }
}

serde_as_text!(Distribution);

/// Why a text or a magnitude names no distribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDistribution {
    #[error("the magnitude of coefficients is `{0}`, but must be a positive number such as 10")]
    Magnitude(String),
    #[error("the sign bias is `{0}`, but must be a share from 0 to 1")]
    SignBias(String),
    #[error("the share of small coefficients is `{0}`, but must be from 0 to 1")]
    SmallShare(String),
    #[error("the share of large draws is `{0}`, but must be from 0 to 1")]
    LargeShare(String),
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
            "uniform+bias:0.5",
            "gaussian:3+bias:1/laplace",
            "uniform+small:0.3",
            "uniform:5+bias:0.5+small:0.25",
            "uniform+large:0.3",
            "gaussian+bias:0.5+small:0.25+large:1/laplace",
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
        assert!(message("uniform+small:2").contains("from 0 to 1"));
        assert!(message("uniform+large:some").contains("share of large draws is `some`"));
        assert!(message("uniform:inf").contains("`inf`"));
        assert!(message("uniform+bias:1.5").contains("`1.5`, but must be a share"));
        assert!(message("normal").contains("Allowed: uniform, gaussian"));
        assert!(message("uniform/cauchy").contains("marchenko-pastur"));
    }

    #[test]
    fn biased_draws_are_symmetric_keep_their_spectrum_and_lean_to_the_positive() {
        let share = |sign_bias| {
            let distribution = Distribution::default().with_sign_bias(sign_bias).unwrap();
            let mut matrix = Matrix::zeros(4, 4);
            let (mut positive, mut trace) = (0, 0.0);
            for index in 0..2000 {
                let address = Address {
                    seed: 1,
                    split: Split::Train,
                    index,
                };
                distribution.fill_symmetric(&mut address.generator(0), &mut matrix);
                assert_eq!(matrix, matrix.transpose());
                positive += matrix.iter().filter(|x| **x > 0.0).count();
                let uniform = Distribution {
                    spectra: Spectrum::Uniform.into(),
                    ..distribution.clone()
                };
                uniform.fill_symmetric(&mut address.generator(0), &mut matrix);
                trace += matrix.trace();
            }
            assert!(trace.abs() / 2000.0 < 1.5, "{trace}");
            positive as f64 / (2000.0 * 16.0)
        };
        assert!((share(0.0) - 0.5).abs() < 0.01);
        assert!((share(1.0) - 0.75).abs() < 0.02);
    }

    #[test]
    fn a_share_of_the_draws_is_larger_as_a_whole() {
        let distribution = Distribution::default().with_large_share(0.5).unwrap();
        let mut matrix = Matrix::zeros(20, 20);
        let (mut as_they_are, mut larger) = (0, 0);
        for index in 0..1000 {
            let address = Address {
                seed: 1,
                split: Split::Train,
                index,
            };
            distribution.fill(&mut address.generator(0), &mut matrix);
            let below_half = matrix.iter().filter(|x| x.abs() < 5.0).count() as f64 / 400.0;
            as_they_are += usize::from((below_half - 0.5).abs() < 0.1);
            larger += usize::from(below_half < 0.4);
        }
        // The share below one half is 2^(-1/t) at power t, and that is below 0.4 for t below 0.76.
        assert!((as_they_are as f64 / 1000.0 - 0.62).abs() < 0.05, "{as_they_are}");
        assert!((larger as f64 / 1000.0 - 0.38).abs() < 0.05, "{larger}");
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
