//! The peak rates of a device, as the reference for measured rates.

use crate::recipe::Recipe;
use crate::training::LinearTimes;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Instant;
use tch::{Cuda, Device, Kind, Tensor};

/// Timed runs after a warmup; the fastest counts. Where they are slow, as bf16 is on many processors, fewer are enough.
const RUNS: usize = 5;
const SECONDS: f64 = 1.0;

pub fn measure(recipe: &Recipe, device: Device) -> Result<Value> {
    let times = LinearTimes::measure(recipe, device)?;
    Ok(json!({
        "matrix_product_fp32_gflops": matrix_product_rate(device, Kind::Float) / 1e9,
        "matrix_product_bf16_gflops": matrix_product_rate(device, Kind::BFloat16) / 1e9,
        "memory_gigabytes_per_second": bandwidth(device) / 1e9,
        "linear_map_fp32_milliseconds": 1e3 * times.fp32,
        "linear_map_bf16_milliseconds": 1e3 * times.bf16,
        "faster_precision": times.faster().name(),
    }))
}

/// Floating-point operations per second of a large matrix product.
pub fn matrix_product_rate(device: Device, kind: Kind) -> f64 {
    let n: i64 = if device.is_cuda() { 8192 } else { 1024 };
    let random = || Tensor::randn([n, n], (kind, device));
    let (a, b) = (random(), random());
    let seconds = fastest(device, || {
        let _ = a.matmul(&b);
    });
    2.0 * (n as f64).powi(3) / seconds
}

/// Bytes per second that a copy reads and writes; the tensors exceed all caches.
pub fn bandwidth(device: Device) -> f64 {
    let bytes: i64 = 1 << if device.is_cuda() { 31 } else { 28 };
    let from = Tensor::ones([bytes], (Kind::Uint8, device));
    let mut to = from.zeros_like();
    let seconds = fastest(device, || to.copy_(&from));
    2.0 * bytes as f64 / seconds
}

/// Seconds of the fastest run.
fn fastest(device: Device, mut run: impl FnMut()) -> f64 {
    let mut measure = || {
        let begun = Instant::now();
        run();
        if let Device::Cuda(index) = device {
            Cuda::synchronize(index as i64);
        }
        begun.elapsed().as_secs_f64()
    };
    let begun = Instant::now();
    measure();
    let mut fastest = measure();
    for _ in 1..RUNS {
        if begun.elapsed().as_secs_f64() >= SECONDS {
            break;
        }
        fastest = fastest.min(measure());
    }
    fastest
}
