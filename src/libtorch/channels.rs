//! Operations on states `[batch, row, column, channel]`.

use super::ffi;
use std::ptr;
use tch::Tensor;

/// The matrix products `a b`, channel by channel: `[batch, i, k, channel]` and `[batch, k, j, channel]` to `[batch, i, j, channel]`.
pub fn channel_product(a: &Tensor, b: &Tensor) -> Tensor {
    let mut product = ptr::null_mut();
    // SAFETY: live tensors; on success `product` holds a new tensor of ours.
    unsafe {
        ffi::check(ffi::laformer_channel_product(a.as_ptr(), b.as_ptr(), &mut product)).expect("shapes fit");
        Tensor::from_ptr(product)
    }
}

/// `x` divided by its root mean square, or by `least` if that is larger. The mean is over the matrix of each channel or, with
/// `over_channels`, over all channels together.
pub fn channel_norm(x: &Tensor, over_channels: bool, least: f64) -> Tensor {
    let mut norm = ptr::null_mut();
    // SAFETY: a live tensor; on success `norm` holds a new tensor of ours.
    unsafe {
        ffi::check(ffi::laformer_channel_norm(x.as_ptr(), over_channels, least, &mut norm)).expect("shapes fit");
        Tensor::from_ptr(norm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::seeded;
    use tch::{Device, Kind};

    /// The value of `f(inputs)`, and the gradients of `sum(f(inputs) * probe)` with respect to the inputs.
    fn with_gradients(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) -> Vec<Tensor> {
        let leaves: Vec<_> = inputs.iter().map(|x| x.copy().set_requires_grad(true)).collect();
        let result = f(&leaves);
        let probe = Tensor::arange(result.numel() as i64, (Kind::Double, result.device())).sin();
        (&result * probe.view_as(&result)).sum(Kind::Double).backward();
        std::iter::once(result.detach())
            .chain(leaves.iter().map(Tensor::grad))
            .collect()
    }

    fn assert_close(a: &[Tensor], b: &[Tensor]) {
        for (a, b) in a.iter().zip(b) {
            assert!(a.allclose(b, 1e-9, 1e-9, false), "{a} {b}");
        }
    }

    /// Tensors of normal random numbers, reproducible by `seed`.
    fn random<const N: usize>(seed: u64, shapes: [&[i64]; N]) -> [Tensor; N] {
        seeded(seed, || {
            shapes.map(|shape| Tensor::randn(shape, (Kind::Double, Device::Cpu)))
        })
    }

    #[test]
    fn products_and_their_gradients_are_those_of_matmul() {
        let inputs = random(1, [&[2, 3, 4, 5], &[2, 4, 6, 5]]);
        let expected = with_gradients(&inputs, |x| {
            let [a, b] = [0, 1].map(|i| x[i].permute([0, 3, 1, 2]));
            a.matmul(&b).permute([0, 2, 3, 1])
        });
        assert_close(&with_gradients(&inputs, |x| channel_product(&x[0], &x[1])), &expected);
    }

    #[test]
    fn norms_and_their_gradients_are_those_of_their_formula() {
        let inputs = random(2, [&[2, 3, 4, 5]]);
        for (over_channels, dims) in [(false, vec![1i64, 2]), (true, vec![1, 2, 3])] {
            let expected = with_gradients(&inputs, |x| {
                &x[0] / x[0].square().mean_dim(dims.as_slice(), true, Kind::Double).sqrt()
            });
            let found = with_gradients(&inputs, |x| channel_norm(&x[0], over_channels, 1e-3));
            assert_close(&found, &expected);
        }
        let zeros = channel_norm(&Tensor::zeros([1, 2, 2, 1], (Kind::Double, Device::Cpu)), false, 1e-3);
        assert_eq!(zeros.abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn cuda_products_and_norms_are_those_of_the_cpu() {
        if !tch::Cuda::is_available() {
            println!("skipped: no CUDA device");
            return;
        }
        let inputs = random(3, [&[2, 3, 4, 5], &[2, 4, 3, 5]]).map(|x| x.to_kind(Kind::Float));
        let there = inputs.each_ref().map(|x| x.to_device(Device::Cuda(0)));
        let results = |x: &[Tensor]| {
            let product = channel_product(&x[0], &x[1]);
            channel_norm(&channel_norm(&product, true, 1e-3), false, 1e-3)
        };
        for (found, expected) in with_gradients(&there, results)
            .iter()
            .zip(with_gradients(&inputs, results))
        {
            assert!(
                found.to_device(Device::Cpu).allclose(&expected, 1e-4, 1e-4, false),
                "{found} {expected}"
            );
        }
    }
}
