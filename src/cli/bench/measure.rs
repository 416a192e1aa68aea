//! Rates of generating, training, decoding and evaluating.

use super::peak;
use crate::batch::BatchMaker;
use crate::dataset::{Case, Example};
use crate::evaluation::{Search, evaluate};
use crate::libtorch::Tf32;
use crate::matrix::Split;
use crate::model::Model;
use crate::recipe::Recipe;
use crate::training::{Profile, Run, Trainer, flops_per_example};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tch::{Device, Kind};

pub fn generation(recipe: &Recipe, threads: usize, duration: Duration) -> Result<Value> {
    let rate = generate(recipe, threads, duration)?;
    let (format, largest) = (recipe.format(), recipe.dimensions.max());
    let positions = format.source_positions(largest).len() + format.target_positions(largest).len();
    Ok(json!({
        "examples_per_second": rate,
        "positions_per_second": rate * positions as f64,
    }))
}

/// Examples per second that independent threads generate in batches.
fn generate(recipe: &Recipe, threads: usize, duration: Duration) -> Result<f64> {
    let (source, format, batch) = (
        recipe.source(Split::Train)?,
        recipe.format(),
        recipe.training.batch_size,
    );
    let work = |thread: usize| -> Result<f64> {
        let mut maker = BatchMaker::new(source.clone(), format.clone(), batch)?;
        maker.batch(0)?;
        let (begun, mut made) = (Instant::now(), 0);
        for step in (thread as u64..).step_by(threads) {
            if begun.elapsed() >= duration {
                break;
            }
            maker.batch(step)?;
            made += batch;
        }
        Ok(made as f64 / begun.elapsed().as_secs_f64())
    };
    let rates: Result<Vec<f64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
            .collect()
    });
    Ok(rates?.iter().sum())
}

/// Calls a function with a trainer in a temporary run folder, deleted after the call.
pub fn with_trainer<T>(
    recipe: Recipe,
    device: Device,
    captures: bool,
    call: impl FnOnce(&mut Trainer) -> Result<T>,
) -> Result<T> {
    let folder = tempfile::tempdir()?;
    let run = Run::create(folder.path(), &recipe)?;
    let mut trainer = Trainer::new(recipe, run, device, false)?;
    if !captures {
        trainer.run_eagerly();
    }
    call(&mut trainer)
}

/// Measurements of a recipe's training steps.
struct Training {
    profile: Profile,
    /// Examples per second.
    rate: f64,
    /// Whether the steps of `rate` ran in CUDA graphs; those of `profile` never do.
    captured: bool,
    cost: Cost,
}

/// The cost of one example for a model.
#[derive(Clone, Copy, Debug)]
struct Cost {
    parameters: f64,
    /// Positions of source and target.
    positions: f64,
    /// Floating-point operations of a training step.
    flops: f64,
    /// Numbers that the layers write in the forward pass.
    activations: f64,
}

/// Reads and writes of a parameter in a training step, estimated: forward, backward, gradient, its norm and clipping, and the
/// optimizer, which uses four tensors and writes three of them.
const PASSES_OF_PARAMETERS: f64 = 14.0;
/// Reads and writes of an activation, estimated: written and read in the forward pass, and again with its gradient in the backward
/// pass.
const PASSES_OF_ACTIVATIONS: f64 = 6.0;
const BYTES: f64 = 4.0;

impl Cost {
    fn of(model: &Model) -> Self {
        let config = model.config();
        let (source, target) = (model.longest().0 as f64, model.longest().1 as f64);
        let width = config.width as f64;
        // Norm, queries, keys and values, mixture, output, sum; norm, hidden layer and its activation, output, sum.
        let block = (9 + 2 * config.feedforward) as f64 * width;
        // Scores and their softmax.
        let scores = |heads: i64, keys: f64| 2.0 * heads as f64 * keys;
        let encoder = source * (block + scores(config.heads, source));
        let cross = 4.0 * width + scores(config.decoder_heads, source);
        let decoder = target * (block + scores(config.decoder_heads, target) + cross) + source * 2.0 * width;
        Self {
            parameters: model.parameter_count() as f64,
            positions: source + target,
            flops: flops_per_example(model),
            activations: config.encoder_layers as f64 * encoder + config.decoder_layers as f64 * decoder,
        }
    }

    /// Bytes that an example's share of a training step reads and writes, estimated.
    fn training_bytes(self, batch: f64) -> f64 {
        BYTES * (PASSES_OF_PARAMETERS * self.parameters / batch + PASSES_OF_ACTIVATIONS * self.activations)
    }

    /// Bytes that an answer reads and writes, estimated: each activation is written and read once.
    fn decoding_bytes(self, batch: f64) -> f64 {
        BYTES * (self.parameters / batch + 2.0 * self.activations)
    }
}

fn training(recipe: Recipe, device: Device, captures: bool, duration: Duration) -> Result<Training> {
    let (source, batch) = (recipe.source(Split::Train)?, recipe.training.batch_size as f64);
    with_trainer(recipe, device, captures, |trainer| {
        let profile = trainer.profile(source.clone(), duration)?;
        // A CUDA device queues many steps, and several threads share a batch, so whole runs of steps are timed.
        let steps = if device.is_cuda() || trainer.recipe().training.threads > 1 {
            trainer.rate(source, duration)?
        } else {
            profile.steps as f64 / profile.seconds()
        };
        Ok(Training {
            profile,
            rate: steps * batch,
            captured: trainer.captures(),
            cost: Cost::of(trainer.model()),
        })
    })
}

pub fn train(recipe: Recipe, device: Device, captures: bool, duration: Duration) -> Result<Value> {
    let (kind, batch) = (recipe.training.precision.kind(), recipe.training.batch_size as f64);
    let Training {
        profile,
        rate,
        captured,
        cost,
    } = training(recipe, device, captures, duration)?;
    let seconds = profile.seconds();
    let _tf32 = Tf32::allow()?;
    let peak = peak::matrix_product_rate(device, kind);
    Ok(json!({
        "examples_per_second": rate,
        "positions_per_second": rate * cost.positions,
        "captured": captured,
        "steps": profile.steps,
        "parameters": cost.parameters as u64,
        "data_share": profile.data / seconds,
        "forward_share": profile.forward / seconds,
        "backward_share": profile.backward / seconds,
        "optimizer_share": profile.optimizer / seconds,
        "gflops": rate * cost.flops / 1e9,
        "matrix_product_gflops": peak / 1e9,
        "utilization": rate * cost.flops / peak,
        "memory_gigabytes_per_second": rate * cost.training_bytes(batch) / 1e9,
    }))
}

pub fn decode(recipe: &Recipe, device: Device, duration: Duration) -> Result<Value> {
    let model = recipe.build(device);
    let (rate, cost) = (decoding(recipe, &model, duration)?, Cost::of(&model));
    let peak = peak::matrix_product_rate(device, Kind::Float);
    // Decoding is one forward pass: a third of a training step.
    let flops = rate * cost.flops / 3.0;
    Ok(json!({
        "examples_per_second": rate,
        "positions_per_second": rate * cost.positions,
        "parameters": model.parameter_count(),
        "gflops": flops / 1e9,
        "matrix_product_gflops": peak / 1e9,
        "utilization": flops / peak,
        "memory_gigabytes_per_second": rate * cost.decoding_bytes(recipe.training.batch_size as f64) / 1e9,
    }))
}

/// Answers per second of a model.
fn decoding(recipe: &Recipe, model: &Model, duration: Duration) -> Result<f64> {
    let source = recipe.source(Split::Train)?;
    let mut examples: Vec<Example> = Vec::new();
    let size = source.fill_batch(0, recipe.training.batch_size, &mut examples)?;
    let task = source.task_at(0);
    let case = Case { task, size };
    let operands: Vec<_> = examples.iter().map(|example| example.operands.as_slice()).collect();
    let solver = recipe.solver(model)?;
    // TorchScript optimizes during the first two calls.
    for _ in 0..2 {
        solver.answers(case, &operands, 1)?;
    }
    let (begun, mut answers) = (Instant::now(), 0);
    while begun.elapsed() < duration {
        answers += solver.answers(case, &operands, 1)?.len();
    }
    Ok(answers as f64 / begun.elapsed().as_secs_f64())
}

/// Times a whole evaluation (examples, decoding, measuring) with an untrained model.
pub fn evaluation(recipe: &Recipe, device: Device, duration: Duration) -> Result<Value> {
    const COUNT: usize = 10_000;
    const EPOCH: f64 = 300_000.0;
    let training = training(recipe.clone(), device, true, duration)?.rate;
    let model = recipe.build(device);
    let source = recipe.source(Split::Train)?;
    let begun = Instant::now();
    evaluate(
        &recipe.solver(&model)?,
        source.as_ref(),
        0..COUNT as u64,
        &recipe.evaluation.tolerances,
        &Search::default(),
        |_| Ok(()),
    )?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({
        "examples_per_second": COUNT as f64 / seconds,
        "seconds": seconds,
        "training_examples_per_second": training,
        "epoch_seconds": EPOCH / training,
        "share_of_epoch": seconds * training / EPOCH,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_models_and_longer_sequences_cost_more() {
        let cost = |text: &str| {
            let text = format!("problem = \"eigenvalues\"\n{text}");
            Cost::of(&Recipe::parse(&text, &[]).unwrap().build(Device::Cpu))
        };
        let (small, wide, long) = (
            cost("dim = 3\nmodel.width = 16"),
            cost("dim = 3\nmodel.width = 32"),
            cost("dim = 6\nmodel.width = 16"),
        );
        assert_eq!((small.positions, long.positions), (9.0 + 3.0, 36.0 + 6.0));
        assert!(wide.activations > small.activations && wide.flops > 2.0 * small.flops);
        assert!(long.activations > 3.0 * small.activations && long.flops > 2.0 * small.flops);
        assert!(small.training_bytes(1.0) > small.training_bytes(64.0));
    }
}
