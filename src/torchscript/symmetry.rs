//! How operands become what a model reads, and how its answer becomes that of the operands.

use crate::dataset::Format;
use crate::problem::{Axis, Invariance};

/// The scripts of `moves`, `posed` and `restored`.
pub(super) fn source(format: &Format) -> String {
    let signs = format!(
        r#"

# Matrices of the solution whose columns change signs together.
def vectors(self) -> List[int]:
    places: List[int] = {vectors:?}
    return places


{script}"#,
        vectors = format.problem.vectors(),
        script = include_str!("signs.py"),
    );
    if !format.canonical {
        return format!("{signs}\n\n{}", include_str!("given.py"));
    }
    let Invariance {
        operands,
        solution,
        scales,
        ..
    } = format.problem.invariance();
    let axes = |axes: &[(Axis, Axis)]| {
        let pairs: Vec<_> = axes
            .iter()
            .map(|&(rows, cols)| format!("({}, {})", rows as usize, cols as usize))
            .collect();
        pairs.join(", ")
    };
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
        r#"{signs}

def operand_axes(self) -> List[Tuple[int, int]]:
    return [{operands}]


def solution_axes(self) -> List[Tuple[int, int]]:
    return [{solution}]


def own_moves(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    return self.{moves}(operands)


def canonical_moves(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    return self.{canonical}


{script}"#,
        operands = axes(operands),
        solution = axes(solution),
        script = include_str!("canonical.py"),
    )
}
