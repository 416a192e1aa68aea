//! Notifications about a run during training.

use super::divergence::Divergence;
use super::run::Progress;
use crate::evaluation::Evaluation;
use crate::inference::Solver;
use crate::recipe::Precision;
use anyhow::Result;

/// A line of the log: means over the steps since the previous line.
#[derive(Clone, Debug)]
pub struct LogLine {
    pub step: u64,
    pub steps: u64,
    pub examples: u64,
    pub loss: f64,
    /// Name and cross-entropy (nats) of each part of the loss.
    pub parts: Vec<(String, f64)>,
    pub gradient_norm: f64,
    /// AdamW's learning rate times the factor of the schedule.
    pub learning_rate: f64,
    pub examples_per_second: f64,
    /// Fraction of time spent waiting for data.
    pub waiting: f64,
    /// Seconds of training, over all sessions.
    pub elapsed: f64,
    /// Estimated seconds to the end.
    pub remaining: f64,
    /// Precision of linear maps and attention.
    pub precision: Precision,
}

/// An estimate of a run's duration, for runs whose log lines are far apart.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub step: u64,
    pub steps: u64,
    pub examples_per_second: f64,
    /// Estimated seconds to the end.
    pub remaining: f64,
}

/// The reason why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The last step is done.
    Done,
    /// The observer stopped it after this number of steps. The run is saved.
    Stopped(u64),
}

/// Observes a run: writes metrics, draws curves, exports.
pub trait Observer {
    /// Training starts after `step` steps. Earlier notifications about later steps are void.
    fn started(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }
    fn logged(&mut self, _line: &LogLine) -> Result<()> {
        Ok(())
    }
    /// Whether training should save and end. It is called before each step and during evaluations.
    fn stops(&self) -> bool {
        false
    }
    /// The run returns to its last save with half the learning rate. [`Self::started`] follows.
    fn diverged(&mut self, _divergence: &Divergence) -> Result<()> {
        Ok(())
    }
    fn estimated(&mut self, _estimate: Estimate) -> Result<()> {
        Ok(())
    }
    /// The model was evaluated. `_improved` says that it is the best so far; its weights are already saved.
    /// `_training_set` has the results on repeated training examples, if there are any.
    fn evaluated(
        &mut self,
        _progress: &Progress,
        _evaluation: &Evaluation,
        _training_set: Option<&Evaluation>,
        _solver: &Solver,
        _improved: bool,
    ) -> Result<()> {
        Ok(())
    }
}
