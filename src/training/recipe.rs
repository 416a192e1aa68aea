//! A recipe: everything that decides a run, in one TOML file. Every key but the problem has a default; unknown keys and
//! values are refused with the nearest valid name.

mod overrides;
mod removed;

use super::loss::softens;
use super::precision::Precision;
use super::schedule::Schedule;
use super::settings::{Data, Encodings, Evaluation, Loss, OptimizerKind, Training};
use super::signs::FreeSigns;
use crate::dataset::{Dimensions, Format, Targets};
use crate::differences::differences;
use crate::encoding::{self, Input, Reading, round_matrices};
use crate::evaluation::MAX_EXAMPLES;
use crate::inference::Solver;
use crate::matrix::{Coefficients, Matrix, Split};
use crate::model::{Architecture, Config, Decoder, Model, Positions, ValueFeatures};
use anyhow::{Context, Result, anyhow, ensure};
use overrides::{merge, normalize_sizes, set};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// A whole recipe with every value resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// One problem, or several that the model learns together: `transpose+add`.
    pub problem: String,
    /// Size of square problems: `5`, or `5-15` for a range. Empty when `rows` and `cols` are given.
    pub dim: String,
    pub rows: String,
    pub cols: String,
    pub data: Data,
    pub encoding: Encodings,
    pub model: Config,
    pub loss: Loss,
    pub training: Training,
    pub evaluation: Evaluation,
}

impl Recipe {
    /// The recipe of a problem with nothing but defaults.
    pub fn defaults(architecture: Architecture) -> Self {
        let pair = architecture == Architecture::Pair;
        let (paper, tokens) = (
            architecture == Architecture::Paper,
            !matches!(architecture, Architecture::Laformer | Architecture::Pair),
        );
        Self {
            problem: String::new(),
            dim: String::new(),
            rows: String::new(),
            cols: String::new(),
            data: Data {
                seed: 1,
                coefficients: Coefficients::Uniform,
                magnitude: 10.0,
                spectrum: "semicircle".into(),
                sign_bias: 0.0,
                small_share: 0.0,
                large_share: 0.0,
                singular_share: 0.0,
                targets: Targets::Rounded,
                examples: 0,
                repeated: 0,
                repeated_share: 0.0,
                file: String::new(),
                noise: 0.0,
            },
            encoding: Encodings {
                input: if tokens { "P1000" } else { "values" }.into(),
                output: "P1000".into(),
                digits: 3,
            },
            model: Config::preset(architecture),
            loss: if tokens {
                Loss {
                    sign: 1.0,
                    exponent: 1.0,
                    smoothing: 0.0,
                    free_signs: false,
                }
            } else {
                Loss {
                    sign: 5.0,
                    exponent: 2.0,
                    smoothing: 0.01,
                    free_signs: false,
                }
            },
            training: Training {
                seed: 1,
                from: String::new(),
                steps: 10_000,
                batch_size: 64,
                optimizer: if tokens {
                    OptimizerKind::Adamw
                } else {
                    OptimizerKind::Muon
                },
                learning_rate: match architecture {
                    Architecture::Paper => 1e-4,
                    Architecture::Pair => 2e-3,
                    _ => 1e-3,
                },
                beta1: 0.9,
                beta2: if paper { 0.999 } else { 0.98 },
                epsilon: 1e-8,
                weight_decay: 0.0,
                muon_learning_rate: if pair { 0.014 } else { 0.01 },
                schedule: match architecture {
                    Architecture::Paper => Schedule::Constant,
                    Architecture::Pair => Schedule::Trapezoid,
                    _ => Schedule::Linear,
                },
                warmup: if paper { 10_000 } else { 300 },
                average: 0.0,
                clip: if paper { 5.0 } else { 1.0 },
                precision: Precision::Auto,
                threads: 0,
                data_threads: 1,
                log_every: 100,
                save_every: 0,
            },
            evaluation: Evaluation {
                every: 1_000,
                count: 1_000,
                tolerances: vec![0.05, 0.02, 0.01, 0.005],
            },
        }
    }

    /// Reads a recipe; `overrides` are `KEY=VALUE` with dotted keys and win over the file.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        let mut given: Table = text.parse().map_err(|error| anyhow!("not a TOML recipe: {error}"))?;
        for text in overrides {
            set(&mut given, text)?;
        }
        normalize_sizes(&mut given);
        removed::forget(&mut given)?;
        let architecture = match given.get("model").and_then(|model| model.get("architecture")) {
            None => Architecture::Laformer,
            Some(value) => {
                let value = value.clone();
                Architecture::deserialize(value)
                    .map_err(|error| anyhow!("model.architecture: {}", first_line(error)))?
            }
        };
        let mut resolved = Table::try_from(Self::defaults(architecture)).context("the defaults are valid TOML")?;
        merge(&mut resolved, given, "")?;
        let mut recipe: Self = serde_path_to_error::deserialize(Value::Table(resolved)).map_err(|error| {
            let path = error.path().to_string();
            anyhow!("{path}: {}", first_line(error.into_inner()))
        })?;
        recipe.problem = recipe.problems()?.to_string();
        recipe.validate()?;
        Ok(recipe)
    }

    /// Standard deviation of the coefficients.
    pub fn deviation(&self) -> f64 {
        self.data.coefficients.deviation(self.data.magnitude)
    }

    /// The recipe as TOML with every value written out.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// Keys whose values differ, with both values.
    pub fn differences(a: &Self, b: &Self) -> Result<Vec<(String, String, String)>> {
        Ok(differences(&Table::try_from(a)?, &Table::try_from(b)?))
    }

    pub fn dimensions(&self) -> Result<Dimensions> {
        let [dim, rows, cols] =
            [&self.dim, &self.rows, &self.cols].map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
        Ok(Dimensions::from_parts(dim, rows, cols)?)
    }

    /// The languages of source and target; the problem is the first of several.
    pub fn format(&self) -> Result<Format> {
        let digits = self.encoding.digits;
        let full = |name: &str| {
            if name.contains(':') {
                name.to_string()
            } else {
                format!("{name}:{digits}")
            }
        };
        let input: Input = full(&self.encoding.input)
            .parse()
            .map_err(|error| anyhow!("encoding.input: {error}"))?;
        let output =
            encoding::named(&full(&self.encoding.output)).map_err(|error| anyhow!("encoding.output: {error}"))?;
        let problems = self.problems()?;
        let problem = problems.iter().next().context("a set has a problem")?;
        Ok(Format {
            problem,
            problems,
            input,
            output,
            target: Decoder::target(self.model.decoder),
        })
    }

    /// A model with the recipe's random parameters.
    pub fn build(&self, device: tch::Device) -> Result<Model> {
        tch::manual_seed(self.training.seed as i64);
        let largest = self.dimensions()?.max();
        Ok(Model::new(
            &self.model,
            &self.format()?,
            largest,
            self.data.magnitude,
            device,
        ))
    }

    /// The module of a model of this recipe.
    pub fn solver(&self, model: &Model) -> Result<Solver> {
        Solver::new(model, &self.dimensions()?, self.deviation())
    }

    /// Checks everything that can be checked before the first step.
    pub fn validate(&self) -> Result<()> {
        self.specifications(Split::Train)?;
        self.repetition()?;
        self.noise()?;
        let format = self.format()?;
        // Draws beyond the range would be drawn again, which changes the law of the others.
        let largest = Matrix::from_element(1, 1, self.data.magnitude);
        round_matrices(format.input.rounding().as_ref(), &[largest])
            .and_then(|_| format.input.check(self.data.magnitude))
            .map_err(|error| anyhow!("data.magnitude = {}: {error}", self.data.magnitude))?;
        self.model.validate()?;
        ensure!(
            matches!(format.input, Input::Values { .. }) || self.model.value_features == ValueFeatures::All,
            "model.value_features = {} with encoding.input = \"{}\": it says how numbers are read, and these are tokens; use \
             encoding.input = \"values\", or leave it out",
            Value::try_from(self.model.value_features)?,
            self.encoding.input
        );
        ensure!(
            self.model.architecture != Architecture::Pair
                || matches!(
                    format.input,
                    Input::Values {
                        reading: Reading::Whole,
                        ..
                    }
                ),
            "encoding.input = \"{}\" with model.architecture = \"pair\": it multiplies whole matrices of numbers; use encoding.input = \
             \"values\"",
            self.encoding.input
        );
        ensure!(
            format.reading() != Reading::Triangle || format.problems.iter().all(|problem| problem.is_symmetric()),
            "encoding.input = \"{}\" with problem = \"{}\": half of a matrix tells the other half only where it is symmetric; use \
             encoding.input = \"values\"",
            self.encoding.input,
            self.problem
        );
        ensure!(
            !format.is_condensed() || format.problems.iter().all(|problem| problem.facts().has_condensed_form),
            "encoding.input = \"{}\" with problem = \"{}\": only inverses have a condensed form; use encoding.input = \"values\"",
            self.encoding.input,
            self.problem
        );
        let smoothing = Recipe::defaults(self.model.architecture).loss.smoothing;
        ensure!(
            self.loss.smoothing == smoothing || softens(&format),
            "loss.smoothing = {}: labels are soft where a parallel decoder writes a mantissa of 100 to 2500 classes (model.decoder = \
             \"parallel\", encoding.output = \"P1000\"), and are sharp here; leave it out",
            self.loss.smoothing
        );
        let largest = self.dimensions()?.max();
        let largest = largest.rows.max(largest.cols) as i64;
        ensure!(
            self.model.max_dim == 0 || self.model.max_dim >= largest,
            "model.max_dim = {} is below the largest size of the recipe, {largest}; leave it out",
            self.model.max_dim
        );
        ensure!(
            !self.loss.free_signs || FreeSigns::are_in(&format),
            "loss.free_signs = true: it is for models that predict all coefficients of eigenvectors or an SVD at once, signs first \
             (model.decoder = \"parallel\" or \"none\", encoding.output = \"P1000\" or \"P10\"); leave it out"
        );
        let input_varies = matches!(&format.input, Input::Tokens(encoding) if encoding.is_variable_length());
        let output_varies = format.target == crate::dataset::Target::Tokens && format.output.is_variable_length();
        ensure!(
            !(self.model.positions != Positions::Flat && (input_varies || output_varies)),
            "model.positions = {:?} with P10 tokens: P10 writes zero with fewer tokens, which moves rows and columns; \
             use model.positions = \"flat\" or another encoding",
            self.model.positions
        );
        let training = &self.training;
        let positive = [
            ("training.batch_size", training.batch_size as f64),
            ("training.learning_rate", training.learning_rate),
            ("training.muon_learning_rate", training.muon_learning_rate),
            ("training.epsilon", training.epsilon),
            ("training.data_threads", training.data_threads as f64),
            ("training.log_every", training.log_every as f64),
            ("training.steps", training.steps as f64),
            ("data.magnitude", self.data.magnitude),
            ("evaluation.count", self.evaluation.count as f64),
            ("loss.sign", self.loss.sign),
            ("loss.exponent", self.loss.exponent),
        ];
        for (key, value) in positive {
            ensure!(
                value > 0.0 && value.is_finite(),
                "{key} = {value}: expected a positive number"
            );
        }
        let not_negative = [
            ("training.weight_decay", training.weight_decay),
            ("training.clip", training.clip),
            ("loss.smoothing", self.loss.smoothing),
        ];
        for (key, value) in not_negative {
            ensure!(
                value >= 0.0 && value.is_finite(),
                "{key} = {value}: expected zero or a positive number"
            );
        }
        let shares = [
            ("training.beta1", training.beta1),
            ("training.beta2", training.beta2),
            ("training.average", training.average),
        ];
        for (key, value) in shares {
            ensure!(
                (0.0..1.0).contains(&value),
                "{key} = {value}: expected a number from 0 to below 1"
            );
        }
        ensure!(
            !self.evaluation.tolerances.is_empty()
                && self.evaluation.tolerances.iter().all(|t| *t > 0.0 && t.is_finite()),
            "evaluation.tolerances = {:?}: expected one or more positive numbers, e.g. [0.05, 0.01]",
            self.evaluation.tolerances
        );
        ensure!(
            self.evaluation.count <= MAX_EXAMPLES,
            "evaluation.count = {}: at most {MAX_EXAMPLES}",
            self.evaluation.count
        );
        ensure!(
            training.batch_size <= 1 << 20,
            "training.batch_size = {}: at most {}",
            training.batch_size,
            1 << 20
        );
        ensure!(
            training.threads <= 1024,
            "training.threads = {}: at most 1024",
            training.threads
        );
        ensure!(
            training.data_threads <= 256,
            "training.data_threads = {}: at most 256",
            training.data_threads
        );
        Ok(())
    }
}

fn first_line(error: impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests;
