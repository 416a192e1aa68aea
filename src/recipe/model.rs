//! The `[model]` section of a recipe: architecture and sizes of the model.

use crate::dataset::Target;
use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// Architecture and sizes of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The preset that gives the other keys their defaults.
    pub architecture: Architecture,
    /// Dimension of the hidden states.
    pub width: i64,
    /// Dimension of the decoder's hidden states; 0 means the encoder's dimension.
    pub decoder_width: i64,
    /// Attention heads of the encoder.
    pub heads: i64,
    /// Attention heads of the decoder.
    pub decoder_heads: i64,
    pub encoder_layers: i64,
    pub decoder_layers: i64,
    /// How many times the encoder's stack of layers is applied, with the same weights.
    pub encoder_loops: i64,
    pub decoder_loops: i64,
    pub gate: Gate,
    /// Adds the embedding again before each loop after the first.
    pub input_injection: bool,
    /// Matrix products per layer; only for `pair`.
    pub products: i64,
    /// Width of the feed-forward layers, as a multiple of `width`.
    pub feedforward: i64,
    pub normalization: Normalization,
    pub activation: Activation,
    pub positions: Positions,
    pub decoder: DecoderKind,
    /// How a parallel decoder's probabilities become an answer. Encodings without a separate mantissa (B1999, FP15)
    /// always take the most probable class of each field.
    pub readout: Readout,
    /// The features of a number in value input.
    pub value_features: ValueFeatures,
    /// Largest dimension that the position tables support; 0 means the largest dimension in the recipe.
    pub max_dim: i64,
}

/// A preset of the `[model]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Value input, one query per output coefficient, pre-norm.
    Laformer,
    /// Token input and output, post-norm (Charton 2021).
    Paper,
    /// A bidirectional LSTM encoder, and an LSTM decoder with attention.
    Lstm,
    /// The same with gated recurrent units.
    Gru,
    /// A hidden state for each row and column. Layers multiply these states as matrices.
    Pair,
}

impl Architecture {
    pub fn is_recurrent(self) -> bool {
        matches!(self, Self::Lstm | Self::Gru)
    }

    /// Whether its default input is tokens.
    pub(super) fn reads_tokens(self) -> bool {
        !matches!(self, Self::Laformer | Self::Pair)
    }
}

/// The output of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// The output of the sublayers.
    None,
    /// A gated mixture of that output and the layer's input, per hidden coefficient (Csordás et al. 2021, arXiv
    /// 2110.07732).
    Copy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// RMSNorm before each sublayer and after the last layer (Zhang & Sennrich 2019).
    PreRms,
    /// LayerNorm after each residual sum, and after the embeddings (Vaswani et al. 2017).
    PostLayer,
    /// RMSNorm over each channel's whole matrix, before matrix products.
    PreChannel,
    /// RMSNorm over the matrices of all channels together, before matrix products.
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

/// The rule that turns a predicted distribution into a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// The median of grouped data: the point inside the median mantissa's interval that halves the probability. This
    /// number has more digits than the encoding. If the model is certain, it equals the encoded number.
    Interpolated,
    /// The most probable sign and exponent, and the median of the mantissas given both. The median minimizes the
    /// expected error, and is more stable than the mode of a flat distribution.
    Median,
    /// The most probable class of each field.
    Mode,
}

/// The learned position tables, which are added to the embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// One table over the index in the sequence.
    Flat,
    /// The table of `Flat`, and one table each over matrix, row, column and field.
    Both,
    /// No table; for `pair`, whose products distinguish rows and columns.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderKind {
    /// One query per output coefficient. Its fields are predicted one after the other.
    Parallel,
    /// One token at a time.
    Autoregressive,
    /// No decoder: the encoder processes the queries of the output coefficients beside the source.
    None,
}

impl DecoderKind {
    /// The form of the decoder's target.
    pub fn target(self) -> Target {
        match self {
            Self::Parallel | Self::None => Target::Classes,
            Self::Autoregressive => Target::Tokens,
        }
    }
}

/// The features of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueFeatures {
    /// Sign, each decimal digit and exponent, as one-hot vectors.
    Digits,
    /// The number, its sign, logarithms, sines and cosines.
    All,
}

/// The largest number of loops.
const MOST_LOOPS: i64 = 1024;

impl Config {
    /// The default values of an architecture.
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

    /// The configuration with the decoder's width as [`Self::width`].
    pub(crate) fn of_decoder(&self) -> Self {
        let width = if self.decoder_width > 0 {
            self.decoder_width
        } else {
            self.width
        };
        Self { width, ..self.clone() }
    }

    /// Checks what types cannot check: sizes are positive, heads divide the width, and every given key has an effect.
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
            "model.width = {}: each direction of a recurrent encoder has half of the width; choose an even number",
            self.width
        );
        ensure!(
            !self.input_injection || self.encoder_loops > 1 || self.decoder_loops > 1,
            "model.input_injection = true has no effect without loops; set model.encoder_loops or model.decoder_loops \
             to 2 or more"
        );
        ensure!(
            (0..=100).contains(&self.max_dim),
            "model.max_dim = {}: expected 0 to 100",
            self.max_dim
        );
        Ok(())
    }

    /// Refuses keys that differ from the preset and have no effect in combination with the others.
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
                    "model.{key} has no effect with model.architecture = \"pair\", which has no decoder layers; leave \
                     it out"
                );
            }
            ensure!(
                matches!(
                    self.normalization,
                    Normalization::PreRms | Normalization::PreChannel | Normalization::PreMatrix
                ),
                "model.normalization must be \"pre-channel\", \"pre-matrix\" or \"pre-rms\" with \
                 model.architecture = \"pair\""
            );
            ensure!(
                matches!(self.positions, Positions::None | Positions::Flat),
                "model.positions must be \"none\" or \"flat\" (a vector for each row and column) with \
                 model.architecture = \"pair\""
            );
            ensure!(
                (0..=16).contains(&self.products) && self.heads >= 0 && self.products + self.heads > 0,
                "model.products = {}, model.heads = {}: expected 1 to 16 matrix products per layer, or 0 products and \
                 at least one attention head",
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

/// The first key that differs from the preset.
fn first_changed<'a>(keys: &[(&'a str, bool)]) -> Option<&'a str> {
    keys.iter().find(|(_, changed)| *changed).map(|(key, _)| *key)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod variants;
