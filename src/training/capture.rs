//! Training steps on a CUDA device. A step is recorded once for each shape of batches, and then replayed with one
//! launch. A small model's step has hundreds of kernels of a few microseconds each, which run faster than a CPU can
//! launch them.

use crate::batch::Batch;
use crate::dataset::Case;
use crate::libtorch::{Graph, Stream, Tf32};
use crate::recipe::Architecture;
use anyhow::{Context, Result};
use std::collections::HashMap;
use tch::Device;

/// Steps of each shape that run eagerly before one is recorded, as many as in PyTorch's `make_graphed_callables`. In
/// the first steps, libraries choose kernels, memory is allocated and positions are copied to the device, which cannot
/// be recorded.
const WARMUP: u32 = 3;

/// The largest number of shapes with a recording; steps of other shapes run eagerly. It suffices for the sizes 5 to 15
/// of three problems. Token sequences of variable length have more shapes, most of them rare. A graph costs memory, and
/// the time of several steps.
const SHAPES: usize = 33;

/// Everything that the operations of a step depend on except numbers: the case, and the sizes of source and target.
type Shape = (Case, Vec<i64>, Vec<i64>);

/// The reason why a model's steps are not captured on a device; `None` if they are.
///
/// Steps of recurrent layers are not captured. cuDNN packs their weights at each call and may use streams of its own;
/// its documentation does not say that this can be recorded.
pub fn why_eager(architecture: Architecture, device: Device) -> Option<&'static str> {
    match architecture {
        _ if !device.is_cuda() => Some("only a CUDA device has graphs"),
        Architecture::Lstm | Architecture::Gru => Some("recurrent layers are not captured"),
        _ if !Graph::is_compiled() => Some("CUDA graphs are not compiled in, see laformer doctor"),
        _ => None,
    }
}

/// Runs the steps of a training. While it exists, CUDA devices multiply float32 as TF32. This includes evaluations
/// during training, but not later ones.
#[derive(Debug)]
pub struct Steps {
    device: Device,
    /// Steps done for each shape without a recording; `None` if steps are not captured.
    capture: Option<HashMap<Shape, u32>>,
    captured: HashMap<Shape, Captured>,
    /// Declared after the graphs, because it must be dropped after them.
    _stream: Option<Stream>,
    _tf32: Tf32,
}

/// The recorded step of a shape.
#[derive(Debug)]
struct Captured {
    /// The tensors from which the recorded step reads its batch.
    inputs: Batch,
    /// `None` on a CPU, which has no graphs. There the step itself runs again on the same inputs.
    graph: Option<Graph>,
}

impl Steps {
    /// Captures steps if `capture` is true; otherwise all steps run eagerly.
    pub fn new(device: Device, capture: bool) -> Result<Self> {
        let stream = match device {
            Device::Cuda(index) if capture => Some(Stream::enter(index)?),
            _ => None,
        };
        Ok(Self {
            device,
            capture: capture.then(HashMap::new),
            captured: HashMap::new(),
            _stream: stream,
            _tf32: Tf32::allow()?,
        })
    }

    /// Runs `step` on a batch without waiting for the device. Between steps of one shape, only the contents of tensors
    /// may change. Tensors that `step` uses must outlive this object.
    pub fn run(&mut self, batch: &Batch, mut step: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
        let batch = batch.to_device(self.device);
        let Some(warmed) = &mut self.capture else {
            return step(&batch);
        };
        let shape = (batch.case(), batch.source.size(), batch.target.size());
        if let Some(captured) = self.captured.get_mut(&shape) {
            captured.inputs.copy_from(&batch);
            return captured.run(step);
        }
        let done = warmed.entry(shape.clone()).or_default();
        if *done < WARMUP || self.captured.len() == SHAPES {
            *done = done.saturating_add(1);
            return step(&batch);
        }
        let graph = match self.device {
            Device::Cpu => None,
            _ => {
                // Steps run one after the other and keep nothing in the graphs' memory, so all graphs can share it.
                let sharing = self.captured.values().find_map(|other| other.graph.as_ref());
                let graph = Graph::record(sharing, || step(&batch));
                Some(graph.context("a training step cannot be captured in a CUDA graph: train with --no-graph")?)
            }
        };
        let captured = Captured { inputs: batch, graph };
        captured.run(step)?;
        self.captured.insert(shape, captured);
        Ok(())
    }
}

impl Captured {
    fn run(&self, mut step: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
        match &self.graph {
            Some(graph) => Ok(graph.replay()?),
            None => step(&self.inputs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Shape as Size, Split};
    use crate::recipe::Recipe;
    use crate::training::{LogLine, Observer, Run, Trainer};
    use tch::{Cuda, Kind, Tensor};

    fn batch(length: i64, value: i64) -> Batch {
        let tokens = Tensor::full([2, length], value, (Kind::Int64, Device::Cpu));
        Batch {
            task: 0,
            size: Size::new(2, 2),
            source: tokens.copy(),
            target: tokens,
            shares: None,
        }
    }

    /// The addresses of the source in `count` steps. Checks that each step reads its own values.
    fn places(steps: &mut Steps, length: i64, count: i64) -> Vec<usize> {
        let mut places = Vec::new();
        // All batches exist at once, so that none reuses the memory of another.
        let batches: Vec<_> = (0..count).map(|value| batch(length, value)).collect();
        for (value, given) in (0..).zip(&batches) {
            let step = |batch: &Batch| {
                assert_eq!(batch.source, given.source, "step {value}");
                assert_eq!(batch.target, given.target, "step {value}");
                places.push(batch.source.data_ptr() as usize);
                Ok(())
            };
            steps.run(given, step).unwrap();
        }
        places
    }

    #[test]
    fn after_warmup_all_steps_of_a_shape_read_the_same_memory() {
        let mut steps = Steps::new(Device::Cpu, true).unwrap();
        let places = places(&mut steps, 5, 8);
        let (own, shared) = places.split_at(WARMUP as usize);
        assert!(own.iter().all(|place| !shared.contains(place)));
        assert!(shared.iter().all(|place| place == &shared[0]));
    }

    #[test]
    fn shapes_beyond_the_limit_keep_their_own_memory() {
        let mut steps = Steps::new(Device::Cpu, true).unwrap();
        let mut is_captured = |length| {
            let places = places(&mut steps, length, 6);
            places[4] == places[5]
        };
        assert!((1..=SHAPES as i64).all(&mut is_captured));
        assert!(!is_captured(SHAPES as i64 + 1));
        assert!(is_captured(1));
    }

    /// Loss and gradient norm of each step.
    #[derive(Default)]
    struct Recorder(Vec<[f64; 2]>);

    impl Observer for Recorder {
        fn logged(&mut self, line: &LogLine) -> Result<()> {
            self.0.push([line.loss, line.gradient_norm]);
            Ok(())
        }
    }

    const STEPS: usize = 20;

    /// Trains with a prepared trainer on a device. Returns loss and gradient norm of each step.
    fn train(more: &str, device: Device, prepare: impl FnOnce(&mut Trainer)) -> Vec<[f64; 2]> {
        // Tensors are small, so several threads would be slower.
        tch::set_num_threads(1);
        let text = format!(
            "problem = \"eigenvalues\"\ndim = \"2-3\"\n{more}\nmodel.width = 32\nmodel.encoder_layers = 1\n\
             training.steps = {STEPS}\ntraining.batch_size = 8\ntraining.log_every = 1\ntraining.warmup = 8\n\
             training.weight_decay = 0.1\nevaluation.count = 2"
        );
        let recipe = Recipe::parse(&text, &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("run"), &recipe).unwrap();
        let sources = [Split::Train, Split::Validation].map(|split| recipe.source(split).unwrap());
        let [training, validation] = sources;
        let mut trainer = Trainer::new(recipe, run, device, false).unwrap();
        prepare(&mut trainer);
        let mut recorder = Recorder::default();
        trainer.train(training, validation.as_ref(), &mut recorder).unwrap();
        assert_eq!(recorder.0.len(), STEPS);
        recorder.0
    }

    /// Both optimizers, both decoders, with and without padding, queries in the encoder, and both precisions.
    const KINDS: [&str; 6] = [
        "training.optimizer = \"adamw\"\ntraining.precision = \"fp32\"",
        "training.optimizer = \"muon\"\ntraining.precision = \"fp32\"",
        "training.optimizer = \"muon\"\ntraining.precision = \"bf16\"",
        "model.decoder = \"autoregressive\"\nencoding.input = \"P10\"\nmodel.positions = \"flat\"\ntraining.precision = \"bf16\"",
        "model.decoder = \"none\"\nmodel.encoder_loops = 2\ntraining.precision = \"bf16\"",
        "model.architecture = \"pair\"\nmodel.normalization = \"pre-matrix\"\ntraining.precision = \"fp32\"",
    ];

    #[test]
    fn steps_on_kept_inputs_have_the_same_bits_as_steps_on_batches() {
        for kind in KINDS {
            let eager = train(kind, Device::Cpu, |_| ());
            assert_eq!(train(kind, Device::Cpu, Trainer::capture_anyway), eager, "{kind}");
        }
    }

    fn assert_near(found: &[[f64; 2]], expected: &[[f64; 2]], tolerance: f64, what: &str) {
        for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= tolerance * b, "{what}\nstep {step}: {a} {b}");
            }
        }
    }

    #[test]
    fn cuda_steps_captured_in_graphs_equal_those_launched_one_by_one() {
        if !Cuda::is_available() || !Graph::is_compiled() {
            println!("skipped: no CUDA device");
            return;
        }
        for kind in KINDS {
            let eager = train(kind, Device::Cuda(0), Trainer::run_eagerly);
            let captured = train(kind, Device::Cuda(0), |trainer| assert!(trainer.captures()));
            // Some kernels sum in varying order.
            assert_near(&captured, &eager, 1e-3, kind);
        }
    }

    #[test]
    fn cuda_losses_agree_with_cpu_losses() {
        if !Cuda::is_available() {
            println!("skipped: no CUDA device");
            return;
        }
        for kind in KINDS {
            let losses = |device| train(kind, device, |_| ()).into_iter().map(|[loss, _]| [loss; 2]);
            let cpu: Vec<_> = losses(Device::Cpu).collect();
            let cuda: Vec<_> = losses(Device::Cuda(0)).collect();
            // TF32 and bf16 round differently on CUDA.
            assert_near(&cuda, &cpu, 0.02, kind);
        }
    }
}
