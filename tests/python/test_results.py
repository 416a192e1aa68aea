"""The tables of the documentation match the measurements."""

import json
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import results
import scaling
import size_curves


@pytest.mark.parametrize("page", results.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_what_the_script_writes(page):
    assert results.filled(page) == page.read_text(), "run `python docs/results.py`"


def test_the_curves_over_size_are_those_of_the_table():
    assert size_curves.drawn() == size_curves.PICTURE.read_text(), "run `python docs/size_curves.py`"


def test_predictions_of_scaling_are_those_of_the_script():
    kept = json.loads(scaling.FILE.read_text())
    assert {name: kept[name] for name in scaling.tables()} == scaling.tables(), "run `python docs/scaling.py`"
    # Without an exchange nothing is lost; a slower one loses more.
    assert scaling.efficiency(0, 64, 1000, 1) == 1
    assert scaling.efficiency(4e6, 64, 16_000, 8) > scaling.efficiency(4e6, 64, 16_000, 16) > scaling.efficiency(4e7, 64, 16_000, 16)


def test_every_table_is_on_a_page():
    shown = {name for page in results.PAGES for _, name, _ in results.BLOCK.findall(page.read_text())}
    kept = {f"{path.stem}/{table}" for path in results.RESULTS.glob("*.json") for table in json.loads(path.read_text())}
    assert kept | {"shipped", "checkpoints", "families"} == shown


def test_every_table_tells_how_it_was_made():
    for path in results.RESULTS.glob("*.json"):
        for name, table in json.loads(path.read_text()).items():
            assert table["commit"] and table["processor"] and table["date"], f"{path.stem}/{name}"
            assert table.get("command") or table.get("setup") or set(table["outputs"]) == set(table["commands"]), f"{path.stem}/{name}"
            if "outputs" not in table:
                assert all(len(row) == len(table["columns"]) for row in table["rows"]), f"{path.stem}/{name}"


def test_accuracies_are_printed_by_tolerance():
    assert results.shares({"0.05": 1.0, "0.01": 0.5, "0.005": 0.25}) == [100.0, None, 50.0, 25.0]
    assert results.accuracies([100, None, 50.0, 25.123]) == "100.00 / - / 50.00 / 25.12"


def test_a_row_is_found_by_the_end_of_its_key():
    printed = {"eigenvalues 3x3 uniform": {"accuracy": {"0.05": 1.0}}, "eigenvalues 3x3 uniform/laplace": {"outside": {"ranks": 0.5}}}
    assert results.pick(printed, "3x3 uniform", "accuracy")[0] == 100.0
    assert results.pick(printed, "/laplace", "outside ranks") == [50.0]
    assert results.pick(printed, "/laplace", "limit") == [None]


def test_a_table_is_measured_by_its_own_commands(laformer, tmp_path, monkeypatch):
    command = "laformer eval checkpoints/eigenvalues-3x3 --count 20 --json"
    table = {"commands": {"own": command}, "outputs": {}, "title": "model", "rows": {"3x3": [None, ""]}, "columns": {"right": ["own", "accuracy"]}}
    (tmp_path / "new.json").write_text(json.dumps({"table": table}))
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    results.measure("new/table")
    text = results.render("new/table", ROOT / "README.md")
    assert "| 3x3 | 100.00 / " in text and f"`{command}`; " in text
