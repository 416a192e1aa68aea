"""Makes a shipped checkpoint of a run: `python checkpoints/ship.py RUN… [--device TEXT]`, then the table anew. A checkpoint that is
shipped already, `checkpoints/*/`, is exported and measured again.

A shipped checkpoint holds the module with its matrices in half precision, the recipe, the metrics, the curve, the card, and
`evaluation.json`: what `laformer eval --count 10000 --views 8` said of that very module, which the card shows and `make zoo-check`
compares.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tomllib

HERE = pathlib.Path(__file__).parent
LAFORMER = os.environ.get("LAFORMER_BIN", str(HERE.parent / "target/release/laformer"))
COUNT, VIEWS = 10_000, 8
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def ship(run, device, commit):
    folder = HERE / run.name
    if run.resolve() == folder.resolve():
        told = json.loads((folder / "evaluation.json").read_text())
        device, commit = told["device"], told["commit"]
    else:
        folder.mkdir(exist_ok=True)
        for name in ["config.toml", "metrics.csv", "curves.svg", "README.md"]:
            shutil.copy(run / name, folder / name)
    module = folder / "model.pt"
    output(LAFORMER, "export", str(run), "--half", "--output", str(module))
    evaluation = json.loads(output(LAFORMER, "eval", str(module), "--count", str(COUNT), "--views", str(VIEWS), "--json"))
    lines = [line.strip("| \n").split(" | ") for line in open(folder / "README.md") if line.startswith("| ")]
    card = {line[0]: line[1] for line in lines if len(line) == 2}
    evaluation |= {"device": device, "commit": commit, "parameters": int(card["parameters"])}
    evaluation |= {"trained_on": card["trained on"], "training_time": card["training time"]}
    (folder / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n")
    show(folder / "README.md", evaluation)


def show(card, found):
    """Puts the accuracies of the shipped module into its card, in place of those of its last validation."""
    percent = lambda share: f"{100 * share:.2f} %"
    lines = [
        "## Accuracy", "",
        f"Of this module on {COUNT:,} fresh matrices. An answer is right when its relative error is within the tolerance. *Ceiling*: what the "
        "exact answer scores after being rounded to tokens.", "",
        f"| within | right | 95 % interval | median of {VIEWS} views | ceiling |", "|---|---|---|---|---|",
    ]
    for tolerance in sorted(found["accuracy"], key=float, reverse=True):
        share = found["accuracy"][tolerance]
        low, high = found["interval"][tolerance]
        median, ceiling = (percent(found[key][tolerance]) for key in ["median", "ceiling"])
        lines.append(f"| {100 * float(tolerance):g} % | {percent(share)} | {100 * low:.2f} to {100 * high:.2f} | {median} | {ceiling} |")
    lines.append(f"| every token | {percent(found['exact'])} | | | |")
    text = card.read_text()
    before, use = text.split("## Accuracy")[0], text.split("## Use")[1]
    card.write_text(before + "\n".join(lines) + "\n\n## Use" + use)


def row(folder):
    with open(folder / "config.toml", "rb") as file:
        recipe = tomllib.load(file)
    found = json.loads((folder / "evaluation.json").read_text())
    size = recipe["dim"] or f"{recipe['rows']}x{recipe['cols']}"
    percent = lambda key: " / ".join(f"{100 * found[key][t]:.2f}" for t in ["0.05", "0.02", "0.01", "0.005"])
    low, high = found["interval"]["0.01"]
    examples = found["trained_on"].split(" examples")[0]
    return " | ".join([
        f"| [{folder.name}]({folder.name})", recipe["problem"], size, recipe["encoding"]["output"],
        f"{found['parameters'] / 1e6:.2f} M", f"{int(examples):,}", found["training_time"].removesuffix(" minutes"),
        percent("accuracy"), f"{100 * low:.2f} to {100 * high:.2f}", percent("median"), percent("ceiling"), found["device"],
        f"{found['commit']} |",
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=pathlib.Path)
    parser.add_argument("--device", default="one CPU core", help="what the runs were trained on")
    parser.add_argument("--commit", default=None, help="the commit that trained them [default: the present one]")
    arguments = parser.parse_args()
    commit = arguments.commit or output("git", "-C", str(HERE), "rev-parse", "--short", "HEAD")
    for run in arguments.runs:
        ship(run, arguments.device, commit)
    folders = sorted(path.parent for path in HERE.glob("*/evaluation.json"))
    head = ["| checkpoint | problem | size | output | parameters | examples | minutes | accuracy at 5 / 2 / 1 / 0.5 % "
            f"| interval at 1 % | median of {VIEWS} views | ceiling | device | commit |", "|" + "---|" * 13]
    page = HERE / "README.md"
    before, rest = page.read_text().split(BEGIN)
    table = "\n".join([*head, *map(row, folders)])
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
