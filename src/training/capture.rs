//! Training steps on a CUDA device: recorded once for each shape of batches, then repeated as one launch. A small model's step is
//! hundreds of kernels of a few microseconds each, which a CPU cannot launch as fast as the device does them.

use crate::batch::Batch;
use crate::dataset::Case;
use crate::libtorch::{Graph, Stream, Tf32};
use crate::recipe::Architecture;
use anyhow::{Context, Result};
use std::collections::HashMap;
use tch::Device;

/// Steps of each shape that run as they are written before one is recorded, as many as PyTorch's `make_graphed_callables` has:
/// libraries choose their kernels and take their memory, positions are copied to the device. None of it can be recorded.
const WARMUP: u32 = 3;

/// Shapes that are recorded; the steps of others run as they are written. So many are the sizes 5 to 15 of three problems. Token
/// sequences of variable length have more, most of them rare; and a graph costs the time of some steps and some memory.
const SHAPES: usize = 33;

/// What the operations of a step depend on, beside the numbers: the case, and the sizes of source and target.
type Shape = (Case, Vec<i64>, Vec<i64>);

/// Why the steps of a model are not captured on a device; none where they are.
///
/// Those of recurrent layers are not: cuDNN packs their weights anew at every call and may spread the work over streams of its
/// own, and nobody says that all of it can be recorded.
pub fn why_eager(architecture: Architecture, device: Device) -> Option<&'static str> {
    match architecture {
        _ if !device.is_cuda() => Some("only a CUDA device has graphs"),
        Architecture::Lstm | Architecture::Gru => Some("recurrent layers are not captured"),
        _ if !Graph::is_compiled() => Some("CUDA graphs are not compiled in, see laformer doctor"),
        _ => None,
    }
}

/// Runs the steps of a training. While it lives, CUDA devices multiply fp32 as TF32: also in the training's own evaluations, not in
/// those that come later.
#[derive(Debug)]
pub struct Steps {
    device: Device,
    /// Steps done of each shape that is not recorded; none where nothing is to be.
    capture: Option<HashMap<Shape, u32>>,
    captured: HashMap<Shape, Captured>,
    /// After the graphs, which are made on it.
    _stream: Option<Stream>,
    _tf32: Tf32,
}

/// The recorded step of a shape.
#[derive(Debug)]
struct Captured {
    /// Where the step finds its batch.
    inputs: Batch,
    /// None on a CPU, which has no graphs: there the step itself is done again, on the same inputs.
    graph: Option<Graph>,
}

impl Steps {
    /// Records steps if `capture` says so; else, all run as they are written.
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

    /// Does `step` on a batch, without waiting for the device. Between steps of one shape nothing but the numbers of tensors may
    /// change; the tensors that `step` finds and changes must outlive this.
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
                // Steps follow one another and leave nothing in the graphs' own memory: they share it.
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
    use crate::evaluation::Evaluation;
    use crate::inference::Solver;
    use crate::matrix::{Shape as Size, Split};
    use crate::recipe::Recipe;
    use crate::training::{LogLine, Observer, Progress, Run, Trainer};
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

    /// The place of the source that each of so many steps reads; checks that it reads its own numbers.
    fn places(steps: &mut Steps, length: i64, count: i64) -> Vec<usize> {
        let mut places = Vec::new();
        // All at once, so that none takes the memory of one before.
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
    fn after_the_warmup_all_steps_of_a_shape_read_the_same_memory() {
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

    /// Losses and gradient norms of every step.
    #[derive(Default)]
    struct Recorder(Vec<[f64; 2]>);

    impl Observer for Recorder {
        fn started(&mut self, _: u64) -> Result<()> {
            Ok(())
        }

        fn logged(&mut self, line: &LogLine) -> Result<()> {
            self.0.push([line.loss, line.gradient_norm]);
            Ok(())
        }

        fn evaluated(
            &mut self,
            _: &Progress,
            _: &Evaluation,
            _: Option<&Evaluation>,
            _: &Solver,
            _: bool,
        ) -> Result<()> {
            Ok(())
        }
    }

    const STEPS: usize = 20;

    /// Trains on a device as the trainer is prepared, and returns what every step has told.
    fn train(more: &str, device: Device, prepare: impl FnOnce(&mut Trainer)) -> Vec<[f64; 2]> {
        // Small tensors: threads would wait for one another.
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

    /// Both optimizers, both decoders, with and without padding and queries in the encoder, both precisions.
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
            // Some kernels add in any order.
            assert_near(&captured, &eager, 1e-3, kind);
        }
    }

    #[test]
    fn cuda_losses_are_those_of_the_cpu() {
        if !Cuda::is_available() {
            println!("skipped: no CUDA device");
            return;
        }
        for kind in KINDS {
            let losses = |device| train(kind, device, |_| ()).into_iter().map(|[loss, _]| [loss; 2]);
            let cpu: Vec<_> = losses(Device::Cpu).collect();
            let cuda: Vec<_> = losses(Device::Cuda(0)).collect();
            // TF32 and bf16 round differently there.
            assert_near(&cuda, &cpu, 0.02, kind);
        }
    }
}
