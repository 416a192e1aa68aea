//! Recipes. A recipe is a TOML file with all settings of a run. It is parsed once into typed values.
//!
//! All keys have defaults except the problem and the size. The error of an unknown key or value suggests the nearest
//! valid name. After [`Recipe::parse`], no value is an unparsed string.

mod examples;
mod model;
mod overrides;
mod removed;
mod schedule;
mod sections;
mod texts;
mod validation;

pub use model::{
    Activation, Architecture, Config, DecoderKind, Gate, Normalization, Positions, Readout, ValueFeatures,
};
pub use schedule::Schedule;
pub use sections::{Data, Encodings, Evaluation, Loss, OptimizerKind, Precision, Training};
pub use validation::MAX_EXAMPLES;
pub(crate) use validation::softened;

use crate::dataset::{Dimensions, Format};
use crate::differences::differences;
use crate::encoding::Input;
use crate::problem::{self, Problems};
use anyhow::{Context, Result, anyhow, ensure};
use overrides::{merge, set, size_texts};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// A recipe with a value for every key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The problems that the model learns. Several are joined by `+`: `transpose+add`.
    #[serde(rename = "problem")]
    pub problems: Problems,
    /// The sizes. In TOML, `dim` for square operands (`5`, or `5-15` for a range), or `rows` and `cols`.
    #[serde(flatten, with = "texts::sizes")]
    pub dimensions: Dimensions,
    pub data: Data,
    pub encoding: Encodings,
    pub model: Config,
    pub loss: Loss,
    pub training: Training,
    pub evaluation: Evaluation,
}

impl Recipe {
    /// Parses a recipe. `overrides` are `KEY=VALUE` with dotted keys and take precedence over the file.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        let mut given: Table = text.parse().map_err(|error| anyhow!("not a TOML recipe: {error}"))?;
        for text in overrides {
            set(&mut given, text)?;
        }
        size_texts(&mut given)?;
        removed::forget(&mut given)?;
        let architecture = match given.get("model").and_then(|model| model.get("architecture")) {
            None => Architecture::Laformer,
            Some(value) => Architecture::deserialize(value.clone())
                .map_err(|error| anyhow!("model.architecture: {}", first_line(error)))?,
        };
        ensure!(
            given.get("problem").is_some_and(|problem| problem.as_str() != Some("")),
            "a recipe needs its problem: problem = \"eigenvalues\" (one of {}, or several joined by +)",
            problem::ALL
                .iter()
                .map(|problem| problem.name())
                .collect::<Vec<_>>()
                .join(", ")
        );
        let mut resolved = defaults(architecture)?;
        merge(&mut resolved, given, "")?;
        let recipe: Self = serde_path_to_error::deserialize(Value::Table(resolved)).map_err(|error| {
            let path = error.path().to_string();
            let text = first_line(error.into_inner());
            // Errors of values that span several keys name the key themselves.
            if path == "." || text.starts_with(&format!("{path}.")) {
                anyhow!(text)
            } else {
                anyhow!("{path}: {text}")
            }
        })?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// The recipe as TOML, with all values.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// Takes the precision and the number of threads of a run that was begun, if this recipe leaves them open (`auto`, 0).
    pub fn keep_resolved(&mut self, begun: &Self) {
        if self.training.precision == Precision::Auto {
            self.training.precision = begun.training.precision;
        }
        if self.training.threads == 0 {
            self.training.threads = begun.training.threads;
        }
    }

    /// Keys whose values differ, with both values.
    pub fn differences(a: &Self, b: &Self) -> Result<Vec<(String, String, String)>> {
        Ok(differences(&Table::try_from(a)?, &Table::try_from(b)?))
    }

    /// The input and output format of the first problem.
    pub fn format(&self) -> Format {
        Format {
            problem: self.problems.first(),
            problems: self.problems.clone(),
            input: self.encoding.input.clone(),
            output: self.encoding.output.clone(),
            target: self.model.decoder.target(),
            deviation: self.normalizes().then(|| self.data.deviation()),
        }
    }

    /// Whether operands are scaled if a problem allows it. Digit features are excluded: scaling would change all
    /// digits.
    fn normalizes(&self) -> bool {
        let reads_values = matches!(self.encoding.input, Input::Values { .. });
        self.encoding.normalize && reads_values && self.model.value_features == ValueFeatures::All
    }
}

/// All keys with their defaults. The problem and the sizes have none, so they are empty.
fn defaults(architecture: Architecture) -> Result<Table> {
    let text = |key: &str| (key.to_string(), Value::String(String::new()));
    let mut defaults = Table::from_iter(["problem", "dim", "rows", "cols"].map(text));
    let sections = [
        ("data", Table::try_from(Data::default())),
        ("encoding", Table::try_from(Encodings::preset(architecture))),
        ("model", Table::try_from(Config::preset(architecture))),
        ("loss", Table::try_from(Loss::preset(architecture))),
        ("training", Table::try_from(Training::preset(architecture))),
        ("evaluation", Table::try_from(Evaluation::default())),
    ];
    for (name, section) in sections {
        defaults.insert(
            name.into(),
            Value::Table(section.context("the defaults are valid TOML")?),
        );
    }
    Ok(defaults)
}

fn first_line(error: impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests;
