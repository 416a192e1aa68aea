"""Runs turns of LAWT (github.com/facebookresearch/LAWT), the code of Charton's "Linear algebra with transformers".

    python benches/lawt.py PATH generate eigenvalues --turns 10      10 batches of 64 encoded 5x5 examples per turn
    python benches/lawt.py PATH train eigenvalues --turns 2          2 steps of its trainer per turn (sweeps/eigenvalues.json, on the CPU)

PATH is a checkout of LAWT. This script calls LAWT's modules as LAWT's train.py does; this project contains none of LAWT's code. It first
prints a line of JSON that describes the measurement. Then it answers every line of stdin with the seconds of one turn.
"""

import argparse
import contextlib
import inspect
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

# Settings of LAWT's sweep that do not apply here: a CPU has no fp16.
NOT_ON_A_CPU = {"fp16", "amp", "dump_path"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("what", choices=["generate", "train"])
    parser.add_argument("operation", help="as LAWT calls it: eigenvalues, matrix_sum …")
    parser.add_argument("--turns", type=int, default=1, metavar="STEPS")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for library in ("OPENBLAS", "MKL", "OMP"):
        os.environ[f"{library}_NUM_THREADS"] = str(arguments.threads)
    # LAWT calls getargspec, which Python 3.11 removed.
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]
    answers = os.fdopen(os.dup(1), "w")
    # LAWT prints to stdout, which is reserved for answers here.
    os.dup2(2, 1)
    sys.path.insert(0, str(arguments.path.resolve()))
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        logging.disable(logging.WARNING)
        turn, ready = {"generate": generating, "train": training}[arguments.what](arguments, folder)
        print(json.dumps(ready), file=answers, flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            turn()
            print(time.perf_counter() - start, file=answers, flush=True)


def environment(options, threads):
    """LAWT's parameters and environment, built as its train.py builds them."""
    import torch
    import train
    import src
    from src.envs import build_env
    from src.model import check_model_params
    from src.slurm import init_distributed_mode

    torch.set_num_threads(threads)
    text = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    params = train.get_parser().parse_args(text)
    check_model_params(params)
    init_distributed_mode(params)
    src.utils.CUDA = False
    return params, build_env(params)


def generating(arguments, folder):
    """Turns of LAWT's data loader, in this process: examples are drawn, solved, encoded, and put into batches."""
    options = {"cpu": "true", "operation": arguments.operation, "batch_size": 64, "num_workers": 0, "env_base_seed": 1}
    params, env = environment(options, arguments.threads)
    loader = iter(env.create_train_iterator("numeric", None, params))

    def turn():
        for _ in range(arguments.turns):
            next(loader)

    return turn, {"examples": arguments.turns * params.batch_size}


def training(arguments, folder):
    """Turns of LAWT's trainer, with the settings of its sweep, in fp32."""
    sweep = json.loads((arguments.path / f"sweeps/{arguments.operation}.json").read_text())
    options = {name: values[0] for name, values in sweep.items() if name not in NOT_ON_A_CPU}
    options |= {"cpu": "true", "dump_path": folder, "env_base_seed": 1}
    params, env = environment(options, arguments.threads)
    from src.model import build_modules
    from src.trainer import Trainer

    modules = build_modules(env, params)
    trainer = Trainer(modules, env, params)
    trainer.n_equations = 0

    def turn():
        for _ in range(arguments.turns):
            trainer.enc_dec_step("numeric")
            trainer.iter()

    parameters = sum(parameter.numel() for module in modules.values() for parameter in module.parameters())
    return turn, {"examples": arguments.turns * params.batch_size, "parameters": parameters}


if __name__ == "__main__":
    main()
