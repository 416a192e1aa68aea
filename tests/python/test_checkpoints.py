"""The shipped checkpoints are as accurate as their recorded evaluations, within the uncertainty of a small sample, and NumPy agrees."""

import csv
import json
import math
import os

import pytest
import scorer
import torch
from conftest import ROOT

# The number of matrices, out of the 10,000 of the evaluation. `make zoo-check` uses all of them.
COUNT = int(os.environ.get("LAFORMER_CHECKPOINT_TESTS", "300"))
SHIPPED = sorted(path.parent for path in (ROOT / "checkpoints").glob("*/evaluation.json"))


# A test fails below this probability (1 in 30,000). Four accuracies of every checkpoint are tested.
RARE = 3e-5


def probability(right, count, share):
    """The smaller tail probability for a model with the accuracy `share`: of at most, or of at least, `right` right answers."""
    # An evaluation of 10,000 matrices does not measure an accuracy more precisely.
    share = min(max(share, 1e-4), 1 - 1e-4)
    ways = lambda k: math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
    each = [math.exp(ways(k) + k * math.log(share) + (count - k) * math.log(1 - share)) for k in range(count + 1)]
    return min(sum(each[: right + 1]), sum(each[right:]))


def test_what_300_matrices_tell():
    for share, least, most in [(0.5, 115, 185), (0.9, 247, 289), (0.99, 288, 300), (1.0, 298, 300)]:
        allowed = [right for right in range(301) if probability(right, 300, share) >= RARE]
        assert (allowed[0], allowed[-1]) == (least, most)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_checkpoints_are_as_accurate_as_their_table_says(laformer, folder, tmp_path):
    told = json.loads((folder / "evaluation.json").read_text())
    predictions = tmp_path / "predictions.csv"
    found = json.loads(laformer("eval", folder, "--count", COUNT, "--json", "--predictions", predictions))
    assert found["count"] == COUNT
    agree(found, predictions)
    for tolerance, wanted in told["accuracy"].items():
        share = found["accuracy"][tolerance]
        if COUNT == told["count"]:
            # The matrices are the same, so only rounding errors of another processor can make a difference.
            assert abs(share - wanted) <= 0.002, tolerance
        else:
            assert probability(round(COUNT * share), COUNT, wanted) >= RARE, (tolerance, share, wanted)


def agree(found, predictions):
    """Asserts that an independent scorer finds the same errors, and the same answers right at every tolerance."""
    with open(predictions, newline="") as rows:
        rows = list(csv.DictReader(rows))
    assert len(rows) == COUNT
    right = dict.fromkeys(found["accuracy"], 0)
    for row in rows:
        told = float(row["error"])
        error = scorer.error(row["problem"], json.loads(row["operands"]), json.loads(row["prediction"]))
        assert math.isclose(error, told, rel_tol=1e-6, abs_tol=1e-9), (row["index"], error, told)
        for tolerance in right:
            right[tolerance] += error < float(tolerance)
    assert {tolerance: count / COUNT for tolerance, count in right.items()} == found["accuracy"]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_modules_are_small_and_load_without_laformer(folder):
    module = folder / "model.pt"
    assert module.stat().st_size <= 16 * 1024 * 1024
    loaded = torch.jit.load(module)
    assert hasattr(loaded, "solve") or hasattr(loaded, "problems")
    assert (folder / "model.safetensors").stat().st_size <= module.stat().st_size


def test_checkpoints_are_shipped():
    assert SHIPPED, "no checkpoint has an evaluation.json"
