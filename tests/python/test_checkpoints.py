"""The shipped checkpoints answer as well as they are said to."""

import itertools
import json
import os

import pytest
import torch

from conftest import ROOT

# The first so many of the 10,000 matrices; `make zoo-check` takes them all.
COUNT = int(os.environ.get("LAFORMER_CHECKPOINT_TESTS", "1000"))
SHIPPED = sorted(path.parent for path in (ROOT / "checkpoints").glob("*/evaluation.json"))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_checkpoints_are_as_accurate_as_their_table_says(laformer, folder):
    told = json.loads((folder / "evaluation.json").read_text())
    found = json.loads(laformer("eval", folder, "--count", COUNT, "--views", 8, "--json"))
    assert found["count"] == COUNT
    for measure, tolerance in itertools.product(["accuracy", "median"], told["accuracy"]):
        share = told[measure][tolerance]
        # Four standard deviations of a sample; another processor may round a last bit differently.
        slack = 4 * (share * (1 - share) / COUNT) ** 0.5 + 2 / COUNT
        if COUNT == told["count"]:
            slack = 0.002
        assert abs(found[measure][tolerance] - share) <= slack, (measure, tolerance)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_modules_are_small_and_load_without_laformer(folder):
    module = folder / "model.pt"
    assert module.stat().st_size <= 5 * 1024 * 1024
    loaded = torch.jit.load(module)
    assert hasattr(loaded, "solve") or hasattr(loaded, "problems")


def test_checkpoints_are_shipped():
    assert SHIPPED, "no checkpoint has an evaluation.json"
