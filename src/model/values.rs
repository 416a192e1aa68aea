//! Embedding of numbers, for models with value input.

use super::layers::Linear;
use crate::recipe::{Config, ValueFeatures};
use tch::{Kind, Tensor, nn};

/// Periods of the sines and cosines, relative to the coefficients' magnitude.
const PERIODS: [f64; 9] = [4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.005];

/// The largest exponent of float32. Numbers below 10^-38 share one exponent.
const EXPONENT: i64 = 38;

/// The embedding of value input: features of each number, and a small network.
#[derive(Debug)]
pub struct ValueEmbedding {
    features: Features,
    mix: Linear,
    out: Linear,
}

#[derive(Debug)]
enum Features {
    /// The number, its sign, the logarithm of its magnitude, a signed logarithm, sines and cosines.
    All {
        /// 1 / magnitude, `[1]`.
        scale: Tensor,
        /// Angular frequencies, `[9]`.
        frequencies: Tensor,
    },
    /// The sign (-1, 0, 1), then each significant digit and the exponent as one-hot vectors. -3.14 has the digits 3, 1,
    /// 4 and the exponent 0; zero has digits 0 and exponent 0.
    Digits(i64),
}

impl ValueEmbedding {
    /// `magnitude` is the bound of the training coefficients; `digits` is the number of digits after rounding.
    pub fn new(path: nn::Path, config: &Config, magnitude: f64, digits: i64) -> Self {
        let features = match config.value_features {
            ValueFeatures::Digits => Features::Digits(digits),
            ValueFeatures::All => Features::All {
                scale: buffer(&path, "scale", &[magnitude.recip()]),
                frequencies: buffer(
                    &path,
                    "frequencies",
                    &PERIODS.map(|period| std::f64::consts::TAU / (period * magnitude)),
                ),
            },
        };
        let width = config.width;
        Self {
            mix: Linear::new(&path / "mix", features.count(), 2 * width, true),
            out: Linear::new(&path / "out", 2 * width, width, true),
            features,
        }
    }

    /// `values` `[batch, count]` fp32 to `[batch, count, width]`.
    pub fn forward(&self, values: &Tensor, kind: Kind) -> Tensor {
        let features = self.features.of(&values.unsqueeze(-1));
        let hidden = self.mix.forward(&features, kind).gelu("none");
        self.out.forward(&hidden, kind)
    }
}

impl Features {
    /// The number of features.
    fn count(&self) -> i64 {
        match self {
            Self::All { .. } => 4 + 2 * PERIODS.len() as i64,
            Self::Digits(digits) => 1 + 10 * digits + 2 * EXPONENT + 1,
        }
    }

    /// `x` `[.., 1]` fp32 to `[.., count]` fp32.
    fn of(&self, x: &Tensor) -> Tensor {
        match self {
            Self::All { scale, frequencies } => {
                let scaled = x * scale;
                // Relative to a magnitude of 10. Below the lower bound, a three-digit coefficient is practically zero.
                let magnitude = scaled.abs() * 10.0;
                let log = magnitude.clamp_min(1e-3).log10();
                let signed_log = x.sign() * (magnitude.clamp_min(1e-2).log10() * 0.5 + 1.0);
                let angle = x * frequencies;
                Tensor::cat(&[scaled, x.sign(), log, signed_log, angle.sin(), angle.cos()], -1)
            }
            Self::Digits(digits) => written(x, *digits),
        }
    }
}

fn written(x: &Tensor, digits: i64) -> Tensor {
    // Numbers were rounded, but then converted to float32; rounding again in float64 recovers their digits.
    let magnitude = x.abs().to_kind(Kind::Double);
    let logarithm = magnitude.masked_fill(&magnitude.eq(0.0), 1.0).log10();
    let exponent = logarithm.floor();
    let unit = Tensor::pow_scalar(10.0, &((digits - 1) as f64 - &exponent));
    let mantissa = (&magnitude * unit).round();
    // A float32 just below a power of ten rounds up to a mantissa with one digit too many.
    let full = mantissa.ge(10f64.powi(digits as i32));
    let exponent = exponent + full.to_kind(Kind::Double);
    let mantissa = (&mantissa / 10.0).where_self(&full, &mantissa);
    let one_hot = |digit: Tensor, first: i64, last: i64| {
        let classes = Tensor::arange_start(first, last + 1, (Kind::Double, x.device()));
        digit.eq_tensor(&classes).to_kind(Kind::Float)
    };
    let mut features = vec![x.sign()];
    for place in (0..digits).rev() {
        let leading = (&mantissa / 10f64.powi(place as i32)).floor();
        features.push(one_hot(leading.remainder(10.0), 0, 9));
    }
    features.push(one_hot(exponent.clamp(-EXPONENT, EXPONENT), -EXPONENT, EXPONENT));
    Tensor::cat(&features, -1)
}

/// Constants of the features, as buffers of the module.
fn buffer(path: &nn::Path, name: &str, values: &[f64]) -> Tensor {
    let mut buffer = path.zeros_no_train(name, &[values.len() as i64]);
    buffer.copy_(&Tensor::from_slice(values));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Architecture;
    use std::f64::consts::TAU;

    fn features(value_features: ValueFeatures, digits: i64, x: f64) -> Vec<f64> {
        let store = nn::VarStore::new(tch::Device::Cpu);
        let config = Config {
            width: 8,
            value_features,
            ..Config::preset(Architecture::Laformer)
        };
        let embedding = ValueEmbedding::new(store.root(), &config, 10.0, digits);
        let features = embedding.features.of(&Tensor::from_slice(&[x as f32]));
        assert_eq!(features.kind(), Kind::Float);
        Vec::try_from(features.to_kind(Kind::Double)).unwrap()
    }

    #[test]
    fn value_features_are_number_sign_logarithms_and_waves() {
        let all = features(ValueFeatures::All, 3, 2.5);
        assert_eq!(all.len(), 22);
        let found = [all[0], all[1], all[2], all[4], all[6], all[13]];
        let wanted = [0.25, 1.0, 2.5f64.log10(), (TAU / 16.0).sin(), 1.0, (TAU / 16.0).cos()];
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
        assert!((features(ValueFeatures::All, 3, 0.0)[2] + 3.0).abs() < 1e-5);
    }

    #[test]
    fn digit_features_are_the_decimal_digits() {
        for (digits, x) in [
            (3, 3.25),
            (3, -9.99),
            (3, 0.1),
            (3, 0.01),
            (3, 10.0),
            (3, 1e-38),
            (3, 1.23e30),
            (3, 0.0),
            (2, -0.0097),
            (4, 7.001),
            (5, 99.999),
            (5, 1.0),
        ] {
            let features = features(ValueFeatures::Digits, digits, x);
            let text = format!("{:.*e}", digits as usize - 1, x);
            let (mantissa, exponent) = text.split_once('e').unwrap();
            let wanted = mantissa.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize);
            let hot = |part: &[f64]| {
                assert_eq!(part.iter().sum::<f64>(), 1.0);
                part.iter().position(|&x| x == 1.0).unwrap()
            };
            let (head, exponents) = features.split_at(1 + 10 * digits as usize);
            assert_eq!(head[0], if x == 0.0 { 0.0 } else { x.signum() }, "{x}");
            assert!(head[1..].chunks(10).map(hot).eq(wanted), "{x}");
            assert_eq!(
                hot(exponents) as i64 - EXPONENT,
                exponent.parse::<i64>().unwrap(),
                "{x}"
            );
        }
    }
}
