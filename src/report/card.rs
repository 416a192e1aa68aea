//! The model card: description, accuracy and usage of a checkpoint.

use super::Provenance;
use super::table::{Table, percent};
use super::text::evaluation_table;
use crate::dataset::{Format, Repetition};
use crate::encoding::InputLayout;
use crate::evaluation::Evaluation;
use crate::matrix::{Family, Shape, Split};
use crate::problem::Form;
use crate::recipe::Recipe;
use crate::training::Progress;
use anyhow::Result;
use std::fmt::Write;

/// The card as Markdown.
pub fn card(
    recipe: &Recipe,
    provenance: &Provenance,
    parameters: usize,
    progress: &Progress,
    evaluation: &Evaluation,
    training_set: Option<&Evaluation>,
    families: &[(Family, Evaluation)],
) -> Result<String> {
    let format = recipe.format();
    let problem = &recipe.problems;
    let dimensions = recipe.dimensions.label();
    let size = recipe.dimensions.max();
    let tasks = format.tasks();
    let calls = tasks.iter().map(|format| call(format, size, recipe.data.magnitude));
    let calls: Vec<String> = calls.collect();
    let seen = match (recipe.data.repetition(), training_set) {
        (Repetition::Fixed { examples }, _) => format!(", always the same {examples}"),
        (Repetition::TwoSets { examples, share }, _) => {
            format!(", {} % of them from the same {examples}", percent(share))
        }
        (Repetition::Never, Some(_)) => format!(", repeated rows of {}", recipe.data.file),
        (Repetition::Never, None) => String::new(),
    };
    let training_set = training_set.map_or(String::new(), |evaluation| {
        let table = evaluation_table("training set", evaluation);
        format!("\n## Accuracy on examples of the training set\n\n```\n{table}\n```\n")
    });
    let noise = match recipe.data.noise.share() {
        0.0 => String::new(),
        share => format!(", input noise of {share} standard deviations"),
    };
    let from = match recipe.training.from.as_str() {
        "" => String::new(),
        from => format!("| began with the weights of | {from} |\n"),
    };
    Ok(format!(
        "# {problem} {dimensions}\n\n\
         A transformer that answers `{problem}` for {dimensions} matrices, trained by laformer {version}.\n\n\
         | | |\n|---|---|\n\
         | parameters | {parameters} |\n\
         | input, output | {input}, {output}:{digits} |\n\
         {reads}\
         | trained on | {examples} examples ({distribution} coefficients{noise}){seen} |\n\
         {from}\
         | training time | {minutes:.1} minutes |\n\
         | precision | {trained_in} |\n\
         | made with | {provenance} |\n\
         | step | {step} of {steps} |\n\n\
         ## Accuracy on validation examples\n\n\
         An answer is right when its relative error is below the tolerance. *Ceiling*: the accuracy of exact answers \
         after rounding to tokens.\n\n```\n{table}\n```\n{training_set}\n\
         ## Accuracy on families of matrices\n\n```\n{families}\n```\n\n\
         ## Use\n\n```python\nimport torch\n\nmodel = torch.jit.load(\"model.pt\")\n{calls}\n```\n\n\
         Operands are tensors `[rows, cols]` or `[batch, rows, cols]`. Answers are float64.\n\n\
         ## Limits\n\n\
         Trained only on {dimensions} matrices of {distribution} coefficients of magnitude {magnitude}. {scales} \
         Answers for matrices of other kinds are extrapolation, and may be wrong. Entries are rounded to the digits of \
         the input encoding before the model reads them.\n",
        scales = scales(recipe),
        version = env!("CARGO_PKG_VERSION"),
        input = format.input,
        reads = reads(&format),
        output = format.output.name(),
        digits = format.output.digits(),
        examples = progress.step * recipe.training.batch_size as u64,
        distribution = recipe.distribution(Split::Train),
        magnitude = recipe.data.magnitude,
        calls = calls.join("\n"),
        trained_in = recipe.training.precision.name(),
        minutes = progress.elapsed / 60.0,
        step = progress.step,
        steps = recipe.training.steps,
        table = evaluation_table("validation", evaluation),
        families = families_table(&recipe.evaluation.tolerances, families),
    ))
}

/// A table with one row per family and the accuracy at each tolerance.
fn families_table(tolerances: &[f64], families: &[(Family, Evaluation)]) -> String {
    let mut headers = vec!["family".to_string(), "matrices".into()];
    headers.extend(tolerances.iter().map(|tolerance| format!("{} %", percent(*tolerance))));
    let mut table = Table::new(headers);
    for (family, evaluation) in families {
        let mut cells = vec![family.to_string(), evaluation.examples.len().to_string()];
        let accuracies = evaluation.accuracies().into_iter();
        cells.extend(accuracies.map(|accuracy| format!("{:.1} %", 100.0 * accuracy.share())));
        table.row(cells);
    }
    table.to_string()
}

/// How the model treats matrices of other scales.
fn scales(recipe: &Recipe) -> &'static str {
    if recipe.format().tasks().iter().all(Format::normalizes) {
        "Matrices of other scales are rescaled to this one, and answers are scaled back."
    } else {
        "Matrices of other scales are read unchanged, and their answers are mostly wrong."
    }
}

/// A row that describes the transform of matrices before the model reads them; empty if there is none.
fn reads(format: &Format) -> String {
    let form = match format.reading() {
        InputLayout::Whole => return String::new(),
        InputLayout::Triangle => "half of the matrix",
        InputLayout::Condensed => "the condensed form: two diagonals",
    };
    format!("| reads | {form} |\n")
}

/// A call in Python, with random operands like those of training.
fn call(format: &Format, size: Shape, magnitude: f64) -> String {
    let problem = format.problem;
    let names: &[&str] = match problem.operands() {
        [_] => &["matrix"],
        [_, other] if other.form == Form::Column => &["matrix", "vector"],
        _ => &["left", "right"],
    };
    let mut lines = String::new();
    for (name, part) in names.iter().zip(problem.operands()) {
        let shape = part.shape(size);
        let sizes = match part.form {
            Form::Column => shape.rows.to_string(),
            _ => format!("{}, {}", shape.rows, shape.cols),
        };
        let _ = writeln!(
            lines,
            "{name} = torch.empty({sizes}, dtype=torch.float64).uniform_(-{magnitude}, {magnitude})"
        );
        if problem.is_symmetric() {
            let _ = writeln!(lines, "{name} = {name}.tril() + {name}.tril(-1).T");
        }
    }
    let answer = match problem.name() {
        "eigenvectors" => "values, vectors",
        "svd" => "u, s, vt",
        "eigenvalues" | "singular-values" => "values",
        _ => "answer",
    };
    let named = match format.task() {
        Some(_) => format!(", problem=\"{}\"", problem.name()),
        None => String::new(),
    };
    format!("{lines}{answer} = model.solve({}{named})", names.join(", "))
}
