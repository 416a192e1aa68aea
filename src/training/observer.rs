//! What is told of a run while it trains.

use super::divergence::Divergence;
use super::run::Progress;
use crate::evaluation::Evaluation;
use crate::inference::Solver;
use crate::recipe::Precision;
use anyhow::Result;

/// What is told of a run every so many steps; means over the steps since the last line.
#[derive(Clone, Debug)]
pub struct LogLine {
    pub step: u64,
    pub steps: u64,
    pub examples: u64,
    pub loss: f64,
    /// Name and cross-entropy (nats) of each part of the loss.
    pub parts: Vec<(String, f64)>,
    pub gradient_norm: f64,
    /// Factor of the schedule times AdamW's learning rate.
    pub learning_rate: f64,
    pub examples_per_second: f64,
    /// Share of the time spent waiting for data.
    pub waiting: f64,
    /// Seconds of training, over all sessions.
    pub elapsed: f64,
    /// Seconds to the end at the present speed.
    pub remaining: f64,
    /// Of linear maps and attention.
    pub precision: Precision,
}

/// How long a run takes, told between the lines of the log where those are far apart.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub step: u64,
    pub steps: u64,
    pub examples_per_second: f64,
    /// Seconds to the end at the present speed.
    pub remaining: f64,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its last step.
    Done,
    /// After so many steps, as its observer asked; it is saved.
    Stopped(u64),
}

/// Watches a run: writes metrics, draws curves, exports.
pub trait Observer {
    /// Training begins after `step` steps; what was told of later ones is void.
    fn started(&mut self, step: u64) -> Result<()>;
    fn logged(&mut self, line: &LogLine) -> Result<()>;
    /// Whether the training shall save and end; asked before every step and during evaluations.
    fn stops(&self) -> bool {
        false
    }
    /// The training goes back to its last save, with half the learning rate; [`Self::started`] follows.
    fn diverged(&mut self, _divergence: &Divergence) -> Result<()> {
        Ok(())
    }
    fn estimated(&mut self, _estimate: Estimate) -> Result<()> {
        Ok(())
    }
    /// `improved` says that the model is the best so far; its weights are saved already.
    /// `training_set` is measured on examples that training comes back to, where it does.
    fn evaluated(
        &mut self,
        progress: &Progress,
        evaluation: &Evaluation,
        training_set: Option<&Evaluation>,
        solver: &Solver,
        improved: bool,
    ) -> Result<()>;
}
