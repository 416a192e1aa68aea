//! P10: a sign, one token per digit, an exponent: `+ 3 1 4 E-2`. Zero is `+ 0 E0`.

use super::positional::Positional;

pub(super) fn new(digits: u32) -> Positional {
    Positional::new("P10", digits, 1, |group| format!("digit{group}"), true)
}

#[cfg(test)]
mod tests {
    use crate::encoding::testing::{error, text};

    #[test]
    fn three_digits() {
        let text = |value| text("P10", value);
        assert_eq!(text(3.14), "+ 3 1 4 E-2");
        assert_eq!(text(-6.02e23), "- 6 0 2 E21");
        assert_eq!(text(0.0), "+ 0 E0");
        assert_eq!(text(-0.0), "+ 0 E0");
        assert_eq!(text(999.5), "+ 1 0 0 E1");
        assert_eq!(text(9.995), "+ 9 9 9 E-2", "the float64 is 9.99499999999999922");
        assert_eq!(text(1e-9), "+ 1 0 0 E-11");
        assert_eq!(text(0.1 + 0.2), "+ 3 0 0 E-3");
        assert_eq!(text(7.0), "+ 7 0 0 E-2");
    }

    #[test]
    fn more_digits() {
        assert_eq!(text("P10:4", 3.14159), "+ 3 1 4 2 E-3");
        assert_eq!(text("P10:4", -6.02e23), "- 6 0 2 0 E20");
        assert_eq!(text("P10:4", 9.995), "+ 9 9 9 5 E-3");
        assert_eq!(text("P10:4", 0.0), "+ 0 E0");
        assert_eq!(text("P10:5", 3.14159), "+ 3 1 4 1 6 E-4");
        assert_eq!(text("P10:5", 999.5), "+ 9 9 9 5 0 E-2");
        assert_eq!(text("P10:5", 1e-9), "+ 1 0 0 0 0 E-13");
    }

    #[test]
    fn largest_and_smallest() {
        assert_eq!(text("P10", 9.99e102), "+ 9 9 9 E100");
        assert_eq!(text("P10", -9.994e102), "- 9 9 9 E100");
        assert_eq!(text("P10", 1e-98), "+ 1 0 0 E-100");
        assert_eq!(text("P10", 9.996e-99), "+ 1 0 0 E-100", "rounded first, then judged");
        assert_eq!(text("P10", -9.99e-99), "+ 0 E0");
        assert_eq!(text("P10", 5e-324), "+ 0 E0");
        assert_eq!(
            error("P10", 9.996e102),
            "9.996e102 cannot be written in P10:3: finite numbers up to 9.99e102 can"
        );
        assert_eq!(
            error("P10:5", f64::NAN),
            "NaN cannot be written in P10:5: finite numbers up to 9.9999e104 can"
        );
        assert_eq!(
            error("P10", f64::NEG_INFINITY),
            "-inf cannot be written in P10:3: finite numbers up to 9.99e102 can"
        );
    }
}
