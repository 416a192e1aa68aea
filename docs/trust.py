"""Measures how often wrong and right answers are flagged: `python docs/trust.py [MODEL…]` writes `results/trust.json`.

Each shipped model in `MODELS` answers matrices of all families, and uniform matrices. Afterwards, `python docs/results.py` fills the page.
"""

import json
import os
import subprocess
import sys

import results

BINARY = os.environ.get("LAFORMER_BIN", str(results.ROOT / "target/release/laformer"))
PATH = results.RESULTS / "trust.json"
MODELS = [
    "eigenvalues-3x3", "eigenvalues-5x5", "singular-values-5x5", "inverse-3x3", "inverse-5x5-raw", "eigenvectors-5x5", "svd-4x4",
    "matrix-product", "matrix-vector", "determinant-3x3", "linear-solve-3x3", "matrix-exponential-3x3", "matrix-sign-3x3",
]
OF_FAMILY, UNIFORM = 100, 2000


def evaluated(model, *options):
    command = [BINARY, "eval", str(results.ROOT / "checkpoints" / model), "--json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def counts(sets):
    """Two pairs, for wrong and for right answers: their number, and how many of them are flagged."""
    shares = [[one["flagged"][kind] for one in sets] for kind in ("wrong", "right")]
    return [(sum(share["of"] for share in kind), round(sum(share["of"] * share["share"] for share in kind))) for kind in shares]


def row(title, found):
    cells = [title]
    for total, flagged in found:
        cells += [total, f"{100 * flagged / total:.2f}" if total else "-"]
    return cells


def main():
    rows, total = [], [(0, 0), (0, 0)]
    for model in sys.argv[1:] or MODELS:
        families = evaluated(model, "--suite", "structured", "--count", str(OF_FAMILY))
        found = counts([*families.values(), evaluated(model, "--count", str(UNIFORM))])
        total = [(a + c, b + d) for (a, b), (c, d) in zip(total, found, strict=True)]
        rows.append(row(f"`{model}`", found))
        print(rows[-1], flush=True)
    table = {
        "columns": ["model", "wrong answers", "of them flagged, %", "right answers", "of them flagged, %"],
        "rows": [*rows, row("all", total)],
        "command": f"laformer eval checkpoints/eigenvalues-5x5 --suite structured --count {OF_FAMILY} --json` and `--count {UNIFORM}` by `docs/trust.py",
    }
    PATH.write_text(results.dumped({"trust": table | results.here_and_now()}))


if __name__ == "__main__":
    main()
