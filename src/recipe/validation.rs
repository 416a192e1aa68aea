//! Checks of recipes as a whole.

use super::Recipe;
use super::model::{Architecture, Positions, ValueFeatures};
use super::sections::{Data, Loss};
use crate::dataset::{Format, Target};
use crate::encoding::{Field, Input, InputLayout, Part, round_matrices};
use crate::matrix::{Matrix, Split};
use anyhow::{Result, anyhow, ensure};
use std::ops::RangeInclusive;
use toml::Value;

/// The largest number of evaluation examples, all of which are kept in memory.
pub const MAX_EXAMPLES: usize = 1 << 24;

/// The largest number of tolerances. Each has a column in the log.
const MOST_TOLERANCES: usize = 100;

/// The largest `data.examples`. The order of an epoch takes four bytes of memory per example.
const MOST_EXAMPLES: u32 = 100_000_000;

/// Numbers of mantissa classes for which labels may be soft. With fewer classes, each class is a digit, and neighboring
/// digits are not nearly correct. More classes would need too much memory.
const SOFTENED: RangeInclusive<usize> = 100..=2500;

impl Recipe {
    /// Checks everything that can be checked before the first step.
    pub fn validate(&self) -> Result<()> {
        self.specifications(Split::Train)?;
        self.data.validate()?;
        let (format, texts) = (self.format(), self.encoding.texts());
        // Draws that are out of range would be repeated, which changes the distribution.
        let largest = Matrix::from_element(1, 1, self.data.magnitude);
        round_matrices(format.input.rounding().as_ref(), &[largest])
            .and_then(|_| format.input.check(self.data.magnitude))
            .map_err(|error| anyhow!("data.magnitude = {}: {error}", self.data.magnitude))?;
        self.model.validate()?;
        ensure!(
            matches!(format.input, Input::Values { .. }) || self.model.value_features == ValueFeatures::All,
            "model.value_features = {} with encoding.input = \"{}\": this key applies only to value input; use \
             encoding.input = \"values\", or leave the key out",
            Value::try_from(self.model.value_features)?,
            texts.input
        );
        ensure!(
            self.model.architecture != Architecture::Pair
                || matches!(
                    format.input,
                    Input::Values {
                        reading: InputLayout::Whole,
                        ..
                    }
                ),
            "encoding.input = \"{}\" with model.architecture = \"pair\": this architecture reads whole matrices of \
             numbers; use encoding.input = \"values\"",
            texts.input
        );
        ensure!(
            format.reading() != InputLayout::Triangle || format.problems.iter().all(|problem| problem.is_symmetric()),
            "encoding.input = \"{}\" with problem = \"{}\": half of a matrix determines the other half only if the \
             matrix is symmetric; use encoding.input = \"values\"",
            self.encoding.input,
            self.problems
        );
        ensure!(
            !format.is_condensed() || format.problems.iter().all(|problem| problem.facts().has_condensed_form),
            "encoding.input = \"{}\" with problem = \"{}\": only inverses have a condensed form; use \
             encoding.input = \"values\"",
            self.encoding.input,
            self.problems
        );
        let smoothing = Loss::preset(self.model.architecture).smoothing;
        ensure!(
            self.loss.smoothing == smoothing || softens(&format),
            "loss.smoothing = {}: soft labels need a parallel decoder and a mantissa of 100 to 2500 classes \
             (model.decoder = \"parallel\", encoding.output = \"P1000\"); leave it out",
            self.loss.smoothing
        );
        let largest = self.dimensions.max();
        let largest = largest.rows.max(largest.cols) as i64;
        ensure!(
            self.model.max_dim == 0 || self.model.max_dim >= largest,
            "model.max_dim = {} is below the largest size of the recipe, {largest}; leave it out",
            self.model.max_dim
        );
        ensure!(
            !self.loss.free_signs || has_free_signs(&format),
            "loss.free_signs = true: this needs a model that predicts all coefficients of eigenvectors or an SVD at \
             once, signs first (model.decoder = \"parallel\" or \"none\", encoding.output = \"P1000\" or \"P10\"); \
             leave it out"
        );
        let input_varies = matches!(&format.input, Input::Tokens(encoding) if encoding.is_variable_length());
        let output_varies = format.target == Target::Tokens && format.output.is_variable_length();
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
            self.evaluation.tolerances.len() <= MOST_TOLERANCES,
            "evaluation.tolerances has {} numbers: expected at most {MOST_TOLERANCES}",
            self.evaluation.tolerances.len()
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

impl Data {
    /// Fails if the keys for repeated examples contradict one another.
    fn validate(&self) -> Result<()> {
        let (fixed, repeated, share) = (self.examples, self.repeated, self.repeated_share);
        ensure!(
            (0.0..=1.0).contains(&share),
            "data.repeated_share = {share}: expected a number from 0 to 1"
        );
        ensure!(
            fixed == 0 || (repeated == 0 && share == 0.0),
            "data.examples = {fixed} with data.repeated = {repeated} and data.repeated_share = {share}: data.examples \
             already repeats all examples; give either examples, or repeated and repeated_share"
        );
        ensure!(
            repeated > 0 || share == 0.0,
            "data.repeated_share = {share} with data.repeated = 0: say how many examples are repeated, e.g. data.repeated = \
             1000"
        );
        ensure!(
            repeated == 0 || share > 0.0,
            "data.repeated = {repeated} with data.repeated_share = 0: say which share of a batch is repeated, e.g. \
             data.repeated_share = 0.25"
        );
        ensure!(
            fixed <= MOST_EXAMPLES.into(),
            "data.examples = {fixed}: expected at most {MOST_EXAMPLES}, or 0 for no limit"
        );
        Ok(())
    }
}

/// Whether a model with this format may have soft labels.
fn softens(format: &Format) -> bool {
    let fields = format.output.fields();
    format.target == Target::Classes && fields.iter().any(|field| softened(field).is_some())
}

/// The class of the mantissa zero, if the field's labels may be soft.
pub(crate) fn softened(field: &Field) -> Option<i64> {
    let zero = match field.part {
        Part::Mantissa { leading: true } => 0,
        // Signed mantissas run from -(10^d - 1) to 10^d - 1.
        Part::SignedMantissa => field.classes() as i64 / 2,
        _ => return None,
    };
    SOFTENED.contains(&field.classes()).then_some(zero)
}

/// Whether answers have vectors of arbitrary sign, and their signs are predicted before all other fields.
fn has_free_signs(format: &Format) -> bool {
    let first = format.output.prediction_order()[0];
    format.target == Target::Classes
        && matches!(format.output.fields()[first].part, Part::Sign)
        && format
            .problems
            .iter()
            .any(|problem| !problem.facts().vectors.is_empty())
}
