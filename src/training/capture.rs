//! Training steps on a CUDA device: recorded once for each shape of batches, then repeated as one launch. A small model's step is
//! hundreds of kernels of a few microseconds each, which a CPU cannot launch as fast as the device does them.

use crate::dataset::{Batch, Case};
use crate::libtorch::{self, Graph, Stream};
use crate::model::{Architecture, Model};
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

/// Whether the steps of a model can be recorded. Those of recurrent layers run as they are written: cuDNN packs their weights
/// anew at every call and may spread the work over streams of its own, and nobody says that all of it can be recorded.
pub fn can_capture(model: &Model) -> bool {
    let recurrent = matches!(model.config().architecture, Architecture::Lstm | Architecture::Gru);
    model.device().is_cuda() && Graph::is_compiled() && !recurrent
}

/// Runs the steps of a training. While it lives, fp32 is multiplied as TF32 on a CUDA device: also by the evaluations of the
/// training, but not by those that come later.
#[derive(Debug)]
pub struct Steps {
    device: Device,
    /// Steps done of each shape that is not recorded; none where nothing is to be.
    capture: Option<HashMap<Shape, u32>>,
    captured: HashMap<Shape, Captured>,
    /// After the graphs, which are made on it.
    _stream: Option<Stream>,
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
        if device.is_cuda() {
            libtorch::set_tf32(true)?;
        }
        let stream = match device {
            Device::Cuda(index) if capture => Some(Stream::enter(index)?),
            _ => None,
        };
        Ok(Self {
            device,
            capture: capture.then(HashMap::new),
            captured: HashMap::new(),
            _stream: stream,
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

impl Drop for Steps {
    fn drop(&mut self) {
        if self.device.is_cuda() {
            // It fails for no device, and the next training says it again.
            let _ = libtorch::set_tf32(false);
        }
    }
}
