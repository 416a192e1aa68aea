//! The choice of the training precision by measurement.

use crate::libtorch::Tf32;
use crate::recipe::{Precision, Recipe};
use anyhow::Result;
use std::time::{Duration, Instant};
use tch::{Cuda, Device, Kind, Tensor};

impl Precision {
    /// The data type of linear maps; float32 if nothing was measured.
    pub fn kind(self) -> Kind {
        match self {
            Self::Auto | Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// A bf16 product that is slower than float32 by this factor causes a warning.
const SLOW: f64 = 2.0;
/// Largest number of multiplications in the measured product on a CPU. Without bf16 instructions, such a product takes
/// 40 ms.
const MULTIPLICATIONS: i64 = 1 << 24;
/// Smallest number of elements in the measured product on a CUDA device. Smaller products measure only launches, which
/// graphs avoid.
const NUMBERS: i64 = 1 << 24;
/// Products launched before waiting for a CUDA device.
const LAUNCHES: usize = 4;
/// Time for all measurements.
const BUDGET: Duration = Duration::from_millis(50);

/// Seconds of one linear map in each precision, on a device with its current number of threads. Processor feature flags
/// are no substitute: some processors list bf16 but are slow at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearTimes {
    pub fp32: f64,
    pub bf16: f64,
}

impl LinearTimes {
    /// Measures a linear map with a recipe's width and batch size. On a CPU, the casts around it are included; other
    /// devices hide their cost.
    pub fn measure(recipe: &Recipe, device: Device) -> Result<Self> {
        let _tf32 = Tf32::allow()?;
        let _no_grad = tch::no_grad_guard();
        let width = recipe.model.width;
        let positions = recipe.format().source_positions(recipe.dimensions.max()).len();
        let batch = (recipe.training.batch_size * positions) as i64;
        let is_cuda = device.is_cuda();
        let (rows, launches) = if is_cuda {
            (batch.max(NUMBERS / width), LAUNCHES)
        } else {
            (batch.min(MULTIPLICATIONS / (width * width)).max(1), 1)
        };
        // Ones instead of random numbers, so that training still gets the random numbers of its seed.
        let operands = |kind| [rows, width].map(|rows| Tensor::ones([rows, width], (kind, device)));
        let (given, halved) = (operands(Kind::Float), operands(Kind::BFloat16));
        let seconds = |kind: Kind| {
            let begun = Instant::now();
            for _ in 0..launches {
                let no_bias: Option<Tensor> = None;
                let _ = match kind {
                    Kind::Float => given[0].linear(&given[1], no_bias),
                    _ if is_cuda => halved[0].linear(&halved[1], no_bias),
                    _ => {
                        let [x, weight] = [0, 1].map(|i: usize| given[i].to_kind(kind));
                        x.linear(&weight, no_bias).to_kind(Kind::Float)
                    }
                };
            }
            if let Device::Cuda(index) = device {
                Cuda::synchronize(index as i64);
            }
            begun.elapsed().as_secs_f64() / launches as f64
        };
        let mut best = Self {
            fp32: seconds(Kind::Float),
            bf16: seconds(Kind::BFloat16),
        };
        // The first products also load and initialize libraries. Both precisions alternate, so that disturbances affect
        // both.
        let begun = Instant::now();
        while begun.elapsed() < BUDGET {
            best.fp32 = best.fp32.min(seconds(Kind::Float));
            best.bf16 = best.bf16.min(seconds(Kind::BFloat16));
        }
        Ok(best)
    }

    /// The faster precision; float32 if both are equally fast.
    pub fn faster(self) -> Precision {
        if self.bf16 < self.fp32 {
            Precision::Bf16
        } else {
            Precision::Fp32
        }
    }

    /// The time of bf16 divided by that of float32.
    pub fn slowness(self) -> f64 {
        self.bf16 / self.fp32
    }

    /// `bf16 is 2.1 times as fast as fp32`
    pub fn comparison(self) -> String {
        let slowness = self.slowness();
        if slowness < 1.0 {
            format!("bf16 is {:.1} times as fast as fp32", 1.0 / slowness)
        } else {
            format!("fp32 is {slowness:.1} times as fast as bf16")
        }
    }
}

impl Recipe {
    /// Replaces `training.precision = "auto"` by the faster precision on a device with its current number of threads.
    /// Returns a log line with the precision and the reason. It warns if bf16 was requested and is slow.
    pub fn resolve_precision(&mut self, device: Device) -> Result<String> {
        let asked = self.training.precision;
        if asked == Precision::Fp32 {
            return Ok("precision fp32, as the recipe says".into());
        }
        let (precision, line) = choose(asked, LinearTimes::measure(self, device)?);
        self.training.precision = precision;
        Ok(line)
    }
}

/// The precision for training, and a log line with the reason.
fn choose(asked: Precision, times: LinearTimes) -> (Precision, String) {
    match asked {
        Precision::Auto => {
            let precision = times.faster();
            let line = format!(
                "precision {}: {} here (a linear map of the model takes {:.3} ms in bf16, {:.3} ms in fp32)",
                precision.name(),
                times.comparison(),
                1e3 * times.bf16,
                1e3 * times.fp32
            );
            (precision, line)
        }
        Precision::Bf16 if times.slowness() > SLOW => (
            asked,
            format!(
                "warning: training.precision = \"bf16\" is {:.1} times as slow as \"fp32\" here; use \"auto\" or \"fp32\" for new runs",
                times.slowness()
            ),
        ),
        Precision::Fp32 | Precision::Bf16 => (asked, format!("precision {}, as the recipe says", asked.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Run;

    fn times(fp32: f64, bf16: f64) -> LinearTimes {
        LinearTimes { fp32, bf16 }
    }

    #[test]
    fn auto_takes_the_faster_precision_and_says_why() {
        let (precision, line) = choose(Precision::Auto, times(0.002, 0.001));
        assert_eq!(precision, Precision::Bf16);
        assert!(
            line.contains("precision bf16: bf16 is 2.0 times as fast as fp32"),
            "{line}"
        );
        let (precision, line) = choose(Precision::Auto, times(0.001, 0.06));
        assert_eq!(precision, Precision::Fp32);
        assert!(
            line.contains("precision fp32: fp32 is 60.0 times as fast as bf16"),
            "{line}"
        );
        assert_eq!(times(1.0, 1.0).faster(), Precision::Fp32, "the finer one of equals");
    }

    #[test]
    fn a_requested_precision_is_kept_and_slow_bf16_causes_a_warning() {
        for (fp32, bf16, factor) in [
            (1.0, 0.5, None),
            (1.0, 1.9, None),
            (1.0, 2.1, Some("2.1 times")),
            (0.001, 0.06, Some("60.0 times")),
        ] {
            let (precision, line) = choose(Precision::Bf16, times(fp32, bf16));
            assert_eq!(precision, Precision::Bf16);
            assert_eq!(line.contains("warning"), factor.is_some(), "{line}");
            assert!(line.contains(factor.unwrap_or("as the recipe says")), "{line}");
        }
        assert_eq!(choose(Precision::Fp32, times(1.0, 0.1)).0, Precision::Fp32);
    }

    #[test]
    fn a_measured_precision_is_written_to_the_recipe_file() {
        let mut recipe = Recipe::parse("problem = \"eigenvalues\"\ndim = 2\n[model]\nwidth = 16", &[]).unwrap();
        assert_eq!(recipe.training.precision, Precision::Auto, "the default");
        let folder = tempfile::tempdir().unwrap();
        let error = Run::create(&folder.path().join("run"), &recipe)
            .unwrap_err()
            .to_string();
        assert!(error.contains("resolve_precision"), "{error}");
        recipe.resolve_precision(Device::Cpu).unwrap();
        assert_ne!(recipe.training.precision, Precision::Auto);
        assert!(!recipe.to_toml().unwrap().contains("auto"));
    }
}
