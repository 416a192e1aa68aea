"""Methods of every module: from operands to the answer.

Files of this folder are compiled by TorchScript as methods of one module, in which `self` has the traced methods of the model
(trace.rs) and the tables that tell models apart (tables.rs). They are ordinary Python, too: a `self` with those members runs them.

A size is the rows and columns of the first operand. A task is the place of a problem among those of the model.
"""

from typing import Any, List, Optional, Tuple

import torch
from torch import Tensor, no_grad
from torch import device as Device
from torch.jit import isinstance  # noqa: A004, of types with parameters, as TorchScript has it


# The answer, shaped as numpy.linalg shapes it: a tensor, or a tuple of them; float64. With `check` also its residual, and whether it is
# to be trusted: one of each, or one for each matrix of a batch.
def solve(self, matrix: Tensor, other: Optional[Tensor] = None, beam: int = 1, problem: str = "", check: bool = False) -> Any:
    # TorchScript inlines and optimizes all methods at the first calls, so the model is called in one place.
    with no_grad():
        task = self.task_of(problem)
        operands, batched = self.operands(matrix, other, task)
        rows, cols = operands[0].size(1), operands[0].size(2)
        read, made, factors = self.asked(operands, task)
        numbers, _ = self.proposed(read, task, rows, cols, beam)
        solution = self.answered(numbers[:, :1], made, factors, task, rows, cols)
    answer = self.shaped(solution, task, batched)
    if not check:
        return answer
    residual = self.relative_error(operands, solution, task)
    if not batched:
        residual = residual[0]
    return answer, residual, residual < self.trust


# How wrong an answer is, shaped as `solve` shapes it: one number, or one for each matrix of a batch. The answer comes last:
# `residual(matrix, answer)`, or `residual(left, right, answer)` where a problem has two operands.
def residual(self, matrix: Tensor, other: Any = None, answer: Any = None, problem: str = "") -> Tensor:
    task = self.task_of(problem)
    parts = self.parts(answer)
    second: Optional[Tensor] = None
    if len(parts) == 0:
        parts = self.parts(other)
    elif isinstance(other, Tensor):
        second = other
    operands, batched = self.operands(matrix, second, task)
    residual = self.relative_error(operands, self.unshaped(parts, operands, task, batched), task)
    if not batched:
        residual = residual[0]
    return residual


# As `solve`, with expected numbers in place of chosen ones, and a gradient.
def soft_solve(self, matrix: Tensor, other: Optional[Tensor] = None, problem: str = "") -> Any:
    task = self.task_of(problem)
    operands, batched = self.operands(matrix, other, task)
    rows, cols = operands[0].size(1), operands[0].size(2)
    read, made, factors = self.asked(operands, task)
    size = self.chunk(task, rows, cols, self.paths())
    parts: List[Tensor] = []
    for start in range(0, max(1, operands[0].size(0)), size):
        source = self.source_of([operand[start:start + size] for operand in read], task)
        if torch.is_grad_enabled() and not source.is_floating_point():
            for operand in operands:
                if operand.requires_grad:
                    raise ValueError("this model reads tokens, through which no gradient reaches the operands: detach them")
        parts.append(self.expected(source, task, rows, cols))
    return self.shaped(self.answered(torch.cat(parts).unsqueeze(1), made, factors, task, rows, cols), task, batched)


# Answers for operands [batch, rows, cols], `beam` for each, the most probable first: the matrices of the answers [batch * beam,
# rows, cols], and the logarithms of their probabilities [batch, beam].
def answers(self, operands: List[Tensor], task: int, beam: int) -> Tuple[List[Tensor], Tensor]:
    rows, cols = operands[0].size(1), operands[0].size(2)
    read, made, factors = self.asked(operands, task)
    numbers, score = self.proposed(read, task, rows, cols, beam)
    return self.answered(numbers, made, factors, task, rows, cols), score


# Names of the problems that the model answers.
def problems(self) -> List[str]:
    return self.names


def task_of(self, problem: str) -> int:
    if problem == "" and len(self.names) == 1:
        return 0
    for task in range(len(self.names)):
        if self.names[task] == problem:
            return task
    if problem == "":
        raise ValueError("this model answers several problems: choose one of {}, as in problem=\"{}\"".format(
            ", ".join(self.names), self.names[0]))
    raise ValueError("unknown problem \"{}\": this model answers {}".format(problem, ", ".join(self.names)))


# ---- Sizes and shapes


# Where the model is, and everything that it makes.
def device(self) -> Device:
    return self.output_starts.device


# The length that a code stands for: 1, rows, columns, or the smaller of rows and columns.
def side(self, code: int, rows: int, cols: int) -> int:
    if code == 0:
        return 1
    if code == 1:
        return rows
    if code == 2:
        return cols
    return min(rows, cols)


def shapes(self, sides: List[int], rows: int, cols: int) -> List[Tuple[int, int]]:
    result: List[Tuple[int, int]] = []
    for matrix in range(len(sides) // 2):
        result.append((self.side(sides[2 * matrix], rows, cols), self.side(sides[2 * matrix + 1], rows, cols)))
    return result


def operand_shapes(self, task: int, rows: int, cols: int) -> List[Tuple[int, int]]:
    return self.shapes(self.operand_sides[task], rows, cols)


def solution_shapes(self, task: int, rows: int, cols: int) -> List[Tuple[int, int]]:
    return self.shapes(self.solution_sides[task], rows, cols)


def count(self, shapes: List[Tuple[int, int]]) -> int:
    total = 0
    for rows, cols in shapes:
        total += rows * cols
    return total


def check_size(self, task: int, rows: int, cols: int) -> None:
    fits = self.min_rows <= rows and rows <= self.max_rows and self.min_cols <= cols and cols <= self.max_cols
    if self.square[task] == 1 and rows != cols:
        fits = False
    if not fits:
        sizes = "{}x{}".format(self.min_rows, self.min_cols)
        if self.min_rows != self.max_rows or self.min_cols != self.max_cols:
            sizes = "{} to {}x{}".format(sizes, self.max_rows, self.max_cols)
            if self.square[task] == 1:
                sizes = "square " + sizes
        raise ValueError("this model is made for {} of {} matrices; this one is {}x{}".format(
            self.names[task], sizes, rows, cols))


# ---- Operands


# Operands as they are given, as checked batches float64 [batch, rows, cols], and whether they came as a batch.
def operands(self, matrix: Tensor, other: Optional[Tensor], task: int) -> Tuple[List[Tensor], bool]:
    forms = self.operand_forms[task]
    names = ["matrix"]
    if len(forms) == 2:
        names = ["left", "right"]
        if forms[1] == 1:
            names = ["matrix", "vector"]
    given = [self.matrix_batch(matrix, names[0])]
    batched = matrix.dim() == 3
    if other is not None:
        if len(forms) == 1:
            raise ValueError("{} has one operand; two are given".format(self.names[task]))
        if forms[1] == 1:
            given.append(self.column_batch(other, names[1], batched))
        else:
            given.append(self.matrix_batch(other, names[1]))
        batched = batched or other.dim() == 3
    if len(given) < len(forms):
        raise ValueError("{} has two operands, {}; one is given".format(self.names[task], " and ".join(names)))
    checked = self.checked(given, names, task)
    self.check_regular(checked[0], task)
    return checked, batched


# [rows, cols] or [batch, rows, cols] to float64 [batch, rows, cols] where the model is.
def matrix_batch(self, operand: Tensor, name: str) -> Tensor:
    if operand.dim() == 2:
        operand = operand.unsqueeze(0)
    if operand.dim() != 3:
        raise ValueError("{} must be [rows, cols] or [batch, rows, cols], not {}".format(name, operand.size()))
    if operand.is_complex():
        raise ValueError("{} must be real".format(name))
    return operand.to(self.device(), torch.float64)


# A vector [rows] or [rows, 1]; beside a batch also [batch, rows] or [batch, rows, 1].
def column_batch(self, operand: Tensor, name: str, batched: bool) -> Tensor:
    if operand.dim() == 1 or (operand.dim() == 2 and batched):
        operand = operand.unsqueeze(-1)
    if operand.dim() < 2 or operand.dim() > 3 or operand.size(-1) != 1:
        raise ValueError("{} must be a vector [rows] or, beside a batch, [batch, rows]; not {}".format(
            name, operand.size()))
    return self.matrix_batch(operand, name)


# Operands of one batch, or an error that says what is wrong.
def checked(self, operands: List[Tensor], names: List[str], task: int) -> List[Tensor]:
    rows, cols = operands[0].size(1), operands[0].size(2)
    self.check_size(task, rows, cols)
    shapes = self.operand_shapes(task, rows, cols)
    batch = 1
    for operand in operands:
        if operand.size(0) != 1:
            batch = operand.size(0)
    result: List[Tensor] = []
    for i in range(len(operands)):
        operand, name = operands[i], names[i]
        if operand.size(1) != shapes[i][0] or operand.size(2) != shapes[i][1]:
            raise ValueError("{} must be {}x{} beside a {}x{} {}, not {}x{}".format(
                name, shapes[i][0], shapes[i][1], rows, cols, names[0], operand.size(1), operand.size(2)))
        if operand.size(0) != 1 and operand.size(0) != batch:
            raise ValueError("{} comes {} times, other operands {} times".format(name, operand.size(0), batch))
        if not bool(torch.isfinite(operand).all()):
            raise ValueError("{} contains NaN or infinity".format(name))
        if self.symmetric[task] == 1:
            operand = self.symmetrized(operand, name, task)
        result.append(operand.expand(batch, -1, -1))
    return result


# Rounding errors of a computed matrix are forgiven: 1e-6 of its largest coefficient.
def symmetrized(self, matrix: Tensor, name: str, task: int) -> Tensor:
    difference = (matrix - matrix.transpose(1, 2)).abs()
    if matrix.numel() > 0 and bool((difference > 1e-6 * matrix.abs().amax([1, 2], keepdim=True)).any()):
        raise ValueError("{} must be symmetric: {} is made for symmetric matrices".format(name, self.names[task]))
    return matrix / 2 + matrix.transpose(1, 2) / 2


# ---- From operands to what the model reads, and from its numbers to the answer


# What the model reads of operands, how it was made from them (condensed.py), and the factors of the normalization (normalization.py).
def asked(self, operands: List[Tensor], task: int) -> Tuple[List[Tensor], List[Tensor], List[Tensor]]:
    operands, factors = self.normalized(self.as_read(operands), task)
    read, made = self.question(operands)
    return read, made, factors


# The matrices of answers [batch * beam, rows, cols] from numbers [batch, beam, count].
def answered(self, numbers: Tensor, made: List[Tensor], factors: List[Tensor], task: int, rows: int, cols: int) -> List[Tensor]:
    beam = numbers.size(1)
    solution = self.matrices(numbers.flatten(0, 1), self.solution_shapes(task, rows, cols))
    if beam > 1:
        made = [part.repeat_interleave(beam, 0) for part in made]
        factors = [factor.repeat_interleave(beam, 0) for factor in factors]
    return self.unnormalized(self.with_signs(self.reply(solution, made), task), factors, task)


# Gives columns of vectors the sign of solutions: the largest entry of the first of these matrices, the first of equal ones, is
# positive.
def with_signs(self, solution: List[Tensor], task: int) -> List[Tensor]:
    vectors = self.vectors[task]
    if len(vectors) > 0:
        leader = solution[vectors[0]]
        largest = torch.sort(leader.abs(), stable=True, dim=1, descending=True)[1][:, :1]
        leading = leader.gather(1, largest)
        sign = torch.where(leading < 0, -torch.ones_like(leading), torch.ones_like(leading))
        for place in vectors:
            solution[place] = solution[place] * sign
    return solution


# Examples that are computed at once, so that memory stays small.
def chunk(self, task: int, rows: int, cols: int, beam: int) -> int:
    numbers = self.count(self.operand_shapes(task, rows, cols)) + self.count(self.solution_shapes(task, rows, cols))
    return max(1, 65536 // (numbers * max(1, beam)))


# Numbers [batch, beam, count] of the answers to operands, and the logarithms of the answers' probabilities [batch, beam].
def proposed(self, read: List[Tensor], task: int, rows: int, cols: int, beam: int) -> Tuple[Tensor, Tensor]:
    size = self.chunk(task, rows, cols, beam)
    numbers: List[Tensor] = []
    scores: List[Tensor] = []
    for start in range(0, max(1, read[0].size(0)), size):
        source = self.source_of([operand[start:start + size] for operand in read], task)
        number, score = self.proposals(source, task, rows, cols, beam)
        numbers.append(number)
        scores.append(score)
    return torch.cat(numbers), torch.cat(scores)


# [batch, count] numbers to matrices.
def matrices(self, numbers: Tensor, shapes: List[Tuple[int, int]]) -> List[Tensor]:
    result: List[Tensor] = []
    done = 0
    for rows, cols in shapes:
        result.append(numbers[:, done:done + rows * cols].unflatten(1, [rows, cols]))
        done += rows * cols
    return result


# Matrices [batch, rows, cols] as numpy shapes them: without the batch where the operands had none.
def shaped(self, solution: List[Tensor], task: int, batched: bool) -> Any:
    result: List[Tensor] = []
    for i in range(len(solution)):
        matrix, form = solution[i], self.solution_forms[task][i]
        if form == 1:
            matrix = matrix.squeeze(2)
        if form == 2:
            matrix = matrix.transpose(1, 2)
        if form == 3:
            matrix = matrix.flatten(1).squeeze(1)
        if not batched:
            matrix = matrix[0]
        result.append(matrix)
    if len(result) == 1:
        return result[0]
    if len(result) == 2:
        return result[0], result[1]
    return result[0], result[1], result[2]


# The tensors of an answer; none of what is no answer.
def parts(self, answer: Any) -> List[Tensor]:
    parts: List[Tensor] = []
    if isinstance(answer, Tensor):
        parts = [answer]
    elif isinstance(answer, Tuple[Tensor, Tensor]):
        parts = [answer[0], answer[1]]
    elif isinstance(answer, Tuple[Tensor, Tensor, Tensor]):
        parts = [answer[0], answer[1], answer[2]]
    elif isinstance(answer, List[Tensor]):
        parts = answer
    return parts


# The matrices [batch, rows, cols] of an answer to operands, from its tensors.
def unshaped(self, parts: List[Tensor], operands: List[Tensor], task: int, batched: bool) -> List[Tensor]:
    shapes = self.solution_shapes(task, operands[0].size(1), operands[0].size(2))
    if len(parts) != len(shapes):
        raise ValueError("an answer of {} has {} tensors, not {}".format(self.names[task], len(shapes), len(parts)))
    result: List[Tensor] = []
    for i in range(len(parts)):
        (rows, cols), form, part = shapes[i], self.solution_forms[task][i], parts[i].to(self.device(), torch.float64)
        wanted = [rows, cols]
        if form == 1:
            wanted = [rows]
        if form == 2:
            wanted = [cols, rows]
        if form == 3:
            wanted = wanted[:0]
        if batched:
            wanted = [operands[0].size(0)] + wanted
        if list(part.size()) != wanted:
            raise ValueError("the answer must be {} beside these operands, not {}".format(wanted, list(part.size())))
        if form == 2:
            part = part.transpose(-1, -2)
        result.append(part.reshape([-1, rows, cols]))
    return result
