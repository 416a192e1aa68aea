//! The attributes and buffers of a module: all settings of a model that its scripted methods read.

use super::TRUST;
use crate::dataset::{Dimensions, Format, Target};
use crate::encoding::{Encoding, Field, Grammar, Input, LARGEST_POWER, Part, START, last_digit, power, power_rest};
use crate::libtorch::{self, Module};
use crate::model::{Model, most_operands, on_diagonal};
use crate::problem::{Degree, Facts, Part as ProblemPart, Problem};
use crate::recipe::{Architecture, Readout};
use anyhow::{Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use tch::{Device, Tensor};

/// The attributes and buffers of a module, by name.
#[derive(Debug, Default)]
pub struct Tables {
    attributes: BTreeMap<&'static str, Attribute>,
    buffers: BTreeMap<&'static str, Tensor>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Attribute {
    Int(i64),
    Float(f64),
    Texts(Vec<String>),
    Ints(Vec<i64>),
    Rows(Vec<Vec<i64>>),
}

impl Tables {
    /// Sets all attributes and buffers in a module.
    pub(super) fn set(&self, module: &mut Module) -> libtorch::Result<()> {
        for (name, attribute) in &self.attributes {
            match attribute {
                Attribute::Int(number) => module.set_int(name, *number),
                Attribute::Float(number) => module.set_float(name, *number),
                Attribute::Texts(texts) => {
                    module.set_texts(name, &texts.iter().map(String::as_str).collect::<Vec<_>>())
                }
                Attribute::Ints(numbers) => module.set_ints(name, numbers),
                Attribute::Rows(rows) => module.set_rows(name, rows),
            }?;
        }
        for (name, tensor) in &self.buffers {
            module.register_buffer(name, tensor)?;
        }
        Ok(())
    }

    /// The attributes as one JSON object.
    pub fn attributes(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.attributes)
    }

    pub fn buffers(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.buffers
            .iter()
            .map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone()))
    }
}

/// All tables of a model; `module.py` and the files beside it explain them.
pub(super) fn of(model: &Model, dimensions: &Dimensions) -> Result<Tables> {
    let (format, formats) = (model.format(), model.formats());
    let problems: Vec<_> = formats.iter().map(|format| format.problem).collect();
    let mut tables = normalization(formats);
    tables.attributes.extend(checks(&problems).attributes);
    let output = format.output.as_ref();
    let rounding = format.input.rounding();

    let fields = output.prediction_order().iter().map(|&place| &output.fields()[place]);
    for (name, texts) in [
        (
            "names",
            formats.iter().map(|format| format.problem.name().to_owned()).collect(),
        ),
        ("field_names", fields.map(|field| field.name.clone()).collect()),
        ("files", super::files(format).map(|(name, _)| name.to_owned()).to_vec()),
    ] {
        tables.attributes.insert(name, Attribute::Texts(texts));
    }
    let (min, max) = (dimensions.min(), dimensions.max());
    let source_vocabulary = format.source_vocabulary();
    let grid = match model.config().architecture {
        Architecture::Pair => most_operands(formats),
        _ => 0,
    };
    for (name, number) in [
        ("min_rows", min.rows as i64),
        ("max_rows", max.rows as i64),
        ("min_cols", min.cols as i64),
        ("max_cols", max.cols as i64),
        ("reading", format.reading() as i64),
        ("grid", grid),
        ("readout", readout(model.config().readout)),
        (
            "last_digit",
            last_digit(output.fields()).map_or(-1, |place| place as i64),
        ),
        ("variable_input", i64::from(format.pads_source())),
        ("variable_output", i64::from(output.is_variable_length())),
        (
            "source_tokens",
            source_vocabulary.as_ref().map_or(0, |it| it.size() as i64),
        ),
        ("first_task", source_vocabulary.as_ref().map_or(0, |it| it.first_task())),
    ] {
        tables.attributes.insert(name, Attribute::Int(number));
    }

    let of = |number: &dyn Fn(&Format) -> i64| -> Vec<i64> { formats.iter().map(number).collect() };
    let square = dimensions.is_square();
    for (name, numbers) in [
        (
            "square",
            of(&|format| i64::from(square || format.problem.needs_square())),
        ),
        ("symmetric", of(&|format| i64::from(format.problem.is_symmetric()))),
        ("diagonal", of(&diagonal)),
        (
            "source_starts",
            of(&|format| format.source_vocabulary().map_or(START, |it| it.first())),
        ),
        ("target_starts", of(&|format| format.target_vocabulary().first())),
        ("input_codec", codec(rounding.as_ref())?),
        ("output_codec", codec(output)?),
    ] {
        tables.attributes.insert(name, Attribute::Ints(numbers));
    }

    let rows = |row: &dyn Fn(&Format) -> Vec<i64>| -> Vec<Vec<i64>> { formats.iter().map(row).collect() };
    let places = |places: &[usize]| -> Vec<i64> { places.iter().map(|&place| place as i64).collect() };
    for (name, rows) in [
        ("operand_sides", rows(&|format| sides(format.problem.operands()))),
        ("solution_sides", rows(&|format| sides(format.problem.solution()))),
        ("operand_forms", rows(&|format| forms(format.problem.operands()))),
        ("solution_forms", rows(&|format| forms(format.problem.solution()))),
        ("vectors", rows(&|format| places(format.problem.facts().vectors))),
        (
            "fields",
            output
                .prediction_order()
                .iter()
                .map(|&place| field(output.fields(), place))
                .collect(),
        ),
    ] {
        tables.attributes.insert(name, Attribute::Rows(rows));
    }
    tables.buffers = buffers(format, model.device())?;
    Ok(tables)
}

/// The tables of `normalization.py`.
pub(super) fn normalization(formats: &[Format]) -> Tables {
    let deviation = formats.first().and_then(|format| format.deviation);
    let flags = |flag: fn(&Format) -> bool| Attribute::Ints(formats.iter().map(|it| i64::from(flag(it))).collect());
    let rows = |row: fn(&Format) -> Vec<i64>| Attribute::Rows(formats.iter().map(row).collect());
    let attributes = [
        ("deviation", Attribute::Float(deviation.unwrap_or(1.0))),
        ("normalizes", flags(Format::normalizes)),
        ("shifts", flags(|format| format.problem.facts().invariance.shifts)),
        (
            "equilibrates",
            flags(|format| format.problem.facts().invariance.equilibrates),
        ),
        ("degrees", rows(degrees)),
        ("second_degrees", rows(second_degrees)),
    ];
    Tables {
        attributes: attributes.into(),
        ..Tables::default()
    }
}

/// The tables of `residual.py`.
pub(super) fn checks(problems: &[&dyn Problem]) -> Tables {
    let of = |number: fn(&Facts) -> i64| Attribute::Ints(problems.iter().map(|it| number(it.facts())).collect());
    let attributes = [
        ("trust", Attribute::Float(TRUST)),
        ("checks", of(|facts| facts.check as i64)),
        ("regular", of(|facts| i64::from(facts.needs_inverse))),
    ];
    Tables {
        attributes: attributes.into(),
        ..Tables::default()
    }
}

fn buffers(format: &Format, device: Device) -> Result<BTreeMap<&'static str, Tensor>> {
    let output = format.output.as_ref();
    let grammar = Grammar::new(output);
    let mut buffers = vec![
        ("powers_of_ten", powers_of_ten()),
        ("output_starts", starts(output)),
        ("output_short", short(output)),
        ("output_field", table(&filled_fields(&grammar, output.fields())?)),
        ("grammar_allowed", table(grammar.allowed())),
        ("grammar_next", table(grammar.next())),
    ];
    let input = match &format.input {
        Input::Tokens(encoding) => encoding.clone(),
        Input::Values { .. } => format.output.clone(),
    };
    buffers.push(("input_starts", starts(input.as_ref())));
    buffers.push(("input_short", short(input.as_ref())));
    if format.target == Target::Classes {
        let order = output.prediction_order();
        let mut ranks = vec![0; order.len()];
        for (rank, &field) in order.iter().enumerate() {
            ranks[field] = rank;
        }
        buffers.push(("prediction_order", integers(order.iter().copied())));
        buffers.push(("written_order", integers(ranks.into_iter())));
    }
    Ok(buffers
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_device(device)))
        .collect())
}

/// The code of a readout in `parallel.py`.
pub(super) fn readout(readout: Readout) -> i64 {
    match readout {
        Readout::Mode => 0,
        Readout::Median => 1,
        Readout::Interpolated => 2,
    }
}

/// The matrices of the solution that a pair model reads from the diagonal of its state, as a bit mask.
fn diagonal(format: &Format) -> i64 {
    let places = on_diagonal(format.problem).into_iter().rev();
    places.fold(0, |bits, on| 2 * bits + i64::from(on))
}

fn forms(parts: &[ProblemPart]) -> Vec<i64> {
    parts.iter().map(|part| part.form as i64).collect()
}

/// Rows and columns of each matrix, as codes.
fn sides(parts: &[ProblemPart]) -> Vec<i64> {
    parts
        .iter()
        .flat_map(|part| [part.rows.code(), part.cols.code()])
        .collect()
}

/// The degree of homogeneity `a + b rows` of each matrix of the solution, as pairs a, b. Empty if scaling the operands
/// changes the solution in another way than by a factor.
fn degrees(format: &Format) -> Vec<i64> {
    let degrees = format.problem.facts().invariance.degrees.unwrap_or_default();
    let pair = |degree: &Degree| match *degree {
        Degree::Fixed(degree) => [i64::from(degree), 0],
        Degree::Rows => [0, 1],
    };
    degrees.iter().flat_map(pair).collect()
}

/// The degree of homogeneity of each matrix of the solution in the second operand. Empty if that operand has no scale of its own.
fn second_degrees(format: &Format) -> Vec<i64> {
    let degrees = format.problem.facts().invariance.second_degrees.unwrap_or_default();
    degrees.iter().map(|&degree| i64::from(degree)).collect()
}

/// An encoding as `codec.py` reads it.
fn codec(encoding: &dyn Encoding) -> Result<Vec<i64>> {
    let limit = 10i64.pow(encoding.digits());
    let kind = match encoding.name() {
        "P10" | "P1000" => 0,
        "B1999" => 1,
        "FP15" => 2,
        other => bail!("{other} has no codec in TorchScript"),
    };
    let mut codec = vec![kind, i64::from(encoding.digits()), limit];
    if kind == 0 {
        let mut unit = limit;
        for group in encoding.fields().iter().filter(|field| field.part.is_magnitude()) {
            unit /= group.classes() as i64;
            codec.push(unit);
        }
    }
    Ok(codec)
}

/// Four numbers: the part (0: sign, 1: exponent, 2: mantissa, 3: the whole number), the class of zero, the value of one class, and
/// whether larger classes mean larger magnitudes.
fn field(fields: &[Field], place: usize) -> Vec<i64> {
    let classes = |field: &Field| field.classes() as i64;
    let field = &fields[place];
    let (part, zero, unit) = match field.part {
        Part::Sign => (0, 0, 1),
        Part::Exponent => (1, classes(field) / 2, 1),
        Part::SignedMantissa => (2, classes(field) / 2, 1),
        Part::Mantissa { .. } => {
            let less = fields[place + 1..].iter().take_while(|field| field.part.is_magnitude());
            (2, 0, less.map(classes).product())
        }
        Part::Float => (3, 0, 1),
    };
    vec![part, zero, unit, i64::from(field.part.is_magnitude())]
}

/// float64 `[4, 221]`: see `codec.py`.
fn powers_of_ten() -> Tensor {
    let parts = |exponent| {
        let nearest = power(exponent);
        // The leading 26 bits, rounded (Veltkamp's splitting).
        let wide = nearest * 134_217_729.0;
        let leading = wide - (wide - nearest);
        let rest = if exponent < 0 { 0.0 } else { power_rest(exponent) };
        [nearest, leading, nearest - leading, rest]
    };
    let columns: Vec<_> = (-LARGEST_POWER..=LARGEST_POWER).map(parts).collect();
    let rows: Vec<f64> = (0..4)
        .flat_map(|row| columns.iter().map(move |parts| parts[row]))
        .collect();
    Tensor::from_slice(&rows).reshape([4, columns.len() as i64])
}

fn filled_fields(grammar: &Grammar, fields: &[Field]) -> Result<Vec<Vec<i64>>> {
    let (allowed, next) = (grammar.allowed(), grammar.next());
    let mut filled: Vec<_> = allowed.iter().map(|words| vec![0; words.len()]).collect();
    // The first field that each reachable state expects.
    let mut expected = vec![None; grammar.states()];
    let mut open = vec![(0, 0)];
    while let Some((state, first)) = open.pop() {
        if let Some(before) = expected[state] {
            if before != first {
                bail!("state {state} of the grammar expects both field {before} and field {first}");
            }
            continue;
        }
        expected[state] = Some(first);
        for word in (0..allowed[state].len()).filter(|&word| allowed[state][word]) {
            let Some(field) = (first..fields.len()).find(|&field| fields[field].words.contains(&word)) else {
                bail!("word {word} fills no field in state {state} of the grammar");
            };
            filled[state][word] = field as i64;
            if let Ok(following) = usize::try_from(next[state][word]) {
                open.push((following, field + 1));
            }
        }
    }
    Ok(filled)
}

/// The first word of every field: `[fields]`.
fn starts(encoding: &dyn Encoding) -> Tensor {
    integers(encoding.fields().iter().map(|field| field.words.start))
}

/// Whether a zero writes each field: `[fields]`, bool. Encodings of fixed length write all fields.
fn short(encoding: &dyn Encoding) -> Tensor {
    let is_written = |field: &Field| !encoding.is_variable_length() || field.part != Part::Mantissa { leading: false };
    Tensor::from_slice(&encoding.fields().iter().map(is_written).collect::<Vec<_>>())
}

fn integers(values: impl Iterator<Item = usize>) -> Tensor {
    Tensor::from_slice(&values.map(|value| value as i64).collect::<Vec<_>>())
}

/// A tensor `[rows, cols]` from rows of one length.
fn table<T: tch::kind::Element + Copy>(rows: &[Vec<T>]) -> Tensor {
    let width = rows.first().map_or(0, Vec::len) as i64;
    Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, width])
}
