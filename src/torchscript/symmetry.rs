//! How operands become what a model reads, and how its answer becomes that of the operands.

use crate::dataset::Format;
use crate::encoding::Reading;
use crate::problem::{Axis, Invariance};

/// The scripts of `moves`, `posed`, `restored`, `turns`, `view`, `median` and `normalized`; `deviation` is that of the coefficients of the training.
pub(super) fn source(format: &Format, deviation: f64) -> String {
    let Invariance {
        operands,
        solution,
        degrees,
        scales,
        shifts,
        pivots,
    } = format.problem.invariance();
    let axes = |axes: &[(Axis, Axis)]| {
        let pairs: Vec<_> = axes
            .iter()
            .map(|&(rows, cols)| format!("({}, {})", rows as usize, cols as usize))
            .collect();
        pairs.join(", ")
    };
    let condensed = format.reading() == Reading::Condensed;
    let python = |yes| if yes { "True" } else { "False" };
    let turns = if condensed {
        include_str!("condensed.py")
    } else {
        include_str!("unturned.py")
    };
    let common = format!(
        r#"

# Matrices of the solution whose columns change signs together.
def vectors(self) -> List[int]:
    places: List[int] = {vectors:?}
    return places


# What happens to the rows and columns of each operand: 0 as to the rows of the first, 1 as to its columns, 2 as to the columns of
# the second, 3 nothing.
def operand_axes(self) -> List[Tuple[int, int]]:
    return [{operands}]


# The same of each matrix of the solution.
def solution_axes(self) -> List[Tuple[int, int]]:
    return [{solution}]


# The power of a number by which each matrix of the solution grows where all operands are multiplied by it.
def degrees(self) -> List[int]:
    return {degrees:?}


# Whether a multiple of the identity that is taken from the operand moves the first matrix of the solution by as much.
def shifts(self) -> bool:
    return {shifts}


# Whether the transposed operand is condensed, beginning with the column by which errors grow least.
def pivots(self) -> bool:
    return {pivots}


# Whether errors of many coefficients cancel in what a solution is measured by.
def together(self) -> bool:
    return {together}


# Standard deviation of the coefficients of the training.
def deviation(self) -> float:
    return {deviation:?}


{signs}

{views}

{normalized}


{turns}"#,
        turns = turns,
        shifts = python(shifts),
        pivots = python(pivots && condensed),
        together = python(pivots),
        vectors = format.problem.vectors(),
        operands = axes(operands),
        solution = axes(solution),
        signs = include_str!("signs.py"),
        views = include_str!("views.py"),
        normalized = include_str!("normalized.py"),
    );
    if !format.canonical {
        return format!("{common}\n\n{}", include_str!("given.py"));
    }
    let moves = match operands {
        [(Axis::Rows, Axis::Rows), ..] => "moves_together",
        [_, (Axis::Cols, _)] => "moves_of_product",
        _ => "moves_apart",
    };
    let canonical = if scales {
        "scaled_moves(operands[0])"
    } else {
        "own_moves(operands)"
    };
    format!(
        r#"{common}

def own_moves(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    return self.{moves}(operands)


def canonical_moves(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    return self.{canonical}


{script}"#,
        script = include_str!("canonical.py"),
    )
}
