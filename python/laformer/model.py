"""A model as users call it."""

import functools
import io

import torch

from . import checkpoint
from .operand import as_array, as_tensor, count, has_tensor
from .threads import THREADS

# The methods that take operands first. Other members are those of the module.
METHODS = ("solve", "soft_solve", "residual", "encode", "generate", "decode", "forward")


def load(path_or_name, device="cpu", trust=False):
    """The model of a run folder, of a `.safetensors` file, or of a name such as `"eigenvalues-5x5"`: its weights, which are data.

    Names are looked for in the folder that `LAFORMER_CHECKPOINTS` names, or in `checkpoints`, here and in the repository. `trust=True`
    loads the TorchScript module `model.pt`, or another `.pt` file, and runs its code: only for files of people whom you trust.
    """
    return Model(*checkpoint.load(path_or_name, device, trust))


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
        return self._call("solve", matrix, *(() if other is None else (other,)), **options)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self.module, name)
        return functools.partial(self._call, name) if name in METHODS else value

    def _call(self, name, *operands, **options):
        def read(value, is_first=False):
            return value if isinstance(value, (bool, int, float, str, type(None))) and not is_first else as_tensor(value)

        gives_tensors = any(map(has_tensor, [*operands, *options.values()]))
        operands = [read(value, place == 0) for place, value in enumerate(operands)]
        options = {key: read(value) for key, value in options.items()}
        numbers = sum(map(count, [*operands, *options.values()]))
        # torch optimizes a method at its first two calls, for a second and more, and what it gains of these small operations is nothing.
        with torch.jit.optimized_execution(False), THREADS.of(numbers):
            try:
                answer = getattr(self.module, name)(*operands, **options)
            except (RuntimeError, torch.jit.Error) as error:
                raise as_python_raises(error) from None
        return answer if gives_tensors else as_array(answer)

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
        return of_module, (self.module.save_to_buffer(), self.recipe)


def of_module(content, recipe):
    return Model(torch.jit.load(io.BytesIO(content)), recipe)


def as_python_raises(error):
    """What a method of TorchScript raises, without the traceback of its source."""
    _, found, message = str(error).rpartition("ValueError: ")
    if found:
        return ValueError(message.strip())
    if "Schema: " in str(error) or "Declaration: " in str(error):
        return TypeError(checkpoint.first_line(error))
    return error
