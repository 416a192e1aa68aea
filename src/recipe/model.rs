//! What a model is made of: the `[model]` section of a recipe.

use crate::dataset::Target;
use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// Sizes and ingredients of an encoder–decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The preset that the other keys default to.
    pub architecture: Architecture,
    /// Dimension of every hidden state.
    pub width: i64,
    /// Dimension of the decoder's hidden states; 0 means that of the encoder.
    pub decoder_width: i64,
    /// Attention heads of the encoder.
    pub heads: i64,
    /// Attention heads of the decoder.
    pub decoder_heads: i64,
    pub encoder_layers: i64,
    pub decoder_layers: i64,
    /// How often the encoder's layers are applied, one after the other each time, with the same weights.
    pub encoder_loops: i64,
    pub decoder_loops: i64,
    pub gate: Gate,
    /// Adds the embedding again before every loop but the first.
    pub input_injection: bool,
    /// Matrix products of a layer; for `pair` alone.
    pub products: i64,
    /// Width of the feed-forward layers, in multiples of `width`.
    pub feedforward: i64,
    pub normalization: Normalization,
    pub activation: Activation,
    pub positions: Positions,
    pub decoder: DecoderKind,
    /// What a parallel decoder answers with, of all that it thinks possible; the most probable class of every field where the encoding
    /// has no mantissa apart from sign and exponent (B1999, FP15).
    pub readout: Readout,
    /// What a number is to a model that reads values.
    pub value_features: ValueFeatures,
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
    /// A bidirectional LSTM reads; another, with attention to what was read, writes.
    Lstm,
    /// The same of gated recurrent units.
    Gru,
    /// A state for each row and column, whose layers multiply matrices.
    Pair,
}

impl Architecture {
    pub fn is_recurrent(self) -> bool {
        matches!(self, Self::Lstm | Self::Gru)
    }

    /// Whether numbers are tokens to it, unless the recipe says otherwise.
    pub(super) fn reads_tokens(self) -> bool {
        !matches!(self, Self::Laformer | Self::Pair)
    }
}

/// What a layer's output is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// What the layer makes of its input.
    None,
    /// A mixture of that and the input, coefficient by coefficient (Csordás et al. 2021, arXiv 2110.07732).
    Copy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// RMSNorm before each sublayer and at the end (Zhang & Sennrich 2019).
    PreRms,
    /// LayerNorm after each residual sum, and after the embeddings (Vaswani et al. 2017).
    PostLayer,
    /// Before matrix products RMSNorm over the matrix of each channel.
    PreChannel,
    /// Before matrix products RMSNorm over the matrices of all channels together.
    PreMatrix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    Gelu,
    Relu,
    /// The product of two linear maps, without a nonlinearity (Shazeer 2020, arXiv 2002.05202).
    Bilinear,
}

/// The number that stands for a distribution of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// The median as of grouped data: within the mantissa that it falls on, the place that halves the probability. Such a number has
    /// more digits than are written; where the model is certain it is the one that is.
    Interpolated,
    /// The most probable sign and exponent, and the median of the mantissas that go with them: the least expected error, and
    /// steadier than the top of a flat distribution.
    Median,
    /// The most probable class of every field.
    Mode,
}

/// Which learned position tables are added to the embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// One table over the place in the sequence.
    Flat,
    /// That table, and tables over matrix, row, column and field.
    Both,
    /// No table: for `pair`, whose products know rows and columns.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderKind {
    /// One query per output coefficient; each predicts its fields one after the other.
    Parallel,
    /// One token after the other.
    Autoregressive,
    /// No decoder: the queries of the output coefficients are read by the encoder, beside the source.
    None,
}

impl DecoderKind {
    /// How solutions are presented to the decoder.
    pub fn target(self) -> Target {
        match self {
            Self::Parallel | Self::None => Target::Classes,
            Self::Autoregressive => Target::Tokens,
        }
    }
}

/// How a number becomes a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueFeatures {
    /// Sign, every decimal digit and the exponent, each as a one-hot vector.
    Digits,
    /// The number, its sign, logarithms, sines and cosines.
    All,
}

/// How often a stack of layers is applied, at most.
const MOST_LOOPS: i64 = 1024;

impl Config {
    /// The preset's values.
    pub fn preset(architecture: Architecture) -> Self {
        match architecture {
            Architecture::Laformer => Self {
                architecture,
                width: 128,
                decoder_width: 0,
                heads: 4,
                decoder_heads: 4,
                encoder_layers: 2,
                decoder_layers: 1,
                encoder_loops: 1,
                decoder_loops: 1,
                gate: Gate::None,
                input_injection: false,
                products: 0,
                feedforward: 4,
                normalization: Normalization::PreRms,
                activation: Activation::Gelu,
                positions: Positions::Both,
                decoder: DecoderKind::Parallel,
                readout: Readout::Interpolated,
                value_features: ValueFeatures::All,
                max_dim: 0,
            },
            Architecture::Paper => Self {
                architecture,
                width: 512,
                heads: 8,
                decoder_heads: 8,
                encoder_layers: 6,
                normalization: Normalization::PostLayer,
                activation: Activation::Relu,
                positions: Positions::Flat,
                decoder: DecoderKind::Autoregressive,
                readout: Readout::Median,
                ..Self::preset(Architecture::Laformer)
            },
            Architecture::Lstm | Architecture::Gru => Self {
                architecture,
                width: 256,
                heads: 1,
                decoder_heads: 1,
                decoder: DecoderKind::Autoregressive,
                positions: Positions::Flat,
                ..Self::preset(Architecture::Laformer)
            },
            Architecture::Pair => Self {
                architecture,
                heads: 0,
                encoder_layers: 4,
                products: 2,
                normalization: Normalization::PreChannel,
                positions: Positions::None,
                ..Self::preset(Architecture::Laformer)
            },
        }
    }

    /// What the decoder is made of: [`Self::width`] is its own.
    pub(crate) fn of_decoder(&self) -> Self {
        let width = if self.decoder_width > 0 {
            self.decoder_width
        } else {
            self.width
        };
        Self { width, ..self.clone() }
    }

    /// Checks what the types do not: positive sizes, heads that divide the width, keys that have a meaning together.
    pub fn validate(&self) -> Result<()> {
        self.refuse_unused()?;
        let is_pair = self.architecture == Architecture::Pair;
        let positive = [
            ("width", self.width),
            ("heads", if is_pair { 1 } else { self.heads }),
            ("decoder_heads", self.decoder_heads),
            ("encoder_layers", self.encoder_layers),
            ("decoder_layers", self.decoder_layers),
            ("encoder_loops", self.encoder_loops),
            ("decoder_loops", self.decoder_loops),
            ("feedforward", self.feedforward),
        ];
        for (key, value) in positive {
            ensure!(
                (1..=65_536).contains(&value),
                "model.{key} = {value}: expected a number from 1 to 65536"
            );
        }
        for (key, loops) in [
            ("encoder_loops", self.encoder_loops),
            ("decoder_loops", self.decoder_loops),
        ] {
            ensure!(
                loops <= MOST_LOOPS,
                "model.{key} = {loops}: expected a number from 1 to {MOST_LOOPS}"
            );
        }
        ensure!(
            (0..=65_536).contains(&self.decoder_width),
            "model.decoder_width = {}: expected 0 to 65536",
            self.decoder_width
        );
        let decoder_width = self.of_decoder().width;
        let (attends, decodes) = (
            !self.architecture.is_recurrent() && self.heads > 0,
            self.decoder != DecoderKind::None,
        );
        for (used, key, heads, width) in [
            (attends, "heads", self.heads, self.width),
            (decodes, "decoder_heads", self.decoder_heads, decoder_width),
        ] {
            ensure!(
                !used || width % heads == 0,
                "model.{key} = {heads} does not divide the width {width}; choose a divisor of it"
            );
        }
        ensure!(
            !(self.architecture.is_recurrent() && self.width % 2 == 1),
            "model.width = {}: each direction of a recurrent encoder has half of it; choose an even number",
            self.width
        );
        ensure!(
            !self.input_injection || self.encoder_loops > 1 || self.decoder_loops > 1,
            "model.input_injection = true does nothing without loops; set model.encoder_loops or model.decoder_loops to 2 \
             or more"
        );
        ensure!(
            (0..=100).contains(&self.max_dim),
            "model.max_dim = {}: expected 0 to 100",
            self.max_dim
        );
        Ok(())
    }

    /// Refuses keys that were changed and mean nothing beside the others.
    fn refuse_unused(&self) -> Result<()> {
        let preset = Self::preset(self.architecture);
        let cell = match self.architecture {
            Architecture::Lstm => Some("lstm"),
            Architecture::Gru => Some("gru"),
            Architecture::Laformer | Architecture::Paper | Architecture::Pair => None,
        };
        if let Some(cell) = cell {
            let activates = self.decoder != DecoderKind::Autoregressive;
            let unused = [
                ("heads", self.heads != preset.heads),
                ("feedforward", self.feedforward != preset.feedforward),
                ("normalization", self.normalization != preset.normalization),
                ("activation", self.activation != preset.activation && !activates),
                ("encoder_loops", self.encoder_loops != preset.encoder_loops),
                ("decoder_loops", self.decoder_loops != preset.decoder_loops),
                ("gate", self.gate != preset.gate),
                ("input_injection", self.input_injection != preset.input_injection),
            ];
            if let Some(key) = first_changed(&unused) {
                bail!(
                    "model.{key} belongs to transformers: with model.architecture = \"{cell}\" leave it out (width, \
                     decoder_width, decoder_heads, encoder_layers, decoder_layers, positions and decoder are allowed)"
                );
            }
        }
        if self.architecture == Architecture::Pair {
            let unused = [
                ("decoder", self.decoder != preset.decoder),
                ("decoder_width", self.decoder_width != preset.decoder_width),
                ("decoder_heads", self.decoder_heads != preset.decoder_heads),
                ("decoder_layers", self.decoder_layers != preset.decoder_layers),
                ("decoder_loops", self.decoder_loops != preset.decoder_loops),
                ("gate", self.gate != preset.gate),
            ];
            if let Some(key) = first_changed(&unused) {
                bail!(
                    "model.{key} means nothing with model.architecture = \"pair\", which has no decoder layers; leave it out"
                );
            }
            ensure!(
                matches!(
                    self.normalization,
                    Normalization::PreRms | Normalization::PreChannel | Normalization::PreMatrix
                ),
                "model.normalization with model.architecture = \"pair\": choose \"pre-channel\", \"pre-matrix\" or \"pre-rms\""
            );
            ensure!(
                matches!(self.positions, Positions::None | Positions::Flat),
                "model.positions with model.architecture = \"pair\": choose \"none\", or \"flat\" for a vector for each row and column"
            );
            ensure!(
                (0..=16).contains(&self.products) && self.heads >= 0 && self.products + self.heads > 0,
                "model.products = {}, model.heads = {}: expected 1 to 16 matrix products in a layer, or none and the heads of an attention",
                self.products,
                self.heads
            );
            ensure!(
                self.width % 2 == 0,
                "model.width = {}: half of the channels multiply a transposed matrix; choose an even number",
                self.width
            );
        } else {
            let unused = [
                ("products", self.products != 0),
                (
                    "normalization",
                    matches!(self.normalization, Normalization::PreChannel | Normalization::PreMatrix),
                ),
                ("positions", self.positions == Positions::None),
            ];
            if let Some(key) = first_changed(&unused) {
                bail!(
                    "this value of model.{key} is for model.architecture = \"pair\": leave it out, or choose that architecture"
                );
            }
        }
        ensure!(
            self.decoder != DecoderKind::Autoregressive || self.readout == preset.readout,
            "model.readout belongs to decoders that predict all coefficients at once: leave it out, or choose model.decoder = \
             \"parallel\""
        );
        if self.decoder == DecoderKind::None {
            let unused = [
                ("decoder_width", self.decoder_width != preset.decoder_width),
                ("decoder_heads", self.decoder_heads != preset.decoder_heads),
                ("decoder_layers", self.decoder_layers != preset.decoder_layers),
                ("decoder_loops", self.decoder_loops != preset.decoder_loops),
            ];
            if let Some(key) = first_changed(&unused) {
                bail!(
                    "model.{key} belongs to a decoder: leave it out, or choose model.decoder = \"parallel\" or \
                     \"autoregressive\" instead of \"none\""
                );
            }
        }
        Ok(())
    }

    pub(crate) fn is_post_norm(&self) -> bool {
        self.normalization == Normalization::PostLayer
    }
}

/// The first key that is changed.
fn first_changed<'a>(keys: &[(&'a str, bool)]) -> Option<&'a str> {
    keys.iter().find(|(_, changed)| *changed).map(|(key, _)| *key)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod variants;
