//! `laformer bench`: throughput on this machine.

mod peak;
mod scale;
mod turns;

use super::options::{DeviceOption, GraphOption};
use super::output::say;
use super::{Failure, UsageError};
use crate::batch::BatchMaker;
use crate::dataset::{Case, Example};
use crate::evaluation::{Search, evaluate};
use crate::inference::Question;
use crate::libtorch::Tf32;
use crate::matrix::Split;
use crate::model::Model;
use crate::recipe::Recipe;
use crate::report::Table;
use crate::training::{Profile, Run, Trainer, flops_per_example};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tch::{Device, Kind};

/// Measure how fast this machine generates, trains or decodes
#[derive(Debug, Args)]
pub struct Bench {
    what: What,
    /// A recipe; without one, the defaults
    #[arg(long, value_name = "RECIPE.toml")]
    recipe: Option<PathBuf>,
    /// The problem [default: the recipe's, or eigenvalues]
    #[arg(long)]
    problem: Option<String>,
    /// Size of the matrices [default: the recipe's, or 5]
    #[arg(long)]
    dim: Option<String>,
    /// Change a key of the recipe: training.batch_size=128
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Threads that generate or train, or those of libtorch
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long to measure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Of generate or train: answer every line of stdin with the seconds that so many batches or steps take
    #[arg(long, value_name = "STEPS")]
    turns: Option<u64>,
    /// Of scale: where to draw the curves
    #[arg(long, value_name = "FILE.svg")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    graph: GraphOption,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Examples drawn, solved and encoded
    Generate,
    /// Training steps, and the share of each of their parts
    Train,
    /// Answers of a model
    Decode,
    /// The evaluation of 10,000 matrices, as a share of an epoch of 300,000 examples
    Evaluate,
    /// All of this as sizes, batch, width, depth and threads grow
    Scale,
    /// What the device can do at most: matrix products, memory
    Device,
}

impl Bench {
    pub fn run(self) -> Result<(), Failure> {
        let mut recipe = self.recipe().usage()?;
        let device = self.device.device().usage()?;
        self.graph.check(recipe.model.architecture, device).usage()?;
        let captures = !self.graph.no_graph;
        let duration = Duration::try_from_secs_f64(self.seconds).context("--seconds").usage()?;
        tch::set_num_threads(self.threads as i32);
        recipe.training.threads = self.threads;
        if matches!(self.what, What::Train | What::Evaluate | What::Scale) {
            recipe.resolve_precision(device)?;
        }
        if let Some(turns) = self.turns {
            match self.what {
                What::Generate => turns::generate(&recipe, turns)?,
                _ => turns::train(recipe, device, captures, turns)?,
            }
            return Ok(());
        }
        let mut result = match self.what {
            What::Generate => generation(&recipe, self.threads, duration)?,
            What::Train => train(recipe.clone(), device, captures, duration)?,
            What::Decode => decode(&recipe, device, duration)?,
            What::Evaluate => evaluation(&recipe, device, duration)?,
            What::Scale => {
                return Ok(scale::run(
                    &recipe,
                    device,
                    duration,
                    self.output.as_deref(),
                    self.json,
                )?);
            }
            What::Device => peak::measure(&recipe, device)?,
        };
        if let Value::Object(fields) = &mut result {
            fields.insert("problem".into(), json!(recipe.problems));
            fields.insert("size".into(), json!(recipe.dimensions.to_string()));
            fields.insert("threads".into(), json!(self.threads));
            fields.insert("peak_memory_mib".into(), json!(peak_memory_mib()));
        }
        if self.json {
            say!("{result:#}")?;
        } else {
            let mut table = Table::new(&["what", "value"]);
            for (key, value) in result.as_object().into_iter().flatten() {
                table.row(vec![key.replace('_', " "), shown(value)]);
            }
            say!("{table}")?;
        }
        Ok(())
    }

    fn recipe(&self) -> Result<Recipe> {
        ensure!(
            (1..=1024).contains(&self.threads),
            "--threads {}: expected 1 to 1024",
            self.threads
        );
        ensure!(
            self.threads == 1 || self.what != What::Scale,
            "--threads {}: scale measures one thread and two; leave it out",
            self.threads
        );
        ensure!(
            self.seconds > 0.0,
            "--seconds {}: expected a positive number",
            self.seconds
        );
        ensure!(
            self.turns.is_none() || matches!(self.what, What::Generate | What::Train),
            "--turns is for generate and train"
        );
        ensure!(self.turns != Some(0), "--turns 0: expected 1 or more");
        ensure!(
            self.output.is_none() || self.what == What::Scale,
            "--output is for scale, which draws curves"
        );
        ensure!(
            !self.graph.no_graph || self.what == What::Train,
            "--no-graph is for train"
        );
        let text = match &self.recipe {
            Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => "problem = \"eigenvalues\"\ndim = 5".to_string(),
        };
        let mut overrides = self.overrides.clone();
        overrides.extend(self.problem.iter().map(|problem| format!("problem={problem}")));
        let dim = self.dim.iter();
        overrides.extend(dim.flat_map(|dim| [format!("dim=\"{dim}\""), "rows=\"\"".into(), "cols=\"\"".into()]));
        let recipe = Recipe::parse(&text, &overrides)?;
        ensure!(
            self.what != What::Scale || recipe.dimensions.is_square(),
            "the sizes of scale are square: give the recipe dim in place of rows and cols"
        );
        Ok(recipe)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64().unwrap_or(f64::NAN) {
            large if large >= 100.0 => format!("{large:.0}"),
            small => format!("{small:.3}"),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn generation(recipe: &Recipe, threads: usize, duration: Duration) -> Result<Value> {
    let rate = generate(recipe, threads, duration)?;
    let (format, largest) = (recipe.format(), recipe.dimensions.max());
    let positions = format.source_positions(largest).len() + format.target_positions(largest).len();
    Ok(json!({
        "examples_per_second": rate,
        "positions_per_second": rate * positions as f64,
    }))
}

/// Examples per second, in batches made by threads that share nothing.
fn generate(recipe: &Recipe, threads: usize, duration: Duration) -> Result<f64> {
    let (source, format, batch) = (
        recipe.source(Split::Train)?,
        recipe.format(),
        recipe.training.batch_size,
    );
    let work = |thread: usize| -> Result<f64> {
        let mut maker = BatchMaker::new(source.clone(), format.clone(), batch);
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

/// Calls a function with a trainer whose run folder lasts as long as the call.
fn with_trainer<T>(
    recipe: Recipe,
    device: Device,
    captures: bool,
    call: impl FnOnce(&mut Trainer) -> Result<T>,
) -> Result<T> {
    let folder = std::env::temp_dir().join(format!("laformer-bench-{}", std::process::id()));
    let run = Run::create(&folder, &recipe)?;
    let result = Trainer::new(recipe, run, device, false).and_then(|mut trainer| {
        if !captures {
            trainer.run_eagerly();
        }
        call(&mut trainer)
    });
    Run::delete(&folder)?;
    fs::remove_dir(&folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    result
}

/// Training steps of a recipe, measured.
struct Training {
    profile: Profile,
    /// Examples per second.
    rate: f64,
    /// Whether `rate` is of steps in CUDA graphs; those of `profile` never are.
    captured: bool,
    cost: Cost,
}

/// What one example costs a model.
#[derive(Clone, Copy, Debug)]
struct Cost {
    parameters: f64,
    /// Positions of source and target.
    positions: f64,
    /// Floating-point operations of a training step.
    flops: f64,
    /// Numbers that layers write, on the way forward.
    activations: f64,
}

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
}

fn training(recipe: Recipe, device: Device, captures: bool, duration: Duration) -> Result<Training> {
    let (source, batch) = (recipe.source(Split::Train)?, recipe.training.batch_size as f64);
    with_trainer(recipe, device, captures, |trainer| {
        let profile = trainer.profile(source.clone(), duration)?;
        // A device has work of many steps waiting, and threads share a batch.
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

fn train(recipe: Recipe, device: Device, captures: bool, duration: Duration) -> Result<Value> {
    let kind = recipe.training.precision.kind();
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
    }))
}

fn decode(recipe: &Recipe, device: Device, duration: Duration) -> Result<Value> {
    /// As many as an evaluation decodes together.
    const BATCH: usize = 500;
    let model = recipe.build(device);
    let (rate, cost) = (decoding(recipe, &model, BATCH, duration)?, Cost::of(&model));
    let peak = peak::matrix_product_rate(device, Kind::Float);
    // A step is three times the way forward, which is all that decoding does.
    let flops = rate * cost.flops / 3.0;
    Ok(json!({
        "examples_per_second": rate,
        "positions_per_second": rate * cost.positions,
        "parameters": model.parameter_count(),
        "gflops": flops / 1e9,
        "matrix_product_gflops": peak / 1e9,
        "utilization": flops / peak,
    }))
}

/// Answers per second of a model, so many at a time.
fn decoding(recipe: &Recipe, model: &Model, batch: usize, duration: Duration) -> Result<f64> {
    let source = recipe.source(Split::Train)?;
    let mut examples: Vec<Example> = Vec::new();
    let size = source.fill_batch(0, batch, &mut examples)?;
    let task = source.task_at(0);
    let case = Case { task, size };
    let operands: Vec<_> = examples.iter().map(|example| example.operands.as_slice()).collect();
    let (solver, question) = (recipe.solver(model)?, Question::default());
    // TorchScript optimizes at the first two calls.
    for _ in 0..2 {
        solver.answers(case, &operands, &question)?;
    }
    let (begun, mut answers) = (Instant::now(), 0);
    while begun.elapsed() < duration {
        answers += solver.answers(case, &operands, &question)?.len();
    }
    Ok(answers as f64 / begun.elapsed().as_secs_f64())
}

/// All of an evaluation: making the examples, decoding, measuring; with a model that has learned nothing.
fn evaluation(recipe: &Recipe, device: Device, duration: Duration) -> Result<Value> {
    const COUNT: usize = 10_000;
    const EPOCH: f64 = 300_000.0;
    let training = training(recipe.clone(), device, true, duration)?.rate;
    let model = recipe.build(device);
    let source = recipe.source(Split::Train)?;
    let begun = Instant::now();
    evaluate(
        &recipe.solver(&model)?,
        source.as_ref(),
        COUNT,
        &recipe.evaluation.tolerances,
        &Search::default(),
        |_| (),
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

/// The most memory that this process has held, where the system tells.
fn peak_memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
