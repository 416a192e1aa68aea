"""What a model reads: tokens int64 [batch, length], or values float32 [batch, count] after the task where there are several."""

from typing import Any, List, Optional, Tuple

import torch
from torch import Tensor, no_grad


# The source of operands, as `generate` and `forward` take it.
def encode(self, matrix: Tensor, other: Optional[Tensor] = None, problem: str = "") -> Tensor:
    task = self.task_of(problem)
    operands, _ = self.operands(matrix, other, task)
    return self.source_of(self.asked(operands, task, False)[0], task)


# Answers of many sources of one size as tokens [batch, length], computed in parts so that memory stays small.
def generate(self, source: Tensor, rows: int = 0, cols: int = 0, beam: int = 1) -> Tensor:
    source = self.read_source(source)
    task = self.source_task(source)
    rows, cols = self.known_size(source, task, rows, cols)
    size = self.chunk(task, rows, cols, beam)
    parts: List[Tensor] = []
    longest = 0
    with no_grad():
        for start in range(0, max(1, source.size(0)), size):
            parts.append(self.answer_tokens(source[start:start + size], task, rows, cols, beam))
            longest = max(longest, parts[-1].size(1))
    for i in range(len(parts)):
        parts[i] = torch.constant_pad_nd(parts[i], [0, longest - parts[i].size(1)], 1)
    return torch.cat(parts)


# The matrices of an answer's tokens.
def decode(self, tokens: Tensor) -> Any:
    tokens = self.integers(tokens, "tokens")
    if tokens.dim() != 2 or tokens.size(0) == 0 or tokens.size(1) == 0:
        raise ValueError("tokens must be [batch, length], not {}".format(tokens.size()))
    task = 0
    for other in range(len(self.names)):
        if int(tokens[0, 0]) == self.target_starts[other]:
            task = other
    shapes = self.announced_shapes(tokens, len(self.solution_forms[task]))
    return self.shaped(self.with_signs(self.matrices(self.decoded(self.read(tokens, shapes), self.output_codec), shapes), task), task, True)


def source_of(self, operands: List[Tensor], task: int) -> Tensor:
    shapes = self.operand_shapes(task, operands[0].size(1), operands[0].size(2))
    values = torch.cat([operand.flatten(1) for operand in operands], 1)
    if self.source_tokens > 0:
        classes = self.encoded(values, self.input_codec)
        zeros = self.decoded(classes, self.input_codec) == 0
        return self.written(classes, zeros, self.input_starts, self.input_short, shapes, self.source_starts[task])
    # Features of larger ones are beyond float32.
    large = values.detach().abs() >= 1e18
    if bool(large.any()):
        raise ValueError("{} is too large: this model reads numbers of magnitudes below 1e18".format(float(values[large][0])))
    values = values.to(torch.float32)
    if self.reading != 0:
        values = values[:, self.read_positions(shapes)[:, 0]]
    if len(self.names) > 1:
        values = torch.cat([torch.full_like(values[:, :1], task), values], 1)
    return values


# A source that is given, where the model is.
def read_source(self, source: Tensor) -> Tensor:
    if source.dim() != 2:
        raise ValueError("source must be [batch, length], as encode returns it; not {}".format(source.size()))
    if self.source_tokens == 0:
        source = source.to(self.device(), torch.float32)
        if not bool(torch.isfinite(source).all()):
            raise ValueError("source contains NaN or infinity")
        return source
    source = self.integers(source, "source")
    known = (source >= 0) & (source < self.source_tokens)
    if not bool(known.all()):
        raise ValueError("source contains {}: this model reads the tokens 0 to {}".format(
            int(source[~known][0]), self.source_tokens - 1))
    return source


# The task [batch] that each source names; 0 where the model has one.
def tasks(self, source: Tensor) -> Tensor:
    first = source[:, 0].to(torch.int64)
    if len(self.names) == 1:
        return torch.zeros_like(first)
    return first - self.first_task


# The task of all sources.
def source_task(self, source: Tensor) -> int:
    if len(self.names) == 1 or source.size(0) == 0 or source.size(1) == 0:
        return 0
    tasks = self.tasks(source)
    task = int(tasks[0])
    if task < 0 or task >= len(self.names) or bool((tasks != task).any()):
        raise ValueError("source was not encoded for one of {}".format(", ".join(self.names)))
    return task


# The size that a source was made for; 0 asks for it to be read from the source.
def known_size(self, source: Tensor, task: int, rows: int, cols: int) -> Tuple[int, int]:
    if rows == 0 or cols == 0:
        rows, cols = self.size_of(source, task)
    self.check_size(task, rows, cols)
    wanted = self.source_length(task, rows, cols)
    if wanted > 0 and source.size(1) != wanted:
        raise ValueError("the source of {}x{} operands has length {}, not {}".format(
            rows, cols, wanted, source.size(1)))
    return rows, cols


def size_of(self, source: Tensor, task: int) -> Tuple[int, int]:
    if self.min_rows == self.max_rows and self.min_cols == self.max_cols:
        return self.min_rows, self.min_cols
    if self.source_tokens > 0:
        if source.size(0) == 0 or source.size(1) < 3:
            raise ValueError("source must begin with <s> V<rows> V<cols>")
        return int(source[0, 1]) - 1, int(source[0, 2]) - 1
    if self.square[task] == 1:
        for size in range(self.min_rows, self.max_rows + 1):
            if self.source_length(task, size, size) == source.size(1):
                return size, size
    raise ValueError("a source of {} values does not tell its size: give rows and cols".format(source.size(1)))


# 0 where sources of one size differ in length.
def source_length(self, task: int, rows: int, cols: int) -> int:
    shapes = self.operand_shapes(task, rows, cols)
    if self.source_tokens == 0:
        return self.read_positions(shapes).size(0) + int(len(self.names) > 1)
    if self.variable_input == 1:
        return 0
    return 2 + 2 * len(shapes) + self.count(shapes) * self.input_starts.size(0)


# ---- Positions: rows of (place in the sequence, matrix, row, column, field). Row, column and field count from 1 and are 0 for what
# belongs to no coefficient.


def source_positions(self, task: int, rows: int, cols: int, length: int) -> Tensor:
    shapes = self.operand_shapes(task, rows, cols)
    if self.source_tokens > 0:
        return self.token_positions(shapes, self.input_starts.size(0))[:length]
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


# [rows * cols, 3]: matrix, and row and column from 1, of every coefficient in the order of reading.
def places(self, matrix: int, rows: int, cols: int) -> Tensor:
    index = torch.arange(rows * cols, device=self.device())
    row = torch.div(index, cols, rounding_mode="floor")
    return torch.stack([torch.full_like(index, matrix), 1 + row, 1 + index - row * cols], 1)


# [length, 5]: a number that counts up, then places and field.
def numbered(self, rest: Tensor) -> Tensor:
    return torch.cat([torch.arange(rest.size(0), device=rest.device).unsqueeze(1), rest], 1)


# Positions of one per coefficient: field 1.
def coefficient_positions(self, shapes: List[Tuple[int, int]]) -> Tensor:
    parts: List[Tensor] = []
    for matrix in range(len(shapes)):
        parts.append(self.places(matrix, shapes[matrix][0], shapes[matrix][1]))
    places = torch.cat(parts)
    return self.numbered(torch.cat([places, torch.ones_like(places[:, :1])], 1))


# Positions of tokens: `<s>`, then `V<rows> V<cols>` and the coefficients of every matrix, then `<s>`.
def token_positions(self, shapes: List[Tuple[int, int]], fields: int) -> Tensor:
    mark = torch.zeros([1, 4], dtype=torch.int64, device=self.device())
    parts = [mark]
    for matrix in range(len(shapes)):
        rows, cols = shapes[matrix]
        sizes = mark.repeat(2, 1)
        sizes[:, 0] = matrix
        field = torch.arange(1, fields + 1, device=mark.device).repeat(rows * cols).unsqueeze(1)
        parts.append(sizes)
        parts.append(torch.cat([self.places(matrix, rows, cols).repeat_interleave(fields, 0), field], 1))
    parts.append(mark)
    return self.numbered(torch.cat(parts))


# ---- The grid of rows and columns on which a pair model lays matrices, to multiply them


def grid_side(self, shapes: List[Tuple[int, int]]) -> int:
    side = 1
    for rows, cols in shapes:
        side = max(side, rows, cols)
    return side


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


# Positions of coefficients [count, 5] with the cell that answers each in the first column: spectra are read on the diagonal.
def answer_cells(self, positions: Tensor, task: int, side: int) -> Tensor:
    matrix, row, column = positions[:, 1], positions[:, 2], positions[:, 3]
    diagonal = torch.bitwise_right_shift(torch.full_like(matrix, self.diagonal[task]), matrix) % 2 == 1
    cell = (row - 1) * side + torch.where(diagonal, row, column) - 1
    return torch.cat([cell.unsqueeze(1), positions[:, 1:]], 1)
