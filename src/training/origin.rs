//! Fine-tuning: begins a run with the weights of another run, for other sizes or distributions, or for fewer examples.

use super::run::load_model;
use crate::dataset::Format;
use crate::encoding::{Input, InputLayout};
use crate::matrix::{Shape, fingerprint};
use crate::model::Model;
use crate::problem::Problems;
use crate::recipe::{Recipe, ValueFeatures};
use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Tensor};
use toml::{Table, Value};

/// The trained model whose weights another model begins with.
#[derive(Debug)]
pub struct Origin {
    name: String,
    recipe: Recipe,
    model: Model,
}

/// The depth of the encoder, which may grow if [`deepens`] allows it.
const DEPTH: &str = "model.encoder_layers";

/// Keys of `[model]` in which the two models may differ. The preset only names other keys, tables may grow, and the readout has no
/// weights.
const FREE: [&str; 3] = ["architecture", "max_dim", "readout"];

impl Origin {
    /// Reads the best weights of a run folder or a `.safetensors` file.
    pub fn load(path: &Path) -> Result<Self> {
        let (recipe, model) = load_model(path, Device::Cpu)?;
        // A run's `model.*` files are named after their folder.
        let whole = path
            .canonicalize()
            .with_context(|| format!("cannot find {}", path.display()))?;
        let is_of_run = whole.is_file() && whole.file_stem().is_some_and(|stem| stem == "model");
        let named = if is_of_run {
            whole.parent()
        } else {
            Some(whole.as_path())
        };
        let name = named
            .and_then(Path::file_stem)
            .map_or("model".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, recipe, model })
    }

    /// Name and fingerprint of the recipe, independent of the folder's path: `eigenvalues-5x5 1f2e3d4c5b6a7980`.
    pub fn label(&self) -> Result<String> {
        Ok(format!("{} {:016x}", self.name, fingerprint(&self.recipe.to_toml()?)))
    }

    /// Fails if the weights do not fit the recipe's model; the error names the first differing key with both values.
    pub fn check(&self, recipe: &Recipe) -> Result<()> {
        // Layouts that read part of a matrix have other positions. They can be matched only if both models have one size.
        let fixed = recipe.dimensions.is_fixed() && self.recipe.dimensions.is_fixed();
        let [ours, theirs] = [recipe, &self.recipe].map(|recipe| ingredients(recipe, fixed));
        let (ours, theirs) = (ours?, theirs?);
        ensure!(
            read_the_same(&recipe.problems, &self.recipe.problems),
            "{} was trained with problem = \"{}\", but the recipe has \"{}\": weights fit only \
             problems that read the same operands in the same form, as eigenvalues and eigenvectors do",
            self.name,
            self.recipe.problems,
            recipe.problems
        );
        let (is, was) = (recipe.model.architecture, self.recipe.model.architecture);
        ensure!(
            is == was || !is.is_recurrent() && !was.is_recurrent(),
            "{} was trained with model.architecture = {was:?}, but the recipe has {is:?}: their layers have other weights",
            self.name
        );
        for (key, value) in &ours {
            if key == DEPTH && deepens(recipe, &self.recipe) {
                continue;
            }
            let there = theirs.get(key).map_or("nothing".to_string(), Value::to_string);
            ensure!(
                there == value.to_string(),
                "{} was trained with {key} = {there}, but the recipe has {value}: weights need the same encodings \
                 and [model]; sizes, [data], [loss] and [training] may differ{}",
                self.name,
                if key == DEPTH {
                    ", and the encoder of a pre-norm transformer may have more layers"
                } else {
                    ""
                }
            );
        }
        Ok(())
    }

    /// Copies the weights into the model of a recipe that passes [`Self::check`].
    ///
    /// * Tables of rows, columns and fields are copied up to the shorter length.
    /// * Tables of sequence positions: if both recipes have one size, entries are matched by coefficient. Otherwise they are
    ///   matched by position, so that sizes known to the model keep their meaning. For another problem, equal places in the same
    ///   matrix of the answer count as the same coefficient.
    /// * Entries without a counterpart keep their initial values.
    /// * The scale of value inputs is copied, whatever the recipe's magnitude.
    /// * Additional encoder layers come last and begin as the identity, so that a deeper model begins with the same answers
    ///   (Net2DeeperNet: Chen, Goodfellow & Shlens 2016, arXiv 1511.05641).
    pub fn copy_into(&self, model: &Model, recipe: &Recipe) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let source = self.model.variables();
        let (theirs, ours) = (self.recipe.dimensions, recipe.dimensions);
        // Several problems share the table of sequence positions but lay them out differently, so positions are kept.
        let one = recipe.problems.len() == 1;
        let readings_differ = model.format().reading() != self.model.format().reading();
        let differ = theirs.max() != ours.max() || self.recipe.problems != recipe.problems || readings_differ;
        let moves = one && theirs.is_fixed() && ours.is_fixed() && differ;
        let layouts = moves.then(|| ((self.model.format(), theirs.max()), (model.format(), ours.max())));
        for (name, mut variable) in model.variables() {
            let Some(tensor) = source.get(&name) else {
                ensure!(
                    deepens(recipe, &self.recipe) && added(&name, self.recipe.model.encoder_layers),
                    "{} has no {name}: it is from another model",
                    self.name
                );
                // An added layer adds zero to the residual stream until it is trained.
                if name.ends_with(".attention.out.weight") || name.ends_with(".feedforward.down.weight") {
                    let _ = variable.zero_();
                }
                continue;
            };
            let tensor = tensor.to_device(variable.device());
            let fits = tensor.size()[1..] == variable.size()[1..];
            let is_grid = name.ends_with(".grid.cells");
            let is_table = is_grid || name.contains(".positions.");
            ensure!(
                fits && (is_table || tensor.size() == variable.size()),
                "{}: {name} has shape {:?}, but this model wants {:?}",
                self.name,
                tensor.size(),
                variable.size()
            );
            match layouts {
                Some((from, to)) if name.ends_with(".flat") => {
                    let layout: Layout = if name.starts_with("source") {
                        Format::source_positions
                    } else {
                        Format::target_positions
                    };
                    let (places, entries) = counterparts(&layout(from.0, from.1), &layout(to.0, to.1));
                    let device = variable.device();
                    let entries = tensor.index_select(0, &Tensor::from_slice(&entries).to_device(device));
                    let _ = variable.index_copy_(0, &Tensor::from_slice(&places).to_device(device), &entries);
                }
                _ if is_grid => {
                    // The table has one entry per cell of a square grid.
                    let square = |table: &Tensor| {
                        let side = table.size()[0].isqrt();
                        table.view([side, side, -1])
                    };
                    let (from, to) = (square(&tensor), square(&variable));
                    let common = from.size()[0].min(to.size()[0]);
                    let corner = |grid: &Tensor| grid.narrow(0, 0, common).narrow(1, 0, common);
                    corner(&to).copy_(&corner(&from));
                }
                _ if is_table => {
                    let common = tensor.size()[0].min(variable.size()[0]);
                    variable.narrow(0, 0, common).copy_(&tensor.narrow(0, 0, common));
                }
                _ => variable.copy_(&tensor),
            }
        }
        Ok(())
    }
}

/// A function from a matrix size to position indices, each `[place, matrix, row, column, field]`.
type Layout = fn(&Format, Shape) -> Vec<[i64; 5]>;

/// Whether the problems are the same, or both are single problems whose operands have the same shapes and symmetry.
fn read_the_same(a: &Problems, b: &Problems) -> bool {
    let (one, other, size) = (a.first(), b.first(), Shape::new(2, 2));
    let alike = one.operand_shapes(size) == other.operand_shapes(size) && one.is_symmetric() == other.is_symmetric();
    a == b || a.len() == 1 && b.len() == 1 && alike
}

/// Whether `recipe` has a deeper encoder than `origin`, and pre-norm layers, which can begin as the identity.
fn deepens(recipe: &Recipe, origin: &Recipe) -> bool {
    let (model, was) = (&recipe.model, &origin.model);
    let are_transformers = !model.architecture.is_recurrent() && !was.architecture.is_recurrent();
    are_transformers && !model.is_post_norm() && model.encoder_layers > was.encoder_layers
}

/// Whether a variable belongs to an encoder layer beyond the first `layers`.
fn added(name: &str, layers: i64) -> bool {
    let layer = name
        .strip_prefix("encoder.layers.")
        .and_then(|rest| rest.split_once('.'));
    layer.is_some_and(|(number, _)| number.parse::<i64>().is_ok_and(|number| number >= layers))
}

/// The settings on which the shapes and the meaning of weights depend. With `whole`, all input layouts of values count
/// as the same.
fn ingredients(recipe: &Recipe, whole: bool) -> Result<Table> {
    let format = recipe.format();
    let input = match format.input {
        Input::Values { digits, reading } => {
            let reading = if whole { InputLayout::Whole } else { reading };
            // Unless digits are features, their number affects only the data, not the weights.
            match recipe.model.value_features {
                ValueFeatures::Digits => Input::Values { digits, reading }.to_string(),
                _ => reading.to_string(),
            }
        }
        input => input.to_string(),
    };
    let output = format!("{}:{}", format.output.name(), format.output.digits());
    let mut ingredients = Table::from_iter([
        ("encoding.input".to_string(), input.into()),
        ("encoding.output".to_string(), output.into()),
    ]);
    let model = Table::try_from(&recipe.model)?.into_iter();
    let model = model.filter(|(key, _)| !FREE.contains(&key.as_str()));
    ingredients.extend(model.map(|(key, value)| (format!("model.{key}"), value)));
    Ok(ingredients)
}

/// Pairs positions of the same field and coefficient. Returns the positions in `to`, then their counterparts in `from`.
/// Tokens without a coefficient are matched by order.
fn counterparts(from: &[[i64; 5]], to: &[[i64; 5]]) -> (Vec<i64>, Vec<i64>) {
    let known: HashMap<_, _> = named_places(from).collect();
    named_places(to)
        .filter_map(|(name, place)| Some((place, *known.get(&name)?)))
        .unzip()
}

/// Every position with a unique name: matrix, row, column, field, and the number of their occurrences so far.
fn named_places(layout: &[[i64; 5]]) -> impl Iterator<Item = ([i64; 5], i64)> + '_ {
    let mut seen: HashMap<[i64; 4], i64> = HashMap::new();
    layout.iter().map(move |&[place, matrix, row, column, field]| {
        let count = seen.entry([matrix, row, column, field]).or_default();
        *count += 1;
        ([matrix, row, column, field, *count], place)
    })
}

#[cfg(test)]
mod tests;
