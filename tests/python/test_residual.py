"""Residuals equal independent formulas in NumPy, are near the true error, and are 0 for exact answers. Singular matrices raise errors."""

import numpy as np
import pytest
import torch
from conftest import load, operands, tuple_of
from test_module import NUMPY, problems, solve


def exact(problem, arrays):
    """The solution by NumPy, in the module's shapes."""
    if problem == "matrix-sign":
        values, vectors = np.linalg.eig(arrays[0])
        return (((vectors * np.sign(values.real)[:, None]) @ np.linalg.inv(vectors)).real,)
    answer = [np.array(part) for part in tuple_of(NUMPY[problem](*arrays))]
    if problem in ("eigenvalues", "eigenvectors"):
        answer = [part[..., ::-1].copy() for part in answer]
    return tuple(answer)


def magnitude(x):
    return np.abs(x).sum(tuple(range(1, x.ndim)))


def orthonormality(columns):
    return magnitude(columns.swapaxes(1, 2) @ columns - np.eye(columns.shape[2])) / (2 * columns.shape[2])


def diagonalization(u, matrix, v, values):
    return magnitude(u.swapaxes(1, 2) @ matrix @ v - values[:, :, None] * np.eye(values.shape[1])) / magnitude(values)


def error(problem, arrays, answer):
    """The error of an answer, by independent formulas."""
    matrix = arrays[0]
    if problem in ("inverse", "symmetric-inverse"):
        return magnitude(matrix @ answer[0] - np.eye(len(matrix[0]))) / len(matrix[0])
    if problem == "eigenvectors":
        values, vectors = answer
        return np.maximum(diagonalization(vectors, matrix, vectors, values), orthonormality(vectors))
    if problem == "svd":
        u, values, vt = answer
        v = vt.swapaxes(1, 2)
        return np.max([diagonalization(u, matrix, v, values), orthonormality(u), orthonormality(v)], 0)
    truth = exact(problem, arrays)[0]
    return magnitude((answer[0] - truth).reshape(len(truth), -1)) / magnitude(truth.reshape(len(truth), -1))


def residual(model, arrays, answer):
    answer = tuple(torch.from_numpy(part) for part in answer)
    return model.residual(*map(torch.from_numpy, arrays), answer if len(answer) > 1 else answer[0])


@problems
@pytest.mark.parametrize("distance", [0.0, 1e-4, 0.01, 0.04, 0.06, 0.3])
def test_residuals_are_the_errors_of_answers(train, problem, distance):
    arrays, generator = operands(problem, 40), np.random.default_rng(1)
    answer = tuple(part * (1 + distance * generator.uniform(-2, 2, part.shape)) for part in exact(problem, arrays))
    found, wanted = residual(load(train(problem)), arrays, answer).numpy(), error(problem, arrays, answer)
    if problem == "matrix-sign" and distance > 0.1:
        # Far from a matrix sign, Newton's iteration converges to another one or diverges.
        assert (found[wanted > 0.2] > 0.05).all()
    else:
        np.testing.assert_allclose(found, wanted, rtol=0.03, atol=1e-5)


@problems
def test_checked_answers_are_those_of_solve_with_their_residuals(train, problem):
    model, arrays = load(train(problem)), operands(problem, 5)
    answer = solve(model, arrays)
    checked, found, trusted = model.solve(*map(torch.from_numpy, arrays), check=True)
    assert all(torch.equal(a, b) for a, b in zip(tuple_of(checked), answer, strict=True))
    assert found.dtype == torch.float64 and trusted.dtype == torch.bool and found.shape == trusted.shape == (5,)
    assert torch.equal(trusted, found < 0.05)
    # The whole batch determines the number of steps for matrix exponentials, so single answers may have other rounding errors.
    assert torch.allclose(model.residual(*map(torch.from_numpy, arrays), checked), found, rtol=1e-9)
    alone, one, verdict = model.solve(*(torch.from_numpy(array[0]) for array in arrays), check=True)
    assert one.shape == verdict.shape == () and torch.allclose(one, residual(model, [array[:1] for array in arrays], [part.numpy()[None] for part in tuple_of(alone)])[0])


@pytest.mark.parametrize(
    "matrix, right, wrong",
    [
        # Wrong answers with nearly the same power sums; the right eigenvalues with wrong multiplicities; a zero matrix; values of
        # very different sizes.
        (np.diag([3.0, 3.0, 1.0]), [3.0, 3.0, 1.0], [3.3, 2.7, 1.0]),
        (np.diag([3.0, 1.0, 1.0]), [3.0, 1.0, 1.0], [3.0, 3.0, 1.0]),
        (np.zeros((3, 3)), [0.0, 0.0, 0.0], [0.0, 0.0, -1e-9]),
        (np.diag([1e8, 1.0, -1e8]), [1e8, 1.0, -1e8], [1e8, 1e7, -1e8]),
    ],
)
def test_values_are_told_apart_in_all_multiplicities(train, matrix, right, wrong):
    model, matrix = load(train("eigenvalues")), torch.from_numpy(matrix)
    assert model.residual(matrix, torch.tensor(right)) < 1e-5
    assert model.residual(matrix, torch.tensor(wrong)) > 0.045


def test_other_roots_of_the_identity_are_no_sign(train):
    model, matrix = load(train("matrix-sign")), torch.diag(torch.tensor([2.0, -3.0, 1.0]))
    for pattern in ([1, 1, 1], [-1, -1, 1], [-1, 1, -1]):
        assert model.residual(matrix, torch.diag(torch.tensor(pattern).double())) == float("inf")
    assert model.residual(matrix, torch.diag(torch.tensor([1.0, -1, 1]))) < 1e-9


@pytest.mark.parametrize("problem", ["inverse", "symmetric-inverse", "linear-solve", "matrix-sign"])
def test_singular_matrices_are_refused(train, problem):
    model, arrays = load(train(problem)), [torch.from_numpy(array) for array in operands(problem, 4)]
    singular = torch.tensor([[1.0, 2, 3], [2, 4, 6], [3, 6, 10]], dtype=torch.float64)
    rest = [array[0] for array in arrays[1:]]
    for matrix in (singular, torch.zeros(3, 3), 1e-9 * torch.ones(3, 3)):
        with pytest.raises(torch.jit.Error, match="the matrix is singular: it has no inverse"):
            model.solve(matrix, *rest)
    arrays[0][2] = singular
    with pytest.raises(torch.jit.Error, match="matrix 2 of the batch is singular: it has no inverse"):
        model.solve(*arrays)
    # Rows of very different scales do not make a matrix singular.
    model.solve(torch.diag(torch.tensor([1e-12, 1.0, 1e6], dtype=torch.float64)), *rest)


def test_answers_of_other_shapes_are_refused_with_the_shape_that_is_wanted(train):
    eigenvectors, add = load(train("eigenvectors")), load(train("add"))
    matrix = torch.eye(3)
    with pytest.raises(torch.jit.Error, match="an answer of eigenvectors has 2 tensors, not 1"):
        eigenvectors.residual(matrix, matrix)
    with pytest.raises(torch.jit.Error, match=r"the answer must be \[3\] beside these operands, not \[2\]"):
        eigenvectors.residual(matrix, (torch.ones(2), matrix))
    with pytest.raises(torch.jit.Error, match="add has two operands, left and right; one is given"):
        add.residual(torch.ones(3, 4), torch.ones(3, 4))
    assert eigenvectors.residual(matrix, torch.linalg.eigh(matrix)) < 1e-12
    assert eigenvectors.residual(matrix, [torch.ones(3), matrix]) < 1e-12
    assert eigenvectors.residual(matrix, (torch.full([3], float("nan")), matrix)) == float("inf")
