//! Keeps a run folder's files for people up to date: metrics, TensorBoard events, curves, model card.

use super::card;
use super::curves::{Curve, accuracy_curves};
use super::events::EventFile;
use super::metrics::{Metrics, evaluations};
use crate::evaluation::Evaluation;
use crate::file;
use crate::model::Model;
use crate::training::{LogLine, Progress, Recipe, Run};
use anyhow::Result;

/// Writes what a run has to tell.
#[derive(Debug)]
pub struct RunReport {
    run: Run,
    recipe: Recipe,
    metrics: Metrics,
    events: Option<EventFile>,
}

impl RunReport {
    pub fn new(run: &Run, recipe: &Recipe, parts: &[String]) -> Self {
        let metrics = Metrics::new(&run.metrics(), parts, &recipe.evaluation.tolerances);
        Self {
            run: run.clone(),
            recipe: recipe.clone(),
            metrics,
            events: None,
        }
    }

    pub fn started(&mut self, step: u64) -> Result<()> {
        self.metrics.start(step)?;
        let mut events = EventFile::create(self.run.folder())?;
        if step > 0 {
            // The log line of this step stands.
            events.resumed(step + 1)?;
        }
        self.events = Some(events);
        Ok(())
    }

    pub fn logged(&mut self, line: &LogLine) -> Result<()> {
        self.metrics.logged(line)?;
        if let Some(events) = &mut self.events {
            events.scalar(line.step, "train/loss", line.loss)?;
            for (name, loss) in &line.parts {
                events.scalar(line.step, &format!("train/loss_{name}"), *loss)?;
            }
            events.scalar(line.step, "train/gradient_norm", line.gradient_norm)?;
            events.scalar(line.step, "train/learning_rate", line.learning_rate)?;
            events.scalar(line.step, "train/examples_per_second", line.examples_per_second)?;
            events.flush()?;
        }
        Ok(())
    }

    pub fn evaluated(
        &mut self,
        progress: &Progress,
        evaluation: &Evaluation,
        model: &Model,
        improved: bool,
    ) -> Result<()> {
        let examples = progress.step * self.recipe.training.batch_size as u64;
        self.metrics
            .evaluated(progress.step, examples, progress.elapsed, evaluation)?;
        if let Some(events) = &mut self.events {
            for (tolerance, accuracy) in evaluation.tolerances.iter().zip(evaluation.accuracies()) {
                events.scalar(
                    progress.step,
                    &format!("validation/accuracy_{tolerance}"),
                    accuracy.share(),
                )?;
            }
            events.flush()?;
        }
        self.draw()?;
        if improved {
            let card = card::card(&self.recipe, model.parameter_count(), progress, evaluation)?;
            file::replace(&self.run.card(), card.as_bytes())?;
        }
        Ok(())
    }

    fn draw(&self) -> Result<()> {
        let (names, rows) = evaluations(&self.run.metrics())?;
        let curves: Vec<Curve> = names
            .iter()
            .enumerate()
            .map(|(i, tolerance)| Curve {
                name: format!("within {} %", 100.0 * tolerance.parse::<f64>().unwrap_or(f64::NAN)),
                points: rows
                    .iter()
                    .map(|row| (row.examples as f64, 100.0 * row.accuracies[i]))
                    .collect(),
            })
            .collect();
        let title = format!("{} {}", self.recipe.problem, self.recipe.dimensions()?.label());
        accuracy_curves(&self.run.curves(), &title, &curves)
    }
}
