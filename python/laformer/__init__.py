"""Loads models that laformer has trained.

    import laformer

    model = laformer.load("checkpoints/inverse-5x5")
    model.solve([[2, 1], [1, 3]])

`torch.jit.load("checkpoints/inverse-5x5/model.pt")` gives the same answers with torch alone. Here the first answers come at once, and a
small problem is solved by one thread, which waits for no other on a busy machine.
"""

import contextlib
import functools
import os
import pathlib
import sys

# By default the threads of libtorch spin while they wait, which keeps other programs from the cores. OpenMP reads this as torch is loaded.
if "torch" not in sys.modules and "GOMP_SPINCOUNT" not in os.environ:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")

import torch  # noqa: E402

__all__ = ["Model", "load"]

# Operands of so many numbers are solved by one thread: more threads gain nothing.
SMALL = 1024


def load(path, device="cpu"):
    """The model of a run folder, or of a `model.pt`."""
    path = pathlib.Path(path)
    file = path / "model.pt" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist: expected a run folder with a model.pt, or the file itself")
    return Model(torch.jit.load(str(file), map_location=device))


class Model:
    """The methods of a TorchScript module, run as they are written; operands may be tensors, arrays or lists.

    torch optimizes a method at its first two calls, for a second and more, and what it gains of these small operations is nothing.
    """

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        value = getattr(self.module, name)
        if not isinstance(value, torch._C.ScriptMethod):
            return value

        @functools.wraps(value)
        def method(*operands, **options):
            operands = [as_operand(operand) for operand in operands]
            options = {name: as_operand(option) for name, option in options.items()}
            with torch.jit.optimized_execution(False), threads_for(operands):
                return value(*operands, **options)

        return method


def as_operand(value):
    if isinstance(value, (bool, int, float, str, torch.Tensor)):
        return value
    is_numbers = not isinstance(value, (list, tuple)) or not any(isinstance(item, torch.Tensor) for item in value)
    return torch.as_tensor(value) if is_numbers else value


@contextlib.contextmanager
def threads_for(operands):
    before = torch.get_num_threads()
    numbers = sum(operand.numel() for operand in operands if isinstance(operand, torch.Tensor))
    if before == 1 or numbers > SMALL:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
