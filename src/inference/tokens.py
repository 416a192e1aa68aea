"""Sources of models that read tokens of the input encoding: int64 [batch, length]."""

from typing import List, Tuple

import torch
from torch import Tensor


# Rounds operands to numbers of the input encoding.
def as_read(self, operands: List[Tensor]) -> List[Tensor]:
    result: List[Tensor] = []
    for operand in operands:
        numbers = operand.flatten(1)
        # The added zero keeps the operand's gradient. Tokens have none, so `soft_solve` raises ValueError for operands that require one.
        numbers = self.decoded(self.encoded(numbers, self.input_codec), self.input_codec) + (numbers - numbers.detach())
        result.append(numbers.unflatten(1, [operand.size(1), operand.size(2)]))
    return result


# Converts rounded operands to a source.
def source_of(self, operands: List[Tensor], task: int) -> Tensor:
    values = torch.cat([operand.flatten(1) for operand in operands], 1)
    classes = self.encoded(values, self.input_codec)
    zeros = self.decoded(classes, self.input_codec) == 0
    shapes = self.operand_shapes(task, operands[0].size(1), operands[0].size(2))
    return self.written(classes, zeros, self.input_starts, self.input_short, shapes, self.source_starts[task])


# Checks a source from the caller, and moves it to the model's device.
def read_source(self, source: Tensor) -> Tensor:
    if source.dim() != 2:
        raise ValueError("source must be [batch, length], as encode returns it; not {}".format(source.size()))
    source = self.integers(source, "source")
    known = (source >= 0) & (source < self.source_tokens)
    if not bool(known.all()):
        raise ValueError("source contains {}: this model reads the tokens 0 to {}".format(
            int(source[~known][0]), self.source_tokens - 1))
    return source


# The rows and columns of the first operand of a source.
def size_of(self, source: Tensor, task: int) -> Tuple[int, int]:
    if self.min_rows == self.max_rows and self.min_cols == self.max_cols:
        return self.min_rows, self.min_cols
    if source.size(0) == 0 or source.size(1) < 3:
        raise ValueError("source must begin with <s> V<rows> V<cols>")
    return int(source[0, 1]) - 1, int(source[0, 2]) - 1


# The length of sources of a size; 0 if it depends on the numbers.
def source_length(self, task: int, rows: int, cols: int) -> int:
    if self.variable_input == 1:
        return 0
    shapes = self.operand_shapes(task, rows, cols)
    return 2 + 2 * len(shapes) + self.count(shapes) * self.input_starts.size(0)


def source_positions(self, task: int, rows: int, cols: int, length: int) -> Tensor:
    return self.token_positions(self.operand_shapes(task, rows, cols), self.input_starts.size(0))[:length]
