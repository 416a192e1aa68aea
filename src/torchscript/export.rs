//! A trained model as the module that is shipped.

use super::{Interface, Module, codec, methods};
use crate::model::{Architecture, Model, most_operands};
use crate::training::{CONFIG_FILE, Recipe};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes a model as a TorchScript module with its recipe (`config.json`) and measures (`metrics.json`) inside. The
/// parameters are fp32, whatever precision they were trained in, unless the model was halved.
pub fn export(model: &Model, recipe: &Recipe, metrics: &Value, path: &Path) -> Result<()> {
    let format = model.format();
    let (input_codec, input_source) = codec::codec("input_numbers", format.input.rounding().as_ref())?;
    let (output_codec, output_source) = codec::codec("output_numbers", format.output.as_ref())?;
    let mut module = Module {
        parameters: model.variables().into_iter().collect(),
        buffers: vec![codec::buffer()],
        attributes: vec![],
        methods: methods(model),
        source: [codec::SOURCE, &input_source, &output_source].concat(),
        extra: BTreeMap::from([
            (CONFIG_FILE.to_string(), serde_json::to_string_pretty(recipe)?),
            ("metrics.json".to_string(), serde_json::to_string_pretty(metrics)?),
        ]),
    };
    Interface {
        format,
        dimensions: recipe.dimensions()?,
        input_codec,
        output_codec,
        readout: model.config().readout,
        grid: match model.config().architecture {
            Architecture::Pair => most_operands(model.formats()),
            _ => 0,
        },
        deviation: recipe.deviation(),
    }
    .add_to(&mut module)?;
    module
        .save(path)
        .with_context(|| format!("cannot export to {}", path.display()))
}
