//! How operands become what a model reads, and how its answer becomes that of the operands.

use crate::dataset::Format;
use crate::problem::{Degree, Invariance};

/// The scripts of `question`, `reply` and `normalized`; `deviation` is that of the coefficients of the training.
pub(super) fn source(format: &Format, deviation: f64) -> String {
    let Invariance { degrees, shifts } = format.problem.facts().invariance;
    let degrees = degrees.unwrap_or_default().iter().map(|degree| match degree {
        Degree::Fixed(degree) => degree.to_string(),
        Degree::Rows => "rows".to_owned(),
    });
    let degrees = degrees.collect::<Vec<_>>().join(", ");
    format!(
        r#"

# Matrices of the solution whose columns change signs together.
def vectors(self) -> List[int]:
    places: List[int] = {vectors:?}
    return places


# The power of a number by which each matrix of the solution grows where all operands, the first of `rows` rows, are multiplied by
# it; empty where scaled problems have unlike solutions.
def degrees(self, rows: int) -> List[int]:
    degrees: List[int] = [{degrees}]
    return degrees


# Whether a multiple of the identity that is taken from the operand moves the first matrix of the solution by as much.
def shifts(self) -> bool:
    return {shifts}


# Standard deviation of the coefficients of the training.
def deviation(self) -> float:
    return {deviation:?}


{signs}

{normalized}


{form}"#,
        shifts = if shifts { "True" } else { "False" },
        vectors = format.problem.facts().vectors,
        signs = include_str!("signs.py"),
        normalized = include_str!("normalized.py"),
        form = if format.is_condensed() {
            include_str!("condensed.py")
        } else {
            include_str!("whole.py")
        },
    )
}
