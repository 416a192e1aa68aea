"""Fixtures that run the binary and train tiny models with it. Each model is trained once per session, for all workers of pytest-xdist."""

import csv
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import subprocess

# Every process uses one thread, because tests run in parallel. The variables must be set before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", os.environ["OMP_NUM_THREADS"])

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
# Settings of models that train in a moment. Their answers have the size of solutions and depend on the operands. Untrained models give
# answers like 1e90, for which comparisons are useless.
TINY = {
    "model.width": 32,
    "model.encoder_layers": 2,
    "training.steps": 40,
    "training.batch_size": 4,
    "training.optimizer": "muon",
    "training.learning_rate": 3e-3,
    "training.schedule": "constant",
    "training.warmup": 0,
    "training.precision": "fp32",
    "evaluation.count": 4,
    # Tests compare sources with the given operands. test_normalization.py tests models that normalize.
    "encoding.normalize": "false",
}
# The sizes and other recipe lines of the tiny model of each problem.
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
    "determinant": "dim = 3",
    "linear-solve": "dim = 3",
    "matrix-exponential": "dim = 3\ndata.magnitude = 1",
    "matrix-sign": "dim = 3",
}


def pytest_configure(config):
    config.addinivalue_line("markers", "optimized: run modules as torch rewrites them")
    # The function is deprecated in Python, but there is no other one that loads modules written by C++.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit.load` is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def laformer():
    """A function that runs the binary with arguments and returns its stdout."""
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
    """A function that trains a tiny model and returns its run folder.

    For example `train("eigenvalues", {"model.architecture": "paper"}, size="dim = 3")`.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def run(problem, settings=None, size=None):
        recipe = f'problem = "{problem}"\n{size or SIZES[problem]}\n'
        overrides = [f"{name}={value}" for name, value in sorted((TINY | (settings or {})).items())]
        key = hashlib.sha256("\n".join([recipe, *overrides]).encode()).hexdigest()[:16]
        folder = shared / f"{problem}-{key}"
        folder.mkdir(exist_ok=True)
        with open(folder / "lock", "w") as lock:
            # If several workers need the same model at once, only the first one trains it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "trained").exists():
                (folder / "recipe.toml").write_text(recipe)
                sets = [part for override in overrides for part in ("--set", override)]
                laformer("train", folder / "recipe.toml", "--output", folder / "run", "--overwrite", "--device", "cpu", *sets)
                (folder / "trained").touch()
        return folder / "run"

    return run


@pytest.fixture(autouse=True)
def execution(request):
    """Runs modules without torch's optimizations, which take half a second in each of a method's first two calls. Tests marked
    `optimized` run them with optimizations, as users do."""
    with torch.jit.optimized_execution(request.node.get_closest_marker("optimized") is not None):
        yield


# Tests call a method this often, because torch optimizes it during its first calls.
CALLS = 3


def load(folder):
    """The module of a run folder. Tests share it and must not change it."""
    return loaded(folder, torch._C._get_graph_executor_optimize())


@functools.lru_cache(maxsize=24)
def loaded(folder, _optimized):
    return torch.jit.load(folder / "model.pt")


def as_given(folder):
    """A separate copy of the module, which does not scale operands."""
    model = torch.jit.load(folder / "model.pt")
    model.normalizes = [0] * len(model.normalizes)
    return model


def tuple_of(answer):
    return tuple(answer) if isinstance(answer, (tuple, list)) else (answer,)


def operands(problem, count, seed=0, rows=3, cols=4):
    """Random operands of a problem at its tiny size: a list of arrays `[count, ..]` in the shapes of `numpy.linalg`."""
    generator = np.random.default_rng(seed)
    draw = lambda *shape: generator.uniform(-10, 10, (count, *shape))
    if "dim" in SIZES[problem]:
        cols = rows
    matrix = draw(rows, cols)
    if problem in ("eigenvalues", "eigenvectors", "symmetric-inverse"):
        matrix = matrix + matrix.transpose(0, 2, 1)
    second = {"add": (rows, cols), "matrix-vector": (cols,), "matrix-product": (cols, rows), "linear-solve": (rows,)}
    return [matrix, draw(*second[problem])] if problem in second else [matrix]


# The relative difference allowed between answers. If 1000 mantissas are equally probable, a difference of 1e-5 in fp32 logits moves the
# median by 1e-2 units of the last digit: 1e-4 of the smallest mantissa, which is 100. A unit of that digit is 1e-3 of the largest.
ROUNDING = 1e-4


def assert_same_answers(found, expected, ties=1):
    """Asserts that answers are close, for example those of two processes, thread counts or batch sizes. `found` and `expected` are tuples
    of tensors `[examples, ..]`. Up to `ties` examples may differ, because several classes may be equally probable."""
    differ = False
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
        sizes = other.abs().amax(1, keepdim=True)
        assert (sizes < 1e9).all(), "the model is not trained enough to be compared"
        differ = differ | ((one - other).abs() > ROUNDING * sizes).any(1)
    assert differ.sum() <= ties, f"{int(differ.sum())} of {len(differ)} answers differ"


def as_module(problem, matrices):
    """Converts the matrices of an answer from the command line to the shapes of a module's answer without a batch dimension."""
    tensors = [torch.tensor(matrix, dtype=torch.float64) for matrix in matrices]
    if problem == "svd":
        tensors[2] = tensors[2].T
    if problem == "determinant":
        return [tensors[0][0, 0]]
    return [tensor[:, 0] if is_column(problem, place) else tensor for place, tensor in enumerate(tensors)]


def is_column(problem, place):
    """Whether a matrix of the solution is a vector in Python."""
    return place == {"matrix-vector": 0, "linear-solve": 0, "eigenvalues": 0, "eigenvectors": 0, "singular-values": 0, "svd": 1}.get(problem)


def evaluated(laformer, folder, *options, count=10):
    """Operands and answers of `laformer eval` by problem: `{"add": ([a, b], [sum])}`, as tensors `[count, ..]` in a module's shapes."""
    file = folder / f"predictions-{os.getpid()}.csv"
    laformer("eval", folder, "--device", "cpu", "--count", count, "--predictions", file, *options)
    with open(file, newline="") as rows:
        rows = list(csv.DictReader(rows))
    found = {}
    for problem in {row["problem"] for row in rows}:
        own = [row for row in rows if row["problem"] == problem]
        operands = [[torch.tensor(matrix, dtype=torch.float64) for matrix in json.loads(row["operands"])] for row in own]
        if problem in ("matrix-vector", "linear-solve"):
            operands = [[matrix, vector[:, 0]] for matrix, vector in operands]
        answers = [as_module(problem, json.loads(row["prediction"])) for row in own]
        found[problem] = [[torch.stack(each) for each in zip(*examples, strict=True)] for examples in (operands, answers)]
        assert len(own) == count
    return found


def solved(laformer, folder, problem, arrays, *options):
    """The answer of `laformer solve` to one problem, as tensors `[1, ..]`."""
    given = (json.dumps(array.tolist()) for array in arrays)
    printed = json.loads(laformer("solve", "--json", "--device", "cpu", *options, folder, *given))
    return [answer[None] for answer in as_module(problem, printed["prediction"])]
