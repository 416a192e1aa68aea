"""A model that reads the condensed form of the matrix to invert.

The matrix is transposed, and Householder reflections U and V make it bidiagonal: U Aᵀ Vᵀ has nothing but the diagonal and what is
right above it. The column that the reflections begin with is the one by which errors of the inverse grow least. The inverse of A is the
reflected inverse of the form.
"""

from typing import List, Tuple

import torch
from torch import Tensor


# What is read of operands, and how it was made: the reflections U and V.
def question(self, operands: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
    matrix = operands[0].transpose(1, 2)
    left, right, growth = self.bidiagonalization(matrix, 0)
    for first in range(1, matrix.size(2)):
        other_left, other_right, other = self.bidiagonalization(matrix, first)
        # Rounding errors do not decide between equal ones.
        smaller = other < growth * (1 - 1e-9)
        growth = torch.where(smaller, other, growth)
        smaller = smaller.unsqueeze(1).unsqueeze(2)
        left, right = torch.where(smaller, other_left, left), torch.where(smaller, other_right, right)
    return [left @ matrix @ right.transpose(1, 2)], [left, right]


# The inverse of the operand, from that of what was read.
def reply(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    left, right = made
    return [(right.transpose(1, 2) @ solution[0] @ left).transpose(1, 2)]


# The inverse of what was read, from that of the operand.
def lesson(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    left, right = made
    inverse = right @ solution[0].transpose(1, 2) @ left.transpose(1, 2)
    # Below the diagonal there are rounding errors of zeros, which would be written with digits and exponents.
    zero = inverse.abs() < 1e-13 * inverse.abs().amax([1, 2], keepdim=True)
    return [torch.where(zero, torch.zeros_like(inverse), inverse)]


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
