"""The public interface: `load` and `Model`."""

import functools
import io

import torch

from . import checkpoint
from .operand import as_array, as_tensor, count, has_tensor
from .threads import THREADS

# The methods whose operands are converted to tensors. Other members are passed through from the module.
METHODS = ("solve", "soft_solve", "residual", "encode", "generate", "decode", "forward")


def load(path_or_name, device="cpu", trust=False):
    """Loads a model from a run folder, a `.safetensors` file, or a name such as `"eigenvalues-5x5"`. By default, no code of the file runs.

    Names are looked up in the folder that the environment variable `LAFORMER_CHECKPOINTS` names. If it is not set, they are looked up in
    `checkpoints`, in the working directory and in the repository.
    `trust=True` loads the TorchScript module `model.pt`, or another `.pt` file, and runs its code: use it only for files that you trust.
    """
    return Model(*checkpoint.load(path_or_name, device, trust))


class Model:
    """A trained model. Operands may be tensors, arrays or lists. Answers are tensors if an operand is one, otherwise arrays.

    `recipe` holds the settings of the training; `module` is the underlying TorchScript or PyTorch module.
    """

    def __init__(self, module, recipe):
        self.module, self.recipe = module, recipe

    def solve(self, matrix, other=None, **options):
        """The answer in float64, with the shapes of `numpy.linalg`: one tensor or array, or a tuple such as values and vectors.

        `matrix` is `[rows, cols]` or `[batch, rows, cols]`. `other` is the second operand, if the problem has two. `problem="inverse"`
        chooses a problem of a model that solves several.
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
        # Without optimization, because it takes a second or more in a method's first two calls and does not speed up small operations.
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
    """Converts an exception of a TorchScript method to the Python exception, without the TorchScript traceback."""
    _, found, message = str(error).rpartition("ValueError: ")
    if found:
        return ValueError(message.strip())
    if "Schema: " in str(error) or "Declaration: " in str(error):
        return TypeError(checkpoint.first_line(error))
    return error
