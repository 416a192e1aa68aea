//! `laformer bench`: throughput on this machine.

mod measure;
mod peak;
mod turns;

use super::options::{DeviceOption, GraphOption};
use super::output::say;
use super::{Failure, UsageError};
use crate::recipe::Recipe;
use crate::report::Table;
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Set a key of the recipe, for example training.batch_size=128
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Threads that generate or train; in other benchmarks, threads of libtorch
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long to measure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// For generate and train: for each line of stdin, run this many batches or steps and print the seconds
    #[arg(long, value_name = "STEPS")]
    turns: Option<u64>,
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
    /// Training steps, and the share of time of each part
    Train,
    /// Answers of a model, in batches of training.batch_size
    Decode,
    /// The evaluation of 10,000 matrices, as a share of an epoch of 300,000 examples
    Evaluate,
    /// The peak rates of the device: matrix products and memory
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
        if matches!(self.what, What::Train | What::Evaluate) {
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
            What::Generate => measure::generation(&recipe, self.threads, duration)?,
            What::Train => measure::train(recipe.clone(), device, captures, duration)?,
            What::Decode => measure::decode(&recipe, device, duration)?,
            What::Evaluate => measure::evaluation(&recipe, device, duration)?,
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

/// The peak resident memory of this process, if the system reports it.
fn peak_memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
