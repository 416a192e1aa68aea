//! Accuracies with confidence intervals.

use serde::Serialize;

/// The number of correct answers among all answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Accuracy {
    pub right: usize,
    pub count: usize,
}

impl Accuracy {
    /// Counts the errors strictly below a tolerance, as in Charton (2021).
    pub fn below(errors: &[f64], tolerance: f64) -> Self {
        Self {
            right: errors.iter().filter(|&&error| error < tolerance).count(),
            count: errors.len(),
        }
    }

    /// The accuracy from 0 to 1; 0 without answers.
    pub fn share(self) -> f64 {
        self.right as f64 / self.count.max(1) as f64
    }

    /// The 95 % interval of Wilson (1927), which is also valid near 0 and 1.
    pub fn interval(self) -> (f64, f64) {
        /// The 97.5 % quantile of the normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        if self.count == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (self.count as f64, self.share());
        let center = p + Z * Z / (2.0 * n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        (
            ((center - spread) / scale).max(0.0),
            ((center + spread) / scale).min(1.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wilson_interval_agrees_with_a_textbook() {
        // For 81 of 263, Newcombe (1998), method 3, gives 0.2553 to 0.3662.
        let (low, high) = Accuracy { right: 81, count: 263 }.interval();
        assert!(
            (low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5,
            "{low} {high}"
        );
    }

    #[test]
    fn a_perfect_score_is_not_certain() {
        let (low, high) = Accuracy { right: 100, count: 100 }.interval();
        assert!(low < 0.97 && high == 1.0);
    }

    #[test]
    fn an_error_equal_to_the_tolerance_and_nan_are_wrong() {
        assert_eq!(Accuracy::below(&[0.05, 0.049, f64::NAN, f64::INFINITY], 0.05).right, 1);
    }
}
