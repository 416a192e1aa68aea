"""For architectures other than plain transformers, `model.pt` gives the command line's answers, with and without a batch."""

import pytest
import torch
from conftest import CALLS, assert_same_answers, evaluated, load, operands
from test_reference import OTHERS

architectures = pytest.mark.parametrize("name", OTHERS)


@pytest.fixture
def trained(train):
    return lambda name: train("svd", OTHERS[name])


def compare(laformer, folder, beam, calls=CALLS):
    (matrices,), printed = evaluated(laformer, folder, "--beam", beam)["svd"]
    for _ in range(calls):
        assert_same_answers(load(folder).solve(matrices, beam=beam), printed)


# One of each kind runs as torch rewrites it, which takes seconds. The others of a kind run the same methods, as they are written.
KINDS = ["universal, gated", "encoder only P10", "lstm P10", "gru", "digits", "pair with attention"]
REWRITTEN = [pytest.param(name, marks=pytest.mark.optimized if name in KINDS else ()) for name in OTHERS]


@pytest.mark.parametrize("name", REWRITTEN)
def test_answers_equal_those_of_the_command_line(laformer, trained, name):
    compare(laformer, trained(name), 1, CALLS if name in KINDS else 1)


@pytest.mark.optimized
@pytest.mark.parametrize("name", ["lstm", "gru P10", "universal paper"])
def test_beams_equal_those_of_the_command_line(laformer, trained, name):
    compare(laformer, trained(name), 3)


@architectures
def test_a_batch_is_answered_as_its_examples_alone(trained, name):
    model, (matrices,) = load(trained(name)), operands("svd", 6)
    # P10 writes zeros with fewer tokens, so sources are padded.
    matrices[1, :2] = 0.0
    matrices = torch.from_numpy(matrices)
    alone = zip(*(model.solve(matrix) for matrix in matrices), strict=True)
    assert_same_answers([torch.stack(each) for each in alone], model.solve(matrices))
    assert [answer.shape for answer in model.solve(torch.zeros(0, 3, 4))] == [(0, 3, 3), (0, 3), (0, 3, 4)]
