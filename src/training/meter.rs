//! Sums for the log of a training, and its clock.

use super::run::Window;
use anyhow::{Result, bail, ensure};
use std::time::Instant;
use tch::Tensor;

/// Name of the sums in a save.
pub const WINDOW: &str = "log.sums";

/// Sums on the device, which are read only for log lines, and a clock that stops during saves and evaluations.
#[derive(Debug)]
pub struct Meter {
    /// See [`Trainer::sums`](super::Trainer).
    pub sums: Tensor,
    pub window: Window,
    since: Instant,
}

/// Means over the steps since the last log line.
#[derive(Debug)]
pub struct Means {
    pub loss: f64,
    pub parts: Vec<f64>,
    pub gradient_norm: f64,
    /// Number of steps before the first one whose loss or gradient is not finite.
    pub sound: u64,
    pub steps: u64,
    pub seconds: f64,
    pub waiting: f64,
}

impl Meter {
    /// Starts at zero, or at the `saved` sums if the run was interrupted between two log lines.
    pub fn new(mut sums: Tensor, saved: Option<Tensor>, window: Window) -> Result<Self> {
        if let Some(saved) = saved {
            ensure!(
                saved.size() == sums.size(),
                "{WINDOW} has another shape than this run writes"
            );
            sums.copy_(&saved);
        }
        Ok(Self {
            sums,
            window,
            since: Instant::now(),
        })
    }

    /// Stops the clock. Returns the seconds since it was started.
    pub fn pause(&mut self) -> f64 {
        let seconds = self.since.elapsed().as_secs_f64();
        self.window.seconds += seconds;
        seconds
    }

    pub fn go_on(&mut self) {
        self.since = Instant::now();
    }

    /// Steps per second since the last log line.
    pub fn rate(&self) -> Result<f64> {
        // Reading a value waits until the device has finished all steps.
        let _: Vec<f32> = Vec::try_from(&self.sums)?;
        let seconds = self.window.seconds + self.since.elapsed().as_secs_f64();
        Ok(self.window.steps as f64 / seconds.max(1e-9))
    }

    pub fn take(&mut self) -> Result<Means> {
        let Window { steps, seconds, waited } = std::mem::take(&mut self.window);
        let count = steps.max(1) as f64;
        let sums: Vec<f32> = Vec::try_from(&self.sums)?;
        let means: Vec<f64> = sums.iter().map(|&sum| f64::from(sum) / count).collect();
        let _ = self.sums.zero_();
        let [loss, parts @ .., gradient_norm, _] = means.as_slice() else {
            bail!("the log has no sums")
        };
        Ok(Means {
            loss: *loss,
            parts: parts.to_vec(),
            gradient_norm: *gradient_norm,
            sound: sums[sums.len() - 1] as u64,
            steps,
            seconds,
            waiting: waited / seconds.max(1e-9),
        })
    }
}
