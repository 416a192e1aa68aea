"""Tests benches/compare.py with fake contestants, whose turns take known times."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benches"))
import compare


def contestant(name, examples, seconds):
    return SimpleNamespace(name=name, ready={"examples": examples}, seconds=seconds)


def test_ratios_are_of_examples_in_the_same_round():
    ours, theirs = contestant("ours", 100, [1.0, 2.0]), contestant("theirs", 50, [2.0, 2.0])
    assert compare.ratios(ours, theirs) == [4.0, 2.0]


def test_a_spread_has_median_quartiles_and_extremes():
    assert compare.spread([5.0, 1.0, 2.0, 4.0, 3.0]) == ("**3.00**", "2.00 to 4.00", "1.00 to 5.00")


def test_the_order_of_turns_is_reversed_every_round():
    turns = []
    contestants = [SimpleNamespace(seconds=[], turn=lambda name=name: turns.append(name) or 1.0) for name in "ab"]
    compare.alternate(contestants, 2)
    assert turns[2 * compare.WARMUP :] == ["a", "b", "b", "a"]
    assert [len(contestant.seconds) for contestant in contestants] == [2, 2]


def test_a_section_of_the_report_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "REPORT", tmp_path / "report.md")
    compare.REPORT.write_text("before\n<!-- begin step -->\nold\n<!-- end step -->\nafter\n")
    compare.record("step", "new")
    assert compare.REPORT.read_text() == "before\n<!-- begin step -->\nnew\n<!-- end step -->\nafter\n"
    with pytest.raises(SystemExit, match="no section flat"):
        compare.record("flat", "new")


def test_the_report_has_every_section():
    text = compare.REPORT.read_text()
    for name in compare.SECTIONS:
        assert f"<!-- begin {name} -->\n" in text and f"<!-- end {name} -->" in text, name


def test_a_missing_checkout_is_skipped_and_a_wrong_one_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LAWT", raising=False)
    assert compare.checkout("it is left out") is None
    assert "LAWT=path/to/LAWT make bench" in capsys.readouterr().err
    monkeypatch.setenv("LAWT", str(tmp_path))
    with pytest.raises(SystemExit, match="has no train.py"):
        compare.checkout("it is left out")


def test_laformer_and_the_baseline_take_turns(laformer, tmp_path):
    words = ["--dim", "2", "--set", "model.width=16", "--set", "training.precision=fp32", "--device", "cpu"]
    with compare.contest() as programs:
        programs.append(compare.training("ours", 2, 1, *words))
        programs.append(compare.baseline("theirs", 2, 1, programs[0], tmp_path, "--precision", "fp32", "--device", "cpu"))
        compare.alternate(programs, 2)
        assert programs[0].ready["parameters"] == programs[1].ready["parameters"]
        assert all(ratio > 0 for ratio in compare.ratios(*programs))


def test_unknown_sections_are_refused():
    command = [sys.executable, ROOT / "benches/compare.py", "speed"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and "choose from device, step" in result.stderr
