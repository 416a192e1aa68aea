"""`model.pt` in plain torch: answers have numpy's shapes and equal the command line's, and errors say what is wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import CALLS, ROUNDING, SIZES, assert_same_answers, evaluated, load, operands, solved, tuple_of
from reference import safetensors

NUMPY = {
    "transpose": lambda a: np.swapaxes(a, -1, -2),
    "add": np.add,
    "matrix-vector": lambda a, v: (a @ v[..., None])[..., 0],
    "matrix-product": np.matmul,
    "eigenvalues": np.linalg.eigvalsh,
    "eigenvectors": np.linalg.eigh,
    "inverse": np.linalg.inv,
    "symmetric-inverse": np.linalg.inv,
    "singular-values": lambda a: np.linalg.svd(a, compute_uv=False),
    "svd": lambda a: np.linalg.svd(a, full_matrices=False),
    "determinant": np.linalg.det,
    "linear-solve": lambda a, b: np.linalg.solve(a, b[..., None])[..., 0],
    "matrix-exponential": lambda a: torch.linalg.matrix_exp(torch.from_numpy(a)).numpy(),
    "matrix-sign": np.linalg.inv,
}
problems = pytest.mark.parametrize("problem", NUMPY)
PAPER = {"model.architecture": "paper"}
TRIANGLE = {"encoding.input": "triangle"}
# A readout that gives the written digits, without interpolation.
WRITTEN = {"model.readout": "median"}


def solve(model, arrays, **options):
    return tuple_of(model.solve(*map(torch.from_numpy, arrays), **options))


@problems
@pytest.mark.parametrize("batch", [None, 1, 5])
def test_answers_are_shaped_as_numpy_shapes_them(train, problem, batch):
    arrays = operands(problem, batch or 1)
    if batch is None:
        arrays = [array[0] for array in arrays]
    answers, exact = solve(load(train(problem)), arrays), tuple_of(NUMPY[problem](*arrays))
    assert [tuple(answer.shape) for answer in answers] == [array.shape for array in exact]
    assert all(answer.dtype == torch.float64 and answer.isfinite().all() for answer in answers)


@problems
@pytest.mark.parametrize("settings", [{}, PAPER], ids=["laformer", "paper"])
def test_a_batch_is_answered_as_its_examples_alone(train, problem, settings):
    model, arrays = load(train(problem, settings)), operands(problem, 6)
    alone = zip(*(solve(model, [array[i] for array in arrays]) for i in range(6)), strict=True)
    assert_same_answers([torch.stack(each) for each in alone], solve(model, arrays))


@pytest.mark.parametrize("size", [2, 4])
def test_half_of_a_symmetric_matrix_is_read(laformer, train, size):
    folder = train("eigenvalues", TRIANGLE, size='dim = "2-4"')
    matrix = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    matrix, model = matrix + matrix.T, load(folder)
    lower = [value for i, row in enumerate(matrix.tolist()) for value in row[: i + 1]]
    assert torch.allclose(model.encode(matrix), torch.tensor([lower]), rtol=5e-3)
    assert model.encode(matrix).shape == (1, size * (size + 1) // 2)
    assert_same_answers([model.solve(matrix)[None]], solved(laformer, folder, "eigenvalues", [matrix]), ties=0)


@problems
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="laformer", marks=pytest.mark.optimized),
        pytest.param(PAPER, id="paper", marks=pytest.mark.optimized),
    ],
)
def test_answers_equal_those_of_the_command_line(laformer, train, problem, settings):
    folder = train(problem, settings)
    given, printed = evaluated(laformer, folder)[problem]
    for _ in range(CALLS):
        assert_same_answers(tuple_of(load(folder).solve(*given)), printed)
    one = [operand[:1] for operand in given]
    assert_same_answers(tuple_of(load(folder).solve(*one)), solved(laformer, folder, problem, [operand[0] for operand in given]), ties=0)


@problems
def test_the_example_of_a_model_card_runs(train, problem):
    folder = train(problem)
    example = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    names = {}
    exec(example.replace("model.pt", str(folder / "model.pt")), names)  # noqa: S102
    model = names["model"]
    wanted = {"eigenvectors": ["values", "vectors"], "svd": ["u", "s", "vt"], "eigenvalues": ["values"], "singular-values": ["values"]}
    assert all(names[name].isfinite().all() for name in wanted.get(problem, ["answer"]))
    assert type(model).__name__ == "RecursiveScriptModule"


def test_solve_records_no_gradients_and_leaves_others_alone(train):
    model, matrix = load(train("eigenvalues")), torch.eye(3, dtype=torch.float64).requires_grad_()
    assert not model.solve(matrix).requires_grad
    assert not model.generate(model.encode(matrix)).requires_grad
    # Gradients stay enabled after an error inside the call, too.
    with pytest.raises(torch.jit.Error, match="beam must be 1, not 2"):
        model.solve(matrix, beam=2)
    assert torch.is_grad_enabled()


def test_sources_and_tokens_are_checked_as_operands_are(train):
    values, tokens = load(train("eigenvalues")), load(train("eigenvalues", PAPER))
    with pytest.raises(torch.jit.Error, match="source contains NaN or infinity"):
        values.generate(torch.full([1, 9], float("nan")))
    assert torch.equal(values.generate(torch.ones(1, 9, dtype=torch.float64)), values.generate(torch.ones(1, 9)))
    source = tokens.encode(torch.eye(3))
    with pytest.raises(torch.jit.Error, match="source contains 99999: this model reads the tokens 0 to"):
        tokens.generate(torch.full_like(source, 99999))
    for use in (lambda: tokens.generate(source.float()), lambda: tokens.decode(torch.rand(1, 9))):
        with pytest.raises(torch.jit.Error, match="must be integers"):
            use()
    for beam in (0, 1001):
        with pytest.raises(torch.jit.Error, match=f"beam must be from 1 to 1000, not {beam}"):
            tokens.solve(torch.eye(3), beam=beam)
    with pytest.raises(torch.jit.Error, match="beam must be 1, not 0"):
        values.solve(torch.eye(3), beam=0)


@pytest.mark.parametrize("problem", ["eigenvectors", "svd"])
@pytest.mark.parametrize("settings", [{}, {"loss.free_signs": "true"}], ids=["given", "free"])
def test_vectors_have_their_largest_entry_positive(train, problem, settings):
    answer = solve(load(train(problem, settings)), operands(problem, 20))
    vectors = answer[1] if problem == "eigenvectors" else answer[0]
    assert (vectors.gather(1, vectors.abs().argmax(1, keepdim=True)) >= 0).all()


@problems
def test_decoding_what_is_generated_is_solving(train, problem):
    for settings in (WRITTEN, PAPER):
        model, arrays = load(train(problem, settings)), operands(problem, 3)
        tokens = model.generate(model.encode(*map(torch.from_numpy, arrays)))
        decoded = tuple_of(model.decode(tokens))
        assert all(torch.equal(a, b) for a, b in zip(decoded, solve(model, arrays), strict=True))


@pytest.mark.parametrize("problem", ["transpose", "inverse", "singular-values"])
@pytest.mark.parametrize("output", ["P1000", "P1000:4"])
def test_answers_lie_within_half_a_unit_of_the_last_digit_that_is_generated(train, problem, output):
    model, arrays = load(train(problem, {"encoding.output": output})), operands(problem, 3)
    (answer,) = solve(model, arrays)
    written = model.decode(model.generate(model.encode(*map(torch.from_numpy, arrays))))
    digits = int(output.partition(":")[2] or 3)
    unit = 10 ** (written.abs().log10().floor() - digits + 1)
    assert (written.abs() > 0).all() and ((answer - written).abs() <= 0.5001 * unit).all() and not torch.equal(answer, written)


@problems
def test_digits_that_cannot_be_written_are_generated_as_the_same_number(train, problem):
    # A parallel decoder may choose the P10 digits 053; a token sequence has 530 and a smaller exponent.
    model, arrays = load(train(problem, WRITTEN | {"encoding.output": "P10"})), operands(problem, 3)
    decoded = tuple_of(model.decode(model.generate(model.encode(*map(torch.from_numpy, arrays)))))
    for a, b in zip(decoded, solve(model, arrays), strict=True):
        # Powers beyond 10^22 are not exact doubles, and P10 has no numbers below 1e-98.
        assert torch.allclose(a, b, rtol=1e-14, atol=1e-98)


@problems
def test_other_shapes_are_refused_with_the_shape_that_is_wanted(train, problem):
    model = load(train(problem))
    wanted = "3x3" if "dim" in SIZES[problem] else "3x4"
    second = operands(problem, 1)[1:]
    with pytest.raises(torch.jit.Error, match=f"{problem} of {wanted} matrices; this one is 2x2"):
        solve(model, [np.eye(2), *(array[0] for array in second)])
    with pytest.raises(torch.jit.Error, match="rows, cols"):
        solve(model, [np.zeros(3), *(array[0] for array in second)])


@pytest.mark.parametrize(
    "problem, second, message",
    [
        ("matrix-vector", np.zeros(3), "must be 4x1"),
        ("matrix-product", np.zeros((3, 4)), "must be 4x3"),
        ("add", np.zeros((4, 3)), "must be 3x4"),
        ("add", np.zeros((2, 3, 4)), "comes 3 times, other operands 2 times"),
    ],
)
def test_second_operands_must_fit_the_first(train, problem, second, message):
    first = operands(problem, 3 if second.ndim == 3 else 1)[0]
    with pytest.raises(torch.jit.Error, match=message):
        solve(load(train(problem)), [first if second.ndim == 3 else first[0], second])


@pytest.mark.parametrize("settings", [{}, PAPER, {"encoding.input": "FP15"}], ids=["values", "tokens", "FP15"])
def test_numbers_that_cannot_be_read_are_refused(train, settings):
    model = load(train("eigenvalues", settings))
    for number, message in [(float("nan"), "NaN or infinity"), (float("inf"), "NaN or infinity"), (1e200, "1e")]:
        with pytest.raises(torch.jit.Error, match=message):
            model.solve(torch.eye(3, dtype=torch.float64) * number)


def test_a_symmetric_problem_refuses_other_matrices(train):
    model = load(train("eigenvalues"))
    with pytest.raises(torch.jit.Error, match="must be symmetric"):
        model.solve(torch.arange(9.0).reshape(3, 3))
    # A matrix may be symmetric only up to rounding errors.
    model.solve(torch.eye(3) + torch.tensor([[0, 1e-8, 0], [0, 0, 0], [0, 0, 0]]))


def test_any_real_numbers_are_taken(train):
    model = load(train("add"))
    matrix = torch.arange(12).reshape(3, 4)
    answers = [model.solve(matrix.to(kind), matrix.to(kind)) for kind in (torch.int64, torch.float32, torch.float64)]
    transposed = matrix.t().contiguous().t()
    assert all(torch.equal(answer, answers[0]) for answer in [*answers, model.solve(transposed, transposed)])


def test_beams_belong_to_autoregressive_decoders(train):
    matrices = operands("svd", 2)
    model = load(train("svd", PAPER))
    assert [answer.shape for answer in solve(model, matrices, beam=3)] == [answer.shape for answer in solve(model, matrices)]
    with pytest.raises(torch.jit.Error, match="beam must be 1"):
        solve(load(train("svd")), matrices, beam=3)


def test_one_model_answers_many_sizes(train):
    for settings in ({}, PAPER):
        model = load(train("eigenvalues", settings, size='dim = "2-4"'))
        for size in (2, 3, 4):
            assert model.solve(torch.eye(size).expand(5, -1, -1)).shape == (5, size)
        with pytest.raises(torch.jit.Error, match="square 2x2 to 4x4"):
            model.solve(torch.eye(5))


@pytest.mark.parametrize("settings", [{}, PAPER], ids=["laformer", "paper"])
def test_parameters_are_those_of_the_safetensors_file(train, settings):
    folder = train("inverse", settings)
    tensors, text = safetensors.read(folder / "model.safetensors")
    state = load(folder).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tensors.items())
    assert 'problem = "inverse"' in text["recipe"]


def test_a_module_tells_how_it_was_made(train):
    extra = {"config.json": "", "metrics.json": ""}
    torch.jit.load(train("add") / "model.pt", _extra_files=extra)
    assert json.loads(extra["config.json"])["problem"] == "add"
    assert set(json.loads(extra["metrics.json"])["accuracy"]) == {"0.05", "0.02", "0.01", "0.005"}


def test_torch_alone_is_enough(train, tmp_path):
    program = """
import sys
sys.modules["numpy"] = None
import torch
model = torch.jit.load(sys.argv[1])
print(model.solve(torch.eye(3)).tolist())
"""
    folder = train("eigenvalues")
    command = [sys.executable, "-I", "-W", "ignore", "-c", program, folder / "model.pt"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert_same_answers([load(folder).solve(torch.eye(3))[None]], [torch.tensor([json.loads(result.stdout)], dtype=torch.float64)], ties=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@problems
def test_a_module_moves_to_cuda_as_a_whole(train, problem):
    for settings in ({}, PAPER):
        model, arrays = torch.jit.load(train(problem, settings) / "model.pt", map_location="cuda"), operands(problem, 5)
        on_cuda = solve(model, arrays)
        assert all(answer.device.type == "cuda" and answer.isfinite().all() for answer in on_cuda)
        assert solve(model.to("cpu"), arrays)[0].device.type == "cpu"


@pytest.mark.parametrize("name", ["solve", "soft_solve", "encode"])
def test_values_beyond_single_precision_are_refused(train, name):
    model = load(train("eigenvalues"))
    matrix = torch.eye(3, dtype=torch.float64)
    assert torch.isfinite(getattr(model, name)(matrix * 9e17)).all()
    with pytest.raises(Exception, match="magnitudes below 1e18"):
        getattr(model, name)(matrix * 1e18)
