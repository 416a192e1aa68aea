"""Operands are brought to the scale of the training, and answers back: a scale, and for spectra a shift, change nothing else."""

import pytest
import torch
from conftest import assert_same_answers, load, operands, solved, tuple_of
from test_module import NUMPY

NORMALIZE = {"encoding.normalize": "true"}
# The power of the scale by which each matrix of the solution grows.
DEGREES = {
    "transpose": [1],
    "add": [1],
    "matrix-vector": [2],
    "matrix-product": [2],
    "eigenvalues": [1],
    "eigenvectors": [1, 0],
    "inverse": [-1],
    "symmetric-inverse": [-1],
    "singular-values": [1],
    "svd": [0, 1, 0],
    "determinant": [3],
    "linear-solve": [0],
    "matrix-sign": [0],
}
scalable = pytest.mark.parametrize("problem", DEGREES)


def solve(model, arrays, scale=1.0):
    return tuple_of(model.solve(*(scale * torch.from_numpy(array) for array in arrays)))


def test_every_problem_but_the_exponential_has_degrees():
    assert set(DEGREES) | {"matrix-exponential"} == set(NUMPY)


@scalable
def test_answers_of_scaled_operands_are_scaled_answers(train, problem):
    # A power of ten leaves the digits of operands as they are.
    model, arrays = load(train(problem, NORMALIZE)), operands(problem, 6)
    answers = solve(model, arrays)
    for scale in (1e-3, 1e4):
        scaled = [answer / scale**degree for answer, degree in zip(solve(model, arrays, scale), DEGREES[problem], strict=True)]
        assert_same_answers(scaled, answers)


@scalable
def test_answers_equal_those_of_the_command_line(laformer, train, problem):
    folder = train(problem, NORMALIZE)
    example = [30 * array for array in operands(problem, 1)]
    printed = solved(laformer, folder, problem, [array[0] for array in example])
    assert_same_answers(solve(load(folder), example), printed, ties=0)
    given = solved(laformer, folder, problem, [array[0] for array in example], "--as-given")
    assert_same_answers(given, solve(load(train(problem)), example), ties=0)


@pytest.mark.parametrize("problem", ["eigenvalues", "eigenvectors"])
def test_a_shifted_matrix_has_shifted_eigenvalues(train, problem):
    model, (matrices,) = load(train(problem, NORMALIZE)), operands(problem, 6)
    matrices = torch.from_numpy(matrices).round()
    shifted = tuple_of(model.solve(matrices + 100 * torch.eye(3)))
    answers = tuple_of(model.solve(matrices))
    assert_same_answers([shifted[0] - 100, *shifted[1:]], answers)


def test_a_multiple_of_the_identity_is_answered_by_its_mean(train):
    answer = load(train("eigenvalues", NORMALIZE)).solve(7 * torch.eye(3))
    torch.testing.assert_close(answer, torch.full([3], 7.0, dtype=torch.float64))


@pytest.mark.parametrize(
    "problem, settings",
    [("matrix-exponential", {}), ("eigenvalues", {"model.architecture": "paper"}), ("transpose", {"model.value_features": "digits"})],
)
def test_exponentials_tokens_and_digits_are_read_as_given(train, problem, settings):
    arrays = operands(problem, 3)
    answers = [solve(load(train(problem, settings | more)), arrays, 0.1) for more in ({}, NORMALIZE)]
    assert all(torch.equal(a, b) for a, b in zip(*answers, strict=True))
