//! AdamW as one fused kernel, and gradients in given buffers.

use super::{Error, Result, ffi};
use tch::Tensor;

/// Settings of AdamW (Loshchilov & Hutter, arXiv 1711.05101).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    pub beta1: f64,
    pub beta2: f64,
    /// Decoupled weight decay: each step shrinks the weights by the learning rate times this.
    pub weight_decay: f64,
    pub epsilon: f64,
}

/// The state of AdamW; each list has one tensor per parameter.
#[derive(Clone, Copy, Debug)]
pub struct AdamState<'a> {
    /// Running means of the gradients, shaped as the parameters.
    pub averages: &'a [Tensor],
    /// Running means of the squared gradients, shaped as the parameters.
    pub squares: &'a [Tensor],
    /// Steps done, float32 scalars on the parameter's device.
    pub steps: &'a [Tensor],
}

impl Adam {
    /// Updates all parameters in place by one kernel and increments `state.steps`. The learning rate is a 0-d tensor on the
    /// parameters' device, so that a CUDA graph reads its current value at every replay.
    pub fn step(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: AdamState,
        learning_rate: &Tensor,
    ) -> Result<()> {
        let count = parameters.len();
        for (what, tensors) in [
            ("gradients", gradients),
            ("averages", state.averages),
            ("squares", state.squares),
            ("steps", state.steps),
        ] {
            if tensors.len() != count {
                return Err(Error(format!(
                    "AdamW got {count} parameters, but {} {what}",
                    tensors.len()
                )));
            }
            check_defined(what, tensors)?;
        }
        // SAFETY: five arrays of `count` live tensors each, and one more.
        unsafe {
            ffi::check(ffi::laformer_fused_adamw(
                ffi::pointers(parameters).as_ptr(),
                ffi::pointers(gradients).as_ptr(),
                ffi::pointers(state.averages).as_ptr(),
                ffi::pointers(state.squares).as_ptr(),
                ffi::pointers(state.steps).as_ptr(),
                count,
                learning_rate.as_ptr(),
                self.beta1,
                self.beta2,
                self.weight_decay,
                self.epsilon,
            ))
        }
    }
}

/// Makes backward passes accumulate a parameter's gradient into `gradient`, e.g. a view of one flat buffer.
pub fn set_gradient(parameter: &Tensor, gradient: &Tensor) -> Result<()> {
    check_defined("gradients", std::slice::from_ref(gradient))?;
    // SAFETY: two live tensors.
    unsafe { ffi::check(ffi::laformer_set_gradient(parameter.as_ptr(), gradient.as_ptr())) }
}

fn check_defined(what: &str, tensors: &[Tensor]) -> Result<()> {
    match tensors.iter().position(|tensor| !tensor.defined()) {
        Some(index) => Err(Error(format!(
            "number {index} of the {what} is undefined: was there a backward pass?"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
    }

    const ADAM: Adam = Adam {
        beta1: 0.9,
        beta2: 0.98,
        weight_decay: 0.5,
        epsilon: 1e-9,
    };

    #[test]
    fn adam_steps_as_its_formula() {
        let parameters = [Tensor::from_slice(&[1f32, -2.0, 0.5])];
        let [averages, squares] = [(); 2].map(|()| [parameters[0].zeros_like()]);
        let steps = [Tensor::zeros([], (Kind::Float, Device::Cpu))];
        let (mut x, mut m, mut v) = ([1f64, -2.0, 0.5], [0f64; 3], [0f64; 3]);
        for step in 1..=3 {
            let gradient = [0.3f32 * step as f32, -0.1, 2.0];
            let state = AdamState {
                averages: &averages,
                squares: &squares,
                steps: &steps,
            };
            ADAM.step(
                &parameters,
                &[Tensor::from_slice(&gradient)],
                state,
                &Tensor::from(0.1f64),
            )
            .unwrap();
            for i in 0..3 {
                let g = f64::from(gradient[i]);
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.98 * v[i] + 0.02 * g * g;
                let (m_hat, v_hat) = (m[i] / (1.0 - 0.9f64.powi(step)), v[i] / (1.0 - 0.98f64.powi(step)));
                x[i] = x[i] * (1.0 - 0.1 * 0.5) - 0.1 * m_hat / (v_hat.sqrt() + 1e-9);
            }
        }
        for (got, want) in values(&parameters[0]).iter().zip(x) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        assert_eq!(values(&steps[0]), [3.0]);
    }

    #[test]
    fn adam_refuses_lists_of_different_lengths() {
        let one = [Tensor::zeros([2], (Kind::Float, Device::Cpu))];
        let state = AdamState {
            averages: &one,
            squares: &one,
            steps: &[],
        };
        let error = ADAM
            .step(&one, &one, state, &Tensor::from(0.1f64))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "AdamW got 1 parameters, but 0 steps");
    }

    #[test]
    fn undefined_gradients_are_named() {
        let error = set_gradient(&Tensor::new(), &Tensor::new()).unwrap_err().to_string();
        assert!(error.starts_with("number 0 of the gradients is undefined"), "{error}");
    }

    #[test]
    fn backward_accumulates_into_the_given_view() {
        let parameter = Tensor::from_slice(&[1f32, 2.0]).set_requires_grad(true);
        let flat = Tensor::zeros([3], (Kind::Float, Device::Cpu));
        set_gradient(&parameter, &flat.narrow(0, 1, 2)).unwrap();
        for _ in 0..2 {
            (&parameter * &parameter).sum(Kind::Float).backward();
        }
        assert_eq!(values(&flat), [0.0, 4.0, 8.0]);
    }

    #[test]
    fn a_gradient_of_another_shape_is_refused() {
        let parameter = Tensor::from_slice(&[1f32, 2.0]).set_requires_grad(true);
        let error = set_gradient(&parameter, &Tensor::from_slice(&[1f32]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("shape [1]") && error.contains("shape [2]"), "{error}");
    }
}
