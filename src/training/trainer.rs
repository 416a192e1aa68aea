//! The training loop.

use super::average::Average;
use super::capture::{self, Steps};
use super::divergence::{Divergence, advice};
use super::loss::{BatchLoss, Loss};
use super::observer::{Ending, Estimate, LogLine, Observer};
use super::optimizer::Optimizer;
use super::origin::Origin;
use super::parameters::FlatParameters;
use super::run::{Progress, Run, Window};
use super::shards::Shards;
use super::weights;
use crate::batch::{Batch, Prefetch};
use crate::dataset::Source;
use crate::evaluation::{Search, evaluate};
use crate::inference::Solver;
use crate::model::Model;
use crate::recipe::Recipe;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

/// When a run without a line of the log first tells how long it takes, and how often after that.
const FIRST_ESTIMATE: Duration = Duration::from_secs(2);
const ESTIMATES: Duration = Duration::from_secs(30);

/// A run in the making.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    run: Run,
    model: Model,
    /// Answers with the weights of the model, whatever they are; compiled for the first evaluation.
    solver: Option<Solver>,
    flat: FlatParameters,
    optimizer: Optimizer,
    average: Option<Average>,
    loss: Loss,
    shards: Shards,
    progress: Progress,
    /// Sums since the last line of the log, where the save that the run goes on from was made between two.
    window: Option<Tensor>,
    captures: bool,
}

/// Share of the learning rate that is left each time that a run goes back.
const RETRY: f64 = 0.5;
/// The sums of the log in a save.
const WINDOW: &str = "log.sums";

/// Ends an evaluation that is asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("the training was stopped while it was evaluated")]
struct Stopped;

impl Trainer {
    /// A new run, or with `resume` the continuation of one.
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
            progress: Progress::default(),
            window: None,
        };
        if resume && trainer.run.resume().exists() {
            trainer.load()?;
        }
        Ok(trainer)
    }

    /// Goes on from the last save.
    fn load(&mut self) -> Result<()> {
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

    /// Whether steps are captured in CUDA graphs: by default, where they can be.
    pub fn captures(&self) -> bool {
        self.captures
    }

    /// Runs all steps as they are written, kernel by kernel.
    pub fn run_eagerly(&mut self) {
        self.captures = false;
    }

    /// On a CPU: does as if steps were captured, all but the graph.
    #[cfg(test)]
    pub(super) fn capture_anyway(&mut self) {
        self.captures = true;
    }

    /// Begins with the weights of another run, before the first step.
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

    /// Trains to the recipe's last step, or until the observer asks to stop.
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

    /// Trains on from where the run stands.
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
            training.batch_size,
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
        // What may go back needs a save to go back to.
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
            if observer.stops() {
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
            // Saves end a window of the log, so that it reads the same after an interruption.
            if done.is_multiple_of(training.log_every) || saves_at(done) {
                self.progress.elapsed += meter.pause();
                let line = self.log_line(&mut meter, training.learning_rate * factor)?;
                observer.logged(&line)?;
                meter.go_on();
                next_estimate = Instant::now() + ESTIMATES;
            }
        }
    }

    /// What runs the steps of this trainer.
    pub(super) fn steps(&self) -> Result<Steps> {
        Steps::new(self.model.device(), self.captures)
    }

    /// Sums of loss, its parts and gradient norm, and how many steps were done before one of them was not finite; `[parts + 3]`
    /// fp32, at zero.
    pub(super) fn sums(&self) -> Tensor {
        Tensor::zeros(
            [self.loss.names().count() as i64 + 3],
            (Kind::Float, self.model.device()),
        )
    }

    /// A whole step, whose losses and norm are added to `sums`. Nothing in it waits for the device, and nothing but the numbers of
    /// tensors differs from step to step.
    pub(super) fn step(&mut self, batch: &Batch, sums: &mut Tensor) -> Result<()> {
        let loss = self.gradient(batch)?;
        let norm = self.update()?;
        let _no_grad = tch::no_grad_guard();
        let losses = Tensor::cat(&[&loss.total.detach().view([1]), &loss.parts, &norm.view([1])], 0);
        let count = losses.numel() as i64;
        // What is not finite stays so in the sums.
        let mut sums_of = sums.narrow(0, 0, count);
        sums_of += losses;
        let mut sound = sums.narrow(0, count, 1);
        sound += sums_of.sum(Kind::Float).isfinite();
        Ok(())
    }

    /// The loss of a batch; its gradient is then in the flat parameters.
    fn gradient(&mut self, batch: &Batch) -> Result<BatchLoss> {
        if self.shards.is_alone() {
            let loss = self.forward(batch);
            loss.total.backward();
            return Ok(loss);
        }
        self.flat.zero_gradients();
        let (kind, size) = (self.recipe.training.precision.kind(), batch.source.size()[0] as usize);
        let (model, loss) = (&self.model, &self.loss);
        self.shards.gradient(batch, &mut self.flat, |own| {
            loss.forward(model, own, kind).share(own, size)
        })
    }

    /// Computes a gradient and forgets it: fails where the run cannot start.
    pub fn rehearse(&mut self, examples: Arc<dyn Source>) -> Result<()> {
        self.first_gradient(examples).map(drop)
    }

    /// Losses and gradient of the first batch of a source.
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

    /// The loss of a batch, with gradients at zero.
    pub(super) fn forward(&mut self, batch: &Batch) -> BatchLoss {
        self.flat.zero_gradients();
        self.loss
            .forward(&self.model, batch, self.recipe.training.precision.kind())
    }

    /// Clips the gradient and updates the weights; the norm of the gradient before.
    pub(super) fn update(&mut self) -> Result<Tensor> {
        let norm = self.flat.clip_gradients(self.recipe.training.clip);
        self.optimizer.step(&mut self.flat)?;
        if let Some(average) = &mut self.average {
            average.add(&self.flat);
        }
        Ok(norm)
    }

    /// Saves what [`Self::load`] goes on from, if all of it is finite.
    fn save(&mut self, meter: &Meter) -> Result<()> {
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
        self.run.save_resume(&self.recipe, state, &self.progress)
    }

    /// The share of the learning rates that is left after going back.
    fn rate_left(&self) -> f64 {
        RETRY.powi(self.progress.retries as i32)
    }

    /// Evaluates, and keeps the weights if they are the best: their mean, where there is one.
    fn evaluate(&mut self, training: &dyn Source, validation: &dyn Source, observer: &mut dyn Observer) -> Result<()> {
        self.exchange_average();
        let result = self.evaluate_weights(training, validation, observer);
        self.exchange_average();
        result
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
        // So many examples of each problem.
        let count = settings.count * self.model.formats().len();
        let search = Search::default();
        let go_on = |_| if observer.stops() { Err(Stopped.into()) } else { Ok(()) };
        let measure = |source, count| evaluate(&solver, source, count, &settings.tolerances, &search, go_on);
        let evaluation = measure(validation, count)?;
        let repeated = training.repeats().map(|repeated| count.min(repeated as usize));
        let training_set = repeated.map(|count| measure(training, count)).transpose()?;
        // The mean over tolerances tells models apart that the widest calls equal; of equals the earlier one is kept.
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

/// Sums on the device, read only when a line is logged, and a clock that stands still while saving and evaluating.
struct Meter {
    /// See [`Trainer::sums`].
    sums: Tensor,
    window: Window,
    since: Instant,
}

struct Means {
    loss: f64,
    parts: Vec<f64>,
    gradient_norm: f64,
    /// Steps before the first whose loss or gradient is not finite.
    sound: u64,
    steps: u64,
    seconds: f64,
    waiting: f64,
}

impl Meter {
    /// At zero, or where a run was stopped between two lines of the log, at the `saved` sums.
    fn new(mut sums: Tensor, saved: Option<Tensor>, window: Window) -> Result<Self> {
        if let Some(saved) = saved {
            ensure!(
                saved.size() == sums.size(),
                "{WINDOW} has another shape than this run writes"
            );
            sums.copy_(&saved);
        }
        Ok(Self {
            sums,
            window,
            since: Instant::now(),
        })
    }

    /// Stops the clock; the seconds since it last went.
    fn pause(&mut self) -> f64 {
        let seconds = self.since.elapsed().as_secs_f64();
        self.window.seconds += seconds;
        seconds
    }

    fn go_on(&mut self) {
        self.since = Instant::now();
    }

    /// Steps per second so far.
    fn rate(&self) -> Result<f64> {
        // Waits for a device that has not done them yet.
        let _: Vec<f32> = Vec::try_from(&self.sums)?;
        let seconds = self.window.seconds + self.since.elapsed().as_secs_f64();
        Ok(self.window.steps as f64 / seconds.max(1e-9))
    }

    fn take(&mut self) -> Result<Means> {
        let Window { steps, seconds, waited } = std::mem::take(&mut self.window);
        let count = steps.max(1) as f64;
        let sums: Vec<f32> = Vec::try_from(&self.sums)?;
        let means: Vec<f64> = sums.iter().map(|&sum| f64::from(sum) / count).collect();
        let _ = self.sums.zero_();
        let [loss, parts @ .., gradient_norm, _] = means.as_slice() else {
            bail!("the log has no sums")
        };
        Ok(Means {
            loss: *loss,
            parts: parts.to_vec(),
            gradient_norm: *gradient_norm,
            sound: sums[sums.len() - 1] as u64,
            steps,
            seconds,
            waiting: waited / seconds.max(1e-9),
        })
    }
}
