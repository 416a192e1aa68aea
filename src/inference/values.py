"""Sources of models that read the numbers themselves: float32 [batch, count]. If the model has several problems, the task comes first."""

from typing import List, Tuple

import torch
from torch import Tensor


# Rounds operands to the digits of the input encoding. The added zero passes gradients through as if nothing were rounded (straight-through
# estimator).
def as_read(self, operands: List[Tensor]) -> List[Tensor]:
    numbers = torch.cat([operand.flatten(1) for operand in operands], 1)
    negative, mantissa, exponent = self.scientific(numbers, self.input_codec[1], self.input_codec[2])
    rounded = self.number(negative, mantissa, exponent) + (numbers - numbers.detach())
    return self.matrices(rounded, [(operand.size(1), operand.size(2)) for operand in operands])


# Converts rounded operands to a source.
def source_of(self, operands: List[Tensor], task: int) -> Tensor:
    values = torch.cat([operand.flatten(1) for operand in operands], 1)
    # The features of larger numbers would overflow float32.
    large = values.detach().abs() >= 1e18
    if bool(large.any()):
        raise ValueError("{} is too large: this model reads numbers of magnitudes below 1e18".format(float(values[large][0])))
    values = values.to(torch.float32)
    if self.reading != 0:
        shapes = self.operand_shapes(task, operands[0].size(1), operands[0].size(2))
        values = values[:, self.read_positions(shapes)[:, 0]]
    if len(self.names) > 1:
        values = torch.cat([torch.full_like(values[:, :1], task), values], 1)
    return values


# Checks a source from the caller, and moves it to the model's device.
def read_source(self, source: Tensor) -> Tensor:
    if source.dim() != 2:
        raise ValueError("source must be [batch, count], as encode returns it; not {}".format(source.size()))
    source = source.to(self.device(), torch.float32)
    if not bool(torch.isfinite(source).all()):
        raise ValueError("source contains NaN or infinity")
    return source


# The rows and columns of the first operand of a source, if its length decides them. Otherwise raises ValueError.
def size_of(self, source: Tensor, task: int) -> Tuple[int, int]:
    if self.min_rows == self.max_rows and self.min_cols == self.max_cols:
        return self.min_rows, self.min_cols
    if self.square[task] == 1:
        for size in range(self.min_rows, self.max_rows + 1):
            if self.source_length(task, size, size) == source.size(1):
                return size, size
    raise ValueError("a source of {} values does not tell its size: give rows and cols".format(source.size(1)))


def source_length(self, task: int, rows: int, cols: int) -> int:
    return self.read_positions(self.operand_shapes(task, rows, cols)).size(0) + int(len(self.names) > 1)


# The positions of the source's entries [count, 5]; for a pair model, its cells [operands, side, side].
def source_positions(self, task: int, rows: int, cols: int, length: int) -> Tensor:
    shapes = self.operand_shapes(task, rows, cols)
    if self.grid > 0:
        return self.source_cells(shapes)
    places = self.read_positions(shapes)[:, 1:]
    if len(self.names) > 1:
        places = torch.cat([torch.zeros_like(places[:1]), places])
    return self.numbered(places)


# The positions of the coefficients that the model reads. `reading` chooses them: all (0), those on or below the diagonal (1), or those on
# the diagonal and the superdiagonal (2). The first column is the index among all coefficients.
def read_positions(self, shapes: List[Tuple[int, int]]) -> Tensor:
    positions = self.coefficient_positions(shapes)
    row, col = positions[:, 2], positions[:, 3]
    if self.reading == 1:
        return positions[col <= row]
    if self.reading == 2:
        return positions[(col == row) | (col == row + 1)]
    return positions


# For every cell of a pair model's grid, the index of the operand's coefficient in the source, or -1 outside the operand:
# [operands, side, side]. If the problem has fewer operands than the model supports, the last grids have only -1.
def source_cells(self, shapes: List[Tuple[int, int]]) -> Tensor:
    side = self.grid_side(shapes)
    cells: List[Tensor] = []
    place = int(len(self.names) > 1)
    for rows, cols in shapes:
        places = torch.arange(place, place + rows * cols, device=self.device()).view(rows, cols)
        cells.append(torch.constant_pad_nd(places, [0, side - cols, 0, side - rows], -1))
        place += rows * cols
    for _ in range(self.grid - len(cells)):
        cells.append(torch.full_like(cells[0], -1))
    return torch.stack(cells)
