//! A running mean of the weights, which is evaluated and kept in place of the last ones.

use super::parameters::FlatParameters;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// A mean over about the last `share` of all steps so far: it forgets the first ones as fast as the run grows, whatever its
/// length (the power-function averages of Karras et al. 2024, arXiv 2312.02696).
#[derive(Debug)]
pub struct Average {
    share: f64,
    /// `[numbers]` fp32, in the order of the flat parameters.
    mean: Tensor,
    /// Weight of the values that come next, a 0-d fp32 tensor on the device: a recorded step reads it anew.
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

    /// Says how many steps were done before the next one, without waiting for the device.
    pub fn set_step(&mut self, step: u64) {
        let _ = self.weight.fill_(1.0 / (self.share * step as f64 + 1.0));
    }

    /// Takes the values after a step into the mean.
    pub fn add(&mut self, flat: &FlatParameters) {
        let _no_grad = tch::no_grad_guard();
        let _ = self.mean.lerp_tensor_(&flat.values, &self.weight);
    }

    /// Puts the mean in the place of the values, and the values in its place; done again, all is as before.
    pub fn exchange(&mut self, flat: &mut FlatParameters) {
        let _no_grad = tch::no_grad_guard();
        let values = flat.values.copy();
        flat.values.copy_(&self.mean);
        self.mean.copy_(&values);
    }

    /// What a resumed run needs.
    pub fn state(&self) -> (String, Tensor) {
        (NAME.to_string(), self.mean.shallow_clone())
    }

    /// Takes back what [`Self::state`] gave.
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

    /// The mean after steps that leave these values.
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
    fn a_share_of_one_is_the_plain_mean_and_none_is_the_last() {
        assert!((mean(1.0, &[1.0, 2.0, 6.0]) - 3.0).abs() < 1e-6);
        assert_eq!(mean(0.0, &[1.0, 2.0, 6.0]), 6.0);
        // By hand: 1; then 2 with a weight of 1 / 1.5, 5/3; then 6 with one of 1/2, 23/6.
        assert!((mean(0.5, &[1.0, 2.0, 6.0]) - 23.0 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn old_values_are_forgotten_as_the_run_grows() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let lag = 999.0 - mean(0.1, &values);
        // Ages of a share s of t steps have a mean of s t / (1 + s).
        assert!((lag - 999.0 * 0.1 / 1.1).abs() < 1.0, "{lag}");
    }

    #[test]
    fn exchanged_twice_nothing_has_changed() {
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
