//! Noise on operands.

use super::Generator;
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Standard deviation of normal noise on each coefficient, relative to the coefficients' standard deviation (Charton
/// 2021).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Noise(f64);

impl TryFrom<f64> for Noise {
    type Error = InvalidNoise;

    fn try_from(share: f64) -> Result<Self, InvalidNoise> {
        Self::new(share)
    }
}

impl From<Noise> for f64 {
    fn from(noise: Noise) -> Self {
        noise.0
    }
}

impl Noise {
    /// A noise level. Fails if the share is negative or not finite.
    pub fn new(share: f64) -> Result<Self, InvalidNoise> {
        if share.is_finite() && share >= 0.0 {
            Ok(Self(share))
        } else {
            Err(InvalidNoise(share.to_string()))
        }
    }

    pub fn share(self) -> f64 {
        self.0
    }

    pub fn is_none(self) -> bool {
        self.0 == 0.0
    }

    /// Adds s·σ·N(0, 1) to every value, where s is the share and σ the standard deviation of the coefficients. The
    /// random numbers do not depend on s, so that noise levels differ only in size.
    pub fn add(self, deviation: f64, generator: &mut Generator, values: &mut [f64]) {
        for value in values {
            *value += self.0 * deviation * generator.sample::<f64, _>(StandardNormal);
        }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Noise {
    type Err = InvalidNoise;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share = text.trim().parse().map_err(|_| InvalidNoise(text.to_owned()))?;
        Self::new(share)
    }
}

/// A number or text that is not a noise level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the noise is `{0}`, but must be zero or a positive number: a share of the coefficients' standard deviation, such as \
     0.02"
)]
pub struct InvalidNoise(String);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::address::test_generator;

    fn draws(share: f64) -> Vec<f64> {
        let mut generator = test_generator(1, 3);
        let mut values = vec![1.0; 100_000];
        Noise::new(share).unwrap().add(5.0, &mut generator, &mut values);
        values
    }

    #[test]
    fn noise_has_its_share_of_the_deviation() {
        let count = draws(0.1).len() as f64;
        let mean = draws(0.1).iter().sum::<f64>() / count;
        let variance = draws(0.1).iter().map(|x| (x - 1.0).powi(2)).sum::<f64>() / count;
        assert!(
            (mean - 1.0).abs() < 0.005 && (variance.sqrt() - 0.5).abs() < 0.005,
            "{mean} {variance}"
        );
    }

    #[test]
    fn noise_levels_differ_only_in_size() {
        for (small, large) in draws(0.01).into_iter().zip(draws(0.04)) {
            assert!((4.0 * (small - 1.0) - (large - 1.0)).abs() < 1e-12);
        }
        assert!(draws(0.0).iter().all(|x| *x == 1.0));
    }

    #[test]
    fn invalid_noise_levels_are_refused() {
        for text in ["-0.1", "nan", "inf", "2%", ""] {
            let message = text.parse::<Noise>().unwrap_err().to_string();
            assert!(message.contains("zero or a positive number"), "{message}");
        }
        assert_eq!("0.02".parse::<Noise>().unwrap().to_string(), "0.02");
    }

    #[test]
    fn a_noise_level_has_its_share() {
        let [none, some] = [0.0, 0.02].map(|share| Noise::new(share).unwrap());
        assert_eq!((none.share(), some.share()), (0.0, 0.02));
        assert!(none.is_none() && !some.is_none());
    }
}
