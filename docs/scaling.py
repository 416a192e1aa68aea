"""Predicts how training scales with the number of GPUs, and writes the tables of docs/scaling.md: `python docs/scaling.py`.

All processes of a step take equal shares of the batch, then sum the gradients by one all-reduce after the backward pass. So on n GPUs
a step takes

    t(n) = t(1) + 2 (n - 1) / n * S / B + 2 a log2(n)

where t(1) is the measured time of a share, S the bytes of the gradients, B the bandwidth of a GPU, and a the latency of a message. The
second term is the traffic of a ring, the third the latency of a tree. Efficiency is t(1) / t(n).
"""

import json
import math

import results

FILE = results.RESULTS / "scaling.json"
# Measured steps of `recipes/raw/inverse-5x5.toml` with four layers on one H100 (docs/results/speed.md): width, parameters, share of a GPU, examples/s.
STEPS = [
    (128, 1_270_195, 64, 21_120),
    (128, 1_270_195, 256, 57_532),
    (256, 4_701_875, 64, 16_096),
    (256, 4_701_875, 1024, 63_590),
]
# Assumed, for gradients of some megabytes: bytes/s of a GPU, and seconds of a message. Eight GPUs are one host.
WITHIN_HOST = (150e9, 10e-6)
BETWEEN_HOSTS = (25e9, 15e-6)
GPUS = [8, 64, 512]
EXAMPLES = 1e12
# Assumed prices in dollars: an hour of an H100, and a month of a gigabyte in object storage.
PER_HOUR, PER_GIGABYTE = 2.5, 0.023
# Bytes of a row of `laformer generate inverse --dim 5 --count 10000`, and examples that one core draws and solves in a second (docs/results/speed.md).
ROW, DRAWN = 1033, 1_162_106


def efficiency(parameters, share, rate, gpus):
    """The efficiency of `gpus` GPUs beside one of the same share."""
    alone = share / rate
    bandwidth, latency = WITHIN_HOST if gpus <= 8 else BETWEEN_HOSTS
    exchange = 2 * (gpus - 1) / gpus * 4 * parameters / bandwidth + 2 * latency * math.log2(gpus)
    return alone / (alone + exchange)


def predicted():
    columns = ["width", "examples of a GPU", "step on one GPU, ms", "gradients, MB", *(f"{gpus} GPUs, %" for gpus in GPUS)]
    rows = []
    for width, parameters, share, rate in STEPS:
        shares = [f"{100 * efficiency(parameters, share, rate, gpus):.0f}" for gpus in GPUS]
        rows.append([str(width), str(share), f"{1000 * share / rate:.1f}", f"{4 * parameters / 1e6:.1f}", *shares])
    return columns, rows


def cost():
    columns = ["GPUs", "batch", "steps", "hours", "GPU hours", "dollars", "sent by each GPU, TB"]
    _, parameters, share, rate = STEPS[-1]
    rows = []
    for gpus in [1, *GPUS]:
        steps = EXAMPLES / share / gpus
        hours = EXAMPLES / rate / gpus / (efficiency(parameters, share, rate, gpus) if gpus > 1 else 1) / 3600
        sent = steps * 2 * (gpus - 1) / gpus * 4 * parameters / 1e12
        numbers = [gpus, share * gpus, steps, hours, hours * gpus, hours * gpus * PER_HOUR, sent]
        rows.append([f"{number:,.{0 if number >= 20 or number == int(number) else 1}f}" for number in numbers])
    return columns, rows


def tables():
    conditions = {
        "setup": f"computed by `python docs/scaling.py` from measured steps; assumed are {WITHIN_HOST[0] / 1e9:.0f} GB/s and "
        f"{WITHIN_HOST[1] * 1e6:.0f} µs within a host, {BETWEEN_HOSTS[0] / 1e9:.0f} GB/s and {BETWEEN_HOSTS[1] * 1e6:.0f} µs between hosts",
        "commit": "b656401 and 88ec851",
        "processor": "one NVIDIA H100 80GB HBM3, torch 2.11.0+cu130",
        "date": "2026-11-27",
    }
    return {
        name: conditions | {"columns": columns, "rows": rows}
        for name, (columns, rows) in {"predicted": predicted(), "cost": cost()}.items()
    }


if __name__ == "__main__":
    FILE.write_text(results.dumped(json.loads(FILE.read_text()) | tables()))
    print(f"storage of all examples as CSV: {EXAMPLES * ROW / 1e15:.2f} PB, {EXAMPLES * ROW / 1e9 * PER_GIGABYTE:,.0f} dollars a month")
    print(f"cores that draw examples as fast as one GPU reads them: {STEPS[-1][3] / DRAWN:.2f}")
