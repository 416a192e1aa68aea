//! A trained model as a TorchScript module: traced methods, scripted glue, named parameters, extra files.
//!
//! The forward pass is written once, in Rust; its methods are traced here. What needs control flow (checks of shapes,
//! decoding, `solve`) is TorchScript source in the `*.py` files of this folder, put together by [`Interface`].

mod codec;
mod export;
mod interface;
mod methods;
mod namespace;
mod question;
mod soft;
mod tables;

pub use export::export;
pub use interface::{Codec, Interface, operand_names};
pub use methods::methods;
pub use namespace::method_name;

use crate::file;
use crate::libtorch::ModuleBuilder;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tch::Tensor;

/// What a traced method computes: tensors in, one or several out.
pub type Body<'a> = Box<dyn Fn(&[Tensor]) -> Vec<Tensor> + 'a>;

/// A method to be traced.
pub struct Method<'a> {
    pub name: String,
    pub arguments: Vec<&'static str>,
    /// Example arguments. Batch and lengths should be 2 or more and differ, so that nothing is taken for a constant.
    pub samples: Vec<Tensor>,
    /// Several outputs become a tuple.
    pub body: Body<'a>,
}

/// A constant that scripts read as `self.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Int(i64),
    Text(String),
}

/// Everything that a TorchScript module is made of.
pub struct Module<'a> {
    /// Dotted names; these are the tensors that the methods' bodies use.
    pub parameters: Vec<(String, Tensor)>,
    pub buffers: Vec<(String, Tensor)>,
    pub attributes: Vec<(String, Attribute)>,
    pub methods: Vec<Method<'a>>,
    /// Scripted methods; they may call the traced ones and one another.
    pub source: String,
    /// Extra files, e.g. `config.json`.
    pub extra: BTreeMap<String, String>,
}

impl Module<'_> {
    /// Traces the methods, compiles the source and writes the file: whole, or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut builder = ModuleBuilder::new()?;
        for (name, tensor) in &self.parameters {
            builder
                .register_parameter(name, tensor)
                .context("cannot register a parameter")?;
        }
        for (name, tensor) in &self.buffers {
            builder
                .register_buffer(name, tensor)
                .context("cannot register a buffer")?;
        }
        for (name, attribute) in &self.attributes {
            match attribute {
                Attribute::Int(value) => builder.set_int(name, *value),
                Attribute::Text(value) => builder.set_text(name, value),
            }
            .context("cannot register an attribute")?;
        }
        for method in &self.methods {
            builder.trace(&method.name, &method.arguments, &method.samples, &*method.body)?;
        }
        if !self.source.is_empty() {
            builder
                .define(&self.source)
                .context("cannot compile the scripted methods")?;
        }
        file::replace_by(path, |beside| Ok(builder.save(beside, &self.extra)?))
            .with_context(|| format!("cannot save the TorchScript module {}", path.display()))
    }
}

#[cfg(test)]
mod tests;
