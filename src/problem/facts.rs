//! Properties of a problem as data: the structure of its operands, the shapes of its parts, and the effect of scaling
//! and shifting.

use crate::matrix::Shape;

/// Properties that all examples of a problem share.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub structure: Structure,
    pub operands: &'static [Part],
    pub solution: &'static [Part],
    pub invariance: Invariance,
    /// Indices of the solution's matrices whose columns are vectors of arbitrary sign. The columns j of all these
    /// matrices change sign together.
    pub vectors: &'static [usize],
    /// Whether `inference/condensed.py` has a condensed form of the problem.
    pub has_condensed_form: bool,
    /// Whether the first operand must be invertible.
    pub needs_inverse: bool,
    pub check: Check,
}

impl Facts {
    /// A problem with one operand of any shape, whose solution has the same shape and scales with it.
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

/// The check of an answer without the exact solution. `inference/residual.py` has a function for each code.
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

/// Requirements on the first operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    General,
    Square,
    /// Square and symmetric: its spectrum can be chosen.
    Symmetric,
}

/// One matrix of a problem: its shape at any size, and its form in numpy.
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

/// A number of rows or columns, as a function of the first operand's shape.
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

    /// The number of this variant in exported models. It never changes.
    pub const fn code(self) -> i64 {
        self as i64
    }
}

/// The form in which numpy returns the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[rows, cols]`, as in this crate.
    Matrix,
    /// A single column, which numpy returns as a vector `[rows]`.
    Column,
    /// The transpose of our matrix: numpy returns `V` of the SVD as `Vh`.
    Transposed,
    /// A 1×1 matrix, which numpy returns as a number.
    Scalar,
}

/// The effect of scaling and shifting the operands on the solution.
#[derive(Clone, Copy, Debug)]
pub struct Invariance {
    /// If the operands are multiplied by `s`, each matrix of the solution is multiplied by this power of `s`. If there
    /// are `second_degrees`, `s` multiplies only the first operand. `None` if scaling has no such simple effect.
    pub degrees: Option<&'static [Degree]>,
    /// The same powers for the scale of the second operand; `None` if all operands have one common scale.
    pub second_degrees: Option<&'static [i32]>,
    /// Whether `C X R` solves `A` if `X` solves `R A C`, for all diagonal matrices `R` and `C`.
    pub equilibrates: bool,
    /// Whether `A + c I` adds `c` to the first matrix of the solution and leaves the others unchanged.
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
    /// The number of rows of the first operand, as for a determinant.
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
    fn codes_of_sides_never_change() {
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
