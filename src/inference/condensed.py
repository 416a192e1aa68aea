"""The input transform of models that read the condensed form of a matrix A to invert.

The condensed form is the upper bidiagonal matrix B = U Aᵀ Vᵀ. U and V are products of Householder reflections; V also exchanges the first
column of Aᵀ with another one, chosen for the smallest error growth (`bidiagonalization`). The answer is A⁻¹ = (Vᵀ B⁻¹ U)ᵀ.
"""

from typing import List, Tuple

import torch
from torch import Tensor


# Returns the condensed form B, and the orthogonal matrices U and V.
def question(self, operands: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
    matrix = operands[0].transpose(1, 2)
    left, right, growth = self.bidiagonalization(matrix, 0)
    for first in range(1, matrix.size(2)):
        other_left, other_right, other = self.bidiagonalization(matrix, first)
        # The margin prevents rounding errors from choosing between equally good columns.
        smaller = other < growth * (1 - 1e-9)
        growth = torch.where(smaller, other, growth)
        smaller = smaller.unsqueeze(1).unsqueeze(2)
        left, right = torch.where(smaller, other_left, left), torch.where(smaller, other_right, right)
    return [left @ matrix @ right.transpose(1, 2)], [left, right]


# Maps the inverse of the condensed form to the inverse of the operand.
def reply(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    left, right = made
    return [(right.transpose(1, 2) @ solution[0] @ left).transpose(1, 2)]


# Maps the inverse of the operand to the inverse of the condensed form: the answer that the model learns.
def lesson(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    left, right = made
    inverse = right @ solution[0].transpose(1, 2) @ left.transpose(1, 2)
    # The zeros below the diagonal have rounding errors, whose digits and exponents the model would have to learn.
    zero = inverse.abs() < 1e-13 * inverse.abs().amax([1, 2], keepdim=True)
    return [torch.where(zero, torch.zeros_like(inverse), inverse)]


# Exchanges column `first` of a matrix with its first column, and makes the matrix bidiagonal by Householder reflections. Returns U, V and
# the error growth [batch]: the sum Σ|b_jj (B⁻¹)_ij| over the inverse of the bidiagonal matrix B.
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


# Identity matrices [batch, length, length].
def identity(self, matrix: Tensor, length: int) -> Tensor:
    return torch.eye(length, dtype=matrix.dtype, device=matrix.device).expand(matrix.size(0), -1, -1)


# The Householder reflections [batch, n, n] that set all entries of vectors [batch, n] after index `place` to 0. The entry at `place`
# becomes the norm of the entries from there on; entries before it stay as they are.
def reflection(self, x: Tensor, place: int) -> Tensor:
    past = torch.zeros_like(x[:, :place])
    x = x[:, place:]
    # Divides by the largest magnitude first, because squares of very small numbers underflow to 0.
    x = x / self.or_one(x.abs().amax(1, keepdim=True))
    first, rest = x[:, :1], x[:, 1:]
    norm = self.or_one(x.square().sum(1, keepdim=True)).sqrt()
    # first - norm, without cancellation if the two are nearly equal.
    start = torch.where(first < 0, first - norm, -rest.square().sum(1, keepdim=True) / (first.abs() + norm))
    axis = torch.cat([past, start, rest], 1)
    # For vectors that need no reflection, the axis is 0 and the result the identity.
    axis = axis / self.or_one(axis.square().sum(1, keepdim=True)).sqrt()
    return self.identity(axis, axis.size(1)) - 2 * axis.unsqueeze(2) * axis.unsqueeze(1)
