"""Compares the speed of laformer with PyTorch and LAWT, and prints the sections of docs/results/speed.md.

    python benches/compare.py                            the sections of `make bench`: step paper generate
    python benches/compare.py step --threads 2 --record  one section, also written into docs/results/speed.md
    LAWT=path/to/LAWT python benches/compare.py generate paper

step       training steps of recipes/eigenvalues-3x3.toml, and of the same model in plain PyTorch, eager and compiled
paper      training steps of the paper's model for eigenvalues of 5x5 matrices, the same in PyTorch, and LAWT's own trainer
cuda       training steps of the paper's model on a CUDA device, with CUDA graphs and kernel by kernel, and in PyTorch
generate   generation of encoded examples of nine problems at 5x5, by laformer and by LAWT
evaluate   the time to evaluate 10,000 matrices as a share of an epoch
device     the peak rates of the device
scale      throughput over size, batch, width, depth and threads; draws benches/scale.svg
flat       memory and time per step over 100,000 steps; writes benches/flat.csv

All programs of a comparison are started together, but only one of them works at a time: they take turns of about a
second. Disturbances of the machine therefore affect all of them. A ratio compares the turns of two programs in one
round; above 1, laformer is faster.
"""

import argparse
import contextlib
import csv
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAFORMER = Path(os.environ.get("LAFORMER_BIN", ROOT / "target/release/laformer")).resolve()
REPORT = ROOT / "docs/results/speed.md"
PAPER = ["--set", "model.architecture=paper", "--set", "encoding.input=FP15", "--set", "encoding.output=FP15"]
# Settings that make laformer do the work of the baseline: AdamW for all parameters, no label smoothing.
SAME_WORK = ["--set", "training.optimizer=adamw", "--set", "loss.smoothing=0"]
# The files on which measurements depend. If one has changes, the report says so beside the commit.
CODE = ["src", "recipes", "tests/python", "benches/*.py", "Cargo.toml", "Cargo.lock", "build.rs"]
# The number of first turns that are not counted: caches fill and programs compile.
WARMUP = 2
# The names of nine problems in laformer and in LAWT.
PROBLEMS = {
    "transpose": "transpose",
    "add": "matrix_sum",
    "matrix-vector": "matrix_vector",
    "matrix-product": "matrix_product",
    "eigenvalues": "eigenvalues",
    "eigenvectors": "eigenvectors",
    "inverse": "invert_matrix",
    "singular-values": "singularvalues",
    "svd": "singularvectors",
}


class Contestant:
    """A program that takes turns. It first prints a description as JSON. Then it answers every line of stdin with the seconds of a turn."""

    def __init__(self, name, command):
        self.name, self.seconds = name, []
        print(f"starting {name}", file=sys.stderr)
        self.log = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log, "text": True}
        self.process = subprocess.Popen([str(word) for word in command], **pipes)
        self.ready = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            sys.exit(f"{self.name} ended unexpectedly:\n{self.log.read()[-2000:]}")
        return json.loads(line)

    def turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def rate(self):
        return self.ready["examples"] / statistics.median(self.seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


@contextlib.contextmanager
def contest():
    """A list of contestants, which are closed at the end."""
    contestants = []
    try:
        yield contestants
        for contestant in contestants:
            contestant.close()
    finally:
        for contestant in contestants:
            contestant.process.kill()


def alternate(contestants, rounds):
    """Lets each contestant take `rounds` turns. The order of the contestants is reversed after every round."""
    for contestant in contestants:
        for _ in range(WARMUP):
            contestant.turn()
    for done in range(rounds):
        print(f"round {done + 1} of {rounds}", file=sys.stderr)
        for contestant in contestants if done % 2 == 0 else reversed(contestants):
            contestant.seconds.append(contestant.turn())


def ratios(ours, theirs):
    """The ratio of our examples per second to theirs, in each round."""
    scale = ours.ready["examples"] / theirs.ready["examples"]
    return [scale * b / a for a, b in zip(ours.seconds, theirs.seconds)]


def spread(values):
    """Median, quartiles and extremes as text."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"**{middle:.2f}**", f"{low:.2f} to {high:.2f}", f"{min(values):.2f} to {max(values):.2f}"


def table(headers, rows):
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def against(pairs):
    """The table of ratios of pairs of contestants, ours first."""
    rows = []
    for ours, theirs in pairs:
        values = ratios(ours, theirs)
        rates = f"{ours.rate():.0f}", f"{theirs.rate():.0f}"
        rows.append([ours.name, theirs.name, *rates, len(values), *spread(values)])
    return table(["laformer", "reference", "its examples/s", "theirs", "pairs", "median ratio", "quartiles", "extremes"], rows)


def laformer(*words):
    """Runs a command of laformer; returns its stdout."""
    return subprocess.run([LAFORMER, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def training(name, steps, threads, *words):
    """laformer's training loop as a contestant."""
    return Contestant(name, [LAFORMER, "bench", "train", "--turns", steps, "--threads", threads, *words])


def baseline(name, steps, threads, ours, folder, *words):
    """The model of the contestant `ours`, trained by plain PyTorch, as another contestant."""
    config, run, data = folder / "config.toml", folder / "run", folder / "data.csv"
    if not config.exists():
        recipe = ours.ready["recipe"]
        value = lambda key: re.search(f'^{key} = "(.*)"$', recipe, re.M)[1]
        config.write_text(recipe)
        laformer("generate", value("problem"), "--dim", value("dim"), "--count", "4096", "--output", data)
        # One step, because the baseline needs initial weights.
        laformer("train", config, "--output", run, "--device", "cpu", "--set", "training.steps=1", "--set", "evaluation.count=1")
    command = [sys.executable, ROOT / "tests/python/baseline.py", run / "model.safetensors", data, "--turns", steps, "--threads", threads]
    return Contestant(name, [*command, *words])


def step(options):
    """A training step of our recipe."""
    rounds, steps = options.rounds or 20, options.steps or 40
    recipe = ["--recipe", ROOT / "recipes/eigenvalues-3x3.toml"]
    for threads in options.threads:
        pairs = []
        for precision in options.precision:
            with contest() as programs, tempfile.TemporaryDirectory() as folder:
                words = [*recipe, "--set", f"training.precision={precision}"]
                programs.append(training(f"{precision}, as the recipe says", steps, threads, *words))
                programs.append(training(f"{precision}, the reference's work", steps, threads, *words, *SAME_WORK))
                more = ["--precision", precision]
                programs.append(baseline(f"PyTorch, {precision}", steps, threads, programs[0], Path(folder), *more))
                programs.append(baseline(f"compiled, {precision}", steps, threads, programs[0], Path(folder), *more, "--compile"))
                alternate(programs, rounds)
                pairs += [(ours, theirs) for theirs in programs[2:] for ours in programs[:2]]
        parameters = pairs[0][0].ready["parameters"]
        yield (
            f"`recipes/eigenvalues-3x3.toml`, {parameters:,} parameters, batch 64, {count(threads, 'thread')}; turns of "
            f"{steps} steps. The recipe trains with Muon and soft labels; the reference's work is AdamW and sharp labels.\n\n"
            + against(pairs)
        )


def paper(options):
    """A training step of the paper's model."""
    rounds, steps = options.rounds or 8, options.steps or 2
    lawt = checkout("LAWT's trainer is left out")
    for threads in options.threads:
        with contest() as programs, tempfile.TemporaryDirectory() as folder:
            pairs = []
            for precision in options.precision:
                words = [*PAPER, "--set", f"training.precision={precision}"]
                ours = training(precision, steps, threads, *words)
                more = ["--precision", precision]
                eager = baseline(f"PyTorch, {precision}", steps, threads, ours, Path(folder), *more)
                compiled = baseline(f"compiled, {precision}", steps, threads, ours, Path(folder), *more, "--compile")
                programs += [ours, eager, compiled]
                pairs += [(ours, eager), (ours, compiled)]
            if lawt:
                command = [sys.executable, ROOT / "benches/lawt.py", lawt, "train", "eigenvalues"]
                theirs = Contestant("LAWT, fp32", [*command, "--turns", steps, "--threads", threads])
                pairs += [(ours, theirs) for ours in programs[::3]]
                programs.append(theirs)
            alternate(programs, rounds)
            text = (
                f"Eigenvalues of 5x5 matrices, FP15 to FP15, 6 encoder layers and 1 decoder layer of width 512, batch 64, "
                f"AdamW, {count(threads, 'thread')}; turns of {count(steps, 'step')}. "
                f"Parameters: {programs[0].ready['parameters']:,}"
            )
            if lawt:
                text += f" (LAWT: {theirs.ready['parameters']:,}, of which its position tables have 4,194,304)"
            yield f"{text}.\n\n{against(pairs)}"


def cuda(options):
    """A training step of the paper's model on a CUDA device."""
    import torch

    if not torch.cuda.is_available():
        sys.exit("cuda: there is no CUDA device here")
    rounds, steps = options.rounds or 10, options.steps or 200
    pairs = []
    for precision in options.precision:
        with contest() as programs, tempfile.TemporaryDirectory() as folder:
            words = [*PAPER, "--device", "cuda", "--set", f"training.precision={precision}"]
            programs.append(training(f"{precision}, in graphs", steps, 1, *words))
            programs.append(training(f"{precision}, launched", steps, 1, *words, "--no-graph"))
            more = ["--precision", precision, "--device", "cuda"]
            programs.append(baseline(f"PyTorch, {precision}", steps, 1, programs[0], Path(folder), *more))
            programs.append(baseline(f"compiled, {precision}", steps, 1, programs[0], Path(folder), *more, "--compile"))
            alternate(programs, rounds)
            pairs += [(programs[0], theirs) for theirs in programs[1:]]
    yield (
        f"Eigenvalues of 5x5 matrices, FP15 to FP15, 6 encoder layers and 1 decoder layer of width 512, batch 64, AdamW; fp32 is "
        f"multiplied as TF32 by all; {torch.cuda.get_device_name()}; turns of {count(steps, 'step')}.\n\n{against(pairs)}"
    )


def generate(options):
    """The generation of encoded examples of nine problems."""
    lawt = checkout("the comparison of generators is left out")
    if not lawt:
        return
    rounds = options.rounds or 10
    rows, medians = [], []
    for problem, operation in PROBLEMS.items():
        with contest() as programs:
            words = ["bench", "generate", "--problem", problem, "--dim", "5", "--set", "model.architecture=paper"]
            programs.append(Contestant(problem, [LAFORMER, *words, "--turns", 2000]))
            command = [sys.executable, ROOT / "benches/lawt.py", lawt, "generate", operation, "--turns", 20]
            programs.append(Contestant(f"LAWT, {operation}", command))
            alternate(programs, rounds)
            values = ratios(*programs)
            medians.append(statistics.median(values))
            rows.append([problem, f"{programs[0].rate():.0f}", f"{programs[1].rate():.0f}", len(values), *spread(values)])
    headers = ["problem", "laformer, examples/s", "LAWT", "pairs", "median ratio", "quartiles", "extremes"]
    yield (
        "5x5 matrices drawn, solved, written as P1000 tokens and put into batches of 64; one process and one thread each.\n\n"
        f"{table(headers, rows)}\n\nGeometric mean of the nine ratios: **{statistics.geometric_mean(medians):.0f}**."
    )


def evaluate(options):
    """The time of an evaluation as a share of an epoch."""
    ours = ["--recipe", ROOT / "recipes/eigenvalues-3x3.toml", "--dim", "5"]
    rows = []
    for threads in options.threads:
        for name, words in (("recipes/eigenvalues-3x3.toml at 5x5", ours), ("the paper's", PAPER)):
            found = json.loads(laformer("bench", "evaluate", *words, "--threads", str(threads), "--json"))
            cells = [f"{found[key]:.0f}" for key in ("examples_per_second", "seconds", "training_examples_per_second", "epoch_seconds")]
            rows.append([name, threads, *cells, f"**{100 * found['share_of_epoch']:.2f} %**"])
    headers = ["model", "threads", "evaluated/s", "seconds", "trained/s", "seconds of an epoch", "share"]
    yield (
        "10,000 eigenvalue problems of 5x5 matrices made, decoded and measured (batches of 500), beside an epoch of "
        f"300,000 training examples; both in bf16, as a trainer evaluates.\n\n{table(headers, rows)}"
    )


def device(options):
    """The peak rates of the device."""
    rows = []
    for threads in options.threads:
        found = json.loads(laformer("bench", "device", "--threads", str(threads), "--json"))
        keys = ("matrix_product_fp32_gflops", "matrix_product_bf16_gflops", "memory_gigabytes_per_second")
        rows.append([threads, *(f"{found[key]:.0f}" for key in keys)])
    yield (
        "Products of 1024x1024 matrices, copies of 256 MiB (bytes read and written); the best of five.\n\n"
        + table(["threads", "fp32, Gflop/s", "bf16, Gflop/s", "memory, GB/s"], rows)
    )


def scale(options):
    """Throughput over size, batch, width, depth and threads."""
    from scale import HEADERS, draw, measure, report

    curves = measure(laformer, options.seconds or 1.0)
    draw(curves, ROOT / "benches/scale.svg")
    turns, rows = report(curves)
    yield (
        "Eigenvalues with the default model (width 128, 2+1 layers, batch 64, 5x5, Muon, bf16; decoding in fp32), one of these "
        "varied at a time.\n"
        "Three floors are set beside the time of a batch: *latency*, the time of the smallest step (one 1x1 matrix: as many\n"
        "kernels and parameters, and the whole work of the optimizer); *compute*, its operations at the rate of a large matrix product; *memory*, its traffic (estimated\n"
        "from the sizes of parameters and activations) at the bandwidth of a large copy. A step is bound by a floor that makes half\n"
        "of its time or more; otherwise the largest is named as its largest part.\n\n"
        f"![Throughput as the work grows](../../benches/scale.svg)\n\n{turns}\n\n{table(HEADERS, rows)}"
    )


TINY = """problem = "eigenvalues"
dim = 2
[model]
width = 16
heads = 2
decoder_heads = 2
encoder_layers = 1
decoder_layers = 1
[training]
batch_size = 2
steps = {steps}
log_every = {window}
[evaluation]
every = 0
count = 100
"""


def flat(options):
    """Memory and time per step of a long run."""
    steps = options.steps or 100_000
    window = max(1, steps // 100)
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        recipe, run = Path(folder) / "tiny.toml", Path(folder) / "run"
        recipe.write_text(TINY.format(steps=steps, window=window))
        process = subprocess.Popen([LAFORMER, "train", recipe, "--output", run], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            time.sleep(0.2)
            with contextlib.suppress(OSError):
                rows = list(csv.DictReader((run / "metrics.csv").open(newline="")))
                rows = [row for row in rows if row["loss"]]
                if len(rows) > len(samples):
                    samples.append((int(rows[-1]["step"]), *resources(process.pid), 2000 / float(rows[-1]["examples_per_second"])))
        if process.returncode:
            sys.exit("the run failed")
    rows, before = [], None
    for done, memory, seconds, milliseconds in samples:
        if before:
            rows.append((done, memory, milliseconds, 1000 * (seconds - before[1]) / (done - before[0])))
        before = done, seconds
    with (ROOT / "benches/flat.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "resident_kib", "milliseconds_per_step", "cpu_milliseconds_per_step"])
        writer.writerows((done, memory, f"{wall:.4f}", f"{cpu:.4f}") for done, memory, wall, cpu in rows)
    after_warmup = [row for row in rows if row[0] > steps / 10]
    tenth = max(1, len(after_warmup) // 9)
    change = lambda column: 100 * (
        statistics.median(row[column] for row in after_warmup[-tenth:]) / statistics.median(row[column] for row in after_warmup[:tenth]) - 1
    )
    wall, cpu = (statistics.median(row[column] for row in after_warmup) for column in (2, 3))
    yield (
        f"{steps:,} steps of a tiny model (width 16, 1+1 layers, 2x2, batch 2), from the second tenth, after warm-up, to the last: "
        f"resident memory {change(1):+.2f} % (to {after_warmup[-1][1] / 1024:.0f} MiB; at most 1 % is wanted), time of a step "
        f"{change(2):+.2f} % ({wall:.2f} ms; at most 2 %), its CPU time {change(3):+.2f} % ({cpu:.2f} ms). Medians of "
        f"windows of {window:,} steps; all of them in `benches/flat.csv`."
    )


def resources(pid):
    """Resident memory in KiB and CPU seconds of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def checkout(otherwise):
    """The folder of LAWT from the environment variable `LAWT`; `None` if it is not set."""
    path = os.environ.get("LAWT")
    if not path:
        print(f"LAWT is not set, so {otherwise}: LAWT=path/to/LAWT make bench", file=sys.stderr)
        return None
    if not (Path(path) / "train.py").is_file():
        sys.exit(f"LAWT={path} is no checkout of LAWT: it has no train.py")
    return path


def count(number, what):
    return f"{number} {what}" + ("" if number == 1 else "s")


def machine():
    """The processor, load, versions and date of this measurement, in one line."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    commit = git("rev-parse", "--short", "HEAD") + ("" if not git("status", "--porcelain", "--", *CODE) else ", changed")
    import torch

    load = f"{os.getloadavg()[0]:.1f}"
    return f"{name}, {os.cpu_count()} cores, load {load} at the start; libtorch {torch.__version__}; commit {commit}; {datetime.date.today()}"


def record(name, text):
    """Replaces a section of docs/results/speed.md."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    report = REPORT.read_text()
    if begin not in report or end not in report:
        sys.exit(f"{REPORT.name} has no section {name}")
    before, after = report.split(begin)[0], report.split(end)[1]
    REPORT.write_text(f"{before}{begin}{text}\n{end}{after}")


SECTIONS = {run.__name__: run for run in (device, step, paper, cuda, generate, evaluate, scale, flat)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="one or more of: " + ", ".join(SECTIONS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="threads of each program (default: 1)")
    parser.add_argument("--precision", nargs="+", choices=["bf16", "fp32"], default=["bf16", "fp32"])
    parser.add_argument("--rounds", type=int, help="turns of each program")
    parser.add_argument("--steps", type=int, help="steps of a turn; of flat, of the run")
    parser.add_argument("--seconds", type=float, help="how long scale measures each point (default: 1)")
    parser.add_argument("--record", action="store_true", help=f"also write into {REPORT.name}")
    options = parser.parse_args()
    sections = options.sections or ["step", "paper", "generate"]
    for name in sections:
        if name not in SECTIONS:
            parser.error(f"there is no section {name}: choose from {', '.join(SECTIONS)}")
    if not LAFORMER.is_file():
        sys.exit(f"{LAFORMER} is missing: run `make build`")
    if options.rounds is not None and options.rounds < 2:
        parser.error("--rounds: at least 2 are needed for a spread")
    for name in sections:
        where, command = machine(), " ".join(["python benches/compare.py", name, *flags(options)])
        parts = list(SECTIONS[name](options))
        if parts:
            text = "\n\n".join([*parts, f"`{command}`: {where}."])
            print(f"## {name}\n\n{text}\n", flush=True)
            if options.record:
                record(name, text)


def flags(options):
    """The options that differ from the defaults, as command-line words."""
    given = []
    if options.threads != [1]:
        given += ["--threads", *map(str, options.threads)]
    if options.precision != ["bf16", "fp32"]:
        given += ["--precision", *options.precision]
    for name in ("rounds", "steps", "seconds"):
        if getattr(options, name) is not None:
            given += [f"--{name}", str(getattr(options, name))]
    return given


if __name__ == "__main__":
    main()
