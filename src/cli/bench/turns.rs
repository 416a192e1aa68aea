//! Takes turns with other programs, so that disturbances of the machine affect all measurements alike.
//!
//! First prints a line of JSON that describes the measurement. Then answers every line of stdin with the seconds of one turn, until
//! stdin ends.

use super::measure::with_trainer;
use crate::batch::BatchMaker;
use crate::cli::output::say;
use crate::matrix::Split;
use crate::recipe::Recipe;
use crate::training::{LogLine, Observer};
use anyhow::Result;
use serde_json::{Value, json};
use std::io;
use std::time::Instant;
use tch::Device;

/// Runs turns of `batches` generated batches.
pub fn generate(recipe: &Recipe, batches: u64) -> Result<()> {
    let size = recipe.training.batch_size;
    let mut maker = BatchMaker::new(recipe.source(Split::Train)?, recipe.format(), size)?;
    say!("{}", ready(recipe, size as u64 * batches)?)?;
    let mut steps = 0u64..;
    while is_asked()? {
        let begun = Instant::now();
        for step in steps.by_ref().take(batches as usize) {
            maker.batch(step)?;
        }
        say!("{}", json!(begun.elapsed().as_secs_f64()))?;
    }
    Ok(())
}

/// Runs turns of `steps` steps of the real training loop, which waits for stdin where it would write a line of its log.
pub fn train(mut recipe: Recipe, device: Device, captures: bool, steps: u64) -> Result<()> {
    let source = recipe.source(Split::Train)?;
    let validation = recipe.source(Split::Validation)?;
    let examples = steps * recipe.training.batch_size as u64;
    let mut ready = ready(&recipe, examples)?;
    recipe.training.steps = u64::MAX >> 32;
    recipe.training.log_every = steps;
    (recipe.training.save_every, recipe.evaluation.every) = (0, 0);
    with_trainer(recipe, device, captures, |trainer| {
        ready["parameters"] = json!(trainer.model().parameter_count());
        let mut turns = Turns { ready, examples };
        match trainer.train(source, validation.as_ref(), &mut turns) {
            Err(error) if error.is::<NoMoreTurns>() => Ok(()),
            result => result.map(drop),
        }
    })
}

/// The number of examples of a turn and the full recipe, so that other programs can do the same work.
fn ready(recipe: &Recipe, examples: u64) -> Result<Value> {
    Ok(json!({ "examples": examples, "recipe": recipe.to_toml()? }))
}

/// Waits for a line of stdin; false at its end.
fn is_asked() -> io::Result<bool> {
    Ok(io::stdin().read_line(&mut String::new())? > 0)
}

struct Turns {
    ready: Value,
    examples: u64,
}

/// The end of stdin, as an error that ends the training loop.
#[derive(Debug, thiserror::Error)]
#[error("no more turns are requested")]
struct NoMoreTurns;

impl Turns {
    fn wait(&self) -> Result<()> {
        if is_asked()? { Ok(()) } else { Err(NoMoreTurns.into()) }
    }
}

impl Observer for Turns {
    fn started(&mut self, _step: u64) -> Result<()> {
        say!("{}", self.ready)?;
        self.wait()
    }

    fn logged(&mut self, line: &LogLine) -> Result<()> {
        say!("{}", json!(self.examples as f64 / line.examples_per_second))?;
        self.wait()
    }
}
