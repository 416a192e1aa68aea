//! The optimizers AdamW and Muon, which update flat parameters.

use super::parameters::{FlatParameters, MatrixGroup};
use crate::libtorch::{Adam, AdamState};
use crate::recipe::{OptimizerKind, Training};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::thread;
use tch::{Device, Kind, Tensor};

/// Decay factor of Muon's momentum per step.
const MOMENTUM: f64 = 0.95;

/// Updates the flat values from their gradients. `adamw` uses AdamW for all parameters (Loshchilov & Hutter 2019).
/// `muon` orthogonalizes the momentum of hidden matrices (Jordan et al. 2024) and uses AdamW for all other parameters.
#[derive(Debug)]
pub struct Optimizer {
    muon: Option<Muon>,
    /// The index in the flat parameters where AdamW's part starts.
    start: i64,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    /// The number of steps as the fused kernel expects it: float32, on the device.
    steps: Tensor,
    /// Factor of the schedule, a 0-d float64 tensor on the device. As a tensor, it may change between replays of a
    /// recorded step.
    factor: Tensor,
    settings: Training,
}

#[derive(Debug)]
struct Muon {
    momentum: Tensor,
}

impl Optimizer {
    pub fn new(flat: &FlatParameters, settings: &Training) -> Self {
        let start = match settings.optimizer {
            OptimizerKind::Adamw => 0,
            OptimizerKind::Muon => flat.matrix_numbers(),
        };
        let zeros = |count: i64| Tensor::zeros([count], (Kind::Float, flat.values.device()));
        Self {
            muon: (start > 0).then(|| Muon { momentum: zeros(start) }),
            start,
            exp_avg: zeros(flat.numbers() - start),
            exp_avg_sq: zeros(flat.numbers() - start),
            steps: zeros(1).squeeze(),
            factor: Tensor::ones([], (Kind::Double, flat.values.device())),
            settings: settings.clone(),
        }
    }

    /// Sets the factor of the schedule for the learning rates of all following steps, without waiting for the device.
    pub fn set_factor(&mut self, factor: f64) {
        let _ = self.factor.fill_(factor);
    }

    /// Performs one step. It depends on the step number only through tensors.
    pub fn step(&mut self, flat: &mut FlatParameters) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let settings = &self.settings;
        if let Some(muon) = &mut self.muon {
            muon.step(flat, settings, &(&self.factor * settings.muon_learning_rate));
        }
        let rate = &self.factor * settings.learning_rate;
        let decayed = flat.matrix_numbers() - self.start;
        if decayed > 0 && settings.weight_decay > 0.0 {
            // Weight decay applies to hidden matrices only, not to tables, norms and heads.
            let _ = flat
                .values
                .narrow(0, self.start, decayed)
                .g_mul_(&kept(&rate, settings.weight_decay));
        }
        let count = flat.numbers() - self.start;
        let adam = Adam {
            beta1: settings.beta1,
            beta2: settings.beta2,
            weight_decay: 0.0,
            epsilon: settings.epsilon,
        };
        let part = |flat: &Tensor| [flat.narrow(0, self.start, count)];
        let state = AdamState {
            averages: &[self.exp_avg.shallow_clone()],
            squares: &[self.exp_avg_sq.shallow_clone()],
            steps: &[self.steps.shallow_clone()],
        };
        Ok(adam.step(&part(&flat.values), &part(&flat.gradients), state, &rate)?)
    }

    /// The tensors that a resumed run needs, by name.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::from([
            ("optimizer.exp_avg".to_string(), self.exp_avg.shallow_clone()),
            ("optimizer.exp_avg_sq".to_string(), self.exp_avg_sq.shallow_clone()),
            ("optimizer.steps".to_string(), self.steps.view([1])),
        ]);
        if let Some(muon) = &self.muon {
            state.insert("optimizer.momentum".to_string(), muon.momentum.shallow_clone());
        }
        state
    }

    /// Restores the tensors of [`Self::state`].
    pub fn load(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        for (name, mut tensor) in self.state() {
            let saved = state.get(&name).with_context(|| format!("{name} is missing"))?;
            anyhow::ensure!(
                saved.size() == tensor.size(),
                "{name} has {:?} numbers, not {:?}",
                saved.size(),
                tensor.size()
            );
            tensor.copy_(saved);
        }
        Ok(())
    }
}

/// Newton–Schulz steps and coefficients of Jordan et al. (2024). They bring singular values close to one.
const ORTHOGONALIZATION_STEPS: usize = 5;
const QUINTIC: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);

/// The factor of weight decay per step, float32.
fn kept(rate: &Tensor, weight_decay: f64) -> Tensor {
    (rate * -weight_decay + 1.0).to_kind(Kind::Float)
}

impl Muon {
    /// `rate` is a 0-d fp64 tensor.
    fn step(&mut self, flat: &mut FlatParameters, settings: &Training, rate: &Tensor) {
        let gradients = flat.gradients.narrow(0, 0, self.momentum.numel() as i64);
        let _ = self.momentum.lerp_(&gradients, 1.0 - MOMENTUM);
        // Nesterov momentum: the update looks ahead along the new momentum.
        let update = gradients.lerp(&self.momentum, MOMENTUM);
        if settings.weight_decay > 0.0 {
            let mut values = flat.values.narrow(0, 0, update.numel() as i64);
            let _ = values.g_mul_(&kept(rate, settings.weight_decay));
        }
        // The threads that share a batch also share the matrices. Each one may use several threads for its operations.
        let own = tch::get_num_threads();
        let threads = match flat.values.device() {
            Device::Cpu => (settings.threads as i64 / i64::from(own)).max(1),
            _ => 1,
        };
        let share = |thread: i64| -> Vec<Matrices> {
            let groups = flat.matrices.iter();
            groups
                .filter_map(|group| Matrices::share(group, &flat.values, &update, rate, thread, threads))
                .collect()
        };
        let kind = settings.precision.kind();
        let work = |matrices: Vec<Matrices>| matrices.into_iter().for_each(|matrices| matrices.step(kind));
        thread::scope(|scope| {
            for matrices in (1..threads).map(share).filter(|matrices| !matrices.is_empty()) {
                scope.spawn(move || {
                    let _no_grad = tch::no_grad_guard();
                    tch::set_num_threads(own);
                    work(matrices);
                });
            }
            work(share(0));
        });
    }
}

/// The matrices that one thread orthogonalizes.
struct Matrices {
    group: MatrixGroup,
    values: Tensor,
    update: Tensor,
    /// Multiplies the direction, 0-d.
    factor: Tensor,
}

impl Matrices {
    /// The matrices of one thread among several; `None` if there are none for this thread.
    fn share(
        group: &MatrixGroup,
        values: &Tensor,
        update: &Tensor,
        rate: &Tensor,
        thread: i64,
        threads: i64,
    ) -> Option<Self> {
        let (start, end) = (thread * group.count / threads, (thread + 1) * group.count / threads);
        let scale = (group.rows as f64 / group.cols as f64).max(1.0).sqrt();
        (start < end).then(|| Self {
            group: *group,
            values: group.view(values).narrow(0, start, end - start),
            update: group.view(update).narrow(0, start, end - start),
            factor: (rate * -scale).to_kind(Kind::Float),
        })
    }

    fn step(mut self, kind: Kind) {
        let direction = orthogonalize(&self.update, &self.group, kind);
        let _ = self.values.g_add_(&(direction * self.factor));
    }
}

/// The nearest semi-orthogonal matrices, approximately: `[count, rows, cols]` to the same shape, with products in the
/// given precision. The authors use bf16, which suffices; some processors are faster with float32.
fn orthogonalize(matrices: &Tensor, group: &MatrixGroup, kind: Kind) -> Tensor {
    let tall = group.rows > group.cols;
    let mut x = matrices.to_kind(kind);
    if tall {
        x = x.transpose(1, 2).contiguous();
    }
    let norm = x
        .to_kind(Kind::Float)
        .square()
        .sum_dim_intlist([1i64, 2].as_slice(), true, Kind::Float)
        .sqrt()
        + 1e-7;
    x = &x / norm.to_kind(kind);
    let (a, b, c) = QUINTIC;
    for _ in 0..ORTHOGONALIZATION_STEPS {
        let gram = x.matmul(&x.transpose(1, 2));
        let polynomial = gram.baddbmm(&gram, &gram, b, c);
        x = x.baddbmm(&polynomial, &x, a, 1.0);
    }
    if tall {
        x = x.transpose(1, 2);
    }
    x.to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::seeded;

    #[test]
    fn orthogonalization_brings_singular_values_near_one() {
        for (rows, cols) in [(48, 48), (96, 24), (24, 96)] {
            let group = MatrixGroup {
                offset: 0,
                count: 3,
                rows,
                cols,
            };
            let random = seeded(1, || Tensor::randn([3, rows, cols], (Kind::Float, tch::Device::Cpu)));
            for kind in [Kind::Float, Kind::BFloat16] {
                let (_, singular, _) = orthogonalize(&random, &group, kind).svd(true, true);
                let (low, high) = (singular.min().double_value(&[]), singular.max().double_value(&[]));
                assert!(
                    low > 0.3 && high < 1.4,
                    "{rows}x{cols} {kind:?}: singular values from {low} to {high}"
                );
            }
        }
    }
}
