"""`model.pt` of every architecture but the plain transformers answers like the command line, alone or in a batch."""

import json

import pytest
import torch
from conftest import equal_but_for_ties, operands
from test_reference import OTHERS

architectures = pytest.mark.parametrize("name", OTHERS)


@pytest.fixture
def trained(train):
    return lambda name: train("svd", OTHERS[name])


def compare(laformer, folder, beam):
    (matrix,) = operands("svd", 1)
    command = ["solve", "--json", "--device", "cpu", "--beam", beam, folder]
    printed = json.loads(laformer(*command, json.dumps(matrix[0].tolist())))
    u, s, v = [torch.tensor(matrix, dtype=torch.float64) for matrix in printed["prediction"]]
    answers = torch.jit.load(folder / "model.pt").solve(torch.from_numpy(matrix[0]), beam=beam)
    assert all(torch.equal(*pair) for pair in zip(answers, (u, s[:, 0], v.T), strict=True))


@architectures
def test_answers_equal_those_of_the_command_line(laformer, trained, name):
    compare(laformer, trained(name), 1)


@pytest.mark.parametrize("name", ["lstm", "gru P10", "universal paper"])
def test_beams_equal_those_of_the_command_line(laformer, trained, name):
    compare(laformer, trained(name), 3)


@architectures
def test_a_batch_is_answered_as_its_examples_alone(trained, name):
    model, (matrices,) = torch.jit.load(trained(name) / "model.pt"), operands("svd", 4)
    # Zeros are written shorter in P10, so that sources are padded.
    matrices[1, :2] = 0.0
    together = model.solve(torch.from_numpy(matrices))
    for i, matrix in enumerate(torch.from_numpy(matrices)):
        assert all(equal_but_for_ties(one, many[i]) for one, many in zip(model.solve(matrix), together, strict=True))
    assert [answer.shape for answer in model.solve(torch.zeros(0, 3, 4))] == [(0, 3, 3), (0, 3), (0, 3, 4)]
