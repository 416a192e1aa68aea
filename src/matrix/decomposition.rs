//! nalgebra's decompositions in our conventions: values descend, and the sign of each vector is fixed.
//!
//! Matrices up to 10×10 have static sizes and live on the stack, which is several times as fast as the heap.

use nalgebra::{
    Const, DMatrixView, DefaultAllocator, Dim, DimDiff, DimMin, DimMinimum, DimSub, Dyn, LU, OMatrix, OVector, SVD,
    SymmetricEigen, U1, allocator::Allocator,
};

use super::{Matrix, jacobi};
use std::cmp::Ordering;

/// The matrix has a value that is not finite, or the iteration did not converge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotConverged;

/// QR iterations need about two per value. The limit only prevents endless loops.
const MAXIMUM_ITERATIONS: usize = 10_000;

/// Evaluates an expression with `$dim` bound to the dimension `$n`, which is static up to 10.
macro_rules! with_dim {
    ($n:expr, $dim:ident => $body:expr) => {
        with_dim!(@ $n, $dim => $body, 2 3 4 5 6 7 8 9 10)
    };
    (@ $n:expr, $dim:ident => $body:expr, $($size:literal)*) => {
        match $n {
            $($size => { let $dim = nalgebra::Const::<$size>; $body })*
            n => { let $dim = nalgebra::Dyn(n); $body }
        }
    };
}
pub(crate) use with_dim;

/// Evaluates an expression with `$rows` and `$cols` bound to the dimensions of a matrix, which are static for square
/// matrices up to 10×10.
///
/// nalgebra computes the singular values of 2×2 and 3×3 matrices from AᵀA, which loses half of the digits of small
/// ones. Appending a row of zeros selects its general algorithm; that row is also zero in U.
macro_rules! with_shape {
    ($shape:expr, $rows:ident, $cols:ident => $body:expr) => {
        with_shape!(@ $shape, $rows, $cols => $body, 3 2 2, 4 3 3, 4 4 4, 5 5 5, 6 6 6, 7 7 7, 8 8 8, 9 9 9, 10 10 10)
    };
    (@ $shape:expr, $rows:ident, $cols:ident => $body:expr, $($padded:literal $r:literal $c:literal),*) => {
        match $shape {
            $(($r, $c) => { let ($rows, $cols) = (Const::<$padded>, Const::<$c>); $body })*
            (r, c) => { let ($rows, $cols) = (Dyn(r), Dyn(c)); $body }
        }
    };
}

/// Computes the eigenvalues of a symmetric matrix, descending.
pub(crate) fn eigenvalues(matrix: &Matrix, values: &mut [f64]) -> Result<(), NotConverged> {
    require_finite(matrix)?;
    // nalgebra limits the iterations only if it computes vectors, too.
    with_dim!(matrix.nrows(), dim => values.copy_from_slice(try_eigen(dim, matrix)?.eigenvalues.as_slice()));
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    Ok(())
}

/// Computes the eigenvalues of a symmetric matrix, descending, and its eigenvectors as columns with signs fixed by
/// [`fix_sign`].
pub(crate) fn eigen(matrix: &Matrix, values: &mut [f64], vectors: &mut Matrix) -> Result<(), NotConverged> {
    require_finite(matrix)?;
    with_dim!(matrix.nrows(), dim => {
        let found = eigen_of(dim, matrix)?;
        values.copy_from_slice(found.eigenvalues.as_slice());
        vectors.copy_from_slice(found.eigenvectors.as_slice());
    });
    Ok(())
}

/// Replaces each eigenvalue of a symmetric matrix by a function of it, from the largest to the smallest. Rounding
/// errors make the result slightly asymmetric.
pub(crate) fn replace_eigenvalues(
    matrix: &mut Matrix,
    mut replaced: impl FnMut(f64) -> f64,
) -> Result<(), NotConverged> {
    require_finite(matrix)?;
    with_dim!(matrix.nrows(), dim => {
        let SymmetricEigen { mut eigenvectors, eigenvalues } = eigen_of(dim, matrix)?;
        let mut scaled = eigenvectors.clone_owned();
        for (mut column, value) in scaled.column_iter_mut().zip(&eigenvalues) {
            column *= replaced(*value);
        }
        eigenvectors.transpose_mut();
        dynamic(&scaled).mul_to(&dynamic(&eigenvectors), matrix);
    });
    Ok(())
}

/// Writes MᵀM, where `draw` fills the coefficients of a square M.
pub(crate) fn fill_gram(matrix: &mut Matrix, draw: impl FnOnce(&mut [f64])) {
    with_dim!(matrix.nrows(), dim => {
        let mut factor = OMatrix::zeros_generic(dim, dim);
        draw(factor.as_mut_slice());
        dynamic(&factor).tr_mul_to(&dynamic(&factor), matrix);
    });
}

/// A view of dynamic size. nalgebra sums products of static and dynamic matrices in different orders. Data sets must
/// have the same bits in both cases.
fn dynamic<D: Dim>(matrix: &OMatrix<f64, D, D>) -> DMatrixView<'_, f64>
where
    DefaultAllocator: Allocator<D, D>,
{
    DMatrixView::from_slice(matrix.as_slice(), matrix.nrows(), matrix.ncols())
}

/// Computes the singular values, descending.
pub(crate) fn singular_values(matrix: &Matrix, values: &mut [f64]) -> Result<(), NotConverged> {
    require_finite(matrix)?;
    with_shape!(matrix.shape(), rows, cols => {
        if let Some(found) = svd_of(rows, cols, matrix, false) {
            values.copy_from_slice(found.singular_values.as_slice());
        } else {
            values.fill(f64::NAN);
        }
    });
    if !are_plausible(matrix, values) {
        values.copy_from_slice(&jacobi::svd(matrix).1);
    }
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    Ok(())
}

/// Computes the reduced decomposition A = U diag(s) Vᵀ. The values `s` descend, and [`fix_sign`] fixes the signs of U's
/// columns.
pub(crate) fn svd(matrix: &Matrix, u: &mut Matrix, values: &mut [f64], v: &mut Matrix) -> Result<(), NotConverged> {
    require_finite(matrix)?;
    let found = with_shape!(matrix.shape(), rows, cols => match svd_of(rows, cols, matrix, true) {
        Some(Svd { u: Some(left), v_t: Some(right), singular_values: found })
            if are_plausible(matrix, found.as_slice()) =>
        {
            let order = descending(&found, |a, b| b.cmp(a));
            write_svd(order.as_slice(), found.as_slice(), &left, |i, j| right[(j, i)], u, values, v);
            is_accurate(matrix, order.as_slice(), &found, left, &right)
        }
        _ => false,
    });
    if !found {
        let (left, found, right) = jacobi::svd(matrix);
        let found = nalgebra::DVector::from_vec(found);
        let order = descending(&found, |a, b| b.cmp(a));
        write_svd(
            order.as_slice(),
            found.as_slice(),
            &left,
            |i, j| right[(i, j)],
            u,
            values,
            v,
        );
    }
    Ok(())
}

/// Computes the inverse, column by column, by LU with partial pivoting. Returns false if a pivot is zero.
pub(crate) fn invert(matrix: &Matrix, inverse: &mut [f64]) -> bool {
    with_dim!(matrix.nrows(), dim => invert_of(dim, matrix, inverse))
}

fn require_finite(matrix: &Matrix) -> Result<(), NotConverged> {
    if matrix.as_slice().iter().all(|x| x.is_finite()) {
        Ok(())
    } else {
        Err(NotConverged)
    }
}

/// The lower triangle of the mean of a matrix and its transpose, which is all that nalgebra reads. A symmetric matrix
/// keeps its bits.
fn symmetric<D: Dim>(dim: D, matrix: &Matrix) -> OMatrix<f64, D, D>
where
    DefaultAllocator: Allocator<D, D>,
{
    let mut mean = OMatrix::from_column_slice_generic(dim, dim, matrix.as_slice());
    for j in 0..dim.value() {
        for i in 0..j {
            let (here, there) = (mean[(i, j)], mean[(j, i)]);
            mean[(j, i)] = there + 0.5 * (here - there);
        }
    }
    mean
}

/// Indices of the values in descending order. `ties` orders the indices of equal values, whose vectors differ.
fn descending<D: Dim>(values: &OVector<f64, D>, ties: fn(&usize, &usize) -> Ordering) -> OVector<usize, D>
where
    DefaultAllocator: Allocator<D>,
{
    let (dim, one) = values.shape_generic();
    let mut order = OVector::from_fn_generic(dim, one, |i, _| i);
    order
        .as_mut_slice()
        .sort_unstable_by(|a, b| values[*b].total_cmp(&values[*a]).then_with(|| ties(a, b)));
    order
}

/// nalgebra's decomposition with a limit on iterations.
fn try_eigen<D>(dim: D, matrix: &Matrix) -> Result<SymmetricEigen<f64, D>, NotConverged>
where
    D: DimSub<U1>,
    DefaultAllocator: Allocator<D, D> + Allocator<D> + Allocator<DimDiff<D, U1>>,
{
    SymmetricEigen::try_new(symmetric(dim, matrix), f64::EPSILON, MAXIMUM_ITERATIONS).ok_or(NotConverged)
}

/// Eigenvalues in descending order, and their vectors with fixed signs.
fn eigen_of<D>(dim: D, matrix: &Matrix) -> Result<SymmetricEigen<f64, D>, NotConverged>
where
    D: DimSub<U1>,
    DefaultAllocator: Allocator<D, D> + Allocator<D> + Allocator<DimDiff<D, U1>>,
{
    let found = try_eigen(dim, matrix)?;
    let order = descending(&found.eigenvalues, usize::cmp);
    let signs = order.map(|from| fix_sign(found.eigenvectors.column(from).iter()));
    Ok(SymmetricEigen {
        eigenvalues: order.map(|from| found.eigenvalues[from]),
        eigenvectors: OMatrix::from_fn_generic(dim, dim, |i, to| signs[to] * found.eigenvectors[(i, order[to])]),
    })
}

type Svd<R, C> = SVD<f64, R, C>;

/// nalgebra's decomposition of the matrix, with rows of zeros appended up to `rows`.
fn svd_of<R, C>(rows: R, cols: C, matrix: &Matrix, vectors: bool) -> Option<Svd<R, C>>
where
    R: DimMin<C>,
    C: Dim,
    DimMinimum<R, C>: DimSub<U1>,
    DefaultAllocator: Allocator<R, C>
        + Allocator<C>
        + Allocator<R>
        + Allocator<DimDiff<DimMinimum<R, C>, U1>>
        + Allocator<DimMinimum<R, C>, C>
        + Allocator<R, DimMinimum<R, C>>
        + Allocator<DimMinimum<R, C>>,
{
    let height = matrix.nrows();
    let padded = OMatrix::from_fn_generic(rows, cols, |i, j| if i < height { matrix[(i, j)] } else { 0.0 });
    // nalgebra's own constructor has the same tolerance.
    SVD::try_new_unordered(padded, vectors, vectors, 5.0 * f64::EPSILON, MAXIMUM_ITERATIONS)
}

/// The largest accepted relative error of nalgebra's singular values and vectors. If it is exceeded, [`jacobi`]
/// computes them.
const TOLERANCE: f64 = 1e-12;

/// Whether A = U diag(s) Vᵀ to [`TOLERANCE`]. nalgebra loses digits if two singular values are close.
fn is_accurate<R, K, C>(
    matrix: &Matrix,
    order: &[usize],
    values: &OVector<f64, K>,
    mut u: OMatrix<f64, R, K>,
    v_t: &OMatrix<f64, K, C>,
) -> bool
where
    R: Dim,
    K: Dim,
    C: Dim,
    DefaultAllocator: Allocator<R, K> + Allocator<K> + Allocator<K, C> + Allocator<R>,
{
    let limit = TOLERANCE * amax(matrix);
    for (mut column, value) in u.column_iter_mut().zip(values) {
        column *= *value;
    }
    (0..matrix.ncols()).all(|j| {
        let mut rebuilt = OVector::zeros_generic(u.shape_generic().0, U1);
        for &k in order {
            rebuilt.axpy(v_t[(k, j)], &u.column(k), 1.0);
        }
        let column = &matrix.as_slice()[j * matrix.nrows()..][..matrix.nrows()];
        column
            .iter()
            .zip(rebuilt.as_slice())
            .all(|(given, rebuilt)| (rebuilt - given).abs() <= limit)
    })
}

/// Whether nalgebra's singular values can be trusted. They cannot if the rank is deficient (see [`jacobi`]).
fn are_plausible(matrix: &Matrix, values: &[f64]) -> bool {
    let scale = amax(matrix);
    let square = |sum: f64, x: &f64| sum + (x / scale).powi(2);
    let (given, found) = (
        matrix.as_slice().iter().fold(0.0, square),
        values.iter().fold(0.0, square),
    );
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    (given - found).abs() <= TOLERANCE * given && smallest > TOLERANCE * scale
}

/// The largest magnitude of a finite matrix. Slice iterators are several times as fast as nalgebra's.
fn amax(matrix: &Matrix) -> f64 {
    matrix
        .as_slice()
        .iter()
        .fold(0.0, |largest, x| f64::max(largest, x.abs()))
}

/// Writes a decomposition in the given order of its values, with signs from [`fix_sign`]. `right(i, j)` is the entry of
/// V.
fn write_svd<R, K, S>(
    order: &[usize],
    found: &[f64],
    left: &nalgebra::Matrix<f64, R, K, S>,
    right: impl Fn(usize, usize) -> f64,
    u: &mut Matrix,
    values: &mut [f64],
    v: &mut Matrix,
) where
    R: Dim,
    K: Dim,
    S: nalgebra::RawStorage<f64, R, K>,
{
    let height = u.nrows();
    for (to, &from) in order.iter().enumerate() {
        values[to] = found[from];
        let sign = fix_sign(left.column(from).iter().take(height));
        for i in 0..height {
            u[(i, to)] = sign * left[(i, from)];
        }
        for i in 0..v.nrows() {
            v[(i, to)] = sign * right(i, from);
        }
    }
}

fn invert_of<D>(dim: D, matrix: &Matrix, inverse: &mut [f64]) -> bool
where
    D: DimMin<D, Output = D>,
    DefaultAllocator: Allocator<D, D> + Allocator<D>,
{
    let lu = LU::new(OMatrix::from_fn_generic(dim, dim, |i, j| matrix[(i, j)]));
    lu.try_inverse().is_some_and(|found| {
        inverse.copy_from_slice(found.as_slice());
        true
    })
}

/// The factor, 1 or -1, that makes the entry of largest magnitude positive. Of equal magnitudes, the first decides.
pub(crate) fn fix_sign<'a>(entries: impl Iterator<Item = &'a f64>) -> f64 {
    let largest = entries.fold(0.0_f64, |largest, x| if x.abs() > largest.abs() { *x } else { largest });
    if largest < 0.0 { -1.0 } else { 1.0 }
}

#[cfg(test)]
mod tests;
