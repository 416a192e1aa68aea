"""Runs the tutorial's commands at a smaller size, in a folder with the shipped models."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import ROOT

DOCS = ROOT / "docs"
# Replacements that make the commands fast: counts of examples, steps and widths.
SMALLER = [
    (r"--count \d+", "--count 20"),
    (r"^(width|steps|warmup|every|count) = \d+", lambda found: f"{found[1]} = {dict(width=16, steps=12, warmup=2, every=6, count=8)[found[1]]}"),
    (r"in 100 300 1000;", "in 100 110;"),
    (r"training\.steps=\$steps", "training.steps=$((steps / 10))"),
]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """The language and the text of each command block, with smaller numbers."""
    for language, text in BLOCK.findall((DOCS / page).read_text()):
        for pattern, smaller in SMALLER:
            text = re.sub(pattern, smaller, text, flags=re.MULTILINE)
        yield language, text


@pytest.fixture
def folder(tmp_path):
    """A folder with the repository's content; new runs and files stay in it."""
    for name in ["recipes", "python"]:
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ["checkpoints", "data"]:
        (tmp_path / name).mkdir()
    for path in (ROOT / "checkpoints").glob("*/evaluation.json"):
        (tmp_path / "checkpoints" / path.parent.name).symlink_to(path.parent)
    return tmp_path


@pytest.mark.parametrize("page", ["guide.md", "python.md"])
def test_the_commands_of_a_page_run(page, folder, laformer):
    binary = pathlib.Path(os.environ.get("LAFORMER_BIN", ROOT / "target/release/laformer"))
    environment = os.environ | {"PATH": f"{binary.parent}:{os.environ['PATH']}"}
    found = list(blocks(page))
    assert found
    for language, text in found:
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{text}\n{result.stderr[-3000:]}"


def test_every_command_has_an_example(laformer):
    commands = re.findall(r"^  ([a-z]+)  ", laformer("--help"), flags=re.MULTILINE)
    page = (DOCS / "commands.md").read_text()
    assert len(commands) > 10
    for command in set(commands) - {"help"}:
        assert f"| `laformer {command}" in page, command


def test_every_key_of_a_recipe_is_described(train):
    page = (DOCS / "recipes.md").read_text()
    keys = re.findall(r"^(\w+) = ", (train("eigenvalues") / "config.toml").read_text(), flags=re.MULTILINE)
    assert len(keys) > 40
    for key in keys:
        assert f"`{key}`" in page, key


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "checkpoints/README.md", ROOT / "recipes/small/README.md", *DOCS.rglob("*.md")]
    pages += (ROOT / "notebooks").glob("*.ipynb")
    for page in pages:
        for target, anchor in re.findall(r"\]\(([^)\s#]*)(#[^)\s]*)?\)", page.read_text()):
            if "://" in target:
                continue
            path = page.parent / target if target else page
            assert path.exists(), f"{page.relative_to(ROOT)}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
                anchors = {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in anchors, f"{page.relative_to(ROOT)}: {target}{anchor}"
