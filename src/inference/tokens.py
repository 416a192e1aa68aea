"""A source of tokens, int64 [batch, length], as the input encoding writes them."""

from typing import List, Tuple

import torch
from torch import Tensor


# Operands rounded as the input encoding writes them.
def as_read(self, operands: List[Tensor]) -> List[Tensor]:
    result: List[Tensor] = []
    for operand in operands:
        numbers = operand.flatten(1)
        # Gradients reach no tokens; that of an operand is refused, not zero.
        numbers = self.decoded(self.encoded(numbers, self.input_codec), self.input_codec) + (numbers - numbers.detach())
        result.append(numbers.unflatten(1, [operand.size(1), operand.size(2)]))
    return result


def source_of(self, operands: List[Tensor], task: int) -> Tensor:
    values = torch.cat([operand.flatten(1) for operand in operands], 1)
    classes = self.encoded(values, self.input_codec)
    zeros = self.decoded(classes, self.input_codec) == 0
    shapes = self.operand_shapes(task, operands[0].size(1), operands[0].size(2))
    return self.written(classes, zeros, self.input_starts, self.input_short, shapes, self.source_starts[task])


# A source that is given, where the model is.
def read_source(self, source: Tensor) -> Tensor:
    if source.dim() != 2:
        raise ValueError("source must be [batch, length], as encode returns it; not {}".format(source.size()))
    source = self.integers(source, "source")
    known = (source >= 0) & (source < self.source_tokens)
    if not bool(known.all()):
        raise ValueError("source contains {}: this model reads the tokens 0 to {}".format(
            int(source[~known][0]), self.source_tokens - 1))
    return source


def size_of(self, source: Tensor, task: int) -> Tuple[int, int]:
    if self.min_rows == self.max_rows and self.min_cols == self.max_cols:
        return self.min_rows, self.min_cols
    if source.size(0) == 0 or source.size(1) < 3:
        raise ValueError("source must begin with <s> V<rows> V<cols>")
    return int(source[0, 1]) - 1, int(source[0, 2]) - 1


# 0 where sources of one size differ in length.
def source_length(self, task: int, rows: int, cols: int) -> int:
    if self.variable_input == 1:
        return 0
    shapes = self.operand_shapes(task, rows, cols)
    return 2 + 2 * len(shapes) + self.count(shapes) * self.input_starts.size(0)


def source_positions(self, task: int, rows: int, cols: int, length: int) -> Tensor:
    return self.token_positions(self.operand_shapes(task, rows, cols), self.input_starts.size(0))[:length]
