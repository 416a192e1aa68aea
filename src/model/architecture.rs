//! Encoder and decoder of each architecture, each registered by one line.

use super::pair::PairEncoder;
use super::recurrent::{Cell, RecurrentDecoder, RecurrentEncoder};
use super::stack::{DecoderStack, EncoderStack};
use super::transformer::{TransformerDecoder, TransformerEncoder};
use crate::recipe::{Architecture, Config};
use tch::nn;

/// The encoder of an architecture.
pub fn encoder(path: &nn::Path, config: &Config) -> Box<dyn EncoderStack> {
    match config.architecture {
        Architecture::Laformer | Architecture::Paper => Box::new(TransformerEncoder::new(path, config)),
        Architecture::Lstm => Box::new(RecurrentEncoder::new(path, Cell::Lstm, config)),
        Architecture::Gru => Box::new(RecurrentEncoder::new(path, Cell::Gru, config)),
        Architecture::Pair => Box::new(PairEncoder::new(path, config)),
    }
}

/// The decoder of an architecture. `memory` is the encoder's width; `config` has the decoder's.
pub fn decoder(path: &nn::Path, config: &Config, memory: i64) -> Box<dyn DecoderStack> {
    match config.architecture {
        Architecture::Laformer | Architecture::Paper | Architecture::Pair => {
            Box::new(TransformerDecoder::new(path, config, memory))
        }
        Architecture::Lstm => Box::new(RecurrentDecoder::new(path, Cell::Lstm, config, memory)),
        Architecture::Gru => Box::new(RecurrentDecoder::new(path, Cell::Gru, config, memory)),
    }
}
