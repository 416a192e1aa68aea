//! `laformer analyze`: properties of a model's answers, and quantities that predict failures.

use super::data_options::progress_bar;
use super::options::{DeviceOption, check_count, read_operands};
use super::output::{say, tell};
use super::{Failure, UsageError};
use crate::batch::Batcher;
use crate::dataset::Example;
use crate::evaluation::{Analysis, Evaluation, Search, evaluate};
use crate::inference::Preparation;
use crate::matrix::{Matrix, Split, row_major};
use crate::model::{AttentionKind, AttentionMap, record_attention};
use crate::report::{AttentionPanel, analysis_files, analysis_text, draw_attention};
use crate::training::{Trained, load_model};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::path::PathBuf;
use tch::Kind;

/// Analyze a model's right and wrong answers, and what predicts failure
///
/// Reports which properties of a solution (norms, orthogonality, values) the answers have at each tolerance. Compares
/// right and wrong answers by condition number and by other quantities of the input or of the answer alone. Reports
/// whether the model's probability predicts failure. With --matrix, also draws the attention of every layer and head.
#[derive(Debug, Args)]
pub struct Analyze {
    /// A run folder or a .safetensors file
    checkpoint: PathBuf,
    /// Number of examples per problem
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Seed of the test examples [default: the recipe's]
    #[arg(long)]
    seed: Option<u64>,
    /// Relative error below which an answer counts as right, for comparing right and wrong answers
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    tolerance: f64,
    /// Write the report, its tables as CSV and its pictures into this folder
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Draw the attention for these operands into the folder; each is a matrix as JSON: [[2,1],[1,3]]
    #[arg(long, num_args = 1.., value_name = "MATRIX", requires = "output")]
    matrix: Vec<String>,
    /// The problem whose attention is drawn; needed if the model answers several
    #[arg(long, requires = "matrix")]
    problem: Option<String>,
    #[command(flatten)]
    device: DeviceOption,
}

impl Analyze {
    pub fn run(self) -> Result<(), Failure> {
        let device = self.device.device().usage()?;
        let trained = Trained::load(&self.checkpoint, device)?;
        self.check().usage()?;
        let panels = self.attention(&trained).usage()?;
        let evaluation = self.evaluate(&trained)?;
        let problems = evaluation.by_problem();
        for (name, part) in &problems {
            let name = format!("{name} {}", trained.recipe.dimensions.label());
            let analysis = Analysis::of(part, self.tolerance);
            say!("{}", analysis_text(&name, &analysis))?;
            if let Some(folder) = &self.output {
                let folder = if problems.len() > 1 {
                    folder.join(&name)
                } else {
                    folder.clone()
                };
                for file in analysis_files(&folder, &name, &analysis)? {
                    tell!("wrote {}", file.display());
                }
            }
        }
        if let (Some(folder), Some(panels)) = (&self.output, panels) {
            let path = folder.join("attention.svg");
            draw_attention(&path, &format!("Attention for {}", self.matrix.join(" ")), &panels)?;
            tell!("wrote {}", path.display());
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        check_count(self.count)?;
        ensure!(
            self.tolerance > 0.0 && self.tolerance.is_finite(),
            "--tolerance {}: expected a number above 0",
            self.tolerance
        );
        Ok(())
    }

    fn evaluate(&self, trained: &Trained) -> Result<Evaluation> {
        let mut test = trained.recipe.clone();
        test.data.seed = self.seed.unwrap_or(test.data.seed);
        let source = test.source(Split::Test)?;
        let count = self.count.saturating_mul(trained.solver.formats().len());
        let bar = progress_bar(count as u64, "examples");
        let tolerances = &trained.recipe.evaluation.tolerances;
        let progress = |more| {
            bar.inc(more as u64);
            Ok(())
        };
        let evaluation = evaluate(
            &trained.solver,
            source.as_ref(),
            0..count as u64,
            tolerances,
            &Search::default(),
            progress,
        )?;
        bar.finish_and_clear();
        Ok(evaluation)
    }

    /// Attention maps of every layer and head while the model decodes its own answer; `None` without `--matrix`.
    fn attention(&self, trained: &Trained) -> Result<Option<Vec<AttentionPanel>>> {
        if self.matrix.is_empty() {
            return Ok(None);
        }
        let format = trained
            .solver
            .format()
            .named(self.problem.as_deref())
            .context("--problem")?;
        let operands = read_operands(&self.matrix, trained, &format).context("--matrix")?.seen;
        let case = format.case_of(&operands)?;
        let answers = trained.solver.answers(case, &[&operands], 1)?;
        let answer = answers
            .into_iter()
            .flatten()
            .next()
            .context("the model gave no answer")?;
        let example = Example {
            operands,
            solution: answer.solution,
            clean: Vec::new(),
        };
        // Attention is between the transformed operands and answers.
        let mut seen = vec![example.clone()];
        if let Some(preparation) = Preparation::new(&format)? {
            preparation.prepare(std::slice::from_ref(&example), &mut seen)?;
        }
        let seen = seen.swap_remove(0);
        let (_, model) = load_model(&self.checkpoint, trained.solver.device())?;
        let batch = Batcher::new(format.clone())?
            .batch(case.size, std::slice::from_ref(&example))?
            .to_device(model.device());
        let (_, maps) = record_attention(|| {
            let _no_grad = tch::no_grad_guard();
            model.logits(&batch.source, &batch.target, case, Kind::Float)
        });
        ensure!(!maps.is_empty(), "this model has no attention to draw");
        let sources = match format.source_vocabulary() {
            Some(vocabulary) => words(&batch.source, |token| vocabulary.word(token))?,
            None => {
                let task = format.task().map(|_| format.problem.name().to_string());
                let read = format
                    .source_positions(case.size)
                    .into_iter()
                    .filter(|[_, _, row, ..]| *row > 0);
                let numbers = read.map(|[_, matrix, row, column, _]| {
                    seen.operands[matrix as usize][(row as usize - 1, column as usize - 1)].to_string()
                });
                task.into_iter().chain(numbers).collect()
            }
        };
        let vocabulary = format.target_vocabulary();
        let targets = match batch.target.dim() {
            2 => words(&batch.target, |token| vocabulary.word(token))?,
            _ => coefficients(&seen.solution).collect(),
        };
        let layers = (model.config().encoder_layers * model.config().encoder_loops) as usize;
        Ok(Some(panels(&maps, layers, &sources, &targets)?))
    }
}

/// The tokens of a batch of one sequence, as words.
fn words(tokens: &tch::Tensor, word: impl Fn(i64) -> Option<String>) -> Result<Vec<String>> {
    let tokens: Vec<i64> = Vec::try_from(tokens.flatten(0, -1).to_kind(Kind::Int64))?;
    Ok(tokens
        .into_iter()
        .map(|token| word(token).unwrap_or_default())
        .collect())
}

fn coefficients(matrices: &[Matrix]) -> impl Iterator<Item = String> {
    matrices.iter().flat_map(row_major).map(|x| x.to_string())
}

/// A panel for each head of each map. The first `layers` self-attention maps are the encoder's.
fn panels(maps: &[AttentionMap], layers: usize, sources: &[String], targets: &[String]) -> Result<Vec<AttentionPanel>> {
    let mut panels = Vec::new();
    let (mut own, mut cross) = (0, 0);
    for map in maps {
        let [_, heads, to, from] = map.weights.size()[..] else {
            continue;
        };
        let name = match map.kind {
            AttentionKind::Own => {
                own += 1;
                if own <= layers {
                    format!("encoder {own}")
                } else {
                    format!("decoder {}", own - layers)
                }
            }
            AttentionKind::Cross => {
                cross += 1;
                format!("decoder {cross} to source")
            }
        };
        // Some encoders also read the queries, which come before the source.
        let names = |length: i64| -> Vec<String> {
            let both = || targets.iter().chain(sources).cloned().collect();
            match length as usize {
                length if length == sources.len() => sources.to_vec(),
                length if length == targets.len() + sources.len() => both(),
                length => targets.iter().take(length).cloned().collect(),
            }
        };
        let is_decoder = map.kind == AttentionKind::Cross || own > layers;
        let (rows, columns) = match (map.kind, is_decoder) {
            (AttentionKind::Cross, _) => (targets.iter().take(to as usize).cloned().collect(), names(from)),
            (AttentionKind::Own, true) => {
                let names: Vec<String> = targets.iter().take(to as usize).cloned().collect();
                (names.clone(), names)
            }
            (AttentionKind::Own, false) => (names(to), names(from)),
        };
        for head in 0..heads {
            let weights = map.weights.get(0).get(head);
            let weights = (0..to).map(|target| Ok(Vec::<f64>::try_from(weights.get(target).to_kind(Kind::Double))?));
            panels.push(AttentionPanel {
                title: format!("{name}, head {}", head + 1),
                targets: rows.clone(),
                sources: columns.clone(),
                weights: weights.collect::<Result<_>>()?,
            });
        }
    }
    Ok(panels)
}
