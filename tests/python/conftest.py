"""Runs the real binary, and trains tiny models with it, each once per session."""

import os
import pathlib
import subprocess

import numpy as np
import pytest
import torch

ROOT = pathlib.Path(__file__).parents[2]
# Small enough to train in a moment; every ingredient is there.
TINY = {
    "model.width": 32,
    "model.encoder_layers": 2,
    "training.steps": 3,
    "training.batch_size": 4,
    "training.log_every": 1,
    "training.precision": "fp32",
    "evaluation.count": 4,
}
# The size of the tiny models of every problem.
SIZES = {
    "transpose": "rows = 3\ncols = 4",
    "add": "rows = 3\ncols = 4",
    "matrix-vector": "rows = 3\ncols = 4",
    "matrix-product": "rows = 3\ncols = 4",
    "eigenvalues": "dim = 3",
    "eigenvectors": "dim = 3",
    "inverse": "dim = 3",
    "symmetric-inverse": "dim = 3",
    "singular-values": "rows = 3\ncols = 4",
    "svd": "rows = 3\ncols = 4",
}

torch.set_num_threads(1)


def pytest_configure(config):
    # It is deprecated in Python only, and the one way to load a module that C++ has written.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit.load` is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def laformer():
    """Runs the binary with arguments; returns what it prints."""
    binary = pathlib.Path(os.environ.get("LAFORMER_BIN", ROOT / "target/release/laformer"))
    if not binary.is_file():
        pytest.exit(f"{binary} is missing: run `make test`, or `cargo build --release` first", returncode=2)

    def run(*arguments):
        result = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
        assert result.returncode == 0, f"laformer {' '.join(map(str, arguments))}\n{result.stderr}"
        return result.stdout

    return run


@pytest.fixture(scope="session")
def train(laformer, tmp_path_factory):
    """The run folder of a tiny model: `train("eigenvalues", {"model.architecture": "paper"}, size="dim = 3")`."""
    folders = {}

    def run(problem, settings=None, size=None):
        size, settings = size or SIZES[problem], TINY | (settings or {})
        key = (problem, size, *sorted(settings.items()))
        if key not in folders:
            folder = tmp_path_factory.mktemp(problem)
            recipe = folder / "recipe.toml"
            recipe.write_text(f'problem = "{problem}"\n{size}\n')
            overrides = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
            laformer("train", recipe, "--output", folder / "run", "--device", "cpu", "--threads", 1, *overrides)
            folders[key] = folder / "run"
        return folders[key]

    return run


def operands(problem, count, seed=0, rows=3, cols=4):
    """Random operands of a problem at its tiny size: a list of arrays `[count, ..]` as numpy would take them."""
    generator = np.random.default_rng(seed)
    draw = lambda *shape: generator.uniform(-10, 10, (count, *shape))
    if "dim" in SIZES[problem]:
        cols = rows
    matrix = draw(rows, cols)
    if problem in ("eigenvalues", "eigenvectors", "symmetric-inverse"):
        matrix = matrix + matrix.transpose(0, 2, 1)
    second = {"add": (rows, cols), "matrix-vector": (cols,), "matrix-product": (cols, rows)}
    return [matrix, draw(*second[problem])] if problem in second else [matrix]


def equal_but_for_ties(answer, other):
    """Whether three digits agree but for one unit of the last: a matrix product with another number of rows may round
    otherwise, and the sum of probabilities that makes a median then reaches one half a number earlier or later."""
    return torch.allclose(answer, other, rtol=1.001e-2, atol=0)
