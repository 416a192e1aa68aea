//! The gradient of a batch, computed by several threads. Each has a part of the batch, and a copy of the model that
//! shares its weights. Threads inside operations do not speed up small models, but each of these threads adds nearly
//! the speed of one core.

use super::loss::{BatchLoss, Loss};
use super::parameters::FlatParameters;
use super::ranks::Rank;
use crate::batch::Batch;
use crate::model::Model;
use crate::recipe::Recipe;
use anyhow::{Context, Result, anyhow};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use tch::{Device, Tensor};

/// The smallest number of examples for which a thread is worthwhile.
const LEAST: usize = 16;

/// The number of parts into which batches of a recipe are split on a device. If there are more threads than parts,
/// operations use several threads.
fn shares(recipe: &Recipe, device: Device) -> usize {
    match device {
        Device::Cpu => recipe.training.threads.min(recipe.training.batch_size / LEAST).max(1),
        _ => 1,
    }
}

impl Recipe {
    /// Replaces `training.threads = 0` by the number of available threads, but at most one per 16 examples of a batch. If
    /// processes train together, this is the number for each process. The processes of a machine share its threads, and
    /// all processes share the batch.
    pub fn resolve_threads(&mut self, rank: Option<&Rank>) {
        if self.training.threads == 0 {
            let (local_count, count) = rank.map_or((1, 1), |rank| (rank.local_count, rank.count));
            let available = thread::available_parallelism().map_or(1, NonZero::get) / local_count;
            self.training.threads = available.min(self.training.batch_size / count / LEAST).max(1);
        }
    }
}

/// Threads that compute gradients beside the main thread.
#[derive(Debug)]
pub struct Shards {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    batches: SyncSender<Batch>,
    losses: Receiver<BatchLoss>,
    /// The sum of its backward passes, `[numbers]` float32 in the order of the flat parameters.
    gradients: Tensor,
}

impl Shards {
    /// Starts one thread for each part of a batch except the first. Each has a copy of `model` that shares the weights
    /// of `flat`.
    pub fn new(recipe: &Recipe, model: &Model, flat: &FlatParameters) -> Result<Self> {
        let device = model.device();
        let count = shares(recipe, device);
        if device == Device::Cpu && recipe.training.threads > 0 {
            tch::set_num_threads((recipe.training.threads / count) as i32);
        }
        let workers = (1..count).map(|_| Worker::start(recipe, model, flat));
        Ok(Self {
            workers: workers.collect::<Result<_>>()?,
        })
    }

    pub fn is_alone(&self) -> bool {
        self.workers.is_empty()
    }

    /// Adds the gradient of a batch's loss to the gradients of `flat`, which must be zero. Returns the loss. `own`
    /// computes it for the first part, the workers for the others.
    pub fn gradient(
        &self,
        batch: &Batch,
        flat: &mut FlatParameters,
        own: impl FnOnce(&Batch) -> BatchLoss,
    ) -> Result<BatchLoss> {
        let mut parts = batch.split(self.workers.len() + 1);
        let mine = parts.remove(0);
        for (worker, part) in self.workers.iter().zip(parts) {
            worker.batches.send(part).map_err(|_| died())?;
        }
        let mut loss = own(&mine);
        loss.total.backward();
        loss.total = loss.total.detach();
        let _no_grad = tch::no_grad_guard();
        for worker in &self.workers {
            let theirs = worker.losses.recv().map_err(|_| died())?;
            flat.gradients += &worker.gradients;
            loss.total += theirs.total;
            loss.parts += theirs.parts;
        }
        Ok(loss)
    }
}

fn died() -> anyhow::Error {
    anyhow!("a thread of the training has ended; its message is above")
}

impl Worker {
    fn start(recipe: &Recipe, original: &Model, flat: &FlatParameters) -> Result<Self> {
        let model = recipe.build(Device::Cpu);
        let mut own = flat.sharing(&model)?;
        // Constants may come from another run whose weights this run started from.
        for (name, constant) in original.variables() {
            if !constant.requires_grad() {
                model.variables()[&name].shallow_clone().set_data(&constant);
            }
        }
        let (batches, given) = sync_channel::<Batch>(1);
        let (answers, losses) = sync_channel(1);
        let gradients = own.gradients.shallow_clone();
        let (loss, kind) = (Loss::new(&model, &recipe.loss), recipe.training.precision.kind());
        let (size, threads) = (recipe.training.batch_size, tch::get_num_threads());
        let work = move || {
            tch::set_num_threads(threads);
            for batch in given {
                own.zero_gradients();
                let mut found = loss.forward(&model, &batch, kind).share(&batch, size);
                found.total.backward();
                found.total = found.total.detach();
                if answers.send(found).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new()
            .name("gradient".into())
            .spawn(work)
            .context("cannot start a thread of the training")?;
        Ok(Self {
            batches,
            losses,
            gradients,
        })
    }
}

impl BatchLoss {
    /// Scales the loss of a part to its contribution to the mean over `size` examples.
    pub fn share(self, batch: &Batch, size: usize) -> Self {
        let count = batch.source.size()[0];
        if count as usize == size {
            return self;
        }
        let share = count as f64 / size as f64;
        Self {
            total: self.total * share,
            parts: self.parts * share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Split;
    use crate::training::{Run, Trainer};

    /// Losses and gradients of a batch, computed by several threads.
    fn gradient(threads: usize, more: &str) -> [Tensor; 2] {
        let text = format!(
            "problem = \"eigenvalues\"\ndim = 3\n{more}\nmodel.width = 16\ntraining.batch_size = 40\n\
             training.precision = \"fp32\"\ntraining.threads = {threads}"
        );
        let recipe = Recipe::parse(&text, &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("run"), &recipe).unwrap();
        let source = recipe.source(Split::Train).unwrap();
        let mut trainer = Trainer::new(recipe, run, Device::Cpu, false).unwrap();
        trainer.first_gradient(source).unwrap()
    }

    #[test]
    fn threads_together_have_the_gradient_of_the_whole_batch() {
        for more in ["", "model.architecture = \"pair\"", "model.architecture = \"paper\""] {
            let [alone, together] = [1, 2].map(|threads| gradient(threads, more));
            for (a, b) in alone.iter().zip(&together) {
                let difference = (a - b).abs().max().double_value(&[]);
                assert!(
                    difference <= 1e-5 * a.abs().max().double_value(&[]),
                    "{more}: {difference}"
                );
            }
        }
    }

    #[test]
    fn threads_follow_the_batch_and_the_machine() {
        let resolved = |batch: usize| {
            let text = format!("problem = \"add\"\ndim = 2\ntraining.batch_size = {batch}");
            let mut recipe = Recipe::parse(&text, &[]).unwrap();
            assert_eq!(recipe.training.threads, 0, "the default");
            recipe.resolve_threads(None);
            recipe.training.threads
        };
        let available = thread::available_parallelism().map_or(1, NonZero::get);
        assert_eq!(resolved(8), 1);
        assert_eq!(resolved(1 << 20), available);
        assert!(resolved(64) <= 4);
    }
}
