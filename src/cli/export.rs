//! `laformer export`: a checkpoint as a TorchScript module or as plain weights.

use super::options::ReadoutOption;
use super::output::say;
use super::{Failure, UsageError};
use crate::torchscript;
use crate::training::{Trained, write_weights};
use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use tch::Device;

/// Write a checkpoint as a TorchScript module (.pt) or as weights (.safetensors)
#[derive(Debug, Args)]
pub struct Export {
    /// A run folder, a .pt or a .safetensors file
    checkpoint: PathBuf,
    /// Where to write: FILE.pt or FILE.safetensors
    #[arg(long)]
    output: PathBuf,
    /// Store matrices in half precision, in half the space; what is computed stays fp32
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    readout: ReadoutOption,
}

impl Export {
    pub fn run(self) -> Result<(), Failure> {
        let extension = self.output.extension().and_then(|extension| extension.to_str());
        let mut trained = match extension {
            Some("pt" | "safetensors") => Trained::load(&self.checkpoint, Device::Cpu)?,
            _ => Err(anyhow!(
                "--output {}: expected a name that ends in .pt or .safetensors",
                self.output.display()
            ))
            .usage()?,
        };
        self.readout.apply(&mut trained).usage()?;
        if self.half {
            trained.model.halve();
        }
        match extension {
            Some("pt") => torchscript::export(&trained.model, &trained.recipe, &json!({}), &self.output)?,
            _ => write_weights(&self.output, &trained.model, &trained.recipe)?,
        }
        say!("{}", self.output.display())?;
        Ok(())
    }
}
