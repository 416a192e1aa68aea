"""The source files of the module run as ordinary Python and give its answers, and so do the methods that evaluations call."""

import importlib.util
import types

import pytest
import torch
from conftest import ROOT, load, operands, tuple_of

PAPER = {"model.architecture": "paper"}


class Written:
    """A module whose scripted methods Python runs from their source files."""

    def __init__(self, module, *files):
        self.module = module
        for file in files:
            spec = importlib.util.spec_from_file_location(file, ROOT / f"src/inference/{file}.py")
            source = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(source)
            for name, function in vars(source).items():
                if isinstance(function, types.FunctionType):
                    setattr(self, name, types.MethodType(function, self))

    def __getattr__(self, name):
        return getattr(self.module, name)


@pytest.mark.parametrize(
    "problem, settings, files",
    [
        ("svd", {}, ["values", "parallel", "whole"]),
        ("svd", PAPER, ["tokens", "autoregressive", "whole"]),
        ("add", {"encoding.input": "P10", "model.positions": "flat"}, ["tokens", "parallel", "whole"]),
        ("inverse", {"encoding.input": "condensed"}, ["values", "parallel", "condensed"]),
        ("matrix-product", {"model.architecture": "pair", "model.decoder_layers": 0}, ["values", "parallel", "whole"]),
    ],
)
def test_the_sources_are_python_that_answers_as_the_module(train, problem, settings, files):
    settings = {name: value for name, value in settings.items() if name != "model.decoder_layers"}
    module = load(train(problem, settings))
    written = Written(module, "module", "normalization", "residual", "source", "sequence", "codec", *files)
    given = [torch.from_numpy(array) for array in operands(problem, 4)]
    for a, b in zip(tuple_of(written.solve(*given)), tuple_of(module.solve(*given)), strict=True):
        assert torch.equal(a, b)
    source = module.encode(*given)
    assert torch.equal(written.encode(*given), source)
    assert torch.equal(written.generate(source, given[0].shape[1], given[0].shape[2]), module.generate(source, given[0].shape[1], given[0].shape[2]))


@pytest.mark.parametrize("normalize", ["false", "true"])
@pytest.mark.parametrize("problem, settings", [("svd", {}), ("svd", PAPER), ("matrix-vector", {}), ("inverse", {"encoding.input": "condensed"})])
def test_what_evaluation_runs_answers_exactly_as_solve_does(train, problem, settings, normalize):
    module = load(train(problem, settings | {"encoding.normalize": normalize}))
    given = [torch.from_numpy(array) for array in operands(problem, 6)]
    batches = [operand if operand.dim() == 3 else operand.unsqueeze(-1) for operand in given]
    matrices, scores = module.answers(batches, 0, 1)
    answers = module.shaped(matrices, 0, True)
    for a, b in zip(tuple_of(answers), tuple_of(module.solve(*given)), strict=True):
        assert torch.equal(a, b)
    assert scores.shape == (6, 1) and scores.dtype == torch.float64


def test_the_sources_need_nothing_but_torch():
    imported = {line.split()[1].split(".")[0] for file in (ROOT / "src/inference").glob("*.py") for line in file.read_text().splitlines()
                if line.startswith(("import ", "from "))}
    assert imported <= {"torch", "typing"}, imported
