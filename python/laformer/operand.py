"""Converts operands (tensors, arrays or lists) to tensors, and answers back."""

import numpy as np
import torch


def as_tensor(value):
    """Converts anything that numpy accepts to a float64 or int64 tensor. Keeps tensors; tuples of arrays become tuples of tensors."""
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
    # Copies the array, because torch warns about read-only arrays and does not accept negative strides.
    return torch.from_numpy(array.astype(np.int64 if is_whole else np.float64, order="C"))


def has_tensor(value):
    return isinstance(value, torch.Tensor) or isinstance(value, (tuple, list)) and any(map(has_tensor, value))


def count(value):
    """The number of elements of a tensor, or of a tuple of tensors."""
    return value.numel() if isinstance(value, torch.Tensor) else sum(map(count, value)) if isinstance(value, tuple) else 0


def as_array(value):
    """Converts tensors to arrays, also within tuples, lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(as_array, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(as_array, value))
    if isinstance(value, dict):
        return {key: as_array(item) for key, item in value.items()}
    return value
