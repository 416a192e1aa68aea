"""Ships runs: `python checkpoints/ship.py RUN… [--device TEXT] [--readout NAME]`. Then fills the tables of the documentation.

The folder of a shipped checkpoint has the module and its weights (both store matrices in half precision), the recipe, the metrics, the
learning curves, the model card, and `evaluation.json`. That file has the output of `laformer eval --trust --count 10000` and in addition:

- `written`: the accuracy with `--readout median`, if the module interpolates between digits.
- `families`: accuracies for each family of matrices, from `laformer eval --suite structured --count 200`.
- `earlier`: examples and minutes of the checkpoint whose weights the run began with, if there is one.
- `device`, `commit`, and the numbers of the model card.

`make zoo-check` measures again and compares. If a RUN is a shipped checkpoint, `checkpoints/*/`, it is exported and measured again.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).parent
LAFORMER = os.environ.get("LAFORMER_BIN", str(HERE.parent / "target/release/laformer"))
COUNT = 10_000
# The number of matrices of each family.
FEW = 200


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def card(folder):
    """From the model card of a run: the number of parameters, and the texts of examples and minutes."""
    lines = [line.strip("| \n").split(" | ") for line in (folder / "README.md").read_text().splitlines() if line.startswith("| ")]
    rows = {line[0]: line[1] for line in lines if len(line) == 2}
    return {"parameters": int(rows["parameters"]), "trained_on": rows["trained on"], "training_time": rows["training time"]}


def spent(told):
    """Examples and minutes of a checkpoint, including those of the checkpoints that it began with."""
    earlier = told.get("earlier", {"examples": 0, "minutes": 0})
    examples, minutes = int(told["trained_on"].split(" examples")[0]), float(told["training_time"].removesuffix(" minutes"))
    return {"examples": earlier["examples"] + examples, "minutes": round(earlier["minutes"] + minutes, 1)}


def origin_of(run):
    """Examples and minutes of the checkpoint that a run began with, as `earlier`; empty if it began with none. That checkpoint is shipped,
    or its run is in the same folder."""
    recipe = tomllib.loads((run / "config.toml").read_text())
    name = recipe["training"].get("from", "").split(" ")[0]
    if not name:
        return {}
    shipped, beside = HERE / name / "evaluation.json", run.parent / name
    return {"earlier": spent(json.loads(shipped.read_text()) if shipped.exists() else card(beside) | origin_of(beside))}


def ship(run, device, commit, readout):
    folder = HERE / run.name
    if run.resolve() == folder.resolve():
        told = json.loads((folder / "evaluation.json").read_text())
        device, commit = told["device"], told["commit"]
        earlier = {"earlier": told["earlier"]} if "earlier" in told else {}
    else:
        earlier = origin_of(run)
        folder.mkdir(exist_ok=True)
        for name in ["config.toml", "metrics.csv", "curves.svg", "README.md"]:
            shutil.copy(run / name, folder / name)
    options = ["--readout", readout] if readout else []
    for file in ["model.pt", "model.safetensors"]:
        output(LAFORMER, "export", str(run), "--half", "--output", str(folder / file), *options)
    if readout:
        config = folder / "config.toml"
        # Older recipes have no `readout`. It is put after the key `decoder`.
        without = re.sub(r'^readout = ".*"\n', "", config.read_text(), flags=re.MULTILINE)
        config.write_text(re.sub(r'^(decoder = ".*"\n)', rf'\1readout = "{readout}"\n', without, flags=re.MULTILINE))
    measured = [LAFORMER, "eval", str(folder), "--trust", "--count", str(COUNT), "--json"]
    config = tomllib.loads((folder / "config.toml").read_text())
    evaluation = json.loads(output(*measured))
    if config["model"].get("readout") == "interpolated":
        evaluation["written"] = json.loads(output(*measured, "--readout", "median"))["accuracy"]
    suite = json.loads(output(LAFORMER, "eval", str(folder), "--trust", "--suite", "structured", "--count", str(FEW), "--json"))
    kept = ["accuracy", "interval", "ceiling"]
    evaluation["families"] = {name.split("@")[1]: {key: found[key] for key in kept} for name, found in suite.items()}
    evaluation |= earlier
    evaluation |= {"device": device, "commit": commit} | card(folder)
    (folder / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n")
    show(folder / "README.md", evaluation)


def show(card, found):
    """Replaces the accuracies in a model card, those of the last validation, by those of the shipped module."""
    percent = lambda share: f"{100 * share:.2f} %"
    lines = [
        "## Accuracy", "",
        f"Of this module on {COUNT:,} fresh matrices. An answer is right when its relative error is within the tolerance. *Digits*: rounded to "
        "those that are written. *Ceiling*: what the exact answer scores after that.", "",
        "| within | right | 95 % interval | digits | ceiling |", "|---|---|---|---|---|",
    ]
    written = found.get("written", found["accuracy"])
    for tolerance in sorted(found["accuracy"], key=float, reverse=True):
        share = found["accuracy"][tolerance]
        low, high = found["interval"][tolerance]
        rest = " | ".join(percent(shares[tolerance]) if shares else "-" for shares in [written, found["ceiling"]])
        lines.append(f"| {100 * float(tolerance):g} % | {percent(share)} | {100 * low:.2f} to {100 * high:.2f} | {rest} |")
    lines.append(f"| every token | | | {percent(found['exact'])} | |")
    lines += [
        "", f"Of {FEW} matrices of each [family](../../docs/method.md#families-of-matrices), with the ceiling within 5 %:", "",
        "| family | 5 / 2 / 1 / 0.5 % | 95 % interval at 5 % | ceiling |", "|---|---|---|---|",
    ]
    for name, family in found["families"].items():
        low, high = family["interval"]["0.05"]
        shares = " / ".join(f"{100 * share:.1f}" for _, share in sorted(family["accuracy"].items(), key=lambda it: -float(it[0])))
        lines.append(f"| {name} | {shares} | {100 * low:.1f} to {100 * high:.1f} | {100 * family['ceiling']['0.05']:.1f} |")
    text = card.read_text()
    before, use = text.split("## Accuracy")[0], text.split("## Use")[1]
    card.write_text(before + "\n".join(lines) + "\n\n## Use" + use)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=pathlib.Path)
    parser.add_argument("--device", default="one CPU core", help="what the runs were trained on")
    parser.add_argument("--commit", default=None, help="the commit that trained them [default: the present one]")
    parser.add_argument("--readout", default=None, help="what the modules answer with [default: what the runs say]")
    arguments = parser.parse_args()
    commit = arguments.commit or output("git", "-C", str(HERE), "rev-parse", "--short", "HEAD")
    for run in arguments.runs:
        ship(run, arguments.device, commit, arguments.readout)
    output(sys.executable, str(HERE.parent / "docs/results.py"))


if __name__ == "__main__":
    main()
