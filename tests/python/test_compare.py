"""Tests benches/compare.py with fake contestants, whose turns take known times."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benches"))
import compare
import scale


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


def test_the_largest_bound_names_what_limits_a_step_from_half_of_its_time_on():
    assert scale.bound([0.5, 0.1, 0.2]) == "latency"
    assert scale.bound([0.1, 0.3, 0.2]) == "mostly compute"
    assert scale.bound([0.1, 0.3, 0.7]) == "memory"
    assert scale.turning([1, 4, 16, 64], ["latency", "latency", "compute", "compute"]) == "latency from 1, compute from 16"


def test_every_curve_of_growth_is_measured_with_one_thread_and_two(tmp_path):
    def run(bench, what, *words):
        found = {"examples_per_second": 100.0, "positions_per_second": 900.0, "utilization": 0.3, "memory_gigabytes_per_second": 5.0}
        # The smallest step takes 8 ms, the others 640 ms; copies have 50 GB/s.
        if what == "device":
            return json.dumps({"memory_gigabytes_per_second": 50.0})
        return json.dumps({**found, "examples_per_second": 125.0} if "dim=1" in words else found)

    curves = scale.measure(run, 0.1)
    turns, rows = scale.report(curves)
    assert len(rows) == 2 * sum(len(scale.VALUES[axis]) for _, axis in scale.CURVES)
    assert ["train", "width", 128, 2, "100", "900", "640.00", "1 %", "30 %", "10 %", "mostly compute"] in rows
    assert "- decode by batch, 1 thread: latency from 1, mostly compute from 4" in turns
    scale.draw(curves, tmp_path / "scale.svg")
    assert (tmp_path / "scale.svg").read_text().count("encoder layers") >= 1
