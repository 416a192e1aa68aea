"""Loads models that laformer has trained.

    import laformer

    model = laformer.load("inverse-5x5")
    model.solve([[2, 1], [1, 3]])

`torch.jit.load("checkpoints/inverse-5x5/model.pt")` gives the same answers with torch alone, and runs code of the file. Here weights are
loaded, the first answers come at once, and a small problem is solved by one thread, which waits for no other on a busy machine.
"""

import os
import sys

# By default, libtorch's threads spin while they wait, which takes cores from other programs. OpenMP reads this when torch is loaded.
if "torch" not in sys.modules and "GOMP_SPINCOUNT" not in os.environ:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")

from .model import Model, load  # noqa: E402

__all__ = ["Model", "load"]
