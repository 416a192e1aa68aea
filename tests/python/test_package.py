"""The package in `python`: the answers of both loaders, also in several processes and threads; errors for invalid files and arguments."""

import copy
import importlib.util
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from conftest import ROOT, SIZES, assert_same_answers, load, operands, tuple_of
from test_reference import ARCHITECTURES

import laformer as package
from laformer import safetensors, threads

FORMATS = pytest.mark.parametrize("file", ["model.pt", "model.safetensors"])
SHIPPED = ["eigenvalues-3x3", "inverse-2x2", "svd-3x3", "matrix-product", "transpose-5x5"]


def tensors_of(answer):
    return [torch.from_numpy(array) for array in tuple_of(answer)]


def opened(path):
    """Loads a model of these tests, and trusts the code of `.pt` files."""
    return package.load(path, trust=path.suffix == ".pt")


def compare(folder, arrays, **options):
    """Asserts that both files of a run, loaded by the package, give the answers of the module loaded by plain torch."""
    wanted = tuple_of(load(folder).solve(*map(torch.from_numpy, arrays), **options))
    for file in ("model.pt", "model.safetensors"):
        assert_same_answers(tensors_of(opened(folder / file).solve(*arrays, **options)), wanted)


@pytest.mark.parametrize("problem", SIZES)
def test_answers_of_both_loaders_are_those_of_the_module(train, problem):
    compare(train(problem), operands(problem, 6))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_loaders_answer_with_every_architecture(train, architecture):
    (matrices,) = operands("svd", 6)
    # P10 writes zeros with fewer tokens, so sources are padded.
    matrices[0, :2] = 0.0
    compare(train("svd", ARCHITECTURES[architecture]), [matrices])


@pytest.mark.parametrize("settings", [{}, {"model.architecture": "paper"}, {"model.architecture": "pair"}], ids=["laformer", "paper", "pair"])
def test_both_loaders_answer_with_models_of_several_problems_and_sizes(train, settings):
    folder = train("matrix-vector+eigenvectors+transpose", settings, size='dim = "2-3"')
    for problem, count in (("transpose", 1), ("matrix-vector", 2)):
        draw = np.random.default_rng(1).uniform(-10, 10, (5, 3, 3))
        compare(folder, [draw, draw[..., 0]][:count], problem=problem)


@pytest.mark.parametrize("settings", [{"encoding.input": "condensed"}, {"encoding.normalize": "true"}], ids=["condensed", "normalized"])
def test_both_loaders_prepare_operands_alike(train, settings):
    compare(train("inverse", settings), [30 * array for array in operands("inverse", 6)])


@pytest.mark.parametrize("settings", [{"model.architecture": "paper"}, {"model.architecture": "lstm"}], ids=["paper", "lstm"])
def test_both_loaders_search_alike(train, settings):
    compare(train("svd", settings), operands("svd", 6), beam=3)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("precision", [[], ["--half"]], ids=["as shipped", "half"])
def test_shipped_models_answer_alike_in_both_formats(laformer, tmp_path, name, precision):
    for file in ("model.pt", "model.safetensors"):
        laformer("export", ROOT / "checkpoints" / name, "--output", tmp_path / file, *precision)
    recipe = package.load(tmp_path).recipe
    draw = np.random.default_rng(2).uniform(-10, 10, (20, *[int((recipe["dim"] or recipe["rows"])[-1])] * 2))
    arrays = [draw + draw.transpose(0, 2, 1) if name.startswith("eig") else draw]
    compare(tmp_path, arrays * 2 if name == "matrix-product" else arrays)


@FORMATS
@pytest.mark.parametrize("problem", ["eigenvalues", "matrix-vector", "svd"])
def test_answers_are_given_in_kind(train, problem, file):
    model, arrays = opened(train(problem) / file), operands(problem, 3)
    wanted = tuple_of(model.solve(*map(torch.from_numpy, arrays)))
    assert all(isinstance(answer, torch.Tensor) and answer.dtype == torch.float64 for answer in wanted)
    frozen = [array.copy() for array in arrays]
    for array in frozen:
        array.flags.writeable = False
    mirrored = [array[::-1].copy()[::-1] for array in arrays]
    for given in (arrays, [array.tolist() for array in arrays], frozen, mirrored, [array.astype(">f8") for array in arrays]):
        answers = tuple_of(model.solve(*given))
        assert all(isinstance(answer, np.ndarray) and answer.dtype == np.float64 for answer in answers)
        assert all(np.array_equal(a, b.numpy()) for a, b in zip(answers, wanted, strict=True))
    # A single example has the same answer as in a batch.
    alone = tuple_of(model.solve(*(array[0] for array in arrays)))
    assert_same_answers([torch.from_numpy(answer[None]) for answer in alone], [answer[:1] for answer in wanted], ties=0)


@FORMATS
def test_whole_numbers_and_single_precision_are_read_as_they_are(train, file):
    model, matrix = opened(train("add") / file), np.arange(12).reshape(3, 4)
    wanted = model.solve(matrix, matrix)
    for kind in (np.int8, np.uint64, np.float16, np.float32, np.float64, np.longdouble):
        assert np.array_equal(model.solve(matrix.astype(kind), matrix.tolist()), wanted)
    for kind in (torch.int64, torch.bfloat16, torch.float32):
        assert np.array_equal(model.solve(torch.from_numpy(matrix).to(kind), matrix).numpy(), wanted)


@FORMATS
def test_other_methods_of_the_module_are_called_alike(train, file):
    model, (matrices,) = opened(train("eigenvalues") / file), operands("eigenvalues", 3)
    assert model.problems() == ["eigenvalues"] and model.recipe["problem"] == "eigenvalues"
    tokens = model.generate(model.encode(matrices), rows=3, cols=3)
    assert isinstance(tokens, np.ndarray) and tokens.dtype == np.int64
    assert model.decode(tokens).shape == (3, 3)
    given = torch.from_numpy(matrices).requires_grad_()
    (gradient,) = torch.autograd.grad(model.soft_solve(given).sum(), given)
    assert gradient.shape == given.shape and gradient.any()
    assert np.allclose(model.soft_solve(matrices), model.soft_solve(given).detach())
    assert {"solve", "encode", "load"} & set(dir(model)) == {"solve", "encode"}
    assert "eigenvalues" in repr(model)


def test_keywords_and_answers_of_several_parts_are_passed_on():
    class Module(torch.nn.Module):
        def solve(self, matrix, check=False):
            return (matrix.sum(-1), {"right": matrix > 1}) if check else matrix

        def residual(self, matrix, answer):
            return matrix.size(0) + answer[0] + answer[1]

    model = package.Model(Module(), {})
    answer, verdict = model.solve([[1, 2]], check=True)
    assert answer.tolist() == [3] and verdict["right"].tolist() == [[False, True]]
    assert isinstance(model.solve(torch.ones(1, 2), check=True)[1]["right"], torch.Tensor)
    assert model.residual([[1, 2]], (np.array([5.0]), np.array([7.0]))).tolist() == [13.0]
    assert model.residual(matrix=[[1, 2]], answer=(torch.tensor(5.0), 7)).item() == 13


@FORMATS
@pytest.mark.parametrize(
    "given, options, error, message",
    [
        ([np.eye(2)], {}, ValueError, "eigenvalues of 3x3 matrices; this one is 2x2"),
        ([np.zeros(3)], {}, ValueError, r"matrix must be \[rows, cols\] or \[batch, rows, cols\]"),
        ([3.0], {}, ValueError, r"matrix must be \[rows, cols\]"),
        ([np.arange(9.0).reshape(3, 3)], {}, ValueError, "must be symmetric"),
        ([np.full((3, 3), np.nan)], {}, ValueError, "NaN or infinity"),
        ([np.eye(3), np.eye(3)], {}, ValueError, "one operand; two are given"),
        ([np.eye(3)], {"beam": 2}, ValueError, "beam must be 1, not 2"),
        ([np.eye(3)], {"problem": "svd"}, ValueError, 'unknown problem "svd"'),
        ([np.eye(3)], {"color": 1}, TypeError, "color"),
        ([np.eye(3) * 1j], {}, TypeError, "real numbers, not ndarray of complex128"),
        ([[["a"]]], {}, TypeError, "real numbers, not list of"),
        ([None], {}, TypeError, "real numbers, not NoneType"),
        ([[[1, 2], [3]]], {}, ValueError, "rows of one length"),
    ],
)
def test_what_is_no_operand_is_refused_in_words(train, file, given, options, error, message):
    model = opened(train("eigenvalues") / file)
    with pytest.raises(error, match=message) as raised:
        model.solve(*given, **options)
    assert "Traceback" not in str(raised.value)


# ---- Threads and processes


@FORMATS
def test_models_are_copied_and_pickled(train, file):
    model, (matrices,) = opened(train("eigenvalues") / file), operands("eigenvalues", 3)
    wanted = model.solve(matrices)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model))))):
        assert np.array_equal(other.solve(matrices), wanted)
        assert other.recipe == model.recipe


@FORMATS
def test_threads_share_a_model(train, file, monkeypatch):
    monkeypatch.setattr(threads, "SMALL", 20)
    model = opened(train("eigenvalues") / file)
    batches = [operands("eigenvalues", 1 + seed % 4, seed)[0] for seed in range(8)]
    wanted, found = [model.solve(batch) for batch in batches], [None] * len(batches)
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def work(place):
        found[place] = [model.solve(batches[place]) for _ in range(10)]

    try:
        workers = [threading.Thread(target=work, args=[place]) for place in range(len(batches))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    for answers, right in zip(found, wanted, strict=True):
        for answer in answers:
            assert_same_answers([torch.from_numpy(answer)], [torch.from_numpy(right)], ties=0)


def answer(model, matrices, results):
    results.put(model.solve(matrices))


@FORMATS
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_a_model(train, file, method):
    model, context = opened(train("eigenvalues") / file), multiprocessing.get_context(method)
    # Operands this large are solved by several libtorch threads.
    matrices = operands("eigenvalues", 2000)[0]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        wanted, results = model.solve(matrices), context.Queue()
        worker = context.Process(target=answer, args=[model, matrices, results], daemon=True)
        worker.start()
        found = results.get(timeout=120)
        worker.join()
    finally:
        torch.set_num_threads(before)
    assert_same_answers([torch.from_numpy(found)], [torch.from_numpy(wanted)], ties=5)


class Answers(torch.utils.data.Dataset):
    def __init__(self, model, matrices):
        self.model, self.matrices = model, matrices

    def __len__(self):
        return len(self.matrices)

    def __getitem__(self, place):
        return self.model.solve(self.matrices[place])


@FORMATS
def test_workers_of_a_data_loader_answer(train, file):
    model, (matrices,) = opened(train("eigenvalues") / file), operands("eigenvalues", 4)
    loader = torch.utils.data.DataLoader(Answers(model, matrices), 2, num_workers=1, multiprocessing_context="spawn")
    wanted = torch.stack([torch.from_numpy(model.solve(matrix)) for matrix in matrices])
    assert_same_answers([torch.cat(list(loader))], [wanted], ties=0)


def test_methods_run_as_written_on_one_thread_where_the_problem_is_small(monkeypatch):
    class Module(torch.nn.Module):
        @torch.jit.ignore
        def threads(self) -> int:
            return torch.get_num_threads()

        def forward(self, x):
            return x + self.threads()

    seen = []
    model = package.Model(torch.jit.script(Module()), {})
    optimized = torch.jit.optimized_execution
    monkeypatch.setattr(torch.jit, "optimized_execution", lambda value: seen.append(value) or optimized(value))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert model.forward(torch.zeros(threads.SMALL)).unique() == 1
        assert model.forward(torch.zeros(threads.SMALL + 1)).unique() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [False, False]


# ---- Files and names


def test_a_folder_has_weights_and_a_module_for_those_who_trust_it(train, tmp_path):
    folder = shutil.copytree(train("eigenvalues"), tmp_path / "run")
    scripted = lambda **options: isinstance(package.load(folder, **options).module, torch.jit.ScriptModule)
    assert not scripted()
    assert scripted(trust=True)
    with pytest.raises(ValueError, match="model.safetensors has no code to trust"):
        package.load(folder / "model.safetensors", trust=True)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=f"{folder}/model.pt is TorchScript, a program that runs as soon as it is loaded"):
        package.load(folder)
    assert scripted(trust=True)
    (folder / "model.pt").unlink()
    with pytest.raises(FileNotFoundError, match="holds no model: expected model.safetensors in it"):
        package.load(folder)
    with pytest.raises(FileNotFoundError, match="holds no model: expected model.pt in it"):
        package.load(folder, trust=True)
    (folder / "notes.txt").touch()
    with pytest.raises(ValueError, match="no checkpoint: expected a run folder, a .pt or a .safetensors file"):
        package.load(folder / "notes.txt")


def test_weights_are_loaded_without_torchscript(train):
    program = "import laformer, sys, torch; torch.jit.load = None; laformer.load(sys.argv[1]).solve([[2, 1, 0], [1, 2, 1], [0, 1, 2]])"
    subprocess.run([sys.executable, "-c", program, train("eigenvalues")], env=os.environ | {"PYTHONPATH": str(ROOT / "python")}, check=True)


class Hostile(torch.nn.Module):
    """A module whose code writes a file when it is loaded."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x

    @torch.jit.export
    def answers(self, x: torch.Tensor):
        return x

    @torch.jit.export
    def __getstate__(self):
        return (self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.weight = torch.from_file("written", True, 2)
        self.training = state[1]


def test_code_of_a_file_runs_only_where_it_is_trusted(train, laformer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    extra = {"config.json": ""}
    torch.jit.load(train("eigenvalues") / "model.pt", _extra_files=extra)
    module, written = tmp_path / "x.pt", tmp_path / "written"
    torch.jit.save(torch.jit.script(Hostile()), module, _extra_files=extra)
    with pytest.raises(ValueError, match="x.pt is TorchScript, a program that runs"):
        package.load(module)
    matrix, binary = "[[2,1,0],[1,2,1],[0,1,2]]", os.environ.get("LAFORMER_BIN", ROOT / "target/release/laformer")
    for command in (["solve", module, matrix], ["eval", module], ["export", module, "--output", "y.pt"], ["analyze", module], ["transfer", module]):
        result = subprocess.run([binary, *command], capture_output=True, text=True)
        assert result.returncode == 1 and "x.pt is TorchScript, a program that runs as soon as it is loaded" in result.stderr
    assert not written.exists()
    package.load(module, trust=True)
    assert written.exists()
    written.unlink()
    subprocess.run([binary, "solve", module, matrix, "--trust"], capture_output=True)
    assert written.exists()


def test_a_changed_bit_is_found_and_the_file_is_named(train, tmp_path):
    whole, path = (train("eigenvalues") / "model.safetensors").read_bytes(), tmp_path / "x.safetensors"
    start = 8 + int.from_bytes(whole[:8], "little")
    for place in (whole.index(b"learning_rate") + 17, start + 5, len(whole) - 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=f"{path} is damaged or no safetensors file: its checksum is"):
            package.load(path)
    whole, path = (train("eigenvalues") / "model.pt").read_bytes(), tmp_path / "x.pt"
    place = len(whole) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(ValueError, match=f"{path} is damaged or no TorchScript module"):
        package.load(path, trust=True)


def test_names_are_found_where_the_repository_or_the_environment_says(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAFORMER_CHECKPOINTS", raising=False)
    assert package.load("inverse-2x2", trust=True).problems() == ["inverse"]
    with pytest.raises(FileNotFoundError) as raised:
        package.load("eigenvalue-3x3")
    for part in ("eigenvalue-3x3 (did you mean eigenvalues-3x3?)", str(tmp_path / "checkpoints"), str(ROOT / "checkpoints"), "svd-3x3"):
        assert part in str(raised.value)
    monkeypatch.setenv("LAFORMER_CHECKPOINTS", str(train("add").parent))
    assert package.load("run").problems() == ["add"]
    with pytest.raises(FileNotFoundError, match="there are run"):
        package.load("inverse-2x2")
    with pytest.raises(FileNotFoundError, match="a/b does not exist"):
        package.load("a/b")


def write(path, header, data=b""):
    header = json.dumps(header).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


@pytest.mark.parametrize(
    "header, data, message",
    [
        ({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234", "the bytes 0 to 8 of 4"),
        ({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234", "4 bytes, which are no F32 of shape"),
        ({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234", "are no F32"),
        ({"x": {"dtype": "F32", "shape": [0.5], "data_offsets": [0, 2]}}, b"12", "are no F32"),
        ({"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"12345678", "0 was expected"),
        ({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"12345678", "8 bytes of tensors"),
        ({"x": {"dtype": "F4", "shape": [1], "data_offsets": [0, 4]}}, b"1234", "type F4"),
        ({"x": {"dtype": "F32"}}, b"", "data_offsets"),
        ({"x": 3}, b"", "damaged"),
        ([], b"", "damaged"),
    ],
)
def test_damaged_headers_are_refused(tmp_path, header, data, message):
    path = tmp_path / "x.safetensors"
    write(path, header, data)
    with pytest.raises(ValueError, match=f"x.safetensors is damaged or no safetensors file: .*{message}|x.safetensors is damaged"):
        package.load(path)
    with pytest.raises(ValueError, match=message):
        safetensors.read(path)


@FORMATS
def test_damaged_files_are_named(train, tmp_path, file):
    whole, path = (train("eigenvalues") / file).read_bytes(), tmp_path / file
    for content in (b"", whole[:5], whole[:2000], whole[:-1], b"\xff" * 100, whole + b"more"):
        if file == "model.pt" and content == whole + b"more":
            continue
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path} is damaged"):
            opened(path)


def changed(whole, path, change):
    """Writes the safetensors file `whole` to `path` with a changed header and without a checksum."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    del header["__metadata__"]["checksum"]
    change(header)
    write(path, header, whole[8 + length :])


def edit_tables(**values):
    def change(header):
        header["__metadata__"]["tables"] = json.dumps(json.loads(header["__metadata__"]["tables"]) | values)

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda header: header["__metadata__"].pop("recipe"), "not written by laformer"),
        (lambda header: header["__metadata__"].pop("tables"), "laformer 0.2 or older: write it anew by `laformer export"),
        (edit_tables(files=["os"]), "asks for os, which this version of the package does not have"),
        (edit_tables(files=["../engine"]), "asks for ../engine"),
        (edit_tables(solve=[1]), "solve is no name of a table"),
        (edit_tables(field_names=["sign"]), "index out of range"),
        (lambda header: header.update({"encoder.norm.other": header.pop("encoder.norm.weight")}), "no attribute 'weight'"),
        (lambda header: header["encoder.norm.weight"].update(shape=[2, 16]), "shape"),
    ],
)
def test_files_of_other_models_are_refused_and_none_of_their_code_is_run(train, tmp_path, change, message):
    path = tmp_path / "x.safetensors"
    changed((train("eigenvalues") / "model.safetensors").read_bytes(), path, change)
    with pytest.raises(ValueError, match=message) as raised:
        package.load(path)
    assert str(path) in str(raised.value)


def test_modules_of_others_are_refused(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "x.pt")
    with pytest.raises(ValueError, match="not one of laformer 0.2 or newer"):
        package.load(tmp_path / "x.pt", trust=True)


def test_an_installed_package_answers_outside_of_the_repository(train, tmp_path):
    if importlib.util.find_spec("wheel") is None:
        setuptools = pytest.importorskip("setuptools", reason="setuptools builds the package")
        if int(setuptools.__version__.split(".")[0]) < 71:
            pytest.skip(f"setuptools {setuptools.__version__} builds wheels with the package wheel, which is missing; 71 needs none")
    # Copies the sources, because setuptools leaves build files among them.
    for name in ("python", "src/inference"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    result = subprocess.run([*pip, "--target", tmp_path / "site", tmp_path / "python"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    shutil.rmtree(tmp_path / "python")
    shutil.rmtree(tmp_path / "src")
    program = "import laformer, sys; print(laformer.__file__); print(laformer.load(sys.argv[1]).solve([[2, 1, 0], [1, 2, 1], [0, 1, 2]]).tolist())"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-W", "ignore", "-c", program, train("eigenvalues") / "model.safetensors"]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    file, answer = result.stdout.splitlines()
    assert file.startswith(str(tmp_path / "site"))
    wanted = load(train("eigenvalues")).solve(torch.tensor([[2, 1, 0], [1, 2, 1], [0, 1, 2]]))
    assert_same_answers([torch.tensor([json.loads(answer)], dtype=torch.float64)], [wanted[None]], ties=0)


def test_openmp_waits_passively_where_nobody_has_chosen(tmp_path):
    # Stands for torch, which reads these variables when it is loaded.
    (tmp_path / "torch.py").write_text("import os\nprint(os.environ.get('OMP_WAIT_POLICY'), os.environ.get('KMP_BLOCKTIME'), flush=True)\nos._exit(0)\n")
    free = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT")}

    def told(**settings):
        environment = free | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'python'}"} | settings
        command = [sys.executable, "-c", "import laformer"]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    assert told() == "PASSIVE 0"
    assert told(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE 0"
    assert told(GOMP_SPINCOUNT="1000") == "None None"


def linear_maps(block):
    return sum((node.kind() == "aten::linear") + sum(map(linear_maps, node.blocks())) for node in block.nodes())


@pytest.mark.parametrize("problem", ["eigenvalues", "inverse"])
@pytest.mark.optimized
def test_solve_calls_the_model_in_one_place(train, problem):
    """TorchScript inlines and optimizes every call of the model. A second call would double the time of the first calls of `solve`."""
    module = torch.jit.load(str(train(problem) / "model.pt"))
    assert linear_maps(module.solve.inlined_graph) == linear_maps(module.proposals.inlined_graph) > 0
