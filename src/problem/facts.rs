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
    use crate::matrix::{Address, Distribution, Matrix, Split};
    use crate::problem::{ALL, Problem};

    #[test]
    fn codes_of_sides_never_change() {
        let found = Side::ALL.map(|side| (side.code(), side.of(Shape::new(5, 3)), side.of(Shape::new(2, 7))));
        assert_eq!(found, [(0, 1, 1), (1, 5, 2), (2, 3, 7), (3, 3, 2)]);
    }

    /// Random operands of a problem, and their solution.
    fn solved(problem: &dyn Problem, change: impl Fn(usize, Matrix) -> Matrix) -> Vec<Matrix> {
        let size = Shape::new(3, 3);
        let zeros = |shapes: Vec<Shape>| -> Vec<Matrix> {
            shapes
                .iter()
                .map(|shape| Matrix::zeros(shape.rows, shape.cols))
                .collect()
        };
        let (mut operands, mut solution) = (
            zeros(problem.operand_shapes(size)),
            zeros(problem.solution_shapes(size)),
        );
        let address = Address {
            seed: 3,
            split: Split::Train,
            index: 0,
        };
        problem.sample(&Distribution::default(), &mut address.generator(0), &mut operands);
        let operands: Vec<_> = operands
            .into_iter()
            .enumerate()
            .map(|(k, operand)| change(k, operand))
            .collect();
        problem.solve(&operands, &mut solution).unwrap();
        solution
    }

    fn are_equal(found: &[Matrix], expected: &[Matrix]) -> bool {
        let close = |(a, b): (&Matrix, &Matrix)| (a - b).amax() <= 1e-9 * b.amax().max(1.0);
        found.iter().zip(expected).all(close)
    }

    /// The power of 2 by which each matrix of the solution is multiplied; `None` if one is not.
    fn degrees(found: &[Matrix], original: &[Matrix]) -> Option<Vec<i32>> {
        let degree = |(found, original): (&Matrix, &Matrix)| {
            (-5..=5).find(|degree| are_equal(std::slice::from_ref(found), &[original * 2f64.powi(*degree)]))
        };
        found.iter().zip(original).map(degree).collect()
    }

    #[test]
    fn facts_name_exactly_the_invariances_that_the_mathematics_has() {
        for &problem in ALL {
            let (name, told) = (problem.name(), problem.facts().invariance);
            let original = solved(problem, |_, operand| operand);
            let fixed = |degrees: &[Degree]| degrees.iter().map(|degree| degree.at(Shape::new(3, 3))).collect();
            // Doubling one operand of two says more than doubling both.
            let first = solved(problem, |k, operand| if k == 0 { operand * 2.0 } else { operand });
            let second = solved(problem, |k, operand| if k == 1 { operand * 2.0 } else { operand });
            let all = solved(problem, |_, operand| operand * 2.0);
            let apart = degrees(&first, &original).filter(|_| problem.operands().len() == 2);
            if let Some(apart) = apart {
                assert_eq!(told.degrees.map(fixed), Some(apart), "{name}");
                let second = degrees(&second, &original);
                assert_eq!(told.second_degrees.map(<[i32]>::to_vec), second, "{name}");
            } else {
                assert_eq!(told.degrees.map(fixed), degrees(&all, &original), "{name}");
                assert!(told.second_degrees.is_none(), "{name}");
            }
            let shifted = solved(problem, |k, operand| {
                let shift = if k == 0 { 3.0 } else { 0.0 };
                &operand + Matrix::identity(operand.nrows(), operand.ncols()) * shift
            });
            let mut expected = original.clone();
            expected[0].add_scalar_mut(3.0);
            assert_eq!(told.shifts, are_equal(&shifted, &expected), "{name}");
            let (rows, columns) = (
                Matrix::from_diagonal(&[1.0, 2.0, 4.0].to_vec().into()),
                Matrix::from_diagonal(&[8.0, 1.0, 0.5].to_vec().into()),
            );
            // A symmetric problem stays one only if rows and columns have the same factors.
            if !problem.is_symmetric()
                && problem.operands().len() == 1
                && original[0].is_square()
                && original[0].len() > 1
                && original.len() == 1
            {
                let scaled = solved(problem, |_, operand| &rows * operand * &columns);
                let back: Vec<_> = scaled.iter().map(|x| &columns * x * &rows).collect();
                assert_eq!(told.equilibrates, are_equal(&back, &original), "{name}");
            } else {
                assert!(!told.equilibrates, "{name}");
            }
        }
    }

    #[test]
    fn parts_have_shapes() {
        let size = Shape::new(4, 2);
        assert_eq!(Part::SAME.shape(size), size);
        assert_eq!(Part::column(Side::Smaller).shape(size), Shape::new(2, 1));
        assert_eq!(Part::transposed(Side::Cols, Side::Rows).shape(size), Shape::new(2, 4));
    }
}
