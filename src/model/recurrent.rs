//! Recurrent encoder–decoders, for comparison with transformers. The encoder is bidirectional (Bahdanau et al. 2015,
//! arXiv 1409.0473). The decoder combines each output with attention to the encoder's output (Luong et al. 2015, arXiv
//! 1508.04025). Recurrences run in float32, in libtorch's kernels.

use super::attention::CrossAttention;
use super::block::Pass;
use super::layers::{Linear, cast};
use super::stack::{DecoderStack, EncoderStack, batch_of};
use crate::recipe::Config;
use tch::{Kind, Tensor, nn};

/// The recurrent unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Hochreiter & Schmidhuber (1997), with a forget gate.
    Lstm,
    /// Cho et al. (2014), arXiv 1406.1078.
    Gru,
}

impl Cell {
    /// A part of the parameters' names. It tells how many matrices are fused in them.
    fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gru => "gru",
        }
    }

    /// The number of fused matrices.
    fn gates(self) -> i64 {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// One direction of one layer.
#[derive(Debug)]
struct Recurrence {
    cell: Cell,
    /// In torch's order: weights of input and state, then biases of input and state.
    parameters: [Tensor; 4],
}

impl Recurrence {
    /// Initialized as in PyTorch: uniform in ±1/√width.
    fn new(path: &nn::Path, cell: Cell, inputs: i64, width: i64) -> Self {
        let bound = (width as f64).powf(-0.5);
        let init = nn::Init::Uniform { lo: -bound, up: bound };
        let path = path / cell.name();
        let (input, state) = (&path / "input", &path / "state");
        let rows = cell.gates() * width;
        Self {
            cell,
            parameters: [
                input.var("weight", &[rows, inputs], init),
                state.var("weight", &[rows, width], init),
                input.var("bias", &[rows], init),
                state.var("bias", &[rows], init),
            ],
        }
    }

    /// The state `[states, batch, width]` whose hidden part is `hidden` `[batch, width]`.
    fn state(&self, hidden: &Tensor) -> Tensor {
        match self.cell {
            Cell::Lstm => Tensor::stack(&[hidden, &hidden.zeros_like()], 0),
            Cell::Gru => hidden.unsqueeze(0),
        }
    }

    /// Runs over `x` `[batch, length, inputs]` (float32) from an initial state. Returns the outputs
    /// `[batch, length, width]` and the final state.
    fn run(&self, x: &Tensor, state: &Tensor) -> (Tensor, Tensor) {
        // cuDNN keeps the data for a backward pass only in training mode.
        let train = x.requires_grad();
        // Stored parameters may be in half precision.
        let parameters = self.parameters.each_ref().map(|parameter| cast(parameter, Kind::Float));
        match self.cell {
            Cell::Lstm => {
                let state = [state.narrow(0, 0, 1), state.narrow(0, 1, 1)];
                let (y, hidden, memory) = x.lstm(&state, &parameters, true, 1, 0.0, train, false, true);
                (y, Tensor::cat(&[hidden, memory], 0))
            }
            Cell::Gru => x.gru(state, &parameters, true, 1, 0.0, train, false, true),
        }
    }
}

/// A stack of bidirectional layers.
#[derive(Debug)]
pub struct RecurrentEncoder {
    layers: Vec<[Recurrence; 2]>,
    /// Width of one direction.
    width: i64,
}

impl RecurrentEncoder {
    pub fn new(path: &nn::Path, cell: Cell, config: &Config) -> Self {
        let width = config.width / 2;
        let layer = |i: i64| {
            let path = path / "layers" / i;
            ["ahead", "back"].map(|name| Recurrence::new(&(&path / name), cell, config.width, width))
        };
        Self {
            layers: (0..config.encoder_layers).map(layer).collect(),
            width,
        }
    }
}

impl EncoderStack for RecurrentEncoder {
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>, _pass: Pass) -> Tensor {
        let mut x = x.to_kind(Kind::Float);
        // Zeros `[batch, width]`, created without reading a size.
        let zeros = x.select(1, 0).narrow(1, 0, self.width).zeros_like().contiguous();
        let mirror = mask.map(mirrored_places);
        let mirrored = |x: &Tensor| match &mirror {
            None => x.flip([1]),
            Some(places) => x.gather(1, &places.expand_as(x), false),
        };
        for [ahead, back] in &self.layers {
            let (forward, _) = ahead.run(&x, &ahead.state(&zeros));
            let (backward, _) = back.run(&mirrored(&x), &back.state(&zeros));
            x = Tensor::cat(&[forward, mirrored(&backward)], -1);
        }
        x
    }
}

/// The index of each position when the sequence is reversed and padding stays in place: a mask `[batch, 1, 1, length]`
/// to `[batch, length, 1]`.
fn mirrored_places(mask: &Tensor) -> Tensor {
    let real = mask.squeeze_dim(1).squeeze_dim(1);
    let counted = real.to_kind(Kind::Int64);
    let place = counted.ones_like().cumsum(1, Kind::Int64) - 1;
    let last = counted.sum_dim_intlist(1, true, Kind::Int64) - 1;
    (last - &place).where_self(&real, &place).unsqueeze(-1)
}

#[derive(Debug)]
pub struct RecurrentDecoder {
    layers: Vec<RecurrentDecoderLayer>,
}

#[derive(Debug)]
struct RecurrentDecoderLayer {
    /// Maps the output at the first position to the initial state. The backward direction has read the whole source
    /// there.
    start: Linear,
    recurrence: Recurrence,
    cross_attention: CrossAttention,
    /// Combines the result of attention with the state that was its query.
    mix: Linear,
}

impl RecurrentDecoder {
    pub fn new(path: &nn::Path, cell: Cell, config: &Config, memory: i64) -> Self {
        let width = config.width;
        let layer = |i: i64| {
            let path = path / "layers" / i;
            RecurrentDecoderLayer {
                start: Linear::new(&path / "start", memory, width, true),
                recurrence: Recurrence::new(&path, cell, width, width),
                cross_attention: CrossAttention::new(
                    &path / "cross_attention",
                    width,
                    memory,
                    config.decoder_heads,
                    false,
                ),
                mix: Linear::new(&path / "mix", 2 * width, width, true),
            }
        };
        Self {
            layers: (0..config.decoder_layers).map(layer).collect(),
        }
    }
}

impl RecurrentDecoderLayer {
    fn first_state(&self, memory: &Tensor, kind: Kind) -> Tensor {
        let hidden = self.start.forward(&memory.select(1, 0), kind).tanh();
        self.recurrence.state(&hidden.to_kind(Kind::Float))
    }

    /// `x` is `[batch, targets, width]`: one token or a whole sequence.
    fn forward(
        &self,
        x: &Tensor,
        state: &Tensor,
        cross: &Tensor,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> (Tensor, Tensor) {
        let (hidden, state) = self.recurrence.run(x, state);
        let found = self
            .cross_attention
            .forward(&hidden, cross, mask, pass.kernel, pass.kind);
        let both = Tensor::cat(&[found.to_kind(Kind::Float), hidden], -1);
        let y = self.mix.forward(&both, pass.kind).tanh().to_kind(Kind::Float);
        (y, state)
    }
}

impl DecoderStack for RecurrentDecoder {
    /// A recurrence depends only on previous tokens, so the mask `causal` is not needed.
    fn forward(
        &self,
        x: &Tensor,
        memory: &Tensor,
        _causal: Option<&Tensor>,
        mask: Option<&Tensor>,
        pass: Pass,
    ) -> Tensor {
        let x = x.to_kind(Kind::Float) + batch_of(memory);
        self.layers.iter().fold(x, |x, layer| {
            let cross = layer.cross_attention.cache(memory, pass.kind);
            let state = layer.first_state(memory, pass.kind);
            layer.forward(&x, &state, &cross, mask, pass).0
        })
    }

    /// The cache holds states, `[layers, states, batch, width]`.
    fn start(&self, memory: &Tensor, kind: Kind) -> (Tensor, Tensor) {
        let each = |of: &dyn Fn(&RecurrentDecoderLayer) -> Tensor| {
            Tensor::stack(&self.layers.iter().map(of).collect::<Vec<_>>(), 0)
        };
        (
            each(&|layer| layer.cross_attention.cache(memory, kind)),
            each(&|layer| layer.first_state(memory, kind)),
        )
    }

    fn step(&self, x: &Tensor, cross: &Tensor, cache: &Tensor, mask: Option<&Tensor>, pass: Pass) -> (Tensor, Tensor) {
        let mut states = Vec::new();
        let mut x = x.to_kind(Kind::Float);
        for (layer, i) in self.layers.iter().zip(0..) {
            let (y, state) = layer.forward(&x, &cache.select(0, i), &cross.select(0, i), mask, pass);
            states.push(state);
            x = y;
        }
        (x, Tensor::stack(&states, 0))
    }
}
