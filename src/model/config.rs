//! What a model is made of: the `[model]` section of a recipe.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Sizes and ingredients of an encoder–decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The preset that the other keys default to.
    pub architecture: Architecture,
    /// Dimension of every hidden state.
    pub width: i64,
    /// Attention heads of the encoder.
    pub heads: i64,
    /// Attention heads of the decoder.
    pub decoder_heads: i64,
    pub encoder_layers: i64,
    pub decoder_layers: i64,
    /// Width of the feed-forward layers, in multiples of `width`.
    pub feedforward: i64,
    pub normalization: Normalization,
    pub activation: Activation,
    pub positions: Positions,
    pub decoder: DecoderKind,
    /// Largest number of rows or columns that the position tables have room for; 0 means the largest of the recipe.
    pub max_dim: i64,
}

/// A preset of ingredients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Values in, one query per output coefficient, pre-norm.
    Laformer,
    /// Charton (2021): tokens in, tokens out, post-norm.
    Paper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// RMSNorm before each sublayer and at the end (Zhang & Sennrich 2019).
    PreRms,
    /// LayerNorm before each sublayer and at the end.
    PreLayer,
    /// LayerNorm after each residual sum, and after the embeddings (Vaswani et al. 2017).
    PostLayer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    Gelu,
    Relu,
    /// The product of two linear maps, one of them through SiLU (Shazeer 2020, arXiv 2002.05202).
    Swiglu,
    /// The product of two linear maps: what products of coefficients are made of.
    Bilinear,
}

impl Activation {
    /// Whether two linear maps are multiplied.
    pub fn is_gated(self) -> bool {
        matches!(self, Self::Swiglu | Self::Bilinear)
    }
}

/// Which learned position tables are added to the embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// One table over the place in the sequence.
    Flat,
    /// Tables over matrix, row, column and field.
    Grid,
    Both,
}

impl Positions {
    pub fn has_flat(self) -> bool {
        self != Self::Grid
    }

    pub fn has_grid(self) -> bool {
        self != Self::Flat
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderKind {
    /// One query per output coefficient; each predicts its fields one after the other.
    Parallel,
    /// One token after the other.
    Autoregressive,
}

impl Config {
    /// The preset's values.
    pub fn preset(architecture: Architecture) -> Self {
        match architecture {
            Architecture::Laformer => Self {
                architecture,
                width: 128,
                heads: 4,
                decoder_heads: 4,
                encoder_layers: 2,
                decoder_layers: 1,
                feedforward: 4,
                normalization: Normalization::PreRms,
                activation: Activation::Gelu,
                positions: Positions::Both,
                decoder: DecoderKind::Parallel,
                max_dim: 0,
            },
            Architecture::Paper => Self {
                architecture,
                width: 512,
                heads: 8,
                decoder_heads: 8,
                encoder_layers: 6,
                decoder_layers: 1,
                feedforward: 4,
                normalization: Normalization::PostLayer,
                activation: Activation::Relu,
                positions: Positions::Flat,
                decoder: DecoderKind::Autoregressive,
                max_dim: 0,
            },
        }
    }

    /// Checks what the types do not: positive sizes, heads that divide the width.
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("width", self.width),
            ("heads", self.heads),
            ("decoder_heads", self.decoder_heads),
            ("encoder_layers", self.encoder_layers),
            ("decoder_layers", self.decoder_layers),
            ("feedforward", self.feedforward),
        ];
        for (key, value) in positive {
            ensure!(
                (1..=65_536).contains(&value),
                "model.{key} = {value}: expected a number from 1 to 65536"
            );
        }
        for (key, heads) in [("heads", self.heads), ("decoder_heads", self.decoder_heads)] {
            ensure!(
                self.width % heads == 0,
                "model.{key} = {heads} does not divide model.width = {}; choose a divisor of the width",
                self.width
            );
        }
        ensure!(
            (0..=100).contains(&self.max_dim),
            "model.max_dim = {}: expected 0 to 100",
            self.max_dim
        );
        Ok(())
    }

    pub(crate) fn is_post_norm(&self) -> bool {
        self.normalization == Normalization::PostLayer
    }
}
