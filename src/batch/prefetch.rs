//! Batches prepared in advance by threads. Their sequence does not depend on the number of threads.

use super::{Batch, Batcher};
use crate::dataset::{Example, Format, Share, Source};
use anyhow::{Result, anyhow};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use tch::Device;

/// Batches that each thread prepares in advance.
const AHEAD: usize = 4;

/// An endless sequence of training batches, in CPU memory. It is page-locked for a CUDA device.
#[derive(Debug)]
pub struct Prefetch {
    /// Thread `w` of `n` prepares the batches `w, w + n, …`, counted from the first step.
    lanes: Vec<Receiver<Result<Batch>>>,
    next: usize,
}

impl Prefetch {
    /// `share` is the part of each batch to make, or the batch size.
    pub fn new(
        source: Arc<dyn Source>,
        format: &Format,
        share: impl Into<Share>,
        first_step: u64,
        threads: usize,
        device: Device,
    ) -> Self {
        let (threads, share) = (threads.max(1), share.into());
        let lanes = (0..threads)
            .map(|lane| {
                let (sender, receiver) = sync_channel(AHEAD);
                let (source, format) = (source.clone(), format.clone());
                thread::spawn(move || {
                    let mut maker = BatchMaker::new(source, format, share);
                    for step in (first_step + lane as u64..).step_by(threads) {
                        let batch = match &mut maker {
                            Ok(maker) => maker.batch(step),
                            Err(error) => Err(anyhow!("{error:#}")),
                        };
                        let batch = if device.is_cuda() {
                            batch.and_then(|batch| batch.pinned())
                        } else {
                            batch
                        };
                        // The receiver is dropped at the end of training.
                        if sender.send(batch).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        Self { lanes, next: 0 }
    }

    /// The batch of the next step.
    pub fn next_batch(&mut self) -> Result<Batch> {
        let lane = &self.lanes[self.next % self.lanes.len()];
        self.next += 1;
        lane.recv().map_err(|_| anyhow!("a data thread ended unexpectedly"))?
    }
}

/// Creates the batch of any step. The batch is a pure function of source and step.
pub struct BatchMaker {
    source: Arc<dyn Source>,
    /// One per task.
    batchers: Vec<Batcher>,
    examples: Vec<Example>,
    share: Share,
}

impl BatchMaker {
    /// `share` is the part of each batch to make, or the batch size.
    pub fn new(source: Arc<dyn Source>, format: Format, share: impl Into<Share>) -> Result<Self> {
        Ok(Self {
            source,
            batchers: format.tasks().into_iter().map(Batcher::new).collect::<Result<_>>()?,
            examples: Vec::new(),
            share: share.into(),
        })
    }

    pub fn batch(&mut self, step: u64) -> Result<Batch> {
        let size = self.source.fill_share(step, self.share, &mut self.examples)?;
        self.batchers[self.source.task_at(step)].batch(size, &self.examples)
    }
}
