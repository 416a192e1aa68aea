//! Flat storage: all parameters are one tensor, and all gradients another. Clipping, decay and Adam are then single
//! kernels, and matrices of equal shape are contiguous for Muon.

use crate::libtorch;
use crate::model::Model;
use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

/// Flat storage of a model's trainable parameters.
#[derive(Debug)]
pub struct FlatParameters {
    /// All parameters, `[numbers]` float32.
    pub values: Tensor,
    /// Their gradients, `[numbers]` float32. Backward passes add to them.
    pub gradients: Tensor,
    /// The groups of hidden matrices, which are at the start of the flat tensor.
    pub matrices: Vec<MatrixGroup>,
}

/// Hidden matrices of equal shape, contiguous in the flat tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixGroup {
    pub offset: i64,
    pub count: i64,
    pub rows: i64,
    pub cols: i64,
}

impl MatrixGroup {
    pub fn numbers(&self) -> i64 {
        self.count * self.rows * self.cols
    }

    /// The group as a view `[count, rows, cols]` of a flat tensor.
    pub fn view(&self, flat: &Tensor) -> Tensor {
        flat.narrow(0, self.offset, self.numbers())
            .view([self.count, self.rows, self.cols])
    }
}

struct Parameter {
    name: String,
    tensor: Tensor,
    /// The number of matrices that are fused in the parameter: 3 for `qkv` and `gru`, 2 for `kv`, `gate_up` and
    /// `factors`, 4 for `lstm`. 0 if it is not a hidden matrix.
    parts: i64,
}

impl Parameter {
    fn new(name: String, tensor: Tensor) -> Self {
        let hidden = (name.starts_with("encoder.layers") || name.starts_with("decoder.layers")) && tensor.dim() == 2;
        let parts = match () {
            () if !hidden => 0,
            () if name.ends_with("qkv.weight") => 3,
            () if ["kv.weight", "gate_up.weight", "factors.weight"]
                .iter()
                .any(|end| name.ends_with(end)) =>
            {
                2
            }
            () if name.contains(".lstm.") => 4,
            () if name.contains(".gru.") => 3,
            () => 1,
        };
        Self { name, tensor, parts }
    }

    /// The sort key: hidden matrices first, by shape; then other tables; then vectors. Names break ties.
    fn place(&self) -> (bool, i64, i64, &str) {
        let size = self.tensor.size();
        match self.parts {
            0 => (true, -(size.len() as i64), 0, &self.name),
            parts => (false, size[0] / parts, size[1], &self.name),
        }
    }
}

impl FlatParameters {
    /// Moves the model's trainable parameters into a flat tensor. The model's own tensors become views of it.
    pub fn new(model: &Model) -> Result<Self> {
        Self::on(model, None)
    }

    /// Lets a model of the same recipe share these values, with gradients of its own.
    pub fn sharing(&self, model: &Model) -> Result<Self> {
        Self::on(model, Some(&self.values))
    }

    fn on(model: &Model, shared: Option<&Tensor>) -> Result<Self> {
        let variables = model
            .variables()
            .into_iter()
            .filter(|(_, tensor)| tensor.requires_grad());
        let mut parameters: Vec<_> = variables.map(|(name, tensor)| Parameter::new(name, tensor)).collect();
        parameters.sort_by(|a, b| a.place().cmp(&b.place()));
        let total = parameters.iter().map(|p| p.tensor.numel() as i64).sum::<i64>();
        ensure!(total > 0, "the model has no trainable parameters");

        let _no_grad = tch::no_grad_guard();
        let values = match shared {
            Some(values) => values.shallow_clone(),
            None => Tensor::zeros([total], (Kind::Float, model.device())),
        };
        let gradients = values.zeros_like();
        let mut matrices: Vec<MatrixGroup> = Vec::new();
        let mut offset = 0;
        for Parameter { tensor, parts, .. } in &mut parameters {
            let (numbers, size) = (tensor.numel() as i64, tensor.size());
            let part = |flat: &Tensor| flat.narrow(0, offset, numbers).view(size.as_slice());
            let mut value = part(&values);
            if shared.is_none() {
                value.copy_(tensor);
            }
            tensor.set_data(&value);
            libtorch::set_gradient(tensor, &part(&gradients))?;
            if *parts > 0 {
                let (rows, cols) = (size[0] / *parts, size[1]);
                match matrices.last_mut() {
                    Some(group) if (group.rows, group.cols) == (rows, cols) => group.count += *parts,
                    _ => matrices.push(MatrixGroup {
                        offset,
                        count: *parts,
                        rows,
                        cols,
                    }),
                }
            }
            offset += numbers;
        }
        Ok(Self {
            values,
            gradients,
            matrices,
        })
    }

    pub fn numbers(&self) -> i64 {
        self.values.numel() as i64
    }

    /// The number of values in hidden matrices, which are at the start of the flat tensor.
    pub fn matrix_numbers(&self) -> i64 {
        self.matrices.iter().map(MatrixGroup::numbers).sum()
    }

    pub fn zero_gradients(&mut self) {
        let _ = self.gradients.zero_();
    }

    /// Scales the gradient down to `max_norm` if its norm is larger. Returns the previous norm, a 0-d tensor on the
    /// device, without waiting for it. 0 disables clipping.
    pub fn clip_gradients(&mut self, max_norm: f64) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let norm = self.gradients.norm();
        if max_norm > 0.0 {
            let factor = (max_norm / (&norm + 1e-6)).clamp_max(1.0);
            let _ = self.gradients.g_mul_(&factor);
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    fn model() -> Model {
        let recipe = Recipe::parse("problem = \"eigenvalues\"\ndim = 2\n[model]\nwidth = 16", &[]).unwrap();
        recipe.build(tch::Device::Cpu)
    }

    #[test]
    fn the_model_keeps_its_values_and_reads_them_from_the_flat_tensor() {
        let model = model();
        let before: Vec<_> = model.variables().into_values().map(|tensor| tensor.copy()).collect();
        let mut flat = FlatParameters::new(&model).unwrap();
        assert!(
            model
                .variables()
                .into_values()
                .zip(&before)
                .all(|(now, then)| now == *then)
        );
        let _zeros = tch::no_grad(|| flat.values.zero_());
        let trained = model.variables().into_values().filter(Tensor::requires_grad);
        assert!(
            trained
                .into_iter()
                .all(|tensor| tensor.abs().max().double_value(&[]) == 0.0)
        );
    }

    #[test]
    fn fused_projections_are_stored_as_separate_matrices() {
        let flat = FlatParameters::new(&model()).unwrap();
        // Two encoder layers and one decoder layer of width 16: qkv (3 each), kv (2), query (1) and out (4) are 16x16.
        let square = flat
            .matrices
            .iter()
            .find(|group| (group.rows, group.cols) == (16, 16))
            .unwrap();
        assert_eq!(square.count, 3 * 3 + 2 + 1 + 4);
    }

    #[test]
    fn gates_of_recurrent_units_are_stored_as_separate_matrices() {
        for (cell, gates) in [("lstm", 4), ("gru", 3)] {
            let text = format!(
                "problem = \"eigenvalues\"\ndim = 2\n[model]\narchitecture = \"{cell}\"\nwidth = 16\nencoder_layers = 1"
            );
            let model = Recipe::parse(&text, &[]).unwrap().build(tch::Device::Cpu);
            let flat = FlatParameters::new(&model).unwrap();
            let count = |rows, cols| {
                let group = |group: &&MatrixGroup| (group.rows, group.cols) == (rows, cols);
                flat.matrices.iter().find(group).map(|group| group.count)
            };
            // Two directions of 8 units read 16 inputs. The decoder has 16 of both, and start, query, kv (2) and out.
            assert_eq!(count(8, 16), Some(2 * gates));
            assert_eq!(count(8, 8), Some(2 * gates));
            assert_eq!(count(16, 16), Some(2 * gates + 1 + 1 + 2 + 1));
        }
    }

    #[test]
    fn clipping_scales_only_gradients_beyond_the_norm() {
        let mut flat = FlatParameters::new(&model()).unwrap();
        flat.gradients.narrow(0, 0, 2).copy_(&Tensor::from_slice(&[3f32, 4.0]));
        let mut clip = |max_norm| {
            let norm = flat.clip_gradients(max_norm).double_value(&[]);
            (norm, flat.gradients.double_value(&[0]))
        };
        assert_eq!(clip(10.0), (5.0, 3.0));
        assert_eq!(clip(0.0), (5.0, 3.0));
        let (norm, first) = clip(1.0);
        assert!(norm == 5.0 && (first - 0.6).abs() < 1e-6);
    }
}
