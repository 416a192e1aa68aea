//! The scripted methods that make a traced model usable: `solve`, `soft_solve`, `encode`, `generate`, `decode`, `forward`;
//! for a model of several problems a set of them for each, see [`super::namespace`].

use super::{Attribute, Module};
use super::{namespace, question, soft, tables};
use crate::dataset::{Dimensions, Format, Target};
use crate::encoding::{Grammar, Input, START, last_digit};
use crate::matrix::Shape;
use crate::model::{Readout, on_diagonal};
use crate::problem::{Form, Part, Problem};
use anyhow::{Result, bail};
use std::fmt::Write;

/// The scripted methods that turn numbers `float64 [...]` into classes `int64 [..., fields]` and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    pub encode: String,
    pub decode: String,
}

/// What the scripts must know of a model. The format tells which traced methods the module has; see [`super::methods`].
#[derive(Debug)]
pub struct Interface<'a> {
    pub format: &'a Format,
    /// The sizes that the model was made for.
    pub dimensions: Dimensions,
    /// Of the encoding that operands are rounded through.
    pub input_codec: Codec,
    pub output_codec: Codec,
    /// Of a parallel decoder.
    pub readout: Readout,
    /// Operands that a grid has room for; 0 where positions are no cells of a grid.
    pub grid: i64,
    /// Standard deviation of the coefficients of the training.
    pub deviation: f64,
}

impl Interface<'_> {
    /// Adds the scripts, tables and attributes to a module that has the traced methods and the codecs.
    pub fn add_to(&self, module: &mut Module) -> Result<()> {
        for format in self.format.tasks() {
            let attributes = self.attributes(&format);
            let names: Vec<String> = attributes.iter().map(|(name, _)| name.clone()).collect();
            module
                .source
                .push_str(&namespace::scripts(&format, &self.source(&format)?, &names));
            let named = |(name, value): (String, _)| (namespace::name(&format, &name), value);
            module.attributes.extend(attributes.into_iter().map(named));
        }
        if self.format.task().is_some() {
            let names = self.format.problems.names().into_iter();
            let quoted: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
            let list = quoted.join(", ");
            let _ = write!(
                module.source,
                "\n\ndef problems(self) -> List[str]:\n    return [{list}]\n"
            );
        }
        let output = self.format.output.as_ref();
        let grammar = Grammar::new(output);
        let mut buffer = |name: &str, tensor| module.buffers.push((name.to_owned(), tensor));
        if let Input::Tokens(encoding) = &self.format.input {
            buffer("input_starts", tables::starts(encoding.as_ref()));
            buffer("input_short", tables::short(encoding.as_ref()));
        }
        buffer("output_starts", tables::starts(output));
        buffer("output_short", tables::short(output));
        buffer(
            "output_field",
            tables::table(&tables::filled_fields(&grammar, output.fields())?),
        );
        buffer("grammar_allowed", tables::table(grammar.allowed()));
        buffer("grammar_next", tables::table(grammar.next()));
        if self.format.target == Target::Classes {
            let order = output.prediction_order();
            let mut ranks = vec![0; order.len()];
            for (rank, &field) in order.iter().enumerate() {
                ranks[field] = rank;
            }
            buffer("prediction_order", tables::integers(order.iter().copied()));
            buffer("written_order", tables::integers(ranks.into_iter()));
        }
        Ok(())
    }

    fn attributes(&self, format: &Format) -> Vec<(String, Attribute)> {
        let (min, max) = (self.dimensions.min(), self.dimensions.max());
        let square = self.dimensions.is_square() || format.problem.needs_square();
        let sizes = match (min == max, square) {
            (true, _) => min.to_string(),
            (false, true) => format!("square {min} to {max}"),
            (false, false) => format!("{min} to {max}"),
        };
        let text = [("problem", format.problem.name().to_owned()), ("sizes", sizes)];
        let task = format.task().map_or(-1, |task| task as i64);
        let tasks = if task < 0 { 0 } else { format.problems.len() as i64 };
        let source_start = format
            .source_vocabulary()
            .map_or(START, |vocabulary| vocabulary.first());
        let source_tokens = format
            .source_vocabulary()
            .map_or(0, |vocabulary| vocabulary.size() as i64);
        let tokens = [
            ("source_tokens", source_tokens),
            ("task", task),
            ("tasks", tasks),
            ("source_start", source_start),
            ("target_start", format.target_vocabulary().first()),
        ];
        let diagonal = on_diagonal(format.problem)
            .into_iter()
            .rev()
            .fold(0, |bits, on| 2 * bits + usize::from(on));
        let numbers = [
            ("min_rows", min.rows),
            ("max_rows", max.rows),
            ("min_cols", min.cols),
            ("max_cols", max.cols),
            ("square", usize::from(square)),
            ("symmetric", usize::from(format.problem.is_symmetric())),
            ("reading", format.reading() as usize),
            ("grid", self.grid as usize),
            ("diagonal", diagonal),
            ("variable_input", usize::from(format.pads_source())),
            ("variable_output", usize::from(format.output.is_variable_length())),
        ];
        let text = text
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Attribute::Text(value)));
        let numbers = numbers
            .into_iter()
            .map(|(name, value)| (name, value as i64))
            .chain(tokens);
        text.chain(numbers.map(|(name, value)| (name.to_owned(), Attribute::Int(value))))
            .collect()
    }

    fn source(&self, format: &Format) -> Result<String> {
        let mut source = self.problem_source(format)?;
        source.push_str(&self.model_source());
        let input = match &self.format.input {
            Input::Values { .. } => include_str!("values.py"),
            Input::Tokens(_) => include_str!("tokens.py"),
        };
        let decoder = match self.format.target {
            Target::Classes => include_str!("parallel.py"),
            Target::Tokens => include_str!("autoregressive.py"),
        };
        for part in [
            include_str!("shapes.py"),
            include_str!("sequence.py"),
            include_str!("grid.py"),
            include_str!("solve.py"),
            input,
            decoder,
        ] {
            write!(source, "\n\n{part}")?;
        }
        source.push_str(&soft::source(format));
        source.push_str(&question::source(format, self.deviation));
        Ok(source)
    }

    /// Shapes and signatures, which the problem decides.
    fn problem_source(&self, format: &Format) -> Result<String> {
        let problem = format.problem;
        let parts = problem.operands();
        let shapes = |of: fn(&dyn Problem, Shape) -> Vec<Shape>| {
            shape_formulas(|size| of(problem, size), problem.needs_square())
        };
        let operand_shapes = shapes(|problem, size| problem.operand_shapes(size))?;
        let solution_shapes = shapes(|problem, size| problem.solution_shapes(size))?;
        let names = operand_names(parts)?;
        let first = names[0];
        let batches: Vec<_> = (names.iter().zip(parts))
            .map(|(name, part)| match part.form {
                Form::Column => format!("self.column_batch({name}, \"{name}\", {first}.dim() == 3)"),
                _ => format!("self.matrix_batch({name}, \"{name}\")"),
            })
            .collect();
        let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let batched: Vec<_> = names.iter().map(|name| format!("{name}.dim() == 3")).collect();
        let typed: Vec<_> = names.iter().map(|name| format!("{name}: Tensor")).collect();
        let forms = problem.solution();
        let result = match forms.len() {
            1 => "Tensor".to_owned(),
            count => format!("Tuple[{}]", vec!["Tensor"; count].join(", ")),
        };
        let answers: Vec<_> = (forms.iter().enumerate())
            .map(|(index, part)| {
                let shaped = match part.form {
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


def solve(self, {typed}, beam: int = 1, normalize: bool = False) -> {result}:
    # At the first calls all methods are put in the places of their calls and optimized, those of every level again: so the model is
    # called in one place, and from here.
    with no_grad():
        operands = self.as_read(self.operands({names}))
        shift, scale = operands[0], operands[0]
        if normalize:
            operands, shift, scale = self.normalized(operands)
        solution = self.solution(operands, beam)
        if normalize:
            solution = self.denormalized(solution, shift, scale, operands[0].size(1))
    return self.shaped(solution, {batched})


# As `solve`, with expected numbers in place of chosen ones, and a gradient.
def soft_solve(self, {typed}) -> {result}:
    return self.shaped(self.soft_solution(self.as_read(self.operands({names}))), {batched})


def encode(self, {typed}) -> Tensor:
    return self.source_of(self.question(self.as_read(self.operands({names})))[0])


def decode(self, tokens: Tensor) -> {result}:
    tokens = self.integers(tokens, "tokens")
    shapes = self.announced_shapes(tokens, {matrices})
    return self.shaped(self.with_signs(self.matrices(self.read(tokens, shapes), shapes)), True)
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
        let mask = if self.format.pads_source() { ", source != 1" } else { "" };
        let tasks = match (self.format.task(), self.format.source_vocabulary()) {
            (None, _) => String::new(),
            (Some(_), None) => ", source[:, 0].to(torch.int64)".to_owned(),
            (Some(_), Some(vocabulary)) => format!(", source[:, 0] - {}", vocabulary.first_task()),
        };
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
        match self.format.target {
            Target::Tokens => {
                let _ = write!(
                    source,
                    r#"

def step(self, tokens: Tensor, positions: Tensor, cross: Tensor, cache: Tensor,
         source: Tensor) -> Tuple[Tensor, Tensor]:
    return self.decode_step(tokens, positions, cross, cache{mask})
"#
                );
            }
            Target::Classes => {
                let output = self.format.output.as_ref();
                let choice = |(rank, &field): (usize, &usize)| {
                    let logits = format!("self.field_logits_{rank}(hidden, known)");
                    match self.readout {
                        Readout::Interpolated | Readout::Median if output.fields()[field].part.is_magnitude() => {
                            format!("    known, share = self.with_median(known, {logits}, share)\n")
                        }
                        _ => format!("    known = self.with_best(known, {logits})\n"),
                    }
                };
                let choices: String = output.prediction_order().iter().enumerate().map(choice).collect();
                let numbers = match last_digit(output.fields()) {
                    Some(last) if self.readout == Readout::Interpolated => {
                        format!("self.decoded_within(classes, {last}, share)")
                    }
                    _ => "self.decode_output(classes)".to_owned(),
                };
                let logits: Vec<_> = (0..self.format.output.fields().len())
                    .map(|rank| format!("self.field_logits_{rank}(hidden, known[:, :, :{rank}])"))
                    .collect();
                let _ = write!(
                    source,
                    r#"

def query_memory(self, memory: Tensor, positions: Tensor, source: Tensor) -> Tensor:
    return self.query(memory, positions{tasks}{mask})


# [batch, count, d] to classes [batch, count, fields] in the order in which they are predicted, and to the share [batch, count] of the
# probability of the last digit that lies below the median.
def predict(self, hidden: Tensor) -> Tuple[Tensor, Tensor]:
    known = torch.zeros([hidden.size(0), hidden.size(1), 0], dtype=torch.int64, device=hidden.device)
    share = torch.full([hidden.size(0), hidden.size(1)], 0.5, dtype=torch.float32, device=hidden.device)
{choices}    return known, share


# What the model answers with, float64 [batch, count].
def readout(self, classes: Tensor, share: Tensor) -> Tensor:
    return {numbers}


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

/// What the methods call a problem's operands.
pub fn operand_names(parts: &[Part]) -> Result<&'static [&'static str]> {
    Ok(match parts {
        [_] => &["matrix"],
        [_, vector] if vector.form == Form::Column => &["matrix", "vector"],
        [_, _] => &["left", "right"],
        _ => bail!("a problem of {} operands has no names for them", parts.len()),
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
mod stand_in;
#[cfg(test)]
mod tests;
