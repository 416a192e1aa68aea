//! A number as a vector. What the number must be given as to be calculated with is an experiment: each member of the family
//! gives other features, one file each.

mod all;
mod digits;
mod fourier;
mod log_magnitude;
mod phases;
mod scaled;

use super::config::{Config, ValueFeatures};
use super::layers::Linear;
use all::All;
use digits::Digits;
use fourier::Fourier;
use log_magnitude::LogMagnitude;
use phases::Phases;
use scaled::Scaled;
use std::fmt::Debug;
use tch::{Kind, Tensor, nn};

/// What is told of a number.
trait Features: Debug + Send {
    /// How many features there are.
    fn count(&self) -> i64;

    /// `x` `[.., 1]` fp32 to `[.., count]` fp32.
    fn of(&self, x: &Tensor) -> Tensor;
}

/// From features to the width of a model.
#[derive(Debug)]
enum Map {
    /// The one feature, and zeros.
    Pad { width: i64 },
    /// The one feature times a learned vector `[width]`.
    Times(Tensor),
    /// A small network.
    Network { mix: Linear, out: Linear },
}

/// The embedding of a source of values.
#[derive(Debug)]
pub struct ValueEmbedding {
    features: Box<dyn Features>,
    map: Map,
}

impl ValueEmbedding {
    /// `magnitude` is the bound of the uniform coefficients that the model is trained on, `digits` how many a number has
    /// after rounding.
    pub fn new(path: nn::Path, config: &Config, magnitude: f64, digits: i64) -> Self {
        let width = config.width;
        let features: Box<dyn Features> = match config.value_features {
            ValueFeatures::Raw | ValueFeatures::Padded => Box::new(Scaled::new(&path, magnitude)),
            ValueFeatures::LogMagnitude => Box::new(LogMagnitude::new(Scaled::new(&path, magnitude))),
            ValueFeatures::Fourier => Box::new(Fourier::new(&path, magnitude)),
            ValueFeatures::Phases => Box::new(Phases::new(&path, LogMagnitude::new(Scaled::new(&path, magnitude)))),
            ValueFeatures::Digits => Box::new(Digits::new(digits)),
            ValueFeatures::All => Box::new(All::new(&path, magnitude)),
        };
        let map = match config.value_features {
            ValueFeatures::Padded => Map::Pad { width },
            ValueFeatures::Raw => {
                let init = nn::Init::Randn { mean: 0.0, stdev: 1.0 };
                Map::Times(path.var("vector", &[width], init))
            }
            _ => Map::Network {
                mix: Linear::new(&path / "mix", features.count(), 2 * width, true),
                out: Linear::new(&path / "out", 2 * width, width, true),
            },
        };
        Self { features, map }
    }

    /// `values` `[batch, count]` fp32 to `[batch, count, width]`.
    pub fn forward(&self, values: &Tensor, kind: Kind) -> Tensor {
        let features = self.features.of(&values.unsqueeze(-1));
        match &self.map {
            Map::Pad { width } => features.constant_pad_nd([0, width - 1]),
            Map::Times(vector) => features * vector,
            Map::Network { mix, out } => {
                let hidden = mix.forward(&features, kind).gelu("none");
                out.forward(&hidden, kind)
            }
        }
    }
}

/// Constants of the features, which move with the module.
fn buffer(path: &nn::Path, name: &str, values: &[f64]) -> Tensor {
    let mut buffer = path.zeros_no_train(name, &[values.len() as i64]);
    buffer.copy_(&Tensor::from_slice(values));
    buffer
}

#[cfg(test)]
mod tests;
