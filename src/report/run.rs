//! Updates a run folder's files for people: metrics, TensorBoard events, curves, model card.

use super::Provenance;
use super::card;
use super::curves::{Axis, Curve, accuracy_curves};
use super::events::EventFile;
use super::history::{EvaluationRow, evaluations};
use super::metrics::Metrics;
use super::table::percent;
use crate::evaluation::Evaluation;
use crate::file;
use crate::matrix::Family;
use crate::recipe::Recipe;
use crate::training::{LogLine, Progress, Run};
use anyhow::Result;

/// Writes the reports of a run.
#[derive(Debug)]
pub struct RunReport {
    run: Run,
    recipe: Recipe,
    provenance: Provenance,
    metrics: Metrics,
    events: Option<EventFile>,
}

impl RunReport {
    /// `parts` are the names of the parts of the loss. `repeats` says whether training repeats examples.
    pub fn new(run: &Run, recipe: &Recipe, provenance: Provenance, parts: &[String], repeats: bool) -> Result<Self> {
        let (tolerances, problems) = (&recipe.evaluation.tolerances, &recipe.problems);
        let metrics = Metrics::new(&run.metrics(), parts, tolerances, &problems.names(), repeats);
        Ok(Self {
            run: run.clone(),
            recipe: recipe.clone(),
            provenance,
            metrics,
            events: None,
        })
    }

    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    pub fn started(&mut self, step: u64) -> Result<()> {
        self.metrics.start(step)?;
        let mut events = EventFile::create(self.run.folder())?;
        if step > 0 {
            // The log line of this step is kept.
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
        training_set: Option<&Evaluation>,
    ) -> Result<()> {
        let examples = progress.step * self.recipe.training.batch_size as u64;
        self.metrics
            .evaluated(progress.step, examples, progress.elapsed, evaluation, training_set)?;
        if let Some(events) = &mut self.events {
            let mut sets = vec![("validation".to_string(), evaluation)];
            let problems = evaluation.by_problem();
            if problems.len() > 1 {
                let named = problems.iter().map(|(name, part)| (format!("validation_{name}"), part));
                sets.extend(named);
            }
            sets.extend(training_set.map(|part| ("training_set".to_string(), part)));
            for (set, part) in sets {
                for (tolerance, accuracy) in part.tolerances.iter().zip(part.accuracies()) {
                    events.scalar(progress.step, &format!("{set}/accuracy_{tolerance}"), accuracy.share())?;
                }
            }
            events.flush()?;
        }
        self.draw()
    }

    /// Writes the card of the best model so far.
    pub fn improved(
        &mut self,
        progress: &Progress,
        evaluation: &Evaluation,
        training_set: Option<&Evaluation>,
        families: &[(Family, Evaluation)],
        parameters: usize,
    ) -> Result<()> {
        let card = card::card(
            &self.recipe,
            &self.provenance,
            parameters,
            progress,
            evaluation,
            training_set,
            families,
        )?;
        file::replace(&self.run.card(), card.as_bytes())
    }

    fn draw(&self) -> Result<()> {
        let (names, rows) = evaluations(&self.run.metrics())?;
        let points = |of: &dyn Fn(&EvaluationRow) -> Option<f64>| -> Vec<(f64, f64)> {
            let rows = rows.iter();
            rows.filter_map(|row| of(row).map(|accuracy| (row.examples as f64, 100.0 * accuracy)))
                .collect()
        };
        let mut curves = Vec::new();
        for (i, tolerance) in names.iter().enumerate() {
            curves.push(Curve {
                name: format!("within {} %", percent(tolerance.parse().unwrap_or(f64::NAN))),
                points: points(&|row| row.accuracies.get(i).copied()),
                dashed: false,
            });
            let on_training_set = points(&|row| row.training_set.get(i).copied());
            if !on_training_set.is_empty() {
                curves.push(Curve {
                    name: "training set".to_string(),
                    points: on_training_set,
                    dashed: true,
                });
            }
        }
        let title = format!("{} {}", self.recipe.problems, self.recipe.dimensions.label());
        accuracy_curves(&self.run.curves(), &title, &curves, Axis::Linear)
    }
}
