//! `laformer bench`: throughput on this machine.

use super::options::DeviceOption;
use super::{Failure, UsageError};
use crate::dataset::{BatchMaker, Batcher, Example, Source, Stream};
use crate::matrix::Split;
use crate::report::Table;
use crate::training::{Recipe, Run, Trainer, flops_per_example};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

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
    /// Threads that generate, or threads of libtorch
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long to measure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Examples drawn, solved and encoded
    Generate,
    /// Training steps, and the share of each of their parts
    Train,
    /// Answers of a model
    Decode,
}

impl Bench {
    pub fn run(self) -> Result<(), Failure> {
        let recipe = self.recipe().usage()?;
        let device = self.device.device().usage()?;
        let duration = Duration::try_from_secs_f64(self.seconds).context("--seconds").usage()?;
        tch::set_num_threads(self.threads as i32);
        let mut result = match self.what {
            What::Generate => generate(&recipe, self.threads, duration)?,
            What::Train => train(recipe.clone(), device, duration)?,
            What::Decode => decode(&recipe, device, duration)?,
        };
        if let Value::Object(fields) = &mut result {
            fields.insert("problem".into(), json!(recipe.problem));
            fields.insert("size".into(), json!(recipe.dimensions()?.to_string()));
            fields.insert("threads".into(), json!(self.threads));
            fields.insert("peak_memory_mib".into(), json!(peak_memory_mib()));
        }
        if self.json {
            println!("{result:#}");
        } else {
            let mut table = Table::new(&["what", "value"]);
            for (key, value) in result.as_object().into_iter().flatten() {
                table.row(vec![key.replace('_', " "), shown(value)]);
            }
            println!("{table}");
        }
        Ok(())
    }

    fn recipe(&self) -> Result<Recipe> {
        ensure!(self.threads >= 1, "--threads 0: expected 1 or more");
        ensure!(
            self.seconds > 0.0,
            "--seconds {}: expected a positive number",
            self.seconds
        );
        let text = match &self.recipe {
            Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => "problem = \"eigenvalues\"\ndim = 5".to_string(),
        };
        let mut overrides = self.overrides.clone();
        overrides.extend(self.problem.iter().map(|problem| format!("problem={problem}")));
        overrides.extend(self.dim.iter().map(|dim| format!("dim=\"{dim}\"")));
        Recipe::parse(&text, &overrides)
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

fn stream(recipe: &Recipe) -> Result<Arc<Stream>> {
    Ok(Arc::new(recipe.stream(Split::Train)?))
}

/// Batches made by threads that share nothing.
fn generate(recipe: &Recipe, threads: usize, duration: Duration) -> Result<Value> {
    let (source, format, batch) = (stream(recipe)?, recipe.format()?, recipe.training.batch_size);
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
    Ok(json!({ "examples_per_second": rates?.iter().sum::<f64>() }))
}

fn train(recipe: Recipe, device: Device, duration: Duration) -> Result<Value> {
    let folder = std::env::temp_dir().join(format!("laformer-bench-{}", std::process::id()));
    let run = Run::create(&folder, &recipe)?;
    let (source, batch) = (stream(&recipe)?, recipe.training.batch_size as f64);
    let kind = recipe.training.precision.kind();
    let profile = Trainer::new(recipe, run, device, false).and_then(|mut trainer| {
        let flops = flops_per_example(trainer.model());
        let lengths = trainer.model().longest();
        Ok((
            trainer.profile(source, duration)?,
            flops,
            lengths,
            trainer.model().parameter_count(),
        ))
    });
    Run::delete(&folder)?;
    fs::remove_dir(&folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    let (profile, flops, lengths, parameters) = profile?;
    let seconds = profile.seconds();
    let rate = profile.steps as f64 * batch / seconds;
    let peak = matrix_product_rate(device, kind);
    Ok(json!({
        "examples_per_second": rate,
        "positions_per_second": rate * (lengths.0 + lengths.1) as f64,
        "steps": profile.steps,
        "parameters": parameters,
        "data_share": profile.data / seconds,
        "forward_share": profile.forward / seconds,
        "backward_share": profile.backward / seconds,
        "optimizer_share": profile.optimizer / seconds,
        "gflops": rate * flops / 1e9,
        "matrix_product_gflops": peak / 1e9,
        "utilization": rate * flops / peak,
    }))
}

fn decode(recipe: &Recipe, device: Device, duration: Duration) -> Result<Value> {
    let model = recipe.build(device)?;
    let source = stream(recipe)?;
    let mut examples: Vec<Example> = Vec::new();
    let size = source.fill_batch(0, 500, &mut examples)?;
    let mut batcher = Batcher::new(model.format().clone());
    let inputs = batcher.source(examples.iter().map(|example| example.operands.as_slice()))?;
    model.generate(&inputs, size, 1)?;
    let (begun, mut answers) = (Instant::now(), 0);
    while begun.elapsed() < duration {
        answers += model.generate(&inputs, size, 1)?.len();
    }
    Ok(json!({
        "examples_per_second": answers as f64 / begun.elapsed().as_secs_f64(),
        "parameters": model.parameter_count(),
    }))
}

/// Floating-point operations per second of a large matrix product: what the device can do at most. The best of a few.
fn matrix_product_rate(device: Device, kind: Kind) -> f64 {
    let n: i64 = if device.is_cuda() { 8192 } else { 1024 };
    let (a, b) = (
        Tensor::randn([n, n], (kind, device)),
        Tensor::randn([n, n], (kind, device)),
    );
    let run = || {
        let begun = Instant::now();
        // Reading a value waits for the device.
        a.matmul(&b).get(0).get(0).double_value(&[]);
        begun.elapsed().as_secs_f64()
    };
    run();
    let fastest = (0..5).map(|_| run()).fold(f64::INFINITY, f64::min);
    2.0 * (n as f64).powi(3) / fastest
}

/// The most memory that this process has held, where the system tells.
fn peak_memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
