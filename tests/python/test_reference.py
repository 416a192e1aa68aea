"""Compares the forward pass of `model.pt` with the independent model, and tokens with the independent codec."""

import itertools
import subprocess
import sys

import codec
import numpy as np
import pytest
import reference
import torch
from conftest import ROOT, SIZES, load, operands

LAFORMER = {
    "values": {},
    "values:4, P1000:5": {"encoding.input": "values:4", "encoding.output": "P1000:5"},
    "P1000, B1999": {"encoding.input": "P1000", "encoding.output": "B1999"},
    "FP15": {"encoding.input": "FP15", "encoding.output": "FP15"},
    "P10 out": {"encoding.output": "P10"},
    "flat": {"model.positions": "flat"},
    "bilinear": {"model.activation": "bilinear"},
    "two heads": {"model.decoder_heads": 2, "model.feedforward": 2},
    "post-layer": {"model.normalization": "post-layer", "model.activation": "relu", "model.decoder_layers": 2},
}
PAPER = {
    "P1000": {},
    "P10": {"encoding.input": "P10", "encoding.output": "P10"},
    "B1999, FP15": {"encoding.input": "B1999", "encoding.output": "FP15"},
    "both": {"model.positions": "both", "model.normalization": "pre-rms", "model.activation": "gelu"},
    "values": {"encoding.input": "values"},
}
NO_DECODER = {"model.decoder": "none"}
OTHERS = {
    "universal": {"model.encoder_loops": 3, "model.decoder_loops": 2},
    "universal, gated": {"model.encoder_loops": 2, "model.gate": "copy", "model.input_injection": "true"},
    "universal paper": PAPER["P10"]
    | {"model.architecture": "paper", "model.decoder_loops": 3, "model.gate": "copy", "model.input_injection": "true"},
    "encoder only": NO_DECODER,
    "encoder only P10": NO_DECODER | {"encoding.input": "P10", "model.positions": "flat", "model.normalization": "post-layer"},
    "narrow decoder": {"model.decoder_width": 24, "model.decoder_heads": 3},
    "lstm": {"model.architecture": "lstm"},
    "lstm P10": {"model.architecture": "lstm", "encoding.input": "P10", "model.decoder_layers": 2},
    "lstm parallel": {"model.architecture": "lstm", "model.decoder": "parallel", "encoding.input": "values"},
    "gru": {"model.architecture": "gru", "model.decoder_width": 48, "model.decoder_heads": 2},
    "gru P10": {"model.architecture": "gru", "encoding.input": "P10"},
    "gru encoder only": NO_DECODER | {"model.architecture": "gru"},
    "digits": {"model.value_features": "digits"},
    "pair": {"model.architecture": "pair"},
    "pair with attention": {"model.architecture": "pair", "model.heads": 2, "model.positions": "flat", "model.activation": "bilinear"},
    "pair pre-rms": {"model.architecture": "pair", "model.normalization": "pre-rms", "model.encoder_loops": 2},
    "pair pre-matrix": {"model.architecture": "pair", "model.normalization": "pre-matrix"},
}
ARCHITECTURES = {f"laformer {name}": settings for name, settings in LAFORMER.items()}
ARCHITECTURES |= {f"paper {name}": settings | {"model.architecture": "paper"} for name, settings in PAPER.items()} | OTHERS


def compare(folder, tensors, *size):
    """Logits of a model for its own answers, by TorchScript and by the reference."""
    module, model = load(folder), reference.load(folder / "model.safetensors")
    with torch.no_grad():
        source = module.encode(*tensors)
        target = module.generate(source, *size)
        traced, wanted = module.forward(source, target, *size), model(source, target, *size)
    assert traced.shape == wanted.shape
    # fp32 has seven digits: allows 1e-5 of the largest logit, or 1e-5 if all are below 1.
    assert (traced - wanted).abs().max() <= 1e-5 * wanted.abs().max().clamp(min=1)


@pytest.mark.parametrize("problem", SIZES)
@pytest.mark.parametrize("architecture", ["laformer values", "paper P1000", "pair"])
def test_logits_of_every_problem(train, problem, architecture):
    tensors = [torch.from_numpy(array) for array in operands(problem, 5)]
    compare(train(problem, ARCHITECTURES[architecture]), tensors)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_of_every_ingredient(train, architecture):
    (matrices,) = operands("svd", 5)
    # P10 writes zeros with fewer tokens, so sources are padded.
    matrices[0, :2] = 0.0
    compare(train("svd", ARCHITECTURES[architecture]), [torch.from_numpy(matrices)])


@pytest.mark.parametrize("problem", ["eigenvalues", "eigenvectors", "symmetric-inverse"])
@pytest.mark.parametrize("settings", [{}, NO_DECODER, {"model.positions": "flat"}], ids=["laformer", "encoder only", "flat"])
def test_logits_of_triangles(train, problem, settings):
    (matrices,) = operands(problem, 5)
    compare(train(problem, settings | {"encoding.input": "triangle"}), [torch.from_numpy(matrices)])


@pytest.mark.parametrize("settings", [{}, NO_DECODER, {"model.positions": "flat"}], ids=["laformer", "encoder only", "flat"])
def test_logits_of_condensed_forms(train, settings):
    (matrices,) = operands("inverse", 5)
    compare(train("inverse", settings | {"encoding.input": "condensed"}), [torch.from_numpy(matrices)])


@pytest.mark.parametrize("architecture", ["laformer values", "paper P10", "lstm P10", "encoder only", "universal paper", "pair"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_logits_of_many_sizes(train, architecture, size):
    folder = train("eigenvectors", ARCHITECTURES[architecture], size='dim = "2-4"')
    matrices = torch.randn(5, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    compare(folder, [matrices + matrices.transpose(1, 2)], size, size)


EDGES = [0.0, -0.0, 3.14, 999.5, 9.995, 0.9995, 1e-9, -1e-9, 4e-10, 0.1 + 0.2, 1.0, -10.0, 99.95, 5e-324, 1e-98, 1.005, 2.5e-7]


@pytest.mark.parametrize("encoding", ["P10", "P10:5", "P1000", "P1000:4", "P1000:5", "B1999", "B1999:4", "FP15", "FP15:2"])
def test_tokens_equal_those_of_an_independent_codec(train, encoding):
    folder = train("transpose", {"model.architecture": "paper", "encoding.input": encoding, "model.positions": "flat"})
    generator = np.random.default_rng(1)
    numbers = [*EDGES, *(generator.uniform(-10, 10, 500) * 10.0 ** generator.integers(-9, 8, 500))]
    matrices = np.resize(numbers, (45, 3, 4))
    written = [codec.Encoding(encoding, 3).write([matrix.tolist()]) for matrix in matrices]
    length = max(map(len, written))
    padded = [row + [codec.PAD] * (length - len(row)) for row in written]
    assert load(folder).encode(torch.from_numpy(matrices)).tolist() == padded


def test_reading_tokens_gives_back_what_was_written():
    for name, digits in itertools.product(["P10", "P1000", "B1999", "FP15"], range(2, 6)):
        encoding = codec.Encoding(name, digits)
        classes = encoding.read(encoding.write([[EDGES]]))
        assert classes == [encoding.encode(x) for x in EDGES]


@pytest.mark.parametrize("architecture", ["laformer values", "paper P10"])
def test_the_baseline_trains(laformer, train, tmp_path, architecture):
    folder, data = train("eigenvalues", ARCHITECTURES[architecture]), tmp_path / "data.csv"
    laformer("generate", "eigenvalues", "--dim", 3, "--count", 20, "--output", data)
    command = [sys.executable, ROOT / "tests/python/baseline.py", folder / "model.safetensors", data, "--steps", 2, "--threads", 1]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "examples/s" in result.stdout
