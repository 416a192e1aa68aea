"""Sources, the tensors that a model reads (values.py, tokens.py), and the positions of their numbers."""

from typing import Any, List, Optional, Tuple

import torch
from torch import Tensor, no_grad


# Converts operands to a source for `generate` and `forward`. Operands are rounded and transformed as in `solve`, but not normalized.
def encode(self, matrix: Tensor, other: Optional[Tensor] = None, problem: str = "") -> Tensor:
    task = self.task_of(problem)
    operands, _ = self.operands(matrix, other, task)
    return self.source_of(self.question(self.as_read(operands))[0], task)


# Answers sources of one size by tokens [batch, length]. Large batches are computed in parts to save memory.
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


# Converts the tokens [batch, length] of answers to matrices, with the shapes that `solve` returns for a batch.
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


# The task of each source [batch], from its first entry. It is 0 if the model has one problem.
def tasks(self, source: Tensor) -> Tensor:
    first = source[:, 0].to(torch.int64)
    if len(self.names) == 1:
        return torch.zeros_like(first)
    return first - self.first_task


# The task that all sources of the batch have. Raises ValueError if they differ.
def source_task(self, source: Tensor) -> int:
    if len(self.names) == 1 or source.size(0) == 0 or source.size(1) == 0:
        return 0
    tasks = self.tasks(source)
    task = int(tasks[0])
    if task < 0 or task >= len(self.names) or bool((tasks != task).any()):
        raise ValueError("source was not encoded for one of {}".format(", ".join(self.names)))
    return task


# Returns the size, and raises ValueError if it does not fit the model or the source. If rows or cols is 0, reads it from the source.
def known_size(self, source: Tensor, task: int, rows: int, cols: int) -> Tuple[int, int]:
    if rows == 0 or cols == 0:
        rows, cols = self.size_of(source, task)
    self.check_size(task, rows, cols)
    wanted = self.source_length(task, rows, cols)
    if wanted > 0 and source.size(1) != wanted:
        raise ValueError("the source of {}x{} operands has length {}, not {}".format(
            rows, cols, wanted, source.size(1)))
    return rows, cols


# ---- Positions [length, 5]: place in the sequence, index of the matrix, row, column, field. Row, column and field count from 1; they are 0
# for tokens that belong to no coefficient.


# The matrix, row and column of each coefficient of a matrix, in row-major order: [rows * cols, 3].
def places(self, matrix: int, rows: int, cols: int) -> Tensor:
    index = torch.arange(rows * cols, device=self.device())
    row = torch.div(index, cols, rounding_mode="floor")
    return torch.stack([torch.full_like(index, matrix), 1 + row, 1 + index - row * cols], 1)


# Puts the place in the sequence, counted from 0, before the other columns.
def numbered(self, rest: Tensor) -> Tensor:
    return torch.cat([torch.arange(rest.size(0), device=rest.device).unsqueeze(1), rest], 1)


# Positions of coefficients, one for each; the field is 1.
def coefficient_positions(self, shapes: List[Tuple[int, int]]) -> Tensor:
    parts: List[Tensor] = []
    for matrix in range(len(shapes)):
        parts.append(self.places(matrix, shapes[matrix][0], shapes[matrix][1]))
    places = torch.cat(parts)
    return self.numbered(torch.cat([places, torch.ones_like(places[:, :1])], 1))


# Positions of the tokens of a sequence (sequence.py) in which every number has `fields` tokens.
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


# The side of the square grid on which a pair model places operands of these shapes.
def grid_side(self, shapes: List[Tuple[int, int]]) -> int:
    side = 1
    for rows, cols in shapes:
        side = max(side, rows, cols)
    return side


# Replaces the first column of positions [count, 5] by the index of the grid cell from which a pair model reads the coefficient. Spectra are
# read from the diagonal. Bit i of `diagonal` says whether matrix i of the solution is a spectrum.
def answer_cells(self, positions: Tensor, task: int, side: int) -> Tensor:
    matrix, row, column = positions[:, 1], positions[:, 2], positions[:, 3]
    diagonal = torch.bitwise_right_shift(torch.full_like(matrix, self.diagonal[task]), matrix) % 2 == 1
    cell = (row - 1) * side + torch.where(diagonal, row, column) - 1
    return torch.cat([cell.unsqueeze(1), positions[:, 1:]], 1)
