//! Models: transformers, and the architectures they are compared with. The same code serves training, decoding and
//! export.
//!
//! Each parameter has an explicit dotted name in a [`VarStore`](tch::nn::VarStore). The forward pass never reads batch
//! sizes or sequence lengths from tensors, so that a trace made at one shape is valid at all others.

mod architecture;
mod attention;
mod autoregressive;
mod block;
mod capacity;
mod embedding;
mod gate;
mod layers;
mod memory;
mod pair;
mod parallel;
mod recurrent;
mod source;
mod stack;
mod transformer;
mod values;

pub use attention::{AttentionKind, AttentionMap, Kernel, record_attention};
pub use autoregressive::AutoregressiveDecoder;
pub use block::Pass;
pub use capacity::Capacity;
pub use pair::{most_operands, on_diagonal};
pub use parallel::ParallelDecoder;

use crate::dataset::{Case, Format};
use crate::encoding::{Input, PAD};
use crate::libtorch::seeded;
use crate::matrix::Shape;
use crate::recipe::{Architecture, Config, DecoderKind, Readout, Recipe};
use embedding::Extent;
use embedding::positions_tensor;
use source::SourceEmbedding;
use stack::EncoderStack;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use tch::{Device, Kind, Tensor, nn};

/// A model of one problem, or of several that a token distinguishes, with one input and one output encoding.
#[derive(Debug)]
pub struct Model {
    store: nn::VarStore,
    config: Config,
    /// One format per problem, in the order of the tasks.
    formats: Vec<Format>,
    source: SourceEmbedding,
    /// `None` if the decoder's queries pass through the encoder.
    encoder: Option<Box<dyn EncoderStack>>,
    decoder: Decoder,
    capacity: Capacity,
    /// Position indices of source and target by case, on the device. They are cached because each step needs them.
    positions: RefCell<HashMap<Case, [Tensor; 2]>>,
}

/// The kinds of decoders.
#[derive(Debug)]
pub enum Decoder {
    Parallel(ParallelDecoder),
    Autoregressive(AutoregressiveDecoder),
}

impl Recipe {
    /// Builds a model with the recipe's random initial parameters.
    pub fn build(&self, device: Device) -> Model {
        let largest = self.dimensions.max();
        seeded(self.training.seed, || {
            Model::new(&self.model, &self.format(), largest, self.data.magnitude, device)
        })
    }
}

impl Model {
    /// Builds a model for all problems of the format. Its random parameters are drawn from libtorch's generator (see
    /// [`seeded`]). `largest` is the largest size that the position tables must support; `magnitude` is the bound of
    /// training coefficients.
    pub fn new(config: &Config, format: &Format, largest: Shape, magnitude: f64, device: Device) -> Self {
        // Drawing parameters on the CPU gives the same ones for all devices.
        let mut store = nn::VarStore::new(Device::Cpu);
        let root = store.root();
        let formats = format.tasks();
        let capacity = Capacity::of(config, &formats, largest);
        let (largest, (source_length, target_length)) = (capacity.largest, capacity.lengths);
        let most = |of: &dyn Fn(&Format) -> usize| formats.iter().map(of).max().unwrap_or(0) as i64;
        let tasks = if formats.len() > 1 { formats.len() as i64 } else { 0 };
        let dim = largest.rows.max(largest.cols) as i64;
        let fields = |encoding: &dyn crate::encoding::Encoding| encoding.fields().len() as i64;
        let source_extent = Extent {
            length: source_length,
            matrices: most(&|format| format.problem.operand_shapes(largest).len()),
            dim,
            tasks,
            fields: match &format.input {
                Input::Values { .. } => 1,
                Input::Tokens(encoding) => fields(encoding.as_ref()),
            },
        };
        let target_extent = Extent {
            length: target_length,
            matrices: most(&|format| format.problem.solution_shapes(largest).len()),
            dim,
            tasks,
            fields: fields(format.output.as_ref()),
        };
        let source = SourceEmbedding::new(&root / "source", config, format, source_extent, magnitude);
        let path = &root / "encoder";
        let mut encoder = Some(architecture::encoder(&path, config));
        let path = &root / "decoder";
        let decoder = match config.decoder {
            DecoderKind::Parallel | DecoderKind::None => Decoder::Parallel(ParallelDecoder::new(
                path,
                config,
                format.output.as_ref(),
                target_extent,
                encoder.take_if(|_| config.decoder == DecoderKind::None),
            )),
            DecoderKind::Autoregressive => {
                let vocabulary = format.target_vocabulary().size() as i64;
                Decoder::Autoregressive(AutoregressiveDecoder::new(path, config, vocabulary, target_extent))
            }
        };
        store.set_device(device);
        Self {
            store,
            config: config.clone(),
            formats,
            source,
            encoder,
            decoder,
            capacity,
            positions: RefCell::default(),
        }
    }

    pub fn device(&self) -> Device {
        self.store.device()
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The format of the first problem. Only the problem differs between formats.
    pub fn format(&self) -> &Format {
        &self.formats[0]
    }

    /// The formats of all problems, in the order of the tasks.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// The format of a case's problem.
    pub fn format_of(&self, case: Case) -> &Format {
        &self.formats[case.task]
    }

    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The parameters and buffers, by name.
    pub fn variables(&self) -> BTreeMap<String, Tensor> {
        self.store.variables().into_iter().collect()
    }

    /// Converts matrices and tables to half precision, which suffices for inference; vectors stay float32. Computations
    /// keep the precision of their [`Pass`].
    pub fn halve(&self) {
        let _no_grad = tch::no_grad_guard();
        for mut variable in self
            .store
            .variables()
            .into_values()
            .filter(|variable| variable.dim() >= 2)
        {
            let half = variable.to_kind(Kind::Half);
            variable.set_data(&half);
        }
    }

    /// Changes the readout, which has no effect on an autoregressive decoder.
    pub fn set_readout(&mut self, readout: Readout) {
        self.config.readout = readout;
    }

    /// The number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        self.store.trainable_variables().iter().map(Tensor::numel).sum()
    }

    /// Lengths of the longest source and target.
    pub fn longest(&self) -> (i64, i64) {
        self.capacity.lengths
    }

    /// The options of a pass on this device in the given precision.
    pub fn pass(&self, kind: Kind) -> Pass {
        Pass {
            kernel: Kernel::choose(
                self.device(),
                kind,
                self.capacity.lengths.0.max(self.capacity.lengths.1),
            ),
            kind,
        }
    }

    /// Position indices `[length, 5]` of a case's source, or its cells `[operands, side, side]`, on the model's device.
    pub fn source_positions(&self, case: impl Into<Case>) -> Tensor {
        self.positions(case.into(), 0)
    }

    /// Position indices `[length, 5]` of a case's target, on the model's device.
    pub fn target_positions(&self, case: impl Into<Case>) -> Tensor {
        self.positions(case.into(), 1)
    }

    fn positions(&self, case: Case, side: usize) -> Tensor {
        let mut known = self.positions.borrow_mut();
        let both = known.entry(case).or_insert_with(|| {
            let format = self.format_of(case);
            let device = self.device();
            let target = format.target_positions(case.size);
            match self.config.architecture {
                Architecture::Pair => {
                    let first = i64::from(format.task().is_some());
                    let target = pair::target_cells(format.problem, case.size, target);
                    [
                        pair::source_cells(
                            format.problem,
                            case.size,
                            first,
                            pair::most_operands(&self.formats),
                            device,
                        ),
                        positions_tensor(&target, device),
                    ]
                }
                _ => [format.source_positions(case.size), target].map(|side| positions_tensor(&side, device)),
            }
        });
        both[side].shallow_clone()
    }

    /// The first position indices of a case's source, one per token of `source`.
    pub fn positions_of(&self, source: &Tensor, case: impl Into<Case>) -> Tensor {
        let positions = self.source_positions(case);
        match self.config.architecture {
            Architecture::Pair => positions,
            _ => positions.narrow(0, 0, source.size()[1]),
        }
    }

    /// The task of each source, `[batch]` int64; `None` for a model of one problem.
    pub fn tasks_of(&self, source: &Tensor) -> Option<Tensor> {
        (self.formats.len() > 1).then(|| {
            let first = source.select(1, 0).to_kind(Kind::Int64);
            match self.format().source_vocabulary() {
                Some(vocabulary) => first - vocabulary.first_task(),
                None => first,
            }
        })
    }

    /// A mask `[batch, 1, 1, length]`, true for source tokens that are not padding; `None` if sources are never padded.
    pub fn source_mask(&self, source: &Tensor) -> Option<Tensor> {
        self.format()
            .pads_source()
            .then(|| source.not_equal(PAD).unsqueeze(1).unsqueeze(1))
    }

    /// Encodes `source` `[batch, length]` with `positions` `[length, 5]` as `[batch, length, width]`. The source is
    /// float32 values, after the task if there are several, or int64 tokens. If queries pass through the encoder, the
    /// result is only the embedding.
    pub fn encode(&self, source: &Tensor, positions: &Tensor, pass: Pass) -> Tensor {
        let x = self.source.forward(source, positions, pass.kind);
        match &self.encoder {
            Some(encoder) => encoder.forward(&x, self.source_mask(source).as_ref(), pass),
            None => x,
        }
    }

    /// Teacher forcing on a batch, float32. A parallel decoder gives logits of all fields in prediction order, each
    /// `[batch, count, classes]`. An autoregressive one gives one tensor for all next tokens,
    /// `[batch, length - 1, vocabulary]`.
    pub fn logits(&self, source: &Tensor, target: &Tensor, case: impl Into<Case>, kind: Kind) -> Vec<Tensor> {
        let case = case.into();
        let source_positions = self.positions_of(source, case);
        let target_positions = self.target_positions(case);
        let pass = self.pass(kind);
        match self.decoder {
            Decoder::Parallel(_) => self.logits_at(source, &source_positions, target, &target_positions, pass),
            Decoder::Autoregressive(_) => {
                let read = target.size()[1] - 1;
                let (target, positions) = (target.narrow(1, 0, read), target_positions.narrow(0, 0, read));
                self.logits_at(source, &source_positions, &target, &positions, pass)
            }
        }
    }

    /// The hidden state `[batch, count, width]` of each output coefficient.
    pub fn hidden(&self, decoder: &ParallelDecoder, source: &Tensor, case: impl Into<Case>, kind: Kind) -> Tensor {
        let case = case.into();
        let source_positions = self.positions_of(source, case);
        let target_positions = self.target_positions(case);
        self.hidden_at(decoder, source, &source_positions, &target_positions, self.pass(kind))
    }

    fn hidden_at(
        &self,
        decoder: &ParallelDecoder,
        source: &Tensor,
        source_positions: &Tensor,
        target_positions: &Tensor,
        pass: Pass,
    ) -> Tensor {
        let memory = self.encode(source, source_positions, pass);
        let (mask, tasks) = (self.source_mask(source), self.tasks_of(source));
        decoder.query(&memory, mask.as_ref(), target_positions, tasks.as_ref(), pass)
    }

    /// Like [`Self::logits`], with positions as `[length, 5]` tensors. `target` is the classes, or the tokens that the
    /// decoder reads (all but the last).
    pub fn logits_at(
        &self,
        source: &Tensor,
        source_positions: &Tensor,
        target: &Tensor,
        target_positions: &Tensor,
        pass: Pass,
    ) -> Vec<Tensor> {
        match &self.decoder {
            Decoder::Parallel(decoder) => {
                let hidden = self.hidden_at(decoder, source, source_positions, target_positions, pass);
                let known = self.in_prediction_order(target);
                (0..decoder.fields())
                    .map(|place| decoder.field_logits(place, &hidden, &known, pass.kind))
                    .collect()
            }
            Decoder::Autoregressive(decoder) => {
                let memory = self.encode(source, source_positions, pass);
                let mask = self.source_mask(source);
                vec![decoder.forward(target, target_positions, &memory, mask.as_ref(), pass)]
            }
        }
    }

    /// Reorders classes `[.., fields]` from the encoding's order to the prediction order.
    pub fn in_prediction_order(&self, classes: &Tensor) -> Tensor {
        let columns: Vec<_> = self
            .format()
            .output
            .prediction_order()
            .iter()
            .map(|&field| classes.select(-1, field as i64))
            .collect();
        Tensor::stack(&columns, -1)
    }
}

#[cfg(test)]
mod tests;
