"""The package in `python`: the same answers, at once."""

import os
import subprocess
import sys

import pytest
import torch

from conftest import ROOT, assert_same_answers, load, operands, tuple_of

sys.path.insert(0, str(ROOT / "python"))
import laformer as package  # noqa: E402


@pytest.mark.parametrize("problem", ["eigenvalues", "matrix-vector", "svd"])
def test_answers_are_those_of_the_module(train, problem):
    run = train(problem)
    arrays = operands(problem, 3)
    wanted = tuple_of(load(run).solve(*map(torch.from_numpy, arrays)))
    for path in (run, run / "model.pt"):
        for given in (arrays, [array.tolist() for array in arrays]):
            assert_same_answers(tuple_of(package.load(path).solve(*given)), wanted, ties=0)


def test_methods_run_as_written_on_one_thread_where_the_problem_is_small(monkeypatch):
    class Module(torch.nn.Module):
        @torch.jit.ignore
        def threads(self) -> int:
            return torch.get_num_threads()

        def forward(self, x):
            return x + self.threads()

    seen = []
    model = package.Model(torch.jit.script(Module()))
    optimized = torch.jit.optimized_execution
    monkeypatch.setattr(torch.jit, "optimized_execution", lambda value: seen.append(value) or optimized(value))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert model.forward(torch.zeros(package.SMALL)).unique() == 1
        assert model.forward(torch.zeros(package.SMALL + 1)).unique() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [False, False]


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a run folder"):
        package.load(tmp_path)


def test_openmp_waits_passively_where_nobody_has_chosen():
    program = "import os, laformer; print(os.environ.get('OMP_WAIT_POLICY'), os.environ.get('KMP_BLOCKTIME'))"
    free = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT")}

    def told(**settings):
        environment = free | {"PYTHONPATH": str(ROOT / "python")} | settings
        return subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True).stdout.strip()

    assert told() == "PASSIVE 0"
    assert told(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE 0"
    assert told(GOMP_SPINCOUNT="1000") == "None None"


def linear_maps(block):
    return sum((node.kind() == "aten::linear") + sum(map(linear_maps, node.blocks())) for node in block.nodes())


@pytest.mark.parametrize("problem", ["eigenvalues", "inverse"])
@pytest.mark.optimized
def test_solve_calls_the_model_in_one_place(train, problem):
    """Every call is inlined and optimized, so that a second one makes the first calls of `solve` wait twice as long."""
    module = torch.jit.load(str(train(problem) / "model.pt"))
    assert linear_maps(module.solve.inlined_graph) == linear_maps(module.proposals.inlined_graph) > 0
