//! `laformer export`: a checkpoint as a TorchScript module or as plain weights.

use super::options::ReadoutOption;
use super::output::say;
use super::{Failure, UsageError};
use crate::training::{export, load_model, write_weights};
use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use tch::Device;

/// Write a checkpoint as a TorchScript module (.pt) or as weights (.safetensors)
#[derive(Debug, Args)]
pub struct Export {
    /// A run folder or a .safetensors file
    checkpoint: PathBuf,
    /// Where to write: FILE.pt or FILE.safetensors
    #[arg(long)]
    output: PathBuf,
    /// Store matrices in half precision, which halves the file; computations stay in fp32
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    readout: ReadoutOption,
}

impl Export {
    pub fn run(self) -> Result<(), Failure> {
        let extension = self.output.extension().and_then(|extension| extension.to_str());
        let (mut recipe, mut model) = match extension {
            Some("pt" | "safetensors") => load_model(&self.checkpoint, Device::Cpu)?,
            _ => Err(anyhow!(
                "--output {}: expected a name that ends in .pt or .safetensors",
                self.output.display()
            ))
            .usage()?,
        };
        if let Some(readout) = self.readout.chosen(&recipe).usage()? {
            model.set_readout(readout);
            recipe.model.readout = readout;
        }
        if self.half {
            model.halve();
        }
        match extension {
            Some("pt") => export(&recipe.solver(&model)?, &recipe, &json!({}), &self.output)?,
            _ => write_weights(&self.output, &model, &recipe)?,
        }
        say!("{}", self.output.display())?;
        Ok(())
    }
}
