//! Beginning a run with the weights of another: for other sizes, another distribution, or fewer examples.

use super::recipe::Recipe;
use super::run::Trained;
use crate::dataset::Format;
use crate::encoding::Input;
use crate::matrix::{Shape, fingerprint};
use crate::model::Model;
use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Tensor};
use toml::{Table, Value};

/// A trained model that another begins with.
#[derive(Debug)]
pub struct Origin {
    name: String,
    trained: Trained,
}

/// The depth of the encoder, which may grow where [`deepens`] says so.
const DEPTH: &str = "model.encoder_layers";

/// Keys of `[model]` in which the two may differ: the preset is only a name for the others, tables may grow, and answers may be
/// read otherwise.
const FREE: [&str; 3] = ["architecture", "max_dim", "readout"];

impl Origin {
    /// Reads the best weights of a run folder, a `.pt` or a `.safetensors` file.
    pub fn load(path: &Path) -> Result<Self> {
        let trained = Trained::load(path, Device::Cpu)?;
        // The files of a run folder have its name.
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
        Ok(Self { name, trained })
    }

    /// Name and fingerprint of the recipe, wherever the folder lies: `eigenvalues-5x5 1f2e3d4c5b6a7980`.
    pub fn label(&self) -> Result<String> {
        Ok(format!(
            "{} {:016x}",
            self.name,
            fingerprint(&self.trained.recipe.to_toml()?)
        ))
    }

    /// Fails where a recipe's model has other ingredients, naming the first with both values.
    pub fn check(&self, recipe: &Recipe) -> Result<()> {
        // Half a matrix is made of the same coefficients, in other places, which are known where both have one size.
        let fixed = recipe.dimensions()?.is_fixed() && self.trained.recipe.dimensions()?.is_fixed();
        let [ours, theirs] = [recipe, &self.trained.recipe].map(|recipe| ingredients(recipe, fixed));
        let (ours, theirs) = (ours?, theirs?);
        ensure!(
            read_the_same(recipe, &self.trained.recipe)?,
            "{} was trained with problem = \"{}\", but the recipe has \"{}\": weights are of use to problems that read the \
             same operands in the same form, as eigenvalues and eigenvectors do",
            self.name,
            self.trained.recipe.problem,
            recipe.problem
        );
        let (is, was) = (recipe.model.architecture, self.trained.recipe.model.architecture);
        ensure!(
            is == was || !is.is_recurrent() && !was.is_recurrent(),
            "{} was trained with model.architecture = {was:?}, but the recipe has {is:?}: their layers have other weights",
            self.name
        );
        for (key, value) in &ours {
            if key == DEPTH && deepens(recipe, &self.trained.recipe) {
                continue;
            }
            let there = theirs.get(key).map_or("nothing".to_string(), Value::to_string);
            ensure!(
                there == value.to_string(),
                "{} was trained with {key} = {there}, but the recipe has {value}: weights fit models of the same ingredients; \
                 sizes, [data], [loss] and [training] may differ{}",
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
    /// Tables of rows, columns and fields are copied as far as both go. Where both recipes are of one size, a place in the
    /// sequence has the entry of the place of the same coefficient. Otherwise it has the entry of the same place, so that
    /// sizes which the model knows keep their meaning. Of another problem's answer, the same place in the same matrix counts as
    /// the same coefficient. Entries without a counterpart stay as they are. The scale of value inputs is that of the source,
    /// whatever the magnitude of the recipe. Layers that the encoder has more of come last and begin as the identity, so that
    /// a deeper model begins with the answers of its origin (Net2DeeperNet: Chen, Goodfellow & Shlens 2016, arXiv 1511.05641).
    pub fn copy_into(&self, model: &Model, recipe: &Recipe) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let source = self.trained.model.variables();
        let (theirs, ours) = (self.trained.recipe.dimensions()?, recipe.dimensions()?);
        // Several problems share their flat places, each in a layout of its own: those keep their place.
        let one = recipe.problems()?.len() == 1;
        let halved = model.format().reads_triangle() != self.trained.model.format().reads_triangle();
        let differ = theirs.max() != ours.max() || self.trained.recipe.problem != recipe.problem || halved;
        let moves = one && theirs.is_fixed() && ours.is_fixed() && differ;
        let layouts = moves.then(|| {
            (
                (self.trained.model.format(), theirs.max()),
                (model.format(), ours.max()),
            )
        });
        for (name, mut variable) in model.variables() {
            let Some(tensor) = source.get(&name) else {
                ensure!(
                    deepens(recipe, &self.trained.recipe) && added(&name, self.trained.recipe.model.encoder_layers),
                    "{} has no {name}: it is of another model",
                    self.name
                );
                // What an added layer writes to the residual sum is zero until it is trained.
                if name.ends_with(".attention.out.weight") || name.ends_with(".feedforward.down.weight") {
                    let _ = variable.zero_();
                }
                continue;
            };
            let tensor = tensor.to_device(variable.device());
            let fits = tensor.size()[1..] == variable.size()[1..];
            let is_table = name.contains(".positions.");
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

/// Position indices at a size.
type Layout = fn(&Format, Shape) -> Vec<[i64; 5]>;

/// Whether two recipes are of the same problems, or each of one whose operands are the same and move together: that those of an
/// inverse are scaled besides is another law of theirs, no other form.
fn read_the_same(a: &Recipe, b: &Recipe) -> Result<bool> {
    if a.problem == b.problem {
        return Ok(true);
    }
    let (a, b) = (a.problems()?, b.problems()?);
    let (Some(one), Some(other), 1, 1) = (a.iter().next(), b.iter().next(), a.len(), b.len()) else {
        return Ok(false);
    };
    let (size, forms) = (Shape::new(2, 2), (one.invariance(), other.invariance()));
    Ok(one.operand_shapes(size) == other.operand_shapes(size)
        && one.is_symmetric() == other.is_symmetric()
        && forms.0.operands == forms.1.operands)
}

/// Whether `recipe` has a deeper encoder than `origin` to which layers can be added that change nothing at first: pre-norm
/// layers, whose output is a sum.
fn deepens(recipe: &Recipe, origin: &Recipe) -> bool {
    let (model, was) = (&recipe.model, &origin.model);
    let are_transformers = !model.architecture.is_recurrent() && !was.architecture.is_recurrent();
    are_transformers && !model.is_post_norm() && model.encoder_layers > was.encoder_layers
}

/// Whether a variable is of an encoder layer beyond the first `layers`.
fn added(name: &str, layers: i64) -> bool {
    let layer = name
        .strip_prefix("encoder.layers.")
        .and_then(|rest| rest.split_once('.'));
    layer.is_some_and(|(number, _)| number.parse::<i64>().is_ok_and(|number| number >= layers))
}

/// What decides the shapes and the meaning of weights; half a matrix may count as a whole one.
fn ingredients(recipe: &Recipe, whole: bool) -> Result<Table> {
    let mut format = recipe.format()?;
    if let Input::Values { triangle, .. } = &mut format.input {
        *triangle &= !whole;
    }
    let output = format!("{}:{}", format.output.name(), format.output.digits());
    let mut ingredients = Table::from_iter([
        ("encoding.input".to_string(), format.input.to_string().into()),
        ("encoding.output".to_string(), output.into()),
        ("encoding.canonical".to_string(), format.canonical.into()),
    ]);
    let model = Table::try_from(&recipe.model)?.into_iter();
    let model = model.filter(|(key, _)| !FREE.contains(&key.as_str()));
    ingredients.extend(model.map(|(key, value)| (format!("model.{key}"), value)));
    Ok(ingredients)
}

/// Places of `to` and the places of `from` that stand for the same field of the same coefficient; tokens that belong to no
/// coefficient are told apart by their order.
fn counterparts(from: &[[i64; 5]], to: &[[i64; 5]]) -> (Vec<i64>, Vec<i64>) {
    let known: HashMap<_, _> = named_places(from).collect();
    named_places(to)
        .filter_map(|(name, place)| Some((place, *known.get(&name)?)))
        .unzip()
}

/// Every place with what it stands for: matrix, row, column, field, and how many of these came before.
fn named_places(layout: &[[i64; 5]]) -> impl Iterator<Item = ([i64; 5], i64)> + '_ {
    let mut seen: HashMap<[i64; 4], i64> = HashMap::new();
    layout.iter().map(move |&[place, matrix, row, column, field]| {
        let count = seen.entry([matrix, row, column, field]).or_default();
        *count += 1;
        ([matrix, row, column, field, *count], place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn recipe(dim: &str, more: &[&str]) -> Recipe {
        let text =
            format!("problem = \"eigenvalues\"\ndim = \"{dim}\"\n[model]\nwidth = 16\nheads = 2\ndecoder_heads = 2");
        let more: Vec<String> = more.iter().map(|text| text.to_string()).collect();
        Recipe::parse(&text, &more).unwrap()
    }

    /// The model that a recipe has after the weights of another recipe's were copied into it, and that other.
    fn copied(from: &Recipe, to: &Recipe) -> (Model, Model) {
        let origin = Origin {
            name: "base".into(),
            trained: Trained {
                recipe: from.clone(),
                model: from.build(Device::Cpu).unwrap(),
            },
        };
        origin.check(to).unwrap();
        let mut other = to.clone();
        other.training.seed += 1;
        let model = other.build(Device::Cpu).unwrap();
        origin.copy_into(&model, to).unwrap();
        (origin.trained.model, model)
    }

    fn rows(model: &Model, name: &str, places: &[i64]) -> Tensor {
        model.variables()[name].index_select(0, &Tensor::from_slice(places))
    }

    #[test]
    fn the_same_size_gives_the_same_model() {
        for more in [&[][..], &["model.decoder=autoregressive", "encoding.input=P1000"]] {
            let (from, to) = copied(
                &recipe("3", more),
                &recipe("3", &[more, &["data.magnitude=1"]].concat()),
            );
            assert_eq!(from.variables(), to.variables());
        }
    }

    #[test]
    fn a_larger_size_has_the_entries_of_the_same_coefficients() {
        let (from, to) = copied(&recipe("2", &[]), &recipe("3", &[]));
        for table in [
            "source.positions.row",
            "source.positions.column",
            "decoder.positions.row",
        ] {
            assert_eq!(rows(&from, table, &[0, 1, 2]), rows(&to, table, &[0, 1, 2]), "{table}");
        }
        let flat = "source.positions.flat";
        assert_eq!(rows(&from, flat, &[0, 1, 2, 3]), rows(&to, flat, &[0, 1, 3, 4]));
        assert_ne!(rows(&from, flat, &[2]), rows(&to, flat, &[2]));
        // Eigenvalues are a column: the first two stay the first two.
        assert_eq!(
            rows(&from, "decoder.positions.flat", &[0, 1]),
            rows(&to, "decoder.positions.flat", &[0, 1])
        );
        let name = "encoder.layers.0.";
        let layer = from
            .variables()
            .into_iter()
            .find(|(key, _)| key.starts_with(name))
            .unwrap();
        assert_eq!(to.variables()[&layer.0], layer.1);
    }

    #[test]
    fn a_smaller_size_has_them_too() {
        let (from, to) = copied(&recipe("3", &[]), &recipe("2", &[]));
        let flat = "source.positions.flat";
        assert_eq!(rows(&from, flat, &[0, 1, 3, 4]), rows(&to, flat, &[0, 1, 2, 3]));
    }

    #[test]
    fn half_a_matrix_has_the_entries_of_its_coefficients() {
        let half = ["encoding.input=triangle"];
        let (from, to) = copied(&recipe("2", &[]), &recipe("2", &half));
        let flat = "source.positions.flat";
        assert_eq!(rows(&from, flat, &[0, 2, 3]), to.variables()[flat]);
        // A range grows as that of whole matrices does.
        let (from, to) = copied(&recipe("2", &half), &recipe("2-3", &half));
        assert_eq!(from.variables()[flat], rows(&to, flat, &[0, 1, 2]));
        let range = recipe("2-3", &half);
        let base = recipe("2-3", &[]);
        let model = base.build(Device::Cpu).unwrap();
        let trained = Trained { recipe: base, model };
        let name = "base".into();
        let message = Origin { name, trained }.check(&range).unwrap_err().to_string();
        assert!(
            message.contains("\"values:3\", but the recipe has \"triangle:3\""),
            "{message}"
        );
    }

    #[test]
    fn a_range_that_grows_keeps_its_places() {
        let (from, to) = copied(&recipe("2", &[]), &recipe("2-3", &[]));
        let flat = "source.positions.flat";
        assert_eq!(rows(&from, flat, &[0, 1, 2, 3]), rows(&to, flat, &[0, 1, 2, 3]));
        // The model answers the matrices that it knew as before.
        let values = Tensor::from_slice(&[1f32, 2.0, 2.0, -3.0]).view([1, 4]);
        let answer = |model: &Model| {
            model.generate(&values, Shape::new(2, 2), 1).unwrap()[0][0]
                .solution
                .clone()
        };
        assert_eq!(answer(&from), answer(&to));
    }

    #[test]
    fn a_deeper_encoder_begins_with_the_answers_of_its_origin() {
        let (from, to) = copied(&recipe("2", &[]), &recipe("2", &["model.encoder_layers=4"]));
        let values = Tensor::from_slice(&[1f32, 2.0, 2.0, -3.0]).view([1, 4]);
        let encoded = |model: &Model| model.generate(&values, Shape::new(2, 2), 1).unwrap();
        for (shallow, deep) in encoded(&from)[0].iter().zip(&encoded(&to)[0]) {
            assert_eq!(
                (&shallow.solution, shallow.log_probability),
                (&deep.solution, deep.log_probability)
            );
        }
        // The added layers can be trained: only what they write is zero.
        let variables = to.variables();
        let is_zero = |name: &str| {
            variables[&format!("encoder.layers.3.{name}.weight")]
                .abs()
                .sum(Kind::Float)
                .double_value(&[])
                == 0.0
        };
        assert!(is_zero("attention.out") && is_zero("feedforward.down"));
        assert!(!is_zero("attention.qkv") && !is_zero("feedforward.up"));
    }

    #[test]
    fn tokens_of_no_coefficient_are_told_apart_by_their_order() {
        let more = [
            "model.decoder=autoregressive",
            "encoding.input=P1000",
            "model.positions=flat",
        ];
        let (from, to) = copied(&recipe("1", &more), &recipe("2", &more));
        // <s> V1 V1 + 1 E0 <s>, and <s> V2 V2 with four coefficients of three tokens before the last <s>.
        let flat = "source.positions.flat";
        assert_eq!(
            rows(&from, flat, &[0, 1, 2, 3, 4, 5, 6]),
            rows(&to, flat, &[0, 1, 2, 3, 4, 5, 15])
        );
    }

    #[test]
    fn another_problem_of_the_same_operands_begins_with_what_both_have() {
        let (values, vectors) = (recipe("2", &[]), recipe("2", &["problem=eigenvectors"]));
        let (from, to) = copied(&values, &vectors);
        for name in ["encoder.layers.0.attention.qkv.weight", "source.positions.flat"] {
            assert_eq!(from.variables()[name], to.variables()[name], "{name}");
        }
        // Values come first in both answers.
        let flat = "decoder.positions.flat";
        assert_eq!(rows(&from, flat, &[0, 1]), rows(&to, flat, &[0, 1]));
        assert_eq!(to.variables()[flat].size()[0], 6);
        let (_, back) = copied(&vectors, &values);
        assert_eq!(back.variables()[flat].size()[0], 2);
        // Inverses are scaled besides.
        let canonical = |problem| recipe("2", &["encoding.canonical=true", problem]);
        let (from, to) = copied(&canonical("problem=singular-values"), &canonical("problem=inverse"));
        assert_eq!(
            from.variables()["source.positions.flat"],
            to.variables()["source.positions.flat"]
        );
    }

    #[test]
    fn other_ingredients_are_named_with_both_values() {
        let base = recipe("2", &[]);
        let origin = Origin {
            name: "base".into(),
            trained: Trained {
                model: base.build(Device::Cpu).unwrap(),
                recipe: base,
            },
        };
        let cases = [
            ("model.width=32", "model.width = 16, but the recipe has 32"),
            (
                "encoding.output=P1000:4",
                "encoding.output = \"P1000:3\", but the recipe has \"P1000:4\"",
            ),
            ("encoding.input=P10", "encoding.input = \"values:3\""),
            (
                "problem=inverse",
                "problem = \"eigenvalues\", but the recipe has \"inverse\"",
            ),
            ("model.activation=relu", "model.activation = \"gelu\""),
            (
                "model.encoder_layers=1",
                "may differ, and the encoder of a pre-norm transformer may have more layers",
            ),
        ];
        for (set, part) in cases {
            let sets = [set, "model.positions=flat"];
            let message = origin
                .check(&recipe("3", &sets[..if set.ends_with("P10") { 2 } else { 1 }]))
                .unwrap_err();
            assert!(message.to_string().contains(part), "{message}");
        }
        let lstm =
            "problem = \"eigenvalues\"\ndim = 3\n[model]\narchitecture = \"lstm\"\nwidth = 16\ndecoder_heads = 2";
        let message = origin
            .check(&Recipe::parse(lstm, &[]).unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("model.architecture = Laformer, but the recipe has Lstm"),
            "{message}"
        );
        for free in [
            "model.max_dim=6",
            "model.readout=mode",
            "data.spectrum=laplace",
            "data.noise=0.1",
            "training.steps=5",
        ] {
            origin.check(&recipe("4", &[free])).unwrap();
        }
    }
}
