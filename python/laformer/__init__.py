"""Loads models that laformer has trained.

    import laformer

    model = laformer.load("inverse-5x5")
    model.solve([[2, 1], [1, 3]])

`torch.jit.load("checkpoints/inverse-5x5/model.pt")` gives the same answers with torch alone, but it runs code from the file. By default,
this package loads only weights. Its first calls do not wait for TorchScript's optimization. It solves small problems on one thread, which
does not have to wait for other threads on a busy machine.
"""

import os
import sys

# By default, libtorch's threads spin while they wait, which takes cores from other programs. OpenMP reads these variables when torch is
# loaded.
if "torch" not in sys.modules and "GOMP_SPINCOUNT" not in os.environ:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")

from .model import Model, load  # noqa: E402

__all__ = ["Model", "load"]
