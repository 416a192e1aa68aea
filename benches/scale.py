"""How throughput changes as the work grows, and what bounds it.

A step is compared with three lower bounds of its time. Latency: the time of the smallest step (one 1x1 matrix, the same
kernels and parameters). Compute: its operations at the rate of a large matrix product. Memory: its estimated traffic at
the bandwidth of a large copy.
"""

import functools
import json

BOUNDS = ["latency", "compute", "memory"]
KEYS = {"matrix size": "dim", "batch": "training.batch_size", "width": "model.width", "encoder layers": "model.encoder_layers"}
VALUES = {
    "matrix size": [3, 5, 8, 10, 15, 20],
    "batch": [1, 4, 16, 64, 256, 1024],
    "width": [32, 64, 128, 256, 512],
    "encoder layers": [1, 2, 4, 8, 12],
}
CURVES = [*(("train", axis) for axis in VALUES), ("decode", "matrix size"), ("decode", "batch"), ("generate", "matrix size")]
# The numbers of threads that are measured, and the marks of the bounds.
COLORS = {1: "C0", 2: "C1"}
MARKS = "os^"
HEADERS = ["what", "varied", "value", "threads", "examples/s", "positions/s", "ms/batch", *BOUNDS, "bound by"]


class Meter:
    """Measures points through `run`, which runs a command of laformer and returns what it prints."""

    def __init__(self, run, seconds):
        self.run, self.seconds = run, seconds

    @functools.cache
    def bench(self, what, threads, *settings):
        sets = [word for setting in settings for word in ("--set", setting)]
        return json.loads(self.run("bench", what, "--threads", str(threads), "--seconds", str(self.seconds), "--json", *sets))

    def point(self, what, axis, value, threads):
        """Examples/s, positions/s, milliseconds of a batch, and each lower bound as a share of the measured time."""
        batch = value if axis == "batch" else 64
        found = self.bench(what, threads, f"{KEYS[axis]}={value}")
        rate = found["examples_per_second"]
        shares = []
        if what != "generate":
            same_model = [f"{KEYS[axis]}={value}"] if axis in ("width", "encoder layers") else []
            smallest = self.bench(what, threads, "dim=1", "training.batch_size=1", *same_model)
            bandwidth = self.bench("device", threads)["memory_gigabytes_per_second"]
            latency = rate / batch / smallest["examples_per_second"]
            shares = [min(latency, 1), found["utilization"], found["memory_gigabytes_per_second"] / bandwidth]
        return rate, found["positions_per_second"], 1000 * batch / rate, shares


def bound(shares):
    """The largest lower bound. It bounds a step from half of its time on; below, it is only the largest part."""
    if not shares:
        return ""
    largest = max(shares)
    return ("" if largest >= 0.5 else "mostly ") + BOUNDS[shares.index(largest)]


def turning(values, bounds):
    """The values at which the bound of a curve changes: `latency from 1, mostly compute from 64`."""
    changes = [k for k in range(len(bounds)) if k == 0 or bounds[k] != bounds[k - 1]]
    return ", ".join(f"{bounds[k]} from {values[k]}" for k in changes)


def measure(run, seconds):
    """All curves: (what, axis, threads, points)."""
    meter = Meter(run, seconds)
    return [
        (what, axis, threads, [meter.point(what, axis, value, threads) for value in VALUES[axis]])
        for what, axis in CURVES
        for threads in COLORS
    ]


def of_threads(threads):
    return "1 thread" if threads == 1 else f"{threads} threads"


def report(curves):
    """Where the bounds change, and the rows of the table."""
    turns, rows = [], []
    for what, axis, threads, points in curves:
        bounds = [bound(shares) for *_, shares in points]
        if bounds[0]:
            turns.append(f"- {what} by {axis}, {of_threads(threads)}: {turning(VALUES[axis], bounds)}")
        for value, (rate, positions, milliseconds, shares), name in zip(VALUES[axis], points, bounds):
            cells = [f"{share:.0%}".replace("%", " %") for share in shares] or [""] * len(BOUNDS)
            rows.append([what, axis, value, threads, f"{rate:.0f}", f"{positions:.0f}", f"{milliseconds:.2f}", *cells, name])
    return "\n".join(turns), rows


def draw(curves, path):
    """Examples per second, one chart for each varied quantity; the marks of points show their bounds."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, charts = pyplot.subplots(2, 4, figsize=(14, 6), layout="constrained")
    for chart, (what, axis) in zip(charts.flat, CURVES):
        for _, _, threads, points in (curve for curve in curves if curve[:2] == (what, axis)):
            color = COLORS[threads]
            chart.plot(VALUES[axis], [rate for rate, *_ in points], color=color)
            for value, (rate, *_, shares) in zip(VALUES[axis], points):
                chart.plot(value, rate, marker=MARKS[shares.index(max(shares))] if shares else ".", color=color)
        chart.set(title=f"{what}: {axis}", xscale="log", yscale="log", xticks=VALUES[axis], xticklabels=VALUES[axis])
        chart.minorticks_off()
    legend = charts.flat[-1]
    legend.axis("off")
    for threads, color in COLORS.items():
        legend.plot([], [], color=color, label=of_threads(threads))
    for mark, name in zip(MARKS, BOUNDS):
        legend.plot([], [], mark, color="black", label=name)
    legend.legend(loc="center")
    figure.suptitle("examples per second")
    figure.savefig(path)
