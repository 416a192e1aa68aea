"""A model that reads the condensed form of the matrix to invert.

Rows and columns are scaled to one root mean square, the matrix is transposed, and Householder reflections U and V make it
bidiagonal: U (R A C)ᵀ Vᵀ has nothing but the diagonal and what is right above it. The column that the reflections begin with is the
one by which errors of the inverse grow least. The inverse of A is R and C times the reflected inverse of the form.
"""

from typing import List, Tuple

import torch
from torch import Tensor


# What is read of operands, and how it was made: factors of rows and of columns, and the reflections U and V.
def question(self, operands: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
    matrix = operands[0]
    rows, cols = self.equilibration(matrix.detach())
    scaled = (matrix * rows.unsqueeze(2) * cols.unsqueeze(1)).transpose(1, 2)
    left, right, growth = self.bidiagonalization(scaled, 0)
    for first in range(1, matrix.size(2)):
        other_left, other_right, other = self.bidiagonalization(scaled, first)
        # Rounding errors do not decide between equal ones.
        smaller = other < growth * (1 - 1e-9)
        growth = torch.where(smaller, other, growth)
        smaller = smaller.unsqueeze(1).unsqueeze(2)
        left, right = torch.where(smaller, other_left, left), torch.where(smaller, other_right, right)
    return [left @ scaled @ right.transpose(1, 2)], [rows, cols, left, right]


# The condensed form of matrices [batch, n, n], and the inverse of that form from the inverses: an example as the model learns it.
def condensed(self, matrix: Tensor, inverse: Tensor) -> Tuple[Tensor, Tensor]:
    read, made = self.question([matrix])
    rows, cols, left, right = made
    scaled = (inverse / cols.unsqueeze(2) / rows.unsqueeze(1)).transpose(1, 2)
    answer = right @ scaled @ left.transpose(1, 2)
    # Below the diagonal there are rounding errors of zeros, which would be written with digits and exponents.
    zero = answer.abs() < 1e-13 * answer.abs().amax([1, 2], keepdim=True)
    return read[0], torch.where(zero, torch.zeros_like(answer), answer)


# The inverses of matrices, from the inverses of their condensed forms.
def restored(self, matrix: Tensor, answer: Tensor) -> Tensor:
    read, made = self.question([matrix])
    return self.reply([answer], made)[0]


# The inverse of the operand, from that of what was read.
def reply(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    rows, cols, left, right = made
    scaled = (right.transpose(1, 2) @ solution[0] @ left).transpose(1, 2)
    return [scaled * cols.unsqueeze(2) * rows.unsqueeze(1)]


# Factors [batch, n] of rows and of columns that bring their root mean squares near that of the whole matrix.
def equilibration(self, matrix: Tensor) -> Tuple[Tensor, Tensor]:
    whole = matrix.square().mean([1, 2]).sqrt().unsqueeze(1)
    rows, cols = torch.ones_like(matrix[:, :, 0]), torch.ones_like(matrix[:, 0, :])
    for _ in range(16):
        square = (matrix * rows.unsqueeze(2) * cols.unsqueeze(1)).square()
        of_rows, of_cols = square.mean(2).sqrt(), square.mean(1).sqrt()
        rows = torch.where(of_rows > 0, rows * (whole / of_rows).sqrt(), rows)
        cols = torch.where(of_cols > 0, cols * (whole / of_cols).sqrt(), cols)
    return rows, cols


# Reflections that make a matrix bidiagonal once one of its columns has changed places with the first, and the growth [batch] of
# errors of the inverse.
def bidiagonalization(self, matrix: Tensor, first: int) -> Tuple[Tensor, Tensor, Tensor]:
    n = matrix.size(1)
    order = torch.arange(n, device=matrix.device)
    order[0], order[first] = first, 0
    matrix, left, right = matrix[:, :, order], self.identity(matrix, n), self.identity(matrix, n)[:, order]
    for k in range(n):
        mirror = self.reflection(matrix[:, :, k], k)
        matrix, left = mirror @ matrix, mirror @ left
        if k + 1 < n:
            mirror = self.reflection(matrix[:, k], k + 1)
            matrix, right = matrix @ mirror, mirror @ right
    form = matrix.detach()
    column = torch.ones_like(form[:, 0, 0])
    growth = column
    for k in range(n - 1):
        column = 1 + column * (form[:, k, k + 1] / form[:, k, k]).abs()
        growth = growth + column
    return left, right, growth


# Identities [batch, length, length].
def identity(self, matrix: Tensor, length: int) -> Tensor:
    return torch.eye(length, dtype=matrix.dtype, device=matrix.device).expand(matrix.size(0), -1, -1)


# Reflections [batch, n, n] that leave vectors [batch, n] nothing but their norm at a place and what stands before it.
def reflection(self, x: Tensor, place: int) -> Tensor:
    past = torch.zeros_like(x[:, :place])
    x = x[:, place:]
    # Squares of very small numbers are zero.
    x = x / self.or_one(x.abs().amax(1, keepdim=True))
    first, rest = x[:, :1], x[:, 1:]
    norm = self.or_one(x.square().sum(1, keepdim=True)).sqrt()
    # first - norm, not as a difference of two numbers that may be nearly equal.
    start = torch.where(first < 0, first - norm, -rest.square().sum(1, keepdim=True) / (first.abs() + norm))
    axis = torch.cat([past, start, rest], 1)
    # Zeros, and what is straight, stay as they are.
    axis = axis / self.or_one(axis.square().sum(1, keepdim=True)).sqrt()
    return self.identity(axis, axis.size(1)) - 2 * axis.unsqueeze(2) * axis.unsqueeze(1)


# Replaces 0 by 1, so that a quotient exists and the square root keeps a finite gradient.
def or_one(self, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.ones_like(x))
