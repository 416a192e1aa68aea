//! The scripted methods that make a traced model usable: `solve`, `encode`, `generate`, `decode`, `forward`.

use super::tables::{self, Grammar};
use super::{Attribute, Module};
use crate::encoding::Encoding;
use crate::matrix::Shape;
use crate::problem::{Form, Problem};
use anyhow::{Result, bail};
use std::fmt::Write;
use std::ops::RangeInclusive;

/// The sizes that a model was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub rows: RangeInclusive<usize>,
    pub cols: RangeInclusive<usize>,
    /// Whether rows equal columns.
    pub square: bool,
}

/// What the model reads.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// One position per coefficient: `encode_source(source float32 [B, N], positions [N, 5])`.
    Values,
    /// Tokens in an encoding: `encode_source(source int64 [B, S], positions [S, 5])`.
    Tokens(&'a dyn Encoding),
}

/// How the model writes; both name the traced methods that the module must have beside `encode_source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// `query(memory, positions [M, 5]) -> hidden [B, M, d]`, and for every field, in prediction order,
    /// `field_logits_0(hidden, known [B, M, 0]) -> [B, M, classes]`, `field_logits_1(hidden, known [B, M, 1])`, …
    Parallel,
    /// `cross_cache(memory) -> cross [L, 2, B, H, S, dh]` and `decode_step(tokens [B, 1], positions [1, 5], cross,
    /// cache [L, 2, B, H, t, dh]) -> (logits [B, V], cache [L, 2, B, H, t + 1, dh])`.
    Autoregressive,
}

/// The scripted methods that turn numbers `float64 [...]` into classes `int64 [..., fields]` and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    pub encode: String,
    pub decode: String,
}

/// What the scripts must know of a model.
///
/// Positions are `int64 [length, 5]`: place from 0, matrix from 0, and row, column and field from 1. Values and queries
/// have field 0; marks (`<s>`, `V<n>`) have row, column and field 0. Targets have positions of all tokens but the last.
///
/// Where the input encoding's sequences differ in length, sources end with `<pad>`, and `query` and `decode_step` take one
/// more argument, `memory_mask` (bool `[B, S]`, true for what is no padding).
#[derive(Debug)]
pub struct Interface<'a> {
    pub problem: &'a dyn Problem,
    pub sizes: Sizes,
    pub input: Input<'a>,
    pub input_codec: Codec,
    pub output: &'a dyn Encoding,
    pub output_codec: Codec,
    pub grammar: Grammar,
    pub decoder: Decoder,
}

impl Interface<'_> {
    /// Adds the scripts, tables and attributes to a module that has the traced methods and the codecs.
    pub fn add_to(&self, module: &mut Module) -> Result<()> {
        module.source.push_str(&self.source()?);
        module.attributes.extend(self.attributes());
        let mut buffer = |name: &str, tensor| module.buffers.push((name.to_owned(), tensor));
        if let Input::Tokens(encoding) = self.input {
            buffer("input_starts", tables::starts(encoding));
            buffer("input_short", tables::short(encoding));
        }
        buffer("output_starts", tables::starts(self.output));
        buffer("output_short", tables::short(self.output));
        buffer(
            "output_field",
            tables::table(&self.grammar.fields(self.output.fields())?),
        );
        buffer("grammar_allowed", tables::table(&self.grammar.allowed));
        buffer("grammar_next", tables::table(&self.grammar.next));
        if self.decoder == Decoder::Parallel {
            let order = self.output.prediction_order();
            buffer("prediction_order", tables::integers(order.iter().copied()));
            buffer("written_order", tables::integers(self.written_order().into_iter()));
        }
        Ok(())
    }

    /// For every field, when it is predicted.
    fn written_order(&self) -> Vec<usize> {
        let order = self.output.prediction_order();
        let mut ranks = vec![0; order.len()];
        for (rank, &field) in order.iter().enumerate() {
            ranks[field] = rank;
        }
        ranks
    }

    fn is_masked(&self) -> bool {
        matches!(self.input, Input::Tokens(encoding) if encoding.is_variable_length())
    }

    fn attributes(&self) -> Vec<(String, Attribute)> {
        let Sizes { rows, cols, square } = &self.sizes;
        let text = [
            ("problem", self.problem.name().to_owned()),
            ("sizes", self.sizes.to_string()),
        ];
        let numbers = [
            ("min_rows", *rows.start()),
            ("max_rows", *rows.end()),
            ("min_cols", *cols.start()),
            ("max_cols", *cols.end()),
            ("square", usize::from(*square)),
            ("symmetric", usize::from(self.problem.is_symmetric())),
            ("variable_input", usize::from(self.is_masked())),
            ("variable_output", usize::from(self.output.is_variable_length())),
        ];
        let text = text
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Attribute::Text(value)));
        text.chain(
            numbers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Attribute::Int(value as i64))),
        )
        .collect()
    }

    fn source(&self) -> Result<String> {
        let mut source = self.problem_source()?;
        source.push_str(&self.model_source());
        let input = match self.input {
            Input::Values => include_str!("values.py"),
            Input::Tokens(_) => include_str!("tokens.py"),
        };
        let decoder = match self.decoder {
            Decoder::Parallel => include_str!("parallel.py"),
            Decoder::Autoregressive => include_str!("autoregressive.py"),
        };
        for part in [
            include_str!("shapes.py"),
            include_str!("sequence.py"),
            include_str!("solve.py"),
            input,
            decoder,
        ] {
            write!(source, "\n\n{part}")?;
        }
        Ok(source)
    }

    /// Shapes and signatures, which the problem decides.
    fn problem_source(&self) -> Result<String> {
        let operand_forms = self.problem.operand_forms();
        let shapes = |of: fn(&dyn Problem, Shape) -> Vec<Shape>| {
            shape_formulas(
                |size| of(self.problem, size),
                self.problem.needs_square() || self.sizes.square,
            )
        };
        let operand_shapes = shapes(|problem, size| problem.operand_shapes(size))?;
        let solution_shapes = shapes(|problem, size| problem.solution_shapes(size))?;
        let names = operand_names(operand_forms)?;
        let first = names[0];
        let batches: Vec<_> = (names.iter().zip(operand_forms))
            .map(|(name, form)| match form {
                Form::Column => format!("self.column_batch({name}, \"{name}\", {first}.dim() == 3)"),
                _ => format!("self.matrix_batch({name}, \"{name}\")"),
            })
            .collect();
        let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let batched: Vec<_> = names.iter().map(|name| format!("{name}.dim() == 3")).collect();
        let typed: Vec<_> = names.iter().map(|name| format!("{name}: Tensor")).collect();
        let forms = self.problem.solution_forms();
        let result = match forms.len() {
            1 => "Tensor".to_owned(),
            count => format!("Tuple[{}]", vec!["Tensor"; count].join(", ")),
        };
        let answers: Vec<_> = (forms.iter().enumerate())
            .map(|(index, form)| {
                let shaped = match form {
                    Form::Matrix => "matrix",
                    Form::Column => "column",
                    Form::Transposed => "transposed",
                };
                format!("self.{shaped}(solution[{index}], batched)")
            })
            .collect();
        Ok(format!(
            r#"
def operand_shapes(self, rows: int, cols: int) -> List[Tuple[int, int]]:
    return [{operand_shapes}]


def solution_shapes(self, rows: int, cols: int) -> List[Tuple[int, int]]:
    return [{solution_shapes}]


def operands(self, {typed}) -> List[Tensor]:
    return self.checked([{batches}], [{quoted}])


def shaped(self, solution: List[Tensor], batched: bool) -> {result}:
    return {answers}


def solve(self, {typed}, beam: int = 1) -> {result}:
    return self.shaped(self.solution(self.operands({names}), beam), {batched})


def encode(self, {typed}) -> Tensor:
    return self.source_of(self.operands({names}))


def decode(self, tokens: Tensor) -> {result}:
    tokens = tokens.to(self.device())
    shapes = self.announced_shapes(tokens, {matrices})
    return self.shaped(self.matrices(self.read(tokens, shapes), shapes), True)
"#,
            typed = typed.join(", "),
            batches = batches.join(", "),
            quoted = quoted.join(", "),
            answers = answers.join(", "),
            names = names.join(", "),
            batched = batched.join(" or "),
            matrices = forms.len(),
        ))
    }

    /// Calls of the traced methods and the codecs, which the model decides.
    fn model_source(&self) -> String {
        let mask = if self.is_masked() { ", source != 1" } else { "" };
        let [input, output] = [&self.input_codec, &self.output_codec];
        let mut source = String::new();
        for (name, method) in [
            ("encode_input", &input.encode),
            ("decode_input", &input.decode),
            ("encode_output", &output.encode),
            ("decode_output", &output.decode),
        ] {
            let _ = write!(
                source,
                "\n\ndef {name}(self, x: Tensor) -> Tensor:\n    return self.{method}(x)\n"
            );
        }
        match self.decoder {
            Decoder::Autoregressive => {
                let _ = write!(
                    source,
                    r#"

def step(self, tokens: Tensor, positions: Tensor, cross: Tensor, cache: Tensor,
         source: Tensor) -> Tuple[Tensor, Tensor]:
    return self.decode_step(tokens, positions, cross, cache{mask})
"#
                );
            }
            Decoder::Parallel => {
                let choices: String = (0..self.output.fields().len())
                    .map(|rank| format!("    known = self.with_best(known, self.field_logits_{rank}(hidden, known))\n"))
                    .collect();
                let logits: Vec<_> = (0..self.output.fields().len())
                    .map(|rank| format!("self.field_logits_{rank}(hidden, known[:, :, :{rank}])"))
                    .collect();
                let _ = write!(
                    source,
                    r#"

def query_memory(self, memory: Tensor, positions: Tensor, source: Tensor) -> Tensor:
    return self.query(memory, positions{mask})


# [batch, count, d] to [batch, count, fields] classes in the order in which they are predicted.
def predict(self, hidden: Tensor) -> Tensor:
    known = torch.zeros([hidden.size(0), hidden.size(1), 0], dtype=torch.int64, device=hidden.device)
{choices}    return known


def field_logits(self, hidden: Tensor, known: Tensor) -> Tensor:
    return torch.cat([{logits}], -1)
"#,
                    logits = logits.join(", ")
                );
            }
        }
        source
    }
}

/// `5x5 to 15x15`, `3x4`, `1..4 x 2..4`
impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [rows, cols] = [&self.rows, &self.cols].map(|range| (range.start(), range.end()));
        let [low, high] = [Shape::new(*rows.0, *cols.0), Shape::new(*rows.1, *cols.1)];
        match (low == high, self.square) {
            (true, _) => write!(f, "{low}"),
            (false, true) => write!(f, "square {low} to {high}"),
            (false, false) => write!(f, "{low} to {high}"),
        }
    }
}

fn operand_names(forms: &[Form]) -> Result<&'static [&'static str]> {
    Ok(match forms {
        [_] => &["matrix"],
        [_, Form::Column] => &["matrix", "vector"],
        [_, _] => &["left", "right"],
        _ => bail!("a problem of {} operands has no names for them", forms.len()),
    })
}

/// Shapes as text in `rows` and `cols`, found by trying what every entry could be.
fn shape_formulas(shapes: impl Fn(Shape) -> Vec<Shape>, square: bool) -> Result<String> {
    type Formula = (&'static str, fn(Shape) -> usize);
    const FORMULAS: [Formula; 4] = [
        ("rows", |size| size.rows),
        ("cols", |size| size.cols),
        ("1", |_| 1),
        ("min(rows, cols)", |size| size.rows.min(size.cols)),
    ];
    let sizes = if square { [(7, 7), (11, 11)] } else { [(7, 11), (11, 7)] };
    let found = sizes.map(|(rows, cols)| (Shape::new(rows, cols), shapes(Shape::new(rows, cols))));
    let formula = |matrix: usize, entry: fn(Shape) -> usize| {
        let fits = |candidate: fn(Shape) -> usize| {
            found.iter().all(|(size, shapes)| {
                shapes
                    .get(matrix)
                    .is_some_and(|&shape| entry(shape) == candidate(*size))
            })
        };
        match FORMULAS.iter().find(|(_, candidate)| fits(*candidate)) {
            Some((text, _)) => Ok(*text),
            None => bail!("no formula is known for the shape of matrix {matrix}: {found:?}"),
        }
    };
    let matrices = (0..found[0].1.len())
        .map(|matrix| {
            Ok(format!(
                "({}, {})",
                formula(matrix, |shape| shape.rows)?,
                formula(matrix, |shape| shape.cols)?
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(matrices.join(", "))
}

#[cfg(test)]
mod tests;
