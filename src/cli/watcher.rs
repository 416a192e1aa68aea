//! The observers of a run for `laformer train`: progress, reports and exports.

use super::output::tell;
use super::signals::Signals;
use crate::evaluation::{Evaluation, families};
use crate::inference::Solver;
use crate::recipe::Recipe;
use crate::report::{self, RunReport, estimate_line, log_line};
use crate::training::{Divergence, Estimate, LogLine, Observer, Progress, Run, export};
use anyhow::Result;

/// Examples of each matrix family for the accuracies on the model card.
const OF_EACH_FAMILY: usize = 30;

/// The observer of every process but process 0. It only stops on signals.
pub struct Follower(pub Signals);

impl Observer for Follower {
    fn stops(&self) -> bool {
        self.0.received().is_some()
    }
}

/// Prints progress, writes reports and exports the model during training.
pub struct Watcher<'a> {
    pub recipe: &'a Recipe,
    pub run: &'a Run,
    pub report: RunReport,
    pub parameters: usize,
    pub signals: Signals,
}

impl Observer for Watcher<'_> {
    fn started(&mut self, step: u64) -> Result<()> {
        if step > 0 {
            tell!("going on after step {step}");
        }
        self.report.started(step)
    }

    fn stops(&self) -> bool {
        self.signals.received().is_some()
    }

    fn diverged(&mut self, divergence: &Divergence) -> Result<()> {
        tell!("{divergence}: going back to the last save with half the learning rate");
        Ok(())
    }

    fn logged(&mut self, line: &LogLine) -> Result<()> {
        tell!("{}", log_line(line));
        self.report.logged(line)
    }

    fn estimated(&mut self, estimate: Estimate) -> Result<()> {
        tell!("{}", estimate_line(estimate));
        Ok(())
    }

    fn evaluated(
        &mut self,
        progress: &Progress,
        evaluation: &Evaluation,
        training_set: Option<&Evaluation>,
        solver: &Solver,
        improved: bool,
    ) -> Result<()> {
        tell!(
            "{}",
            report::evaluation_line(progress.step, evaluation, training_set, improved)
        );
        self.report.evaluated(progress, evaluation, training_set)?;
        if improved {
            let count = self.recipe.evaluation.count.min(OF_EACH_FAMILY);
            let families = families(solver, self.recipe, count)?;
            self.report
                .improved(progress, evaluation, training_set, &families, self.parameters)?;
            let mut metrics = report::evaluation_json(evaluation);
            metrics["precision"] = self.recipe.training.precision.name().into();
            metrics["provenance"] = serde_json::json!(self.report.provenance());
            export(solver, self.recipe, &metrics, &self.run.module())?;
        }
        Ok(())
    }
}
