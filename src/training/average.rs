//! A running mean of the weights, which is evaluated and saved instead of the last weights.

use super::parameters::FlatParameters;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// A running mean over about the last `share` of all steps so far. Its window grows with the run (power-function
/// averages, Karras et al. 2024, arXiv 2312.02696).
#[derive(Debug)]
pub struct Average {
    share: f64,
    /// `[numbers]` float32, in the order of the flat parameters.
    mean: Tensor,
    /// Weight of the next values, a 0-d float32 tensor on the device. As a tensor, it may change between replays of a
    /// recorded step.
    weight: Tensor,
}

const NAME: &str = "average.mean";

impl Average {
    pub fn new(flat: &FlatParameters, share: f64) -> Self {
        Self {
            share,
            mean: flat.values.copy(),
            weight: Tensor::ones([], (Kind::Float, flat.values.device())),
        }
    }

    /// Sets the number of steps before the next one, without waiting for the device.
    pub fn set_step(&mut self, step: u64) {
        let _ = self.weight.fill_(1.0 / (self.share * step as f64 + 1.0));
    }

    /// Adds the weights after a step to the mean.
    pub fn add(&mut self, flat: &FlatParameters) {
        let _no_grad = tch::no_grad_guard();
        let _ = self.mean.lerp_tensor_(&flat.values, &self.weight);
    }

    /// Exchanges mean and weights. A second call restores both.
    pub fn exchange(&mut self, flat: &mut FlatParameters) {
        let _no_grad = tch::no_grad_guard();
        let values = flat.values.copy();
        flat.values.copy_(&self.mean);
        self.mean.copy_(&values);
    }

    /// The tensors that a resumed run needs, by name.
    pub fn state(&self) -> (String, Tensor) {
        (NAME.to_string(), self.mean.shallow_clone())
    }

    /// Restores the tensors of [`Self::state`].
    pub fn load(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let saved = state.get(NAME).with_context(|| format!("{NAME} is missing"))?;
        ensure!(
            saved.size() == self.mean.size(),
            "{NAME} has {:?} numbers, not {:?}",
            saved.size(),
            self.mean.size()
        );
        tch::no_grad(|| self.mean.copy_(saved));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    fn flat() -> FlatParameters {
        let recipe = Recipe::parse("problem = \"eigenvalues\"\ndim = 2\n[model]\nwidth = 16", &[]).unwrap();
        FlatParameters::new(&recipe.build(tch::Device::Cpu)).unwrap()
    }

    /// The mean after steps with these weights.
    fn mean(share: f64, values: &[f64]) -> f64 {
        let mut flat = flat();
        let mut average = Average::new(&flat, share);
        for (step, &value) in values.iter().enumerate() {
            average.set_step(step as u64);
            let _ = flat.values.fill_(value);
            average.add(&flat);
        }
        average.exchange(&mut flat);
        flat.values.double_value(&[0])
    }

    #[test]
    fn share_one_gives_the_plain_mean_and_share_zero_the_last_weights() {
        assert!((mean(1.0, &[1.0, 2.0, 6.0]) - 3.0).abs() < 1e-6);
        assert_eq!(mean(0.0, &[1.0, 2.0, 6.0]), 6.0);
        // The means are 1; 5/3 with weight 1 / 1.5 for 2; 23/6 with weight 1/2 for 6.
        assert!((mean(0.5, &[1.0, 2.0, 6.0]) - 23.0 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn the_window_grows_with_the_run() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let lag = 999.0 - mean(0.1, &values);
        // With a share s of t steps, the mean age of the weights is s t / (1 + s).
        assert!((lag - 999.0 * 0.1 / 1.1).abs() < 1.0, "{lag}");
    }

    #[test]
    fn two_exchanges_restore_weights_and_mean() {
        let mut flat = flat();
        let mut average = Average::new(&flat, 0.1);
        let _ = flat.values.fill_(3.0);
        let before = (flat.values.copy(), average.state().1.copy());
        average.exchange(&mut flat);
        assert_ne!(flat.values, before.0);
        average.exchange(&mut flat);
        assert_eq!((flat.values.copy(), average.state().1.copy()), before);
    }
}
