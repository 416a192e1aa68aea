//! What a problem is, as data: the kind of its matrix, the shapes of its parts, and what scaling does to it.

use crate::matrix::Shape;

/// What is known of a problem without solving one.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub structure: Structure,
    pub operands: &'static [Part],
    pub solution: &'static [Part],
    pub invariance: Invariance,
    /// Places of the matrices of the solution whose columns are vectors of either sign, which change it together.
    pub vectors: &'static [usize],
    /// Whether there is a condensed form of it (`inference/condensed.py`).
    pub has_condensed_form: bool,
    /// Whether the first operand must have an inverse.
    pub needs_inverse: bool,
    pub check: Check,
}

impl Facts {
    /// One matrix of any shape, answered by a matrix of that shape, which grows as it does.
    pub const fn unary(check: Check) -> Self {
        Self {
            structure: Structure::General,
            operands: &[Part::SAME],
            solution: &[Part::SAME],
            invariance: Invariance::degrees(&[Degree::Fixed(1)]),
            vectors: &[],
            has_condensed_form: false,
            needs_inverse: false,
            check,
        }
    }
}

/// How an answer is checked without its solution: the functions of `inference/residual.py` have these codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Transpose = 0,
    Sum = 1,
    Product = 2,
    Inverse = 3,
    LinearSystem = 4,
    Eigenvalues = 5,
    Eigenvectors = 6,
    SingularValues = 7,
    Svd = 8,
    Determinant = 9,
    Exponential = 10,
    Sign = 11,
}

/// What the first operand must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    General,
    Square,
    /// Square and symmetric, so that a spectrum may be asked for.
    Symmetric,
}

/// One matrix of a problem: its shape at any size, and how numpy shapes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub rows: Side,
    pub cols: Side,
    pub form: Form,
}

impl Part {
    /// A matrix of the shape of the first operand.
    pub const SAME: Self = Self::matrix(Side::Rows, Side::Cols);

    pub const fn matrix(rows: Side, cols: Side) -> Self {
        let form = Form::Matrix;
        Self { rows, cols, form }
    }

    pub const fn column(rows: Side) -> Self {
        let (cols, form) = (Side::One, Form::Column);
        Self { rows, cols, form }
    }

    pub const fn transposed(rows: Side, cols: Side) -> Self {
        let form = Form::Transposed;
        Self { rows, cols, form }
    }

    pub const fn scalar() -> Self {
        let (rows, cols, form) = (Side::One, Side::One, Form::Scalar);
        Self { rows, cols, form }
    }

    pub fn shape(self, size: Shape) -> Shape {
        Shape::new(self.rows.of(size), self.cols.of(size))
    }
}

/// A number of rows or columns, as a formula in the shape of the first operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    One = 0,
    Rows = 1,
    Cols = 2,
    /// The smaller of rows and columns.
    Smaller = 3,
}

impl Side {
    pub const ALL: [Self; 4] = [Self::One, Self::Rows, Self::Cols, Self::Smaller];

    pub fn of(self, size: Shape) -> usize {
        match self {
            Self::One => 1,
            Self::Rows => size.rows,
            Self::Cols => size.cols,
            Self::Smaller => size.rows.min(size.cols),
        }
    }

    /// The number that exported models call it by, which never changes.
    pub const fn code(self) -> i64 {
        self as i64
    }
}

/// How numpy shapes a matrix of ours that it would not return as it stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[rows, cols]`.
    Matrix,
    /// A single column, which numpy answers as a vector `[rows]`.
    Column,
    /// The transpose of our matrix: `V` of the SVD, which numpy answers as `Vh`.
    Transposed,
    /// A 1×1 matrix, which numpy answers as a number.
    Scalar,
}

/// What scaling and shifting the operands does to the solution.
#[derive(Clone, Copy, Debug)]
pub struct Invariance {
    /// The power of `s` by which each matrix of the solution grows where the operands are multiplied by `s`, or the first of them
    /// where the second has a scale of its own; none where the solutions of scaled problems do not follow from one another.
    pub degrees: Option<&'static [Degree]>,
    /// The power of the second operand's own scale by which each matrix of the solution grows; none where all operands are multiplied
    /// by one scale.
    pub second_degrees: Option<&'static [i32]>,
    /// Whether the solution `X` for `A` is that of `R A C` between the same diagonal matrices: `C X' R`.
    pub equilibrates: bool,
    /// Whether `A + c I` adds `c` to the first matrix of the solution and leaves the others alone.
    pub shifts: bool,
}

impl Invariance {
    pub const NONE: Self = Self {
        degrees: None,
        second_degrees: None,
        equilibrates: false,
        shifts: false,
    };

    pub const fn degrees(degrees: &'static [Degree]) -> Self {
        Self {
            degrees: Some(degrees),
            ..Self::NONE
        }
    }

    pub const fn with_second(self, degrees: &'static [i32]) -> Self {
        Self {
            second_degrees: Some(degrees),
            ..self
        }
    }

    pub const fn with_equilibration(self) -> Self {
        Self {
            equilibrates: true,
            ..self
        }
    }

    pub const fn with_shifts(self) -> Self {
        Self { shifts: true, ..self }
    }
}

/// A degree of homogeneity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degree {
    Fixed(i32),
    /// The number of rows of the first operand, as of a determinant.
    Rows,
}

impl Degree {
    pub fn at(self, size: Shape) -> i32 {
        match self {
            Self::Fixed(degree) => degree,
            Self::Rows => size.rows as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_formulas_with_codes_that_stay() {
        let found = Side::ALL.map(|side| (side.code(), side.of(Shape::new(5, 3)), side.of(Shape::new(2, 7))));
        assert_eq!(found, [(0, 1, 1), (1, 5, 2), (2, 3, 7), (3, 3, 2)]);
    }

    #[test]
    fn parts_have_shapes() {
        let size = Shape::new(4, 2);
        assert_eq!(Part::SAME.shape(size), size);
        assert_eq!(Part::column(Side::Smaller).shape(size), Shape::new(2, 1));
        assert_eq!(Part::transposed(Side::Cols, Side::Rows).shape(size), Shape::new(2, 4));
    }
}
