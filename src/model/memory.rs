//! Lower bounds of a model's memory, computed before it is built.

use super::Capacity;
use crate::memory;
use crate::recipe::{Architecture, Config, DecoderKind, OptimizerKind, Precision, Recipe};
use anyhow::{Context, Result, ensure};

/// Bytes per parameter.
const PARAMETER: f64 = 4.0;
/// A lower bound of the tensors of hidden size that the backward pass of a layer needs.
const KEPT: f64 = 8.0;

impl Recipe {
    /// Fails if the parameters of this recipe's model need more memory than is available.
    pub fn check_model_memory(&self) -> Result<()> {
        let parameters = least_parameters(&self.model);
        memory::require(
            PARAMETER * parameters,
            &format!("the model's {parameters:.2e} parameters"),
        )
        .context("choose a smaller model.width or fewer layers")
    }

    /// Fails if a file with `count` numbers cannot hold this recipe's model. Without this check, a tiny file could
    /// request a model that fills the memory.
    pub fn check_parameter_count(&self, count: usize) -> Result<()> {
        let least = least_parameters(&self.model);
        ensure!(
            least <= count as f64,
            "{count} numbers, but the recipe is of a model with at least {least:.0}: it is damaged"
        );
        Ok(())
    }

    /// Fails if training needs more memory than is available. On a CPU, that is memory for parameters, gradients,
    /// optimizer state and activations; on other devices, only parameters are counted.
    pub fn check_training_memory(&self, on_cpu: bool) -> Result<()> {
        self.check_model_memory()?;
        if !on_cpu {
            return Ok(());
        }
        let (model, training) = (&self.model, &self.training);
        let parameters = least_parameters(model);
        let states = match training.optimizer {
            OptimizerKind::Adamw => 4.0,
            OptimizerKind::Muon => 3.0,
        };
        let (source, target) = Capacity::of(model, &self.format().tasks(), self.dimensions.max()).lengths;
        let decoder = model.of_decoder();
        let encoded = source * model.width * model.encoder_layers * model.encoder_loops;
        let decoded = match model.decoder {
            DecoderKind::None => 0,
            _ => target * decoder.width * decoder.decoder_layers * decoder.decoder_loops,
        };
        let bytes = if training.precision == Precision::Bf16 {
            2.0
        } else {
            4.0
        };
        let activations = KEPT * bytes * training.batch_size as f64 * (encoded as f64 + decoded as f64);
        let what = format!(
            "training {parameters:.2e} parameters and batches of {} examples",
            training.batch_size
        );
        memory::require(PARAMETER * states * parameters + activations, &what)
            .context("choose a smaller training.batch_size, model.width or fewer layers")
    }
}

/// The number of weights in the matrices of all layers. Tables, norms and heads are not counted.
fn least_parameters(config: &Config) -> f64 {
    let square = |width: i64| (width as f64).powi(2);
    let feedforward = 2.0 * config.feedforward as f64;
    let attention = if config.heads > 0 { 4.0 } else { 0.0 };
    let of_layer = match config.architecture {
        Architecture::Laformer | Architecture::Paper => 4.0 + feedforward,
        Architecture::Pair => 3.0 * config.products as f64 + attention + feedforward,
        Architecture::Lstm => 6.0,
        Architecture::Gru => 4.5,
    };
    let decoder = config.of_decoder();
    let decoded = match config.decoder {
        DecoderKind::None => 0.0,
        _ => 4.0 * square(decoder.width) * decoder.decoder_layers as f64,
    };
    of_layer * square(config.width) * config.encoder_layers as f64 + decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn a_model_has_at_least_the_estimated_parameters() {
        for architecture in ["laformer", "paper", "pair", "lstm", "gru"] {
            let text = format!(
                "problem = \"eigenvalues\"\ndim = 3\n[model]\narchitecture = \"{architecture}\"\nwidth = 128\nencoder_layers = 3"
            );
            let recipe = Recipe::parse(&text, &[]).unwrap();
            let count = recipe.build(Device::Cpu).parameter_count() as f64;
            let least = least_parameters(&recipe.model);
            assert!(
                (0.3 * count..=count).contains(&least),
                "{architecture}: {least} of {count}"
            );
        }
    }
}
