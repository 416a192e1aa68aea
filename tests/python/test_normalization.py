"""Models scale operands to the scale of the training, and answers back. So answers of scaled or shifted operands are scaled or shifted."""

import numpy as np
import pytest
import torch
from conftest import as_given, assert_same_answers, load, operands, solved, tuple_of
from test_module import NUMPY

NORMALIZE = {"encoding.normalize": "true"}
# The degree of homogeneity of each matrix of the solution: a pair if each of two operands has its own scale.
DEGREES = {
    "transpose": [1],
    "add": [1],
    "matrix-vector": [(1, 1)],
    "matrix-product": [(1, 1)],
    "eigenvalues": [1],
    "eigenvectors": [1, 0],
    "inverse": [-1],
    "symmetric-inverse": [-1],
    "singular-values": [1],
    "svd": [0, 1, 0],
    "determinant": [3],
    "linear-solve": [(-1, 1)],
    "matrix-sign": [0],
}
scalable = pytest.mark.parametrize("problem", DEGREES)


def solve(model, arrays, *scales):
    scales = scales * len(arrays) if len(scales) == 1 else scales or [1.0] * len(arrays)
    return tuple_of(model.solve(*(scale * torch.from_numpy(array) for scale, array in zip(scales, arrays, strict=True))))


def test_every_problem_but_the_exponential_has_degrees():
    assert set(DEGREES) | {"matrix-exponential"} == set(NUMPY)


@scalable
def test_answers_of_scaled_operands_are_scaled_answers(train, problem):
    # A power of ten does not change the digits of operands.
    model, arrays = load(train(problem, NORMALIZE)), operands(problem, 6)
    answers = solve(model, arrays)
    for scale in (1e-3, 1e4):
        grown = [scale ** (sum(degree) if isinstance(degree, tuple) else degree) for degree in DEGREES[problem]]
        assert_same_answers([answer / growth for answer, growth in zip(solve(model, arrays, scale), grown, strict=True)], answers)


@pytest.mark.parametrize("problem", ["matrix-vector", "matrix-product", "linear-solve"])
def test_both_operands_have_scales_of_their_own(train, problem):
    model, arrays = load(train(problem, NORMALIZE)), operands(problem, 6)
    (first, second), = DEGREES[problem]
    (answer,), (scaled,) = solve(model, arrays), solve(model, arrays, 1e-3, 1e4)
    assert_same_answers([scaled / (1e-3**first * 1e4**second)], [answer])


def test_rows_and_columns_of_a_matrix_to_invert_have_scales_of_their_own(train):
    model = load(train("inverse", NORMALIZE))
    matrices = torch.from_numpy(np.random.default_rng(3).integers(-99, 100, (6, 3, 3)).astype(float))
    rows, cols = torch.tensor([[1e3], [1.0], [0.1]]).double(), torch.tensor([0.01, 10.0, 1.0]).double()
    scaled = model.solve(rows * matrices * cols) * cols.unsqueeze(1) * rows.squeeze(1)
    assert_same_answers([scaled], [model.solve(matrices)])


@pytest.mark.parametrize("problem", ["transpose", "add", "matrix-vector", "matrix-product", "eigenvalues", "singular-values", "determinant"])
def test_what_nothing_but_zeros_grows_to_is_zero(train, problem):
    answer = load(train(problem, NORMALIZE)).solve(*(torch.zeros(array.shape[1:]) for array in operands(problem, 1)))
    assert torch.equal(answer, torch.zeros_like(answer))


@scalable
def test_answers_equal_those_of_the_command_line(laformer, train, problem):
    folder = train(problem, NORMALIZE)
    example = [30 * array for array in operands(problem, 1)]
    printed = solved(laformer, folder, problem, [array[0] for array in example])
    assert_same_answers(solve(load(folder), example), printed, ties=0)
    given = solved(laformer, folder, problem, [array[0] for array in example], "--as-given")
    assert_same_answers(given, solve(as_given(folder), example), ties=0)


@pytest.mark.parametrize("problem", ["eigenvalues", "eigenvectors"])
def test_a_shifted_matrix_has_shifted_eigenvalues(train, problem):
    model, (matrices,) = load(train(problem, NORMALIZE)), operands(problem, 6)
    matrices = torch.from_numpy(matrices).round()
    shifted = tuple_of(model.solve(matrices + 100 * torch.eye(3)))
    answers = tuple_of(model.solve(matrices))
    assert_same_answers([shifted[0] - 100, *shifted[1:]], answers)


def test_a_multiple_of_the_identity_is_answered_by_its_mean(train):
    answer = load(train("eigenvalues", NORMALIZE)).solve(7 * torch.eye(3))
    assert torch.equal(answer, torch.full([3], 7.0, dtype=torch.float64))


@pytest.mark.parametrize(
    "problem, settings",
    [("matrix-exponential", {}), ("eigenvalues", {"model.architecture": "paper"}), ("transpose", {"model.value_features": "digits"})],
)
def test_exponentials_tokens_and_digits_are_read_as_given(train, problem, settings):
    arrays = operands(problem, 3)
    answers = [solve(load(train(problem, settings | more)), arrays, 0.1) for more in ({}, NORMALIZE)]
    assert all(torch.equal(a, b) for a, b in zip(*answers, strict=True))
