"""Models that compute inverses from a condensed form: the transposed matrix, reduced to bidiagonal form."""

import numpy as np
import pytest
import torch
from conftest import CALLS, as_given, assert_same_answers, evaluated, load, operands, solved, tuple_of

CONDENSED = {"encoding.input": "condensed"}


def bidiagonal(matrix):
    """The numbers of the bidiagonal form in reading order, by an independent method: Golub-Kahan recurrences that start at the first unit
    vector."""
    n = len(matrix)
    right, left, numbers = [np.eye(n)[0]], [], []
    for k in range(n):
        image = matrix @ right[k]
        image = image - sum(((image @ u) * u for u in left), np.zeros(n))
        numbers.append(np.linalg.norm(image))
        left.append(image / numbers[-1])
        if k + 1 < n:
            image = matrix.T @ left[k]
            image = image - np.array(right).T @ (np.array(right) @ image)
            numbers.append(np.linalg.norm(image))
            right.append(image / numbers[-1])
    return numbers


def growth(numbers):
    """The error growth of a bidiagonal form B: the sum of magnitudes of its inverse, whose columns are multiplied by B's diagonal."""
    form = np.diag(numbers[::2]) + np.diag(numbers[1::2], 1)
    return np.abs(np.linalg.inv(form) * numbers[::2]).sum()


def condensed(matrix):
    """The bidiagonal form with the smallest error growth, among all choices of the first column of the transposed matrix."""
    return min((bidiagonal(np.roll(matrix.T, -first, 1)) for first in range(len(matrix))), key=growth)


def whole(n, count):
    """Matrices of integers, which rounding to three digits does not change."""
    return np.random.default_rng(n).integers(-99, 100, (count, n, n)).astype(float)


@pytest.mark.parametrize("size", ["dim = 1", "dim = 2", "dim = 5"])
def test_an_inverse_is_read_from_the_row_by_which_errors_grow_least(train, size):
    model, n = load(train("inverse", CONDENSED, size=size)), int(size[-1])
    matrices = whole(n, 20)
    expected = torch.tensor(np.array([condensed(matrix) for matrix in matrices]), dtype=torch.float32)
    torch.testing.assert_close(model.encode(torch.from_numpy(matrices)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("options", [[], ["--as-given"]])
def test_answers_equal_those_of_the_command_line(laformer, train, options):
    folder = train("inverse", CONDENSED | {"encoding.normalize": "true"})
    model = as_given(folder) if options else load(folder)
    solve = lambda matrices: tuple_of(model.solve(matrices))
    (matrices,), printed = evaluated(laformer, folder, *options)["inverse"]
    for _ in range(CALLS):
        assert_same_answers(solve(matrices), printed)
    assert_same_answers(solve(matrices[:1]), solved(laformer, folder, "inverse", matrices[:1], *options), ties=0)


def test_orders_and_signs_of_rows_and_columns_change_nothing(train):
    model = load(train("inverse", CONDENSED))
    generator = np.random.default_rng(5)
    for matrix in whole(3, 4):
        moved = matrix[generator.permutation(3)][:, generator.permutation(3)] * generator.choice([-1.0, 1.0], (3, 1))
        torch.testing.assert_close(model.encode(torch.from_numpy(matrix)), model.encode(torch.from_numpy(moved)), rtol=1e-5, atol=1e-5)


def test_matrices_that_are_condensed_already_have_answers(train):
    model, (matrices,) = load(train("inverse", CONDENSED)), operands("inverse", 4)
    matrices[0] = np.diag([2.0, 0.5, -3.0])
    matrices[1] = np.eye(3)
    matrices[2] = -np.eye(3)
    answers = model.solve(torch.from_numpy(matrices))
    assert answers.isfinite().all() and len(answers) == 4


def test_gradients_are_those_of_the_form(train):
    matrix = whole(3, 1)[0]
    direction = np.random.default_rng(4).normal(size=matrix.shape)
    step = 1e-6
    difference = np.array(condensed(matrix + step * direction)) - np.array(condensed(matrix - step * direction))
    given = torch.from_numpy(matrix).requires_grad_()
    source = load(train("inverse", CONDENSED)).encode(given)[0]
    gradients = [torch.autograd.grad(number, given, retain_graph=True)[0].numpy() for number in source]
    assert np.allclose([(gradient * direction).sum() for gradient in gradients], difference / (2 * step), rtol=1e-4, atol=1e-4)


def test_what_is_condensed_already_has_a_gradient(train):
    matrices = torch.stack([torch.diag(torch.tensor([2.0, 0.5, -3.0])), torch.eye(3)]).double().requires_grad_()
    load(train("inverse", CONDENSED)).encode(matrices).sum().backward()
    assert matrices.grad.isfinite().all()
