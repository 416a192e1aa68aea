"""A model as users call it."""

import functools
import io

import torch

from . import checkpoint
from .operand import as_array, as_tensor, is_operand
from .threads import THREADS


def load(path_or_name, device="cpu"):
    """The model of a run folder, of a `.pt` or `.safetensors` file, or of a name such as `"eigenvalues-5x5"`.

    Names are looked for in the folder that `LAFORMER_CHECKPOINTS` names, or in `checkpoints`, here and in the repository. A `.safetensors`
    file is data: nothing of it is run.
    """
    return Model(*checkpoint.load(path_or_name, device))


class Model:
    """The methods of a trained model. Operands may be tensors, arrays or lists, and answers are tensors where an operand is one, or arrays.

    `recipe` tells how the model was made; `module` is the TorchScript module or the PyTorch module behind it.
    """

    def __init__(self, module, recipe):
        self.module, self.recipe = module, recipe

    def solve(self, matrix, other=None, **options):
        """The answer in float64, shaped as `numpy.linalg` shapes it: one, or a tuple such as values and vectors.

        `matrix` is `[rows, cols]` or `[batch, rows, cols]`; `other` is the second operand of problems that have two. Of a model of several
        problems, `problem="inverse"` chooses one.
        """
        return self._call("solve", (matrix,) if other is None else (matrix, other), options)

    def __getattr__(self, name):
        value = getattr(self.module, name)
        if name.startswith("_") or not callable(value) or isinstance(value, torch.nn.Module) or hasattr(torch.nn.Module, name) and name != "forward":
            return value
        return functools.wraps(value)(lambda *operands, **options: self._call(name, operands, options))

    def _call(self, name, operands, options):
        given = [value for value in (*operands, *options.values()) if is_operand(value)]
        operands = [as_tensor(value) if is_operand(value) else value for value in operands]
        options = {key: as_tensor(value) if is_operand(value) else value for key, value in options.items()}
        tensors = [value for value in (*operands, *options.values()) if isinstance(value, torch.Tensor)]
        # torch optimizes a method at its first two calls, for a second and more, and what it gains of these small operations is nothing.
        with torch.jit.optimized_execution(False), THREADS.of(tensors):
            try:
                answer = getattr(self.module, name)(*operands, **options)
            except RuntimeError as error:
                # What a method of TorchScript raises comes with a traceback of its source.
                _, found, message = str(error).rpartition("ValueError: ")
                if not found:
                    raise
                raise ValueError(message.strip()) from None
        return answer if any(isinstance(value, torch.Tensor) for value in given) else as_array(answer)

    def to(self, device):
        self.module.to(device)
        return self

    def __repr__(self):
        size = self.recipe["dim"] or f"{self.recipe['rows']} by {self.recipe['cols']}"
        return f"laformer.Model({self.recipe['problem']}, {size})"

    def __dir__(self):
        return sorted({*super().__dir__(), *dir(self.module)})

    def __reduce__(self):
        if not isinstance(self.module, torch.jit.ScriptModule):
            return Model, (self.module, self.recipe)
        file = io.BytesIO()
        torch.jit.save(self.module, file)
        return of_module, (file.getvalue(), self.recipe)


def of_module(content, recipe):
    return Model(torch.jit.load(io.BytesIO(content)), recipe)
