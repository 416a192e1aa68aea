"""Sources, which a model reads (values.py, tokens.py), and where their numbers stand."""

from typing import Any, List, Optional, Tuple

import torch
from torch import Tensor, no_grad


# The source of operands, as `generate` and `forward` take it.
def encode(self, matrix: Tensor, other: Optional[Tensor] = None, problem: str = "") -> Tensor:
    task = self.task_of(problem)
    operands, _ = self.operands(matrix, other, task)
    return self.source_of(self.question(self.as_read(operands))[0], task)


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


# ---- Positions: rows of (place in the sequence, matrix, row, column, field). Row, column and field count from 1 and are 0 for what
# belongs to no coefficient.


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


# Rows and columns of the grid on which a pair model lays operands of these shapes.
def grid_side(self, shapes: List[Tuple[int, int]]) -> int:
    side = 1
    for rows, cols in shapes:
        side = max(side, rows, cols)
    return side


# Positions of coefficients [count, 5] with the cell that answers each in the first column: spectra are read on the diagonal.
def answer_cells(self, positions: Tensor, task: int, side: int) -> Tensor:
    matrix, row, column = positions[:, 1], positions[:, 2], positions[:, 3]
    diagonal = torch.bitwise_right_shift(torch.full_like(matrix, self.diagonal[task]), matrix) % 2 == 1
    cell = (row - 1) * side + torch.where(diagonal, row, column) - 1
    return torch.cat([cell.unsqueeze(1), positions[:, 1:]], 1)
