//! P1000: a sign, three digits per token, an exponent: `+ 314 E-2`. A fourth and fifth digit are a second mantissa
//! token: `+ 314 2 E-3`, `+ 314 16 E-4`.

use super::positional::Positional;

pub(super) fn new(digits: u32) -> Positional {
    let name = |group| {
        if group == 1 {
            "mantissa".to_owned()
        } else {
            format!("mantissa{group}")
        }
    };
    Positional::new("P1000", digits, 3, name, false)
}

#[cfg(test)]
mod tests {
    use crate::encoding::testing::{error, text};

    #[test]
    fn three_digits() {
        let text = |value| text("P1000", value);
        assert_eq!(text(3.14), "+ 314 E-2");
        assert_eq!(text(-6.02e23), "- 602 E21");
        assert_eq!(text(0.0), "+ 0 E0");
        assert_eq!(text(-0.0), "+ 0 E0");
        assert_eq!(text(999.5), "+ 100 E1");
        assert_eq!(text(9.995), "+ 999 E-2", "the float64 is 9.99499999999999922");
        assert_eq!(text(1e-9), "+ 100 E-11");
        assert_eq!(text(0.1 + 0.2), "+ 300 E-3");
        assert_eq!(text(0.125), "+ 125 E-3");
        assert_eq!(text(1.125), "+ 112 E-2", "a tie to the even digit");
    }

    #[test]
    fn more_and_fewer_digits() {
        assert_eq!(text("P1000:4", 3.1416), "+ 314 2 E-3");
        assert_eq!(text("P1000:4", -6.02e23), "- 602 0 E20");
        assert_eq!(text("P1000:4", 999.5), "+ 999 5 E-1");
        assert_eq!(text("P1000:4", 0.0), "+ 0 0 E0");
        assert_eq!(text("P1000:5", 3.14159), "+ 314 16 E-4");
        assert_eq!(text("P1000:5", 9.995), "+ 999 50 E-4");
        assert_eq!(text("P1000:5", 0.1 + 0.2), "+ 300 0 E-5");
        assert_eq!(
            text("P1000:5", 1.0002),
            "+ 100 2 E-4",
            "the second group is the number 02"
        );
        assert_eq!(text("P1000:2", 3.14), "+ 31 E-1");
    }

    #[test]
    fn largest_and_smallest() {
        assert_eq!(text("P1000", -9.99e102), "- 999 E100");
        assert_eq!(text("P1000", 1e-98), "+ 100 E-100");
        assert_eq!(text("P1000", -9.994e-99), "+ 0 E0");
        assert_eq!(text("P1000:4", 9.999e103), "+ 999 9 E100");
        assert_eq!(text("P1000:5", 1e-96), "+ 100 0 E-100");
        assert_eq!(
            error("P1000", 1e103),
            "1e103 cannot be written in P1000:3: finite numbers up to 9.99e102 can"
        );
        assert_eq!(
            error("P1000", f64::NAN),
            "NaN cannot be written in P1000:3: finite numbers up to 9.99e102 can"
        );
    }
}
