//! Measurement of the time of training steps.

use super::trainer::Trainer;
use crate::batch::Prefetch;
use crate::dataset::Source;
use crate::libtorch::Tf32;
use crate::model::Model;
use crate::recipe::DecoderKind;
use anyhow::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tch::{Cuda, Device};

/// Seconds of a number of steps, by activity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profile {
    pub steps: u64,
    pub data: f64,
    pub forward: f64,
    pub backward: f64,
    pub optimizer: f64,
}

impl Profile {
    pub fn seconds(&self) -> f64 {
        self.data + self.forward + self.backward + self.optimizer
    }
}

/// Steps before the measurement, in which caches fill and threads start.
const WARMUP: u64 = 5;

impl Trainer {
    /// Trains for about `duration` and measures each part of the steps, which run eagerly in one thread. It waits for
    /// the device after each part, so that training appears slower than it is: see [`Self::rate`].
    pub fn profile(&mut self, examples: Arc<dyn Source>, duration: Duration) -> Result<Profile> {
        let device = self.model().device();
        let _tf32 = Tf32::allow()?;
        let mut batches = self.batches(examples);
        let mut profile = Profile::default();
        let mut begun = Instant::now();
        for step in 0u64.. {
            if step == WARMUP {
                profile = Profile::default();
                begun = Instant::now();
            }
            if step > WARMUP && begun.elapsed() >= duration {
                break;
            }
            let mut clock = Clock {
                device,
                since: Instant::now(),
            };
            let batch = batches.next_batch()?.to_device(device);
            profile.data += clock.lap();
            let loss = self.forward(&batch);
            profile.forward += clock.lap();
            loss.total.backward();
            profile.backward += clock.lap();
            let _norm = self.update()?;
            profile.optimizer += clock.lap();
            profile.steps += 1;
        }
        Ok(profile)
    }

    /// Steps per second of real training, with captured steps if possible. Measures for about `duration`, after a
    /// warmup of the same length in which shapes are captured. It waits for the device at the end.
    pub fn rate(&mut self, examples: Arc<dyn Source>, duration: Duration) -> Result<f64> {
        let mut clock = Clock {
            device: self.model().device(),
            since: Instant::now(),
        };
        let mut batches = self.batches(examples);
        let (mut steps, mut sums) = (self.steps()?, self.sums());
        let mut run = || -> Result<f64> {
            clock.lap();
            let mut done = 0.0;
            while done == 0.0 || clock.since.elapsed() < duration {
                let batch = batches.next_batch()?;
                steps.run(&batch, |batch| self.step(batch, &mut sums))?;
                done += 1.0;
            }
            Ok(done / clock.lap())
        };
        run()?;
        run()
    }

    fn batches(&self, examples: Arc<dyn Source>) -> Prefetch {
        let training = &self.recipe().training;
        let (format, device) = (self.model().format(), self.model().device());
        Prefetch::new(examples, format, training.batch_size, 0, training.data_threads, device)
    }
}

struct Clock {
    device: Device,
    since: Instant,
}

impl Clock {
    /// Seconds since the previous lap, including all work of the device.
    fn lap(&mut self) -> f64 {
        if let Device::Cuda(index) = self.device {
            Cuda::synchronize(index as i64);
        }
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        seconds
    }
}

/// Floating-point operations per training example at the largest size. The forward pass has two per weight and
/// position, the backward pass twice as many (Kaplan et al. 2020, section 2.1). Attention scores and tables are not
/// counted.
pub fn flops_per_example(model: &Model) -> f64 {
    let ((source, target), config) = (model.longest(), model.config());
    // Without a decoder, the queries pass through the encoder as well.
    let encoded = if config.decoder == DecoderKind::None {
        source + target
    } else {
        source
    };
    let matrices = model
        .variables()
        .into_iter()
        .filter(|(name, tensor)| tensor.dim() == 2 && name.ends_with(".weight"));
    matrices
        .map(|(name, tensor)| {
            let length = match () {
                // Keys and values of cross-attention are computed from the source, only once.
                () if name.contains("cross_attention.kv") => source,
                () if name.starts_with("encoder") => encoded * config.encoder_loops,
                () if name.starts_with("decoder.layers") => target * config.decoder_loops,
                () if name.starts_with("decoder") => target,
                () => source,
            };
            6.0 * tensor.numel() as f64 * length as f64
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn a_loop_costs_as_much_as_a_layer() {
        let flops = |more: &str| {
            let text = format!("problem = \"eigenvalues\"\ndim = 3\n[model]\nwidth = 16\n{more}");
            flops_per_example(&Recipe::parse(&text, &[]).unwrap().build(Device::Cpu))
        };
        assert_eq!(flops("encoder_loops = 3"), flops("encoder_layers = 6"));
        // Keys and values of the encoder's output are computed once for all loops: 2 * 16 * 16 weights at 9 positions.
        let shared = 6.0 * 512.0 * 9.0;
        assert_eq!(flops("decoder_loops = 2") + shared, flops("decoder_layers = 2"));
        // The encoder layers, with 12 * 16 * 16 weights each, process three queries more. The decoder layer's weights
        // are gone.
        let decoder = flops("decoder_layers = 2") - flops("");
        assert_eq!(
            flops("decoder = \"none\"") + decoder,
            flops("") + 2.0 * 6.0 * 3072.0 * 3.0
        );
    }
}
