"""Trains the reference model in plain PyTorch, with its fastest parts: the baseline of benchmarks.

    laformer generate eigenvalues --dim 3 --count 100000 --output data.csv
    laformer export checkpoints/eigenvalues-3x3 --output model.safetensors
    python tests/python/baseline.py model.safetensors data.csv --steps 500 --precision bf16 --compile

Training starts from the weights of the file and follows its recipe. All examples are encoded before the first step, so that only the
training steps are timed. Labels are not smoothed, and the optimizer is fused AdamW for all parameters.

With `--turns STEPS`, this script answers every line of stdin with the seconds of STEPS steps. `laformer bench train --turns` does the
same, so that both can take turns.
"""

import argparse
import csv
import itertools
import json
import sys
import time
import tomllib

import codec
import reference
import torch
from torch.nn import functional as F


def read(path, model):
    """Sources and targets from the rows of a CSV file, which all have the same size."""
    with open(path, newline="") as file:
        rows = [(json.loads(row["operands"]), json.loads(row["solution"])) for row in csv.DictReader(file)]
    numbers = lambda matrices: [x for matrix in matrices for row in matrix for x in row]
    pad = lambda rows: torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, codec.PAD)
    if model.values_read:
        rounded = lambda x: float(f"{x:.{model.input.digits - 1}e}")
        source = torch.tensor([[rounded(x) for x in numbers(operands)] for operands, _ in rows])
    else:
        source = pad(model.input.write(operands) for operands, _ in rows)
    if model.parallel:
        target = torch.tensor([[model.output.encode(x) for x in numbers(solution)] for _, solution in rows])
    else:
        target = pad(model.output.write(solution) for _, solution in rows)
    return source, target


def loss(model, weights, source, target, positions):
    """Cross-entropy: the weighted sum over fields (parallel decoders), or the mean over tokens without padding."""
    if not model.parallel:
        logits = model.logits(source, target[:, :-1], *positions).float()
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=codec.PAD)
    fields = [model.output.fields[i] for i in model.output.order]
    logits = model.logits(source, target, *positions).float().split([field.classes for field in fields], -1)
    losses = [
        weights[field.name.rstrip("0123456789")] * F.cross_entropy(part.flatten(0, 1), target[:, :, place].flatten())
        for field, part, place in zip(fields, logits, model.output.order)
    ]
    return sum(losses) / len(losses)


def batches(count, size):
    """Yields indices of full batches forever; every epoch has a new random order."""
    while True:
        yield from torch.randperm(count).split(size)[: count // size]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true", help="torch.compile the step")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--warmup", type=int, default=20, help="steps before the clock starts (default: 20)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU (default: all cores)")
    parser.add_argument("--turns", type=int, metavar="STEPS", help="answer every line of stdin with the seconds of so many steps")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    model = reference.load(arguments.weights)
    recipe = model.recipe
    settings, device = recipe["training"], torch.device(arguments.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    torch.manual_seed(settings["seed"])
    model.to(device).train()
    source, target = (tensor.to(device) for tensor in read(arguments.data, model))
    positions = [positions.to(device) for positions in model.all_positions(*model.size)]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings["learning_rate"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        weight_decay=settings["weight_decay"],
        fused=True,
    )
    weights = recipe["loss"] | dict.fromkeys(["mantissa", "digit", "number"], 1.0)
    forward = torch.compile(loss) if arguments.compile else loss
    batch_size, clip = min(settings["batch_size"], len(source)), settings["clip"] or float("inf")
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None

    indices = batches(len(source), batch_size)

    def take(steps):
        """Does training steps; returns their seconds and the last loss."""
        wait()
        start = time.perf_counter()
        for batch in itertools.islice(indices, steps):
            batch = batch.to(device)
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=arguments.precision == "bf16"):
                total = forward(model, weights, source[batch], target[batch], positions)
            total.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
        wait()
        return time.perf_counter() - start, total.item()

    if arguments.turns:
        parameters = sum(parameter.numel() for parameter in model.parameters())
        print(json.dumps({"examples": arguments.turns * batch_size, "parameters": parameters}), flush=True)
        for _ in sys.stdin:
            print(take(arguments.turns)[0], flush=True)
        return
    take(arguments.warmup)
    seconds = 0
    for step in range(0, arguments.steps, 100):
        steps = min(100, arguments.steps - step)
        more, last = take(steps)
        seconds += more
        print(f"step {step + steps}/{arguments.steps}  loss {last:.4f}")
    print(f"{arguments.steps * batch_size / seconds:.0f} examples/s, {1000 * seconds / arguments.steps:.2f} ms/step")


if __name__ == "__main__":
    main()
