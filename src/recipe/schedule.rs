//! Learning-rate schedules.

use serde::{Deserialize, Serialize};

/// The course of the learning rate after warmup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    Constant,
    /// Half a cosine, down to zero at the last step.
    Cosine,
    /// Linear, down to zero at the last step.
    Linear,
    /// Constant, then linear down to zero over the last 40 % of all steps.
    Trapezoid,
}

/// The fraction of steps over which the trapezoid schedule decreases the rate.
const DECAY: f64 = 0.4;

impl Schedule {
    /// The factor of the learning rate at `step` (from 0) of `steps`. It increases over `warmup` steps, then follows
    /// the schedule. The schedule counts from step 0, so that the rate never jumps.
    pub fn factor(self, step: u64, steps: u64, warmup: u64) -> f64 {
        let progress = step as f64 / steps.max(1) as f64;
        let rise = if warmup == 0 {
            1.0
        } else {
            ((step + 1) as f64 / warmup as f64).min(1.0)
        };
        rise * match self {
            Self::Constant => 1.0,
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            Self::Linear => 1.0 - progress,
            Self::Trapezoid => ((1.0 - progress) / DECAY).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_follows_a_linear_warmup() {
        let at = |schedule: Schedule, step| schedule.factor(step, 100, 10);
        assert_eq!(at(Schedule::Constant, 0), 0.1);
        assert_eq!(at(Schedule::Constant, 4), 0.5);
        assert_eq!(at(Schedule::Constant, 99), 1.0);
        assert_eq!(at(Schedule::Linear, 50), 0.5);
        assert_eq!(at(Schedule::Trapezoid, 59), 1.0);
        assert!((at(Schedule::Trapezoid, 80) - 0.5).abs() < 1e-15);
        assert!((at(Schedule::Cosine, 50) - 0.5).abs() < 1e-15);
        assert!(at(Schedule::Cosine, 99) < 0.001);
    }

    #[test]
    fn no_warmup_starts_at_the_full_rate() {
        assert_eq!(Schedule::Linear.factor(0, 10, 0), 1.0);
    }
}
