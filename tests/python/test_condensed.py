"""Models that read condensed forms: tridiagonal matrices of symmetric ones, bidiagonal ones of others."""

import numpy as np
import pytest
import torch
from conftest import CALLS, assert_same_answers, evaluated, load, operands, solved, tuple_of

CONDENSED = {"encoding.input": "condensed"}
CANONICAL = CONDENSED | {"encoding.canonical": "true"}
SINGLE = ["transpose", "eigenvalues", "eigenvectors", "inverse", "symmetric-inverse", "singular-values", "svd"]
poses = pytest.mark.parametrize(
    "settings",
    [pytest.param(CONDENSED, id="as given"), pytest.param(CANONICAL, id="canonical", marks=pytest.mark.optimized)],
)


def tridiagonal(matrix):
    """The numbers of the form in reading order by another way, the recurrence of Lanczos from the first axis."""
    n = len(matrix)
    basis, numbers = [np.eye(n)[0]], []
    for k in range(n):
        image = matrix @ basis[k]
        numbers.append(image @ basis[k])
        image = image - np.array(basis).T @ (np.array(basis) @ image)
        if k + 1 < n:
            numbers.append(np.linalg.norm(image))
            basis.append(image / numbers[-1])
    return numbers


def bidiagonal(matrix):
    """The same of any matrix, by the recurrences of Golub and Kahan."""
    m, n = matrix.shape
    right, left, numbers = [np.eye(n)[0]], [], []
    for k in range(min(m, n)):
        image = matrix @ right[k]
        image = image - sum(((image @ u) * u for u in left), np.zeros(m))
        numbers.append(np.linalg.norm(image))
        left.append(image / numbers[-1])
        if k + 1 < n:
            image = matrix.T @ left[k]
            image = image - np.array(right).T @ (np.array(right) @ image)
            numbers.append(np.linalg.norm(image))
            right.append(image / numbers[-1])
    return numbers


def growth(numbers):
    """What errors of the inverse P of a form B count by: the sum of the magnitudes of P with its columns times the diagonal."""
    form = np.diag(numbers[::2]) + np.diag(numbers[1::2], 1)
    return np.abs(np.linalg.inv(form) * numbers[::2]).sum()


def pivoted(matrix):
    """The form of the transposed matrix by which errors grow least, whichever of its columns comes first."""
    return min((bidiagonal(np.roll(matrix.T, -first, 1)) for first in range(len(matrix))), key=growth)


@pytest.mark.parametrize("size", ["dim = 2", "dim = 4"])
def test_a_symmetric_matrix_is_read_as_a_tridiagonal_one(train, size):
    model, n = load(train("eigenvalues", CONDENSED, size=size)), int(size[-1])
    # Nothing of numbers with three digits is rounded.
    matrices = np.random.default_rng(n).integers(-99, 100, (5, n, n)).astype(float)
    matrices = np.tril(matrices) + np.tril(matrices, -1).transpose(0, 2, 1)
    expected = torch.tensor([tridiagonal(matrix) for matrix in matrices], dtype=torch.float32)
    torch.testing.assert_close(model.encode(torch.from_numpy(matrices)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("rows, cols", [(3, 3), (4, 2), (2, 4), (1, 3), (3, 1)])
def test_any_matrix_is_read_as_a_bidiagonal_one(train, rows, cols):
    model = load(train("singular-values", CONDENSED, size=f"rows = {rows}\ncols = {cols}"))
    matrices = np.random.default_rng(rows).integers(-99, 100, (5, rows, cols)).astype(float)
    expected = torch.tensor([bidiagonal(matrix) for matrix in matrices], dtype=torch.float32)
    torch.testing.assert_close(model.encode(torch.from_numpy(matrices)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("size", ["dim = 1", "dim = 2", "dim = 5"])
def test_an_inverse_is_read_from_the_row_by_which_errors_grow_least(train, size):
    model, n = load(train("inverse", CONDENSED, size=size)), int(size[-1])
    matrices = np.random.default_rng(n).integers(-99, 100, (20, n, n)).astype(float)
    expected = torch.tensor([pivoted(matrix) for matrix in matrices], dtype=torch.float32)
    torch.testing.assert_close(model.encode(torch.from_numpy(matrices)), expected, rtol=1e-5, atol=1e-4)


@poses
@pytest.mark.parametrize("options, problem", [*(([], problem) for problem in SINGLE), (["--normalize"], "eigenvalues"), (["--normalize"], "svd")])
def test_answers_equal_those_of_the_command_line(laformer, train, problem, options, settings):
    folder = train(problem, settings)
    solve = lambda matrices: tuple_of(load(folder).solve(matrices, normalize=bool(options)))
    (matrices,), printed = evaluated(laformer, folder, *options)[problem]
    for _ in range(CALLS):
        assert_same_answers(solve(matrices), printed)
    assert_same_answers(solve(matrices[:1]), solved(laformer, folder, problem, matrices[:1], *options), ties=0)


@pytest.mark.parametrize("problem", ["eigenvalues", "singular-values"])
def test_rotations_of_what_is_rotated_change_nothing(train, problem):
    model, (matrices,) = load(train(problem, CONDENSED)), operands(problem, 4)
    generator = np.random.default_rng(5)
    for matrix in np.trunc(matrices):
        # Signs and a swap keep numbers of three digits.
        turn = np.eye(len(matrix))
        turn[1:] = turn[[2, 1]] * generator.choice([-1.0, 1.0], (2, 1))
        moved = turn @ matrix @ turn.T if problem == "eigenvalues" else turn @ matrix
        torch.testing.assert_close(model.encode(torch.from_numpy(matrix)), model.encode(torch.from_numpy(moved)), rtol=1e-6, atol=1e-6)


@poses
@pytest.mark.parametrize("problem", SINGLE)
def test_matrices_that_are_condensed_already_have_answers(train, problem, settings):
    model, (matrices,) = load(train(problem, settings)), operands(problem, 4)
    matrices[0] = 0
    matrices[1] = np.eye(*matrices.shape[1:])
    matrices[2] = -np.eye(*matrices.shape[1:])
    together = tuple_of(model.solve(torch.from_numpy(matrices), views=2))
    assert all(answer.isfinite().all() and len(answer) == 4 for answer in together)


@pytest.mark.parametrize("problem, form", [("eigenvalues", tridiagonal), ("svd", bidiagonal), ("inverse", pivoted)])
def test_gradients_are_those_of_the_condensed_form(train, problem, form):
    # Whole numbers are read as they are, so that the derivative is of what the model sees.
    matrix = np.trunc(operands(problem, 1, seed=3)[0][0])
    direction = np.random.default_rng(4).normal(size=matrix.shape)
    direction = direction + direction.T if problem == "eigenvalues" else direction
    step = 1e-6
    expected = (np.array(form(matrix + step * direction)) - np.array(form(matrix - step * direction))) / (2 * step)
    given = torch.from_numpy(matrix).requires_grad_()
    source = load(train(problem, CONDENSED)).encode(given)[0]
    gradients = [torch.autograd.grad(number, given, retain_graph=True)[0].numpy() for number in source]
    assert np.allclose([(gradient * direction).sum() for gradient in gradients], expected, rtol=1e-4, atol=1e-4)


def test_what_is_condensed_already_has_a_gradient(train):
    matrices = torch.stack([torch.zeros(3, 3), torch.eye(3)]).double().requires_grad_()
    load(train("eigenvalues", CONDENSED)).encode(matrices).sum().backward()
    assert matrices.grad.isfinite().all()
