"""`solve(…, views=8)`: rotated problems are equivalent, and the median of their answers is what it says."""

import numpy as np
import pytest
import torch
from conftest import ROOT, assert_same_answers, load, operands, tuple_of
from test_module import CANONICAL, NUMPY, problems, solve

VECTORS = {"eigenvectors", "svd"}


def columns(array):
    """Numbers [batch, n] as the matrices [batch, n, 1] that a module computes with."""
    return torch.from_numpy(array if array.ndim == 3 else array[..., None])


def exact(problem, arrays):
    solution = [columns(np.ascontiguousarray(array)) for array in tuple_of(NUMPY[problem](*arrays))]
    if problem == "svd":
        solution[2] = solution[2].transpose(1, 2)
    return solution


@problems
def test_solutions_of_rotated_problems_are_rotated_back_to_the_solution(train, problem):
    model, arrays = load(train(problem)), operands(problem, 5)
    matrices = [columns(array) for array in arrays]
    rotations = model.rotations(matrices, 3)
    rotated = model.rotated(matrices, model.operand_axes(), rotations)
    assert not torch.allclose(rotated[0], matrices[0], atol=0.1)
    given = [matrix.numpy() if array.ndim == 3 else matrix.numpy()[..., 0] for matrix, array in zip(rotated, arrays)]
    back = [rotation.transpose(0, 1) for rotation in rotations]
    restored = model.rotated(exact(problem, given), model.solution_axes(), back)
    for found, wanted in zip(restored, exact(problem, arrays), strict=True):
        if problem in VECTORS:
            found, wanted = found.abs(), wanted.abs()
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


@problems
def test_solutions_of_scaled_problems_grow_by_their_degree(train, problem):
    model, arrays = load(train(problem)), operands(problem, 3)
    of_scaled = exact(problem, [0.5 * array for array in arrays])
    for scaled, wanted, degree in zip(of_scaled, exact(problem, arrays), model.degrees(), strict=True):
        torch.testing.assert_close(scaled / 0.5**degree, wanted)


GIVEN = pytest.mark.parametrize("settings", [{}, CANONICAL, {"model.architecture": "paper"}], ids=["given", "canonical", "paper"])


def answers_of_views(model, problem):
    """Operands, and the answers to them and to three rotated problems, which are those of the matrices as they are read, not rounded again."""
    matrices = model.as_read([torch.from_numpy(array) for array in operands(problem, 4)])
    return matrices, [model.solve(*matrices), *(answer_of_view(model, matrices, view) for view in (1, 2, 3))]


def answer_of_view(model, matrices, view, prefix=""):
    """The first matrix of the answer to a rotated problem, rotated back."""
    method = lambda name: getattr(model, prefix + name)
    asked, rotations, scale = method("view")(matrices, view)
    return method("viewed_back")(method("solution")(asked, 1), rotations, scale)[0]


@GIVEN
def test_the_answer_is_the_median_of_the_views(train, settings):
    model = load(train("transpose", settings))
    matrices, answers = answers_of_views(model, "transpose")
    ordered = torch.stack(answers).sort(0)[0]
    # Views may be asked together, in a larger batch.
    for views, wanted in [(1, answers[0]), (3, torch.stack(answers[:3]).median(0)[0]), (4, (ordered[1] + ordered[2]) / 2)]:
        assert_same_answers([model.solve(*matrices, views=views)], [wanted])
    assert torch.equal(model.solve(*matrices, views=3), model.solve(*matrices, views=3))


@GIVEN
def test_inverses_are_weighed_by_their_distance_to_the_median(train, settings):
    model = load(train("inverse", settings))
    matrices, answers = answers_of_views(model, "inverse")
    assert_same_answers([model.solve(*matrices, views=1)], [answers[0]])
    expected = []
    for each in zip(*(answer.detach().numpy() for answer in answers), strict=True):
        weights = [1 / np.abs(answer - np.median(each, 0)).sum() ** 2 for answer in each]
        expected.append(sum(weight * answer for weight, answer in zip(weights, each)) / sum(weights))
    assert_same_answers([model.solve(*matrices, views=4)], [torch.from_numpy(np.stack(expected))])


def test_the_median_of_vectors_has_the_sign_of_solutions(train):
    _, vectors = solve(load(train("eigenvectors")), operands("eigenvectors", 20), views=5)
    largest = vectors.abs().argmax(1, keepdim=True)
    assert (vectors.gather(1, largest) >= 0).all()


@pytest.mark.parametrize("problem", sorted(VECTORS))
def test_medians_of_vectors_have_norm_1(train, problem):
    model, arrays = load(train(problem)), operands(problem, 20)
    answers = solve(model, arrays, views=5)
    vectors = [answers[1]] if problem == "eigenvectors" else [answers[0], answers[2].transpose(1, 2)]
    for matrix in vectors:
        norms = matrix.norm(dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms))


def test_vectors_get_the_signs_of_another_solution(train):
    model = load(train("svd"))
    u, s, v = (torch.randn(4, *shape, dtype=torch.float64) for shape in [(3, 3), (3, 1), (4, 3)])
    signs = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    rough = [matrix + 0.1 * torch.randn_like(matrix) for matrix in (u * signs, s, v * signs)]
    aligned = model.aligned([u, s, v], rough)
    assert all(map(torch.equal, aligned, (u * signs, s, v * signs)))


def test_a_model_of_several_problems_takes_views_for_each(train):
    model = load(train("transpose+add", size="rows = 3\ncols = 4"))
    left, right = (torch.from_numpy(array) for array in operands("add", 2))
    left, right = model.add_as_read([left, right])
    sums = [model.add(left, right), *(answer_of_view(model, [left, right], view, "add_") for view in (1, 2))]
    assert_same_answers([model.add(left, right, views=3)], [torch.stack(sums).median(0)[0]])
    transposes = [model.transpose(left), *(answer_of_view(model, [left], view, "transpose_") for view in (1, 2))]
    assert_same_answers([model.transpose(left, views=3)], [torch.stack(transposes).median(0)[0]])


def test_zeros_and_wrong_numbers_of_views(train):
    model = load(train("singular-values"))
    assert model.solve(torch.zeros(3, 4), views=3).isfinite().all()
    with pytest.raises(torch.jit.Error, match="views must be at least 1, not 0"):
        model.solve(torch.zeros(3, 4), views=0)


@pytest.mark.optimized
@pytest.mark.parametrize("name", ["svd-3x3", "eigenvectors-3x3", "inverse-3x3"])
def test_shipped_models_are_more_accurate_with_views(name):
    problem, model = name.removesuffix("-3x3"), load(ROOT / "checkpoints" / name)
    generator = np.random.default_rng(7)
    matrices = generator.uniform(-10, 10, (400, 3, 3))
    if problem == "eigenvectors":
        matrices = (np.triu(matrices) + np.triu(matrices, 1).transpose(0, 2, 1)).round(3)
    else:
        matrices = matrices.round(3)

    def typical_residual(views):
        found = model.solve(torch.from_numpy(matrices), views=views)
        found = [part.numpy() for part in tuple_of(found)]
        if problem == "inverse":
            residual = np.linalg.norm(matrices @ found[0] - np.eye(3), axis=(1, 2))
        elif problem == "svd":
            u, s, v = found
            residual = np.linalg.norm(u * s[:, None] @ v - matrices, axis=(1, 2))
        else:
            values, vectors = found
            residual = np.linalg.norm(matrices @ vectors - vectors * values[:, None], axis=(1, 2))
        return np.median(residual)

    assert typical_residual(8) < 0.7 * typical_residual(1)
