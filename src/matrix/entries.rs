//! The distributions of single coefficients.

use rand::RngExt;
use rand_distr::StandardNormal;

use super::{Generator, name::named_by_text};

/// The distribution of a coefficient of magnitude A. Both variants have mean 0 and standard deviation A/√3.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumCount,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Coefficients {
    /// Uniform on [-A, A].
    #[default]
    Uniform,
    /// Normal with standard deviation A/√3.
    Gaussian,
}

impl Coefficients {
    pub(super) fn fill(self, magnitude: f64, generator: &mut Generator, values: &mut [f64]) {
        match self {
            Coefficients::Uniform => {
                for value in values {
                    *value = magnitude * (2.0 * generator.random::<f64>() - 1.0);
                }
            }
            Coefficients::Gaussian => {
                let deviation = self.deviation(magnitude);
                for value in values {
                    *value = deviation * generator.sample::<f64, _>(StandardNormal);
                }
            }
        }
    }

    /// The standard deviation of a coefficient of magnitude A: A/√3.
    pub fn deviation(self, magnitude: f64) -> f64 {
        magnitude / 3f64.sqrt()
    }
}

/// The distribution of one matrix's independent coefficients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entries {
    pub coefficients: Coefficients,
    pub magnitude: f64,
    /// Probability that a coefficient is replaced by its absolute value; 0 changes nothing.
    pub positive: f64,
    /// Probability that a coefficient is divided by up to six powers of ten; 0 changes nothing.
    pub small: f64,
    /// Power to which the ratio of a coefficient to the magnitude is raised. 1 changes nothing; 0 makes all
    /// coefficients as large as the magnitude. Coefficients beyond the magnitude are not changed.
    pub power: f64,
}

/// A small coefficient is divided by up to this many powers of ten, uniformly distributed.
const DECADES: f64 = 6.0;

impl Entries {
    pub fn fill(&self, generator: &mut Generator, values: &mut [f64]) {
        self.coefficients.fill(self.magnitude, generator, values);
        if self.power < 1.0 {
            for value in values.iter_mut().filter(|value| value.abs() < self.magnitude) {
                *value = value.signum() * self.magnitude * (value.abs() / self.magnitude).powf(self.power);
            }
        }
        if self.positive > 0.0 {
            for value in values.iter_mut() {
                if generator.random::<f64>() < self.positive {
                    *value = value.abs();
                }
            }
        }
        if self.small > 0.0 {
            for value in values {
                if generator.random::<f64>() < self.small {
                    *value *= 10f64.powf(-DECADES * generator.random::<f64>());
                }
            }
        }
    }
}

named_by_text!(Coefficients, "distribution of coefficients");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::address::test_generator;

    const PLAIN: Entries = Entries {
        coefficients: Coefficients::Uniform,
        magnitude: 10.0,
        positive: 0.0,
        small: 0.0,
        power: 1.0,
    };

    fn draws(entries: Entries) -> Vec<f64> {
        let mut values = vec![0.0; 200_000];
        entries.fill(&mut test_generator(3, 0), &mut values);
        values
    }

    #[test]
    fn both_distributions_have_mean_zero_and_the_same_deviation_and_only_one_has_a_bound() {
        for coefficients in Coefficients::ALL {
            let values = draws(Entries { coefficients, ..PLAIN });
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let deviation = (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).sqrt();
            assert!(mean.abs() < 0.06, "{coefficients}: {mean}");
            assert!((deviation - 5.7735).abs() < 0.05, "{coefficients}: {deviation}");
            let largest = values.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
            match coefficients {
                Coefficients::Uniform => assert!(largest <= 10.0 && largest > 9.995, "{largest}"),
                Coefficients::Gaussian => assert!(largest > 20.0, "{largest}"),
            }
        }
    }

    #[test]
    fn a_share_of_the_coefficients_is_made_positive() {
        for positive in [0.0, 0.4, 1.0] {
            let values = draws(Entries { positive, ..PLAIN });
            let share = values.iter().filter(|&&x| x > 0.0).count() as f64 / values.len() as f64;
            assert!((share - (0.5 + positive / 2.0)).abs() < 0.01, "{positive}: {share}");
        }
    }

    #[test]
    fn a_share_of_the_coefficients_is_made_smaller_by_any_power_of_ten() {
        let values = draws(Entries { small: 0.3, ..PLAIN });
        let below = |bound: f64| values.iter().filter(|value| value.abs() < bound).count() as f64 / values.len() as f64;
        // For uniform u and v, 10 u 10^(-6v) is below 10^(-d) for all v above (d + 1) / 6, and otherwise with
        // probability 10^(6v - d - 1).
        for d in [1.0, 2.0, 3.0, 4.0] {
            let among_small = (5.0 - d) / 6.0 + (1.0 - 10f64.powf(-d - 1.0)) / (6.0 * 10f64.ln());
            let expected = 0.3 * among_small + 0.7 * 10f64.powf(-d - 1.0);
            let found = below(10f64.powf(-d));
            assert!((found - expected).abs() < 0.005, "{d}: {found} and {expected}");
        }
        assert!(values.iter().any(|&value| value < 0.0) && values.iter().all(|value| value.abs() <= 10.0));
    }

    #[test]
    fn a_power_makes_coefficients_larger_within_the_magnitude_and_keeps_their_signs() {
        for coefficients in Coefficients::ALL {
            let plain = Entries { coefficients, ..PLAIN };
            for (x, y) in draws(plain).iter().zip(draws(Entries { power: 0.5, ..plain })) {
                let expected = x.signum() * (10.0 * x.abs()).sqrt().max(x.abs());
                assert!((y - expected).abs() < 1e-12, "{coefficients}: {x} became {y}");
            }
        }
        let largest = draws(Entries { power: 0.0, ..PLAIN });
        assert!(largest.iter().all(|value| value.abs() == 10.0));
    }
}
