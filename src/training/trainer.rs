//! The training loop.

use super::average::Average;
use super::capture::{self, Steps};
use super::divergence::{Divergence, advice};
use super::loss::{BatchLoss, Loss};
use super::meter::{Meter, WINDOW};
use super::observer::{Ending, Estimate, LogLine, Observer};
use super::optimizer::Optimizer;
use super::origin::Origin;
use super::parameters::FlatParameters;
use super::ranks::Ranks;
use super::run::{Progress, Run};
use super::shards::Shards;
use super::weights;
use crate::batch::{Batch, Prefetch};
use crate::dataset::{Share, Source};
use crate::evaluation::{Search, evaluate};
use crate::inference::Solver;
use crate::model::Model;
use crate::recipe::Recipe;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

/// Time to the first estimate of a run's duration if no log line came before, and time between later estimates.
const FIRST_ESTIMATE: Duration = Duration::from_secs(2);
const ESTIMATES: Duration = Duration::from_secs(30);

/// A run in training.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    run: Run,
    model: Model,
    /// Answers with the model's current weights. It is compiled for the first evaluation.
    solver: Option<Solver>,
    flat: FlatParameters,
    optimizer: Optimizer,
    average: Option<Average>,
    loss: Loss,
    shards: Shards,
    /// The processes that train this model together, if there are several.
    ranks: Option<Ranks>,
    progress: Progress,
    /// The sums since the last log line, if the run was resumed from a save between two lines.
    window: Option<Tensor>,
    captures: bool,
}

/// Factor of the learning rate for each return to a save.
const RETRY: f64 = 0.5;

/// The error that ends an evaluation on request.
#[derive(Debug, thiserror::Error)]
#[error("the training was stopped while it was evaluated")]
struct Stopped;

impl Trainer {
    /// Creates a run, or continues one if `resume` is true.
    pub fn new(recipe: Recipe, run: Run, device: Device, resume: bool) -> Result<Self> {
        let model = recipe.build(device);
        let flat = FlatParameters::new(&model)?;
        let optimizer = Optimizer::new(&flat, &recipe.training);
        let share = recipe.training.average;
        let average = (share > 0.0).then(|| Average::new(&flat, share));
        let loss = Loss::new(&model, &recipe.loss);
        let shards = Shards::new(&recipe, &model, &flat)?;
        let mut trainer = Self {
            captures: capture::why_eager(recipe.model.architecture, device).is_none(),
            recipe,
            run,
            model,
            solver: None,
            flat,
            optimizer,
            average,
            loss,
            shards,
            ranks: None,
            progress: Progress::default(),
            window: None,
        };
        if resume && trainer.run.resume().exists() {
            trainer.load()?;
        }
        Ok(trainer)
    }

    /// Trains together with other processes from now on. Each computes its share of every batch. Process 0 evaluates
    /// and saves, and all take its state.
    pub fn join(&mut self, ranks: Ranks) -> Result<()> {
        self.captures = false;
        self.ranks = Some(ranks);
        self.take_state()
    }

    /// Takes the weights, optimizer state and progress of process 0.
    fn take_state(&mut self) -> Result<()> {
        let Some(ranks) = &self.ranks else { return Ok(()) };
        let _no_grad = tch::no_grad_guard();
        self.progress = serde_json::from_str(&ranks.text(&serde_json::to_string(&self.progress)?)?)?;
        let mut tensors = vec![self.flat.values.shallow_clone()];
        tensors.extend(self.optimizer.state().into_values());
        tensors.extend(self.average.as_ref().map(|average| average.state().1));
        ranks.broadcast(&mut tensors)?;
        if self.progress.window.steps > 0 {
            let mut sums = self.window.take().unwrap_or_else(|| self.sums());
            ranks.broadcast([&mut sums])?;
            self.window = Some(sums);
        }
        Ok(())
    }

    /// Whether this process evaluates and writes the files of the run.
    fn is_first(&self) -> bool {
        self.ranks.as_ref().is_none_or(|ranks| ranks.rank().is_first())
    }

    /// Whether any process has been asked to stop.
    fn stops(&self, observer: &dyn Observer) -> Result<bool> {
        match &self.ranks {
            Some(ranks) => ranks.any(observer.stops()),
            None => Ok(observer.stops()),
        }
    }

    /// Continues from the last save, which process 0 reads for all.
    fn load(&mut self) -> Result<()> {
        if self.is_first() {
            self.load_save()?;
        }
        self.take_state()
    }

    fn load_save(&mut self) -> Result<()> {
        let (state, progress) = self.run.load_resume(&self.model)?;
        let damaged = || format!("{} is damaged", self.run.resume().display());
        self.optimizer.load(&state).with_context(damaged)?;
        if let Some(average) = &mut self.average {
            average.load(&state).with_context(damaged)?;
        }
        self.window = state.get(WINDOW).map(Tensor::shallow_clone);
        self.progress = progress;
        Ok(())
    }

    /// Whether steps are captured in CUDA graphs, which is the default if possible.
    pub fn captures(&self) -> bool {
        self.captures
    }

    /// Runs all steps eagerly, kernel by kernel.
    pub fn run_eagerly(&mut self) {
        self.captures = false;
    }

    /// Captures steps on a CPU, with everything but the graph.
    #[cfg(test)]
    pub(super) fn capture_anyway(&mut self) {
        self.captures = true;
    }

    /// Takes the weights of another run before the first step.
    pub fn begin_with(&mut self, origin: &Origin) -> Result<()> {
        ensure!(self.progress.step == 0, "the run has begun already");
        origin.copy_into(&self.model, &self.recipe)
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Names of the parts of the loss.
    pub fn part_names(&self) -> Vec<String> {
        self.loss.names().map(str::to_string).collect()
    }

    /// Trains to the recipe's last step, or until the observer stops it.
    pub fn train(
        &mut self,
        examples: Arc<dyn Source>,
        validation: &dyn Source,
        observer: &mut dyn Observer,
    ) -> Result<Ending> {
        ensure!(
            self.progress.step <= self.recipe.training.steps,
            "the run has done {} steps already, more than training.steps = {}",
            self.progress.step,
            self.recipe.training.steps
        );
        loop {
            let ended = self.go_on(&examples, validation, observer);
            match &ended {
                Err(error) if error.is::<Stopped>() => return Ok(Ending::Stopped(self.progress.step)),
                Err(error) => {
                    let Some(divergence) = error.downcast_ref() else {
                        return ended;
                    };
                    ensure!(
                        self.progress.retries < self.recipe.training.retries,
                        "{divergence}: {}",
                        advice(&self.recipe.training, self.rate_left())
                    );
                    observer.diverged(divergence)?;
                    let retries = self.progress.retries + 1;
                    self.load()?;
                    self.progress.retries = retries;
                }
                Ok(_) => return ended,
            }
        }
    }

    /// Trains on from the current step.
    fn go_on(
        &mut self,
        examples: &Arc<dyn Source>,
        validation: &dyn Source,
        observer: &mut dyn Observer,
    ) -> Result<Ending> {
        let training = self.recipe.training.clone();
        observer.started(self.progress.step)?;
        let format = self.model.format().clone();
        let mut batches = Prefetch::new(
            examples.clone(),
            &format,
            self.share(),
            self.progress.step,
            training.data_threads,
            self.model.device(),
        );
        let mut steps = self.steps()?;
        let rate = self.rate_left();
        let mut meter = Meter::new(self.sums(), self.window.take(), self.progress.window)?;
        let mut next_estimate = Instant::now() + FIRST_ESTIMATE;
        let every = |period: u64, step: u64| period > 0 && step > 0 && step.is_multiple_of(period);
        let evaluation_period = self.recipe.evaluation.every;
        let evaluates_at = |step: u64| step == training.steps || every(evaluation_period, step);
        // A run with retries needs a save from the start.
        let saves_at =
            |step: u64| evaluates_at(step) || every(training.save_every, step) || (step == 0 && training.retries > 0);
        loop {
            let step = self.progress.step;
            if saves_at(step) {
                self.progress.elapsed += meter.pause();
                self.save(&meter)?;
                if evaluates_at(step) {
                    self.evaluate(examples.as_ref(), validation, observer)?;
                }
                meter.go_on();
            }
            if step == training.steps {
                return Ok(Ending::Done);
            }
            if self.stops(observer)? {
                self.progress.elapsed += meter.pause();
                self.save(&meter)?;
                return Ok(Ending::Stopped(step));
            }
            let waiting = Instant::now();
            let batch = batches.next_batch()?;
            meter.window.waited += waiting.elapsed().as_secs_f64();

            let factor = rate * training.schedule.factor(step, training.steps, training.warmup);
            self.optimizer.set_factor(factor);
            if let Some(average) = &mut self.average {
                average.set_step(step);
            }
            steps.run(&batch, |batch| self.step(batch, &mut meter.sums))?;
            meter.window.steps += 1;
            self.progress.step += 1;

            let done = self.progress.step;
            if Instant::now() >= next_estimate {
                observer.estimated(self.estimate(&meter)?)?;
                next_estimate = Instant::now() + ESTIMATES;
            }
            // A save ends a window of the log, so that an interrupted run writes the same lines.
            if done.is_multiple_of(training.log_every) || saves_at(done) {
                self.progress.elapsed += meter.pause();
                let line = self.log_line(&mut meter, training.learning_rate * factor)?;
                observer.logged(&line)?;
                meter.go_on();
                next_estimate = Instant::now() + ESTIMATES;
            }
        }
    }

    /// The part of each batch that this process computes.
    fn share(&self) -> Share {
        let batch_size = self.recipe.training.batch_size;
        self.ranks
            .as_ref()
            .map_or(batch_size.into(), |ranks| ranks.share(batch_size))
    }

    /// The runner of this trainer's steps.
    pub(super) fn steps(&self) -> Result<Steps> {
        Steps::new(self.model.device(), self.captures)
    }

    /// Zeros for the sums of the loss, its parts and the gradient norm. The last entry counts the steps before one of
    /// these sums is not finite. `[parts + 3]` float32.
    pub(super) fn sums(&self) -> Tensor {
        Tensor::zeros(
            [self.loss.names().count() as i64 + 3],
            (Kind::Float, self.model.device()),
        )
    }

    /// Performs a whole step and adds its losses and norm to `sums`. It does not wait for the device. Only the contents
    /// of tensors differ between steps.
    pub(super) fn step(&mut self, batch: &Batch, sums: &mut Tensor) -> Result<()> {
        let loss = self.gradient(batch)?;
        let mut losses = tch::no_grad(|| Tensor::cat(&[&loss.total.view([1]), &loss.parts], 0));
        if let Some(ranks) = &self.ranks {
            ranks.sum(&mut self.flat.gradients)?;
            ranks.sum(&mut losses)?;
        }
        let norm = self.update()?;
        let _no_grad = tch::no_grad_guard();
        let losses = Tensor::cat(&[&losses, &norm.view([1])], 0);
        let count = losses.numel() as i64;
        // A sum stays infinite or NaN after any such term.
        let mut sums_of = sums.narrow(0, 0, count);
        sums_of += losses;
        let mut sound = sums.narrow(0, count, 1);
        sound += sums_of.sum(Kind::Float).isfinite();
        Ok(())
    }

    /// Computes the loss of a batch, and its gradient in the flat parameters.
    fn gradient(&mut self, batch: &Batch) -> Result<BatchLoss> {
        let size = match self.ranks {
            Some(_) => self.recipe.training.batch_size,
            None => batch.source.size()[0] as usize,
        };
        if self.shards.is_alone() {
            let loss = self.forward(batch).share(batch, size);
            loss.total.backward();
            return Ok(loss);
        }
        self.flat.zero_gradients();
        let kind = self.recipe.training.precision.kind();
        let (model, loss) = (&self.model, &self.loss);
        self.shards.gradient(batch, &mut self.flat, |own| {
            loss.forward(model, own, kind).share(own, size)
        })
    }

    /// Computes one gradient and discards it. Fails if the run cannot start.
    pub fn rehearse(&mut self, examples: Arc<dyn Source>) -> Result<()> {
        self.first_gradient(examples).map(drop)
    }

    /// Losses and gradient of a source's first batch.
    pub(super) fn first_gradient(&mut self, examples: Arc<dyn Source>) -> Result<[Tensor; 2]> {
        let training = &self.recipe.training;
        let mut batches = Prefetch::new(examples, self.model.format(), training.batch_size, 0, 1, Device::Cpu);
        let batch = batches.next_batch()?.to_device(self.model.device());
        let loss = self.gradient(&batch)?;
        Ok([
            Tensor::cat(&[loss.total.view([1]), loss.parts], 0).detach(),
            self.flat.gradients.copy(),
        ])
    }

    /// The loss of a batch, with gradients set to zero.
    pub(super) fn forward(&mut self, batch: &Batch) -> BatchLoss {
        self.flat.zero_gradients();
        self.loss
            .forward(&self.model, batch, self.recipe.training.precision.kind())
    }

    /// Clips the gradient and updates the weights. Returns the norm before clipping.
    pub(super) fn update(&mut self) -> Result<Tensor> {
        let norm = self.flat.clip_gradients(self.recipe.training.clip);
        self.optimizer.step(&mut self.flat)?;
        if let Some(average) = &mut self.average {
            average.add(&self.flat);
        }
        Ok(norm)
    }

    /// Saves the state for [`Self::load`], if it is finite.
    fn save(&mut self, meter: &Meter) -> Result<()> {
        if let Some(ranks) = &self.ranks {
            ranks.check_equal(&self.flat.values, self.progress.step)?;
        }
        let mut state: BTreeMap<String, Tensor> = self.model.variables();
        state.extend(self.optimizer.state());
        state.extend(self.average.as_ref().map(Average::state));
        if let Some(name) = weights::unsound(&state) {
            return Err(Divergence::new(name, self.progress.step, &self.recipe.training).into());
        }
        self.progress.window = meter.window;
        if meter.window.steps > 0 {
            state.insert(WINDOW.to_string(), meter.sums.shallow_clone());
        }
        if self.is_first() {
            self.run.save_resume(&self.recipe, state, &self.progress)?;
        }
        Ok(())
    }

    /// The factor of the learning rates after all retries.
    fn rate_left(&self) -> f64 {
        RETRY.powi(self.progress.retries as i32)
    }

    /// Evaluates the weights, or their mean if there is one, and saves them if they are the best.
    /// Other processes wait for process 0.
    fn evaluate(&mut self, training: &dyn Source, validation: &dyn Source, observer: &mut dyn Observer) -> Result<()> {
        let mut stopped = false;
        if self.is_first() {
            self.exchange_average();
            let result = self.evaluate_weights(training, validation, observer);
            self.exchange_average();
            match result {
                Err(error) if error.is::<Stopped>() => stopped = true,
                result => result?,
            }
        }
        if let Some(ranks) = &self.ranks {
            ranks.wait_for_first(&format!("evaluated/{}/{}", self.progress.retries, self.progress.step))?;
            stopped = ranks.any(stopped)?;
        }
        if stopped { Err(Stopped.into()) } else { Ok(()) }
    }

    fn exchange_average(&mut self) {
        if let Some(average) = &mut self.average {
            average.exchange(&mut self.flat);
        }
    }

    fn evaluate_weights(
        &mut self,
        training: &dyn Source,
        validation: &dyn Source,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let solver = match self.solver.take() {
            Some(solver) => solver,
            None => self.recipe.solver(&self.model)?,
        };
        let settings = &self.recipe.evaluation;
        // The count applies to each problem.
        let count = settings.count * self.model.formats().len();
        let search = Search::default();
        let go_on = |_| if observer.stops() { Err(Stopped.into()) } else { Ok(()) };
        let measure =
            |source, count: usize| evaluate(&solver, source, 0..count as u64, &settings.tolerances, &search, go_on);
        let evaluation = measure(validation, count)?;
        let repeated = training.repeats().map(|repeated| count.min(repeated as usize));
        let training_set = repeated.map(|count| measure(training, count)).transpose()?;
        // The mean over tolerances distinguishes models that the largest tolerance ranks equal. Among equals, the
        // earlier model is kept.
        let accuracies = evaluation.accuracies();
        let accuracy = accuracies.iter().map(|accuracy| accuracy.share()).sum::<f64>() / accuracies.len() as f64;
        let improved = self.progress.best.is_none_or(|(best, _)| accuracy > best);
        if improved {
            self.progress.best = Some((accuracy, self.progress.step));
            self.run.save_weights(&self.model, &self.recipe)?;
        }
        let solver = self.solver.insert(solver);
        observer.evaluated(&self.progress, &evaluation, training_set.as_ref(), solver, improved)
    }

    fn estimate(&self, meter: &Meter) -> Result<Estimate> {
        let (step, steps) = (self.progress.step, self.recipe.training.steps);
        let rate = meter.rate()?;
        Ok(Estimate {
            step,
            steps,
            examples_per_second: rate * self.recipe.training.batch_size as f64,
            remaining: (steps - step) as f64 / rate,
        })
    }

    fn log_line(&self, meter: &mut Meter, learning_rate: f64) -> Result<LogLine> {
        let (step, steps) = (self.progress.step, self.recipe.training.steps);
        let batch = self.recipe.training.batch_size as u64;
        let means = meter.take()?;
        if means.sound < means.steps {
            let what = if means.loss.is_finite() {
                "the gradient"
            } else {
                "the loss"
            };
            let first = step - means.steps + means.sound + 1;
            return Err(Divergence::new(what, first, &self.recipe.training).into());
        }
        let rate = means.steps as f64 / means.seconds.max(1e-9);
        Ok(LogLine {
            step,
            steps,
            examples: step * batch,
            loss: means.loss,
            parts: self.loss.names().map(str::to_string).zip(means.parts).collect(),
            gradient_norm: means.gradient_norm,
            learning_rate,
            examples_per_second: rate * batch as f64,
            waiting: means.waiting,
            elapsed: self.progress.elapsed,
            remaining: (steps - step) as f64 / rate.max(1e-9),
            precision: self.recipe.training.precision,
        })
    }
}
