"""The methods that all modules have: from operands to answers.

TorchScript compiles the files of this folder as methods of one module. Its `self` also has the traced methods of the model (trace.rs)
and the tables with the settings that differ between models (tables.rs). The files are ordinary Python, too, and run with any `self`
that has these members.

A size is the number of rows and columns of the first operand. A task is the index of a problem among the problems of the model.
"""

from typing import Any, List, Optional, Tuple

import torch
from torch import Tensor, no_grad
from torch import device as Device
from torch.jit import isinstance  # noqa: A004, unlike Python's own, it accepts types such as List[Tensor]


# Returns the answer in float64, with the shapes of numpy.linalg: a tensor, or a tuple of tensors. With `check`, returns a tuple of the
# answer, its residual, and whether the residual is small enough to trust the answer; the last two are scalars, or [batch] for a batch.
def solve(self, matrix: Tensor, other: Optional[Tensor] = None, beam: int = 1, problem: str = "", check: bool = False) -> Any:
    # TorchScript inlines and optimizes all methods during the first calls. A second call of the model here would double their time.
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


# Returns the relative error of an answer, from operands and answer alone (residual.py): a scalar, or [batch] for a batch. The answer has
# the shapes that `solve` returns. It is the last argument: `residual(matrix, answer)`, or `residual(left, right, answer)` for two operands.
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


# Like `solve`, but every number of the answer is the expected value of its predicted distribution. So the answer has a gradient.
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


# Returns `beam` answers for each example of `operands` [batch, rows, cols], the most probable first: matrices [batch * beam, rows, cols],
# and the natural logarithms of the answers' probabilities [batch, beam].
def answers(self, operands: List[Tensor], task: int, beam: int) -> Tuple[List[Tensor], Tensor]:
    rows, cols = operands[0].size(1), operands[0].size(2)
    read, made, factors = self.asked(operands, task)
    numbers, score = self.proposed(read, task, rows, cols, beam)
    return self.answered(numbers, made, factors, task, rows, cols), score


# The names of the problems that the model answers.
def problems(self) -> List[str]:
    return self.names


# The task of a problem's name. The name may be empty if the model answers one problem.
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


# The device of the model and of all tensors that its methods create.
def device(self) -> Device:
    return self.output_starts.device


# The number of rows or columns that a code stands for (`Side` in problem/facts.rs): 1, rows, cols, or the smaller of the two.
def side(self, code: int, rows: int, cols: int) -> int:
    if code == 0:
        return 1
    if code == 1:
        return rows
    if code == 2:
        return cols
    return min(rows, cols)


# The shapes of matrices at a size. `sides` has two codes for each matrix, for its rows and its columns.
def shapes(self, sides: List[int], rows: int, cols: int) -> List[Tuple[int, int]]:
    result: List[Tuple[int, int]] = []
    for matrix in range(len(sides) // 2):
        result.append((self.side(sides[2 * matrix], rows, cols), self.side(sides[2 * matrix + 1], rows, cols)))
    return result


def operand_shapes(self, task: int, rows: int, cols: int) -> List[Tuple[int, int]]:
    return self.shapes(self.operand_sides[task], rows, cols)


def solution_shapes(self, task: int, rows: int, cols: int) -> List[Tuple[int, int]]:
    return self.shapes(self.solution_sides[task], rows, cols)


# The number of coefficients in matrices of these shapes.
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


# Checks the operands of a call and converts them to float64 [batch, rows, cols]. Also returns whether they had a batch dimension.
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


# Converts [rows, cols] or [batch, rows, cols] to float64 [batch, rows, cols] on the model's device.
def matrix_batch(self, operand: Tensor, name: str) -> Tensor:
    if operand.dim() == 2:
        operand = operand.unsqueeze(0)
    if operand.dim() != 3:
        raise ValueError("{} must be [rows, cols] or [batch, rows, cols], not {}".format(name, operand.size()))
    if operand.is_complex():
        raise ValueError("{} must be real".format(name))
    return operand.to(self.device(), torch.float64)


# Converts a vector to float64 [batch, rows, 1]. It may be [rows] or [batch, rows, 1]; with a single matrix also [rows, 1], and with a
# batch of matrices also [batch, rows].
def column_batch(self, operand: Tensor, name: str, batched: bool) -> Tensor:
    if operand.dim() == 1 or (operand.dim() == 2 and batched):
        operand = operand.unsqueeze(-1)
    if operand.dim() < 2 or operand.dim() > 3 or operand.size(-1) != 1:
        raise ValueError("{} must be a vector [rows] or, beside a batch, [batch, rows]; not {}".format(
            name, operand.size()))
    return self.matrix_batch(operand, name)


# Checks operands and expands them to a common batch size. Raises ValueError if they do not fit the problem or each other.
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


# Returns (A + Aᵀ) / 2. Raises ValueError if A and Aᵀ differ by more than 1e-6 of the largest coefficient; smaller differences are
# rounding errors of a computed matrix.
def symmetrized(self, matrix: Tensor, name: str, task: int) -> Tensor:
    difference = (matrix - matrix.transpose(1, 2)).abs()
    if matrix.numel() > 0 and bool((difference > 1e-6 * matrix.abs().amax([1, 2], keepdim=True)).any()):
        raise ValueError("{} must be symmetric: {} is made for symmetric matrices".format(name, self.names[task]))
    return matrix / 2 + matrix.transpose(1, 2) / 2


# ---- From operands to the model's input, and from the model's numbers to the answer


# Rounds, normalizes (normalization.py) and transforms (condensed.py) operands for the model. Returns the matrices that the model reads,
# the matrices of the transform, and the factors of the normalization; `answered` needs the last two.
def asked(self, operands: List[Tensor], task: int) -> Tuple[List[Tensor], List[Tensor], List[Tensor]]:
    operands, factors = self.normalized(self.as_read(operands), task)
    read, made = self.question(operands)
    return read, made, factors


# Converts the model's numbers [batch, beam, count] to the answer's matrices [batch * beam, rows, cols]: undoes the transform and the
# normalization of `asked`.
def answered(self, numbers: Tensor, made: List[Tensor], factors: List[Tensor], task: int, rows: int, cols: int) -> List[Tensor]:
    beam = numbers.size(1)
    solution = self.matrices(numbers.flatten(0, 1), self.solution_shapes(task, rows, cols))
    if beam > 1:
        made = [part.repeat_interleave(beam, 0) for part in made]
        factors = [factor.repeat_interleave(beam, 0) for factor in factors]
    return self.unnormalized(self.with_signs(self.reply(solution, made), task), factors, task)


# Fixes the signs of eigenvectors and singular vectors as in the solutions of the training: column j of all matrices in `vectors` is
# multiplied by 1 or -1, so that in the first of these matrices, its entry of largest magnitude is positive. Among equal magnitudes, the
# first entry decides.
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


# The number of examples that are computed at once. It is limited to save memory.
def chunk(self, task: int, rows: int, cols: int, beam: int) -> int:
    numbers = self.count(self.operand_shapes(task, rows, cols)) + self.count(self.solution_shapes(task, rows, cols))
    return max(1, 65536 // (numbers * max(1, beam)))


# Runs the model on the matrices that `asked` returned. Returns the numbers of the answers [batch, beam, count], and the natural
# logarithms of the answers' probabilities [batch, beam].
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


# Splits numbers [batch, count] into matrices [batch, rows, cols], each in row-major order.
def matrices(self, numbers: Tensor, shapes: List[Tuple[int, int]]) -> List[Tensor]:
    result: List[Tensor] = []
    done = 0
    for rows, cols in shapes:
        result.append(numbers[:, done:done + rows * cols].unflatten(1, [rows, cols]))
        done += rows * cols
    return result


# Converts matrices [batch, rows, cols] to the shapes of numpy.linalg. `solution_forms` has a code for each matrix: 0 keeps it, 1 makes
# a column a vector, 2 transposes, and 3 makes a 1x1 matrix a scalar. The batch dimension is removed if the operands had none.
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


# The tensors of an answer as a list. The list is empty if `answer` is not a tensor, a tuple of two or three, or a list of tensors.
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


# The inverse of `shaped`: converts the tensors of an answer to float64 matrices [batch, rows, cols]. Raises ValueError if their number
# or a shape does not fit the operands.
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
