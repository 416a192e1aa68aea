//! The model card: what a checkpoint is, how well it does, how to use it.

use super::text::{evaluation_table, percent};
use crate::dataset::{Format, Repetition};
use crate::evaluation::Evaluation;
use crate::matrix::Split;
use crate::torchscript::method_name;
use crate::training::{Progress, Recipe};
use anyhow::Result;

/// The card as Markdown.
pub fn card(
    recipe: &Recipe,
    parameters: usize,
    progress: &Progress,
    evaluation: &Evaluation,
    training_set: Option<&Evaluation>,
) -> Result<String> {
    let format = recipe.format()?;
    let problem = &recipe.problem;
    let dimensions = recipe.dimensions()?.label();
    let call = |format: &Format| {
        let arguments = if format.problem.operand_forms().len() > 1 {
            "a, b"
        } else {
            "matrix"
        };
        format!("model.{}({arguments})", method_name(format))
    };
    let calls: Vec<String> = format.tasks().iter().map(call).collect();
    let seen = match (recipe.repetition()?, training_set) {
        (Repetition::Fixed { examples }, _) => format!(", the same {examples} again and again"),
        (Repetition::TwoSets { examples, share }, _) => {
            format!(", {} % of them of the same {examples}", percent(share))
        }
        (Repetition::Never, Some(_)) => format!(", the rows of {} again and again", recipe.data.file),
        (Repetition::Never, None) => String::new(),
    };
    let training_set = training_set.map_or(String::new(), |evaluation| {
        let table = evaluation_table("training set", evaluation);
        format!("\n## Accuracy on examples of the training set\n\n```\n{table}\n```\n")
    });
    let noise = match recipe.data.noise {
        0.0 => String::new(),
        share => format!(", noise of {share} of their deviation on what it sees"),
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
         | trained on | {examples} examples ({distribution} coefficients{noise}){seen} |\n\
         {from}\
         | training time | {minutes:.1} minutes |\n\
         | step | {step} of {steps} |\n\n\
         ## Accuracy on validation examples\n\n\
         An answer is right when its relative error is below the tolerance. *Ceiling*: what the exact answer scores after \
         being rounded to tokens.\n\n```\n{table}\n```\n{training_set}\n\
         ## Use\n\n```python\nimport torch\n\nmodel = torch.jit.load(\"model.pt\")\n{calls}\n```\n\n\
         ## Limits\n\n\
         Trained on {dimensions} matrices of {distribution} coefficients alone; answers for other matrices are \
         extrapolation. Entries are rounded to the digits of the input encoding before the model sees them.\n",
        version = env!("CARGO_PKG_VERSION"),
        input = format.input,
        output = format.output.name(),
        digits = format.output.digits(),
        examples = progress.step * recipe.training.batch_size as u64,
        distribution = recipe.distribution(Split::Train)?,
        calls = calls.join("\n"),
        minutes = progress.elapsed / 60.0,
        step = progress.step,
        steps = recipe.training.steps,
        table = evaluation_table("validation", evaluation),
    ))
}
