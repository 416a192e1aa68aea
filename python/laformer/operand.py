"""Operands as users have them, tensors, arrays or lists; answers are given in kind."""

import numpy as np
import torch


def is_operand(value):
    return not isinstance(value, (bool, int, float, str, type(None)))


def as_tensor(value):
    """A tensor as it is; of anything else real numbers, float64 or int64."""
    if isinstance(value, torch.Tensor):
        return value
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"an operand is no array: {error}") from None
    if array.dtype.kind not in "biuf":
        kind = "complex" if array.dtype.kind == "c" else array.dtype
        raise TypeError(f"an operand must have real numbers in rows of one length, not {kind} ones")
    whole = np.can_cast(array.dtype, np.int64)
    # A copy, because torch warns of arrays that cannot be written to and refuses those with negative strides.
    return torch.from_numpy(array.astype(np.int64 if whole else np.float64, order="C"))


def as_array(value):
    """Tensors, also in tuples, lists and dictionaries, as arrays."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(as_array, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(as_array, value))
    if isinstance(value, dict):
        return {key: as_array(item) for key, item in value.items()}
    return value
