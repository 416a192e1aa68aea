"""A source of values: float32 [batch, count], after the task where there are several. The numbers themselves are read."""

from typing import List, Tuple

import torch
from torch import Tensor


# Operands rounded to the digits of the input. Gradients pass as if they were not: what is added is zero.
def as_read(self, operands: List[Tensor]) -> List[Tensor]:
    numbers = torch.cat([operand.flatten(1) for operand in operands], 1)
    negative, mantissa, exponent = self.scientific(numbers, self.input_codec[1], self.input_codec[2])
    rounded = self.number(negative, mantissa, exponent) + (numbers - numbers.detach())
    return self.matrices(rounded, [(operand.size(1), operand.size(2)) for operand in operands])


def source_of(self, operands: List[Tensor], task: int) -> Tensor:
    values = torch.cat([operand.flatten(1) for operand in operands], 1)
    # Features of larger ones are beyond float32.
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


# A source that is given, where the model is.
def read_source(self, source: Tensor) -> Tensor:
    if source.dim() != 2:
        raise ValueError("source must be [batch, count], as encode returns it; not {}".format(source.size()))
    source = source.to(self.device(), torch.float32)
    if not bool(torch.isfinite(source).all()):
        raise ValueError("source contains NaN or infinity")
    return source


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


# Places of the coefficients, or of a pair model its cells.
def source_positions(self, task: int, rows: int, cols: int, length: int) -> Tensor:
    shapes = self.operand_shapes(task, rows, cols)
    if self.grid > 0:
        return self.source_cells(shapes)
    places = self.read_positions(shapes)[:, 1:]
    if len(self.names) > 1:
        places = torch.cat([torch.zeros_like(places[:1]), places])
    return self.numbered(places)


# Positions of the coefficients that are read, as `reading` says: all (0), those on or below the diagonal (1), or the diagonal and what
# is right above it (2). The first column is their place among all.
def read_positions(self, shapes: List[Tuple[int, int]]) -> Tensor:
    positions = self.coefficient_positions(shapes)
    row, col = positions[:, 2], positions[:, 3]
    if self.reading == 1:
        return positions[col <= row]
    if self.reading == 2:
        return positions[(col == row) | (col == row + 1)]
    return positions


# Places in the source of each operand's coefficients, -1 where it has none: [operands, side, side]. A problem with fewer operands
# than the model has room for lacks the last ones.
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
