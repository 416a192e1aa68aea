"""Operands as users have them, tensors, arrays or lists; answers are given in kind."""

import numpy as np
import torch


def as_tensor(value):
    """Real numbers, float64 or int64, of whatever numpy takes for an array; a tensor as it is, and a tuple of arrays item by item."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, tuple) and any(isinstance(item, (np.ndarray, torch.Tensor)) for item in value):
        return tuple(map(as_tensor, value))
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"an operand must be an array, or rows of one length: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"an operand must have real numbers, not {type(value).__name__} of {array.dtype}")
    is_whole = np.can_cast(array.dtype, np.int64)
    # A copy, because torch warns of arrays that cannot be written to and refuses those with negative strides.
    return torch.from_numpy(array.astype(np.int64 if is_whole else np.float64, order="C"))


def has_tensor(value):
    return isinstance(value, torch.Tensor) or isinstance(value, (tuple, list)) and any(map(has_tensor, value))


def count(value):
    """How many numbers there are in a tensor, or a tuple of them."""
    return value.numel() if isinstance(value, torch.Tensor) else sum(map(count, value)) if isinstance(value, tuple) else 0


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
