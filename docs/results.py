"""Fills the tables of the documentation from measurements in JSON: `python docs/results.py`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->` of a page. This script replaces the text between these marks. NAME is:

- `checkpoints` or `shipped`: all models with a `checkpoints/*/evaluation.json`, which `checkpoints/ship.py` writes.
- `families`: the accuracies of some of them for each family of matrices.
- `FILE/TABLE`: a table of `results/FILE.json`. `python docs/results.py --measure FILE/TABLE` runs its commands and stores their outputs.

A table of `results/*.json` has `columns`, `rows`, `command` (or a `setup` in words), `commit`, `processor` and `date`. A cell is text, a
number, a list of accuracies in percent, or `{"checkpoint": NAME, "field": FIELD}`.

A table with `commands` has `outputs`, the JSON that each command printed. A row is `[OUTPUT, END]`, and a column is `[OUTPUT, FIELD]`. The
row's OUTPUT names the output of a cell; if it is null, the column's does. END selects a part of it by the end of a key; if it is empty, the
whole output counts. FIELD is a field of that part.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
PAGES = [ROOT / "README.md", ROOT / "checkpoints/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
TOLERANCES = ["0.05", "0.02", "0.01", "0.005"]


def accuracies(values, decimals=2):
    """Accuracies in percent: `99.72 / 99.67 / 99.39 / 90.28`, with a dash for an unknown one."""
    return " / ".join("-" if value is None else f"{value:.{decimals}f}" for value in values)


def shares(found):
    """Accuracies in percent, in the order of `TOLERANCES`, from a field of the output of `laformer eval --json`."""
    return [None if tolerance not in found else 100 * found[tolerance] for tolerance in TOLERANCES]


def markdown(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Checkpoint:
    """A shipped model: the contents of its `config.toml` and `evaluation.json`."""

    def __init__(self, folder):
        self.name = folder.name
        self.bytes = (folder / "model.pt").stat().st_size
        self.recipe = tomllib.loads((folder / "config.toml").read_text())
        self.found = json.loads((folder / "evaluation.json").read_text())

    @classmethod
    def all(cls):
        return [cls(path.parent) for path in sorted((ROOT / "checkpoints").glob("*/evaluation.json"))]

    def field(self, name):
        """The text of a table's field."""
        found, earlier = self.found, self.found.get("earlier", {"examples": 0, "minutes": 0})
        if name in ("accuracy", "ceiling"):
            return accuracies(shares(found[name]))
        if name == "written":
            # Without interpolation, answers are the written digits, and there is only one accuracy.
            return accuracies(shares(found.get("written", found["accuracy"])))
        if name == "paper":
            return accuracies(shares(found["paper"]["accuracy"]), 1) if "paper" in found else "-"
        if name == "interval":
            low, high = found["interval"]["0.01"]
            return f"{100 * low:.2f} to {100 * high:.2f}"
        if name == "worst family":
            # Leaves out families with matrices so close to singular that even exact answers become wrong by rounding.
            fair = {name: one for name, one in found.get("families", {}).items() if one["ceiling"]["0.05"] >= 0.99}
            worst = min(fair, key=lambda name: [fair[name]["accuracy"][tolerance] for tolerance in ("0.05", "0.02")], default=None)
            return "-" if worst is None else f"{worst} {accuracies(shares(fair[worst]['accuracy']), 1)}"
        if name == "file":
            return f"{self.bytes / 2**20:.1f} MiB"
        if name == "examples":
            return f"{earlier['examples'] + int(found['trained_on'].split(' examples')[0]):,}"
        if name == "minutes":
            return f"{earlier['minutes'] + float(found['training_time'].removesuffix(' minutes')):.1f}"
        if name == "parameters":
            return f"{found['parameters'] / 1e6:.2f} M"
        if name == "reads":
            kind = self.recipe["encoding"]["input"].split(":")[0]
            return {"values": "raw", "condensed": "condensed"}.get(kind, kind)
        if name == "size":
            return self.recipe["dim"] or f"{self.recipe['rows']}x{self.recipe['cols']}"
        if name in ("device", "commit"):
            return found[name]
        return self.recipe[name] if name == "problem" else self.recipe["model"][name]


def checkpoint_table(columns, link):
    rows = [[f"[{one.name}]({link}{one.name})", *(one.field(field) for field in columns.values())] for one in Checkpoint.all()]
    return markdown(["model", *columns], rows)


def family_table(models):
    """A row for each family, with each model's accuracies within 5 and 2 %. The ceiling within 5 % follows in parentheses, if not 100 %."""
    found = [Checkpoint(ROOT / "checkpoints" / name).found["families"] for name in models]

    def text(family):
        if family is None:
            return "-"
        ceiling = 100 * family["ceiling"]["0.05"]
        return accuracies(shares(family["accuracy"])[:2], 1) + ("" if ceiling > 99.9 else f" ({ceiling:.1f})")

    names = list(dict.fromkeys(name for families in found for name in families))
    return markdown(["family", *models], [[name, *(text(families.get(name)) for families in found)] for name in names])


def cell(value, decimals):
    if isinstance(value, dict):
        return Checkpoint(ROOT / "checkpoints" / value["checkpoint"]).field(value["field"])
    if isinstance(value, list):
        return accuracies(value, decimals)
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,}"


def pick(output, end, field):
    """Accuracies in percent from an output. `end` selects one of several distributions by the end of its key. `field` is a path of keys,
    separated by spaces."""
    if end:
        output = next(value for key, value in output.items() if key.endswith(end))
    for part in field.split(" "):
        output = output.get(part)
        if output is None:
            return [None]
    return shares(output) if isinstance(output, dict) else [100 * output]


def measured(table):
    """The columns and rows of a table with the stored outputs of commands."""
    rows = []
    for title, (row_output, end) in table["rows"].items():
        outputs = [(table["outputs"][row_output or output], field) for output, field in table["columns"].values()]
        rows.append([title, *(accuracies(pick(output, end, field)) for output, field in outputs)])
    return [table["title"], *table["columns"]], rows


def conditions(table):
    """The line below a table: the command or the setup, the processor, the commit and the date."""
    commands = [f"`{command}`" for command in table.get("commands", {}).values() or [table.get("command")]]
    text = table.get("setup") or (", ".join(commands) if len(commands) < 4 else f"{commands[0]}, and so on")
    return "; ".join([text, table["processor"], f"commit {table['commit']}", table["date"]]) + "."


def load(name):
    file, _, table = name.partition("/")
    path = RESULTS / f"{file}.json"
    tables = json.loads(path.read_text())
    return path, tables, tables[table]


def render(name, page):
    """The text of a table on a page."""
    link = os.path.relpath(ROOT / "checkpoints", page.parent) + "/"
    link = "" if link == "./" else link
    accuracy = "% within 5 / 2 / 1 / 0.5 %"
    if name == "shipped":
        return checkpoint_table({"reads": "reads", "examples": "examples", accuracy: "accuracy", "the paper": "paper"}, link)
    if name == "checkpoints":
        columns = {"problem": "problem", "size": "size", "reads": "reads", "parameters": "parameters", "file": "file", "examples": "examples"}
        columns |= {"minutes": "minutes", accuracy: "accuracy", "interval at 1 %": "interval", "rounded to digits": "written"}
        return checkpoint_table(columns | {"worst family": "worst family", "ceiling": "ceiling", "device": "device", "commit": "commit"}, link)
    if name == "families":
        return family_table(["eigenvalues-5x5", "eigenvectors-5x5", "singular-values-5x5", "svd-4x4", "inverse-5x5", "matrix-product"])
    table = load(name)[2]
    if "outputs" in table:
        columns, rows = measured(table)
    else:
        columns = table["columns"]
        rows = [[cell(value, table.get("decimals", 2)) for value in row] for row in table["rows"]]
    return f"{markdown(columns, rows)}\n\n{conditions(table)}"


def filled(page):
    """The text of a page with its tables filled from the measurements."""
    return BLOCK.sub(lambda match: f"{match[1]}{render(match[2], page)}\n{match[3]}", page.read_text())


def measure(name):
    """Runs the commands of a table and stores their outputs in its file."""
    path, tables, table = load(name)
    binary = os.environ.get("LAFORMER_BIN", str(ROOT / "target/release/laformer"))
    for key, command in table["commands"].items():
        words = [binary, *shlex.split(command)[1:]]
        table["outputs"][key] = json.loads(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    path.write_text(dumped(tables | {name.partition("/")[2]: table | here_and_now()}))


def here_and_now():
    """The processor, commit and date of a measurement."""
    head = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    return {
        "processor": f"{processor.replace('(R)', '').removesuffix(' Processor')}, {os.cpu_count()} cores",
        "commit": subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip(),
        "date": str(datetime.date.today()),
    }


def dumped(tables):
    """JSON text with each row of a table or list of numbers on one line."""
    text = json.dumps(tables, indent=1, ensure_ascii=False)
    return re.sub(r"\[[^\[\]{}]*\]", lambda match: re.sub(r"\s*\n\s*", " ", match[0]).replace("[ ", "[").replace(" ]", "]"), text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", metavar="FILE/TABLE", action="append", default=[], help="first run the commands of this table")
    for name in parser.parse_args().measure:
        measure(name)
    for page in PAGES:
        page.write_text(filled(page))


if __name__ == "__main__":
    main()
