"""`model.pt` of models with several problems: problems are chosen by name; answers have numpy's shapes and equal the command line's."""

import functools

import numpy as np
import pytest
import torch
from conftest import CALLS, assert_same_answers, evaluated, load, solved, tuple_of
from test_module import NUMPY

PROBLEMS = "matrix-vector+eigenvectors+transpose"
SETTINGS = pytest.mark.parametrize(
    "settings",
    [{}, {"model.architecture": "paper"}, {"encoding.input": "P1000"}],
    ids=["laformer", "paper", "tokens"],
)


@pytest.fixture
def trained(train):
    return lambda settings={}: train(PROBLEMS, settings, size='dim = "2-3"')


def operands(problem, *batch, dim=3):
    draw = np.random.default_rng(0).uniform(-10, 10, (*batch, dim, dim))
    if problem == "matrix-vector":
        return [draw, draw[..., 0]]
    return [draw + np.swapaxes(draw, -1, -2)] if problem == "eigenvectors" else [draw]


def solve(model, problem, arrays):
    return tuple_of(model.solve(*map(torch.from_numpy, arrays), problem=problem))


def test_a_module_tells_its_problems(trained):
    assert load(trained()).problems() == ["transpose", "matrix-vector", "eigenvectors"]


@SETTINGS
@pytest.mark.parametrize("problem", PROBLEMS.split("+"))
def test_every_problem_is_answered_as_numpy_shapes_it(trained, problem, settings):
    model = load(trained(settings))
    for batch, dim in [((), 3), ((1,), 2), ((4,), 3)]:
        arrays = operands(problem, *batch, dim=dim)
        answers, exact = solve(model, problem, arrays), tuple_of(NUMPY[problem](*arrays))
        assert [tuple(answer.shape) for answer in answers] == [array.shape for array in exact]
        assert all(answer.dtype == torch.float64 and answer.isfinite().all() for answer in answers)


@pytest.mark.optimized
@SETTINGS
def test_answers_equal_those_of_the_command_line(laformer, trained, settings):
    folder = trained(settings)
    found = evaluated(laformer, folder, "--dim", 3)
    assert set(found) == set(PROBLEMS.split("+"))
    for problem, (given, printed) in found.items():
        method = functools.partial(load(folder).solve, problem=problem)
        for _ in range(CALLS):
            assert_same_answers(tuple_of(method(*given)), printed)
        alone = solved(laformer, folder, problem, [operand[0] for operand in given], "--problem", problem)
        assert_same_answers(tuple_of(method(*(operand[:1] for operand in given))), alone, ties=0)


@SETTINGS
def test_sources_name_their_problem(trained, settings):
    model, matrix = load(trained(settings | {"model.readout": "median"})), torch.eye(3)
    source = model.encode(matrix, problem="transpose")
    tokens = model.generate(source, 3, 3)
    assert torch.equal(model.decode(tokens), model.solve(matrix, problem="transpose")[None])
    other = model.encode(matrix, problem="eigenvectors")
    if source.shape == other.shape:
        with pytest.raises(torch.jit.Error, match="source was not encoded for one of transpose, matrix-vector, eigenvectors"):
            model.generate(torch.cat([source, other]), 3, 3)
    logits = model.forward(source, tokens, 3, 3)
    assert logits.shape[0] == 1 and logits.isfinite().all()


def test_each_problem_refuses_what_is_not_for_it(trained):
    model = load(trained())
    with pytest.raises(torch.jit.Error, match="must be symmetric: eigenvectors"):
        model.solve(torch.arange(9.0).reshape(3, 3), problem="eigenvectors")
    with pytest.raises(torch.jit.Error, match="made for transpose of square 2x2 to 3x3"):
        model.solve(torch.eye(4), problem="transpose")
    with pytest.raises(torch.jit.Error, match="choose one of transpose, matrix-vector, eigenvectors, as in problem=\"transpose\""):
        model.solve(torch.eye(3))
    with pytest.raises(torch.jit.Error, match="unknown problem \"svd\": this model answers transpose, matrix-vector, eigenvectors"):
        model.solve(torch.eye(3), problem="svd")
    with pytest.raises(torch.jit.Error, match="matrix-vector has two operands, matrix and vector; one is given"):
        model.solve(torch.eye(3), problem="matrix-vector")
    with pytest.raises(torch.jit.Error, match="transpose has one operand; two are given"):
        model.solve(torch.eye(3), torch.eye(3), problem="transpose")
