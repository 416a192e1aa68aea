"""Normalization of operands by exact invariances of a problem, and the inverse map for answers.

Operands are scaled to the root mean square that coefficients have in training. Matrices whose eigenvalues are wanted are shifted by a
multiple of the identity, so that the mean eigenvalue is 0. A matrix to invert is equilibrated: its rows and columns are scaled to equal
root mean squares.

The list `factors` has five tensors: the shift, the scales of the first and the second operand (each [batch, 1, 1]), and the scales of
the rows [batch, rows] and of the columns [batch, cols] of the first operand.
"""

from typing import List, Tuple

import torch
from torch import Tensor


# Returns the normalized operands and the factors. A model without normalization gets unchanged operands, a shift of 0 and scales of 1.
# Shift and scales of operands have gradients: if only these change, the model reads the same numbers, and the gradient can pass through the
# factors alone. The scales of rows and columns count as constants.
def normalized(self, operands: List[Tensor], task: int) -> Tuple[List[Tensor], List[Tensor]]:
    shift = torch.zeros_like(operands[0][:, :1, :1])
    rows, cols = torch.ones_like(operands[0][:, :, 0]), torch.ones_like(operands[0][:, 0])
    scales = [torch.ones_like(shift), torch.ones_like(shift)]
    if self.normalizes[task] == 1:
        matrix = operands[0]
        if self.shifts[task] == 1:
            shift = matrix.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1)
            shifted = matrix - shift * torch.eye(matrix.size(1), dtype=matrix.dtype, device=matrix.device)
            # A multiple of the identity must become 0; rounding errors of the mean would be scaled up later.
            matrix = torch.where(shifted.abs() <= 1e-15 * shift.abs(), torch.zeros_like(shifted), shifted)
        if self.equilibrates[task] == 1:
            rows, cols = self.equilibration(matrix.detach())
            matrix = matrix * rows.unsqueeze(2) * cols.unsqueeze(1)
        operands = [matrix] + operands[1:]
        if len(operands) == 2 and len(self.second_degrees[task]) > 0:
            scales = [self.scale(operands[:1]), self.scale(operands[1:])]
        else:
            scale = self.scale(operands)
            scales = [scale, scale]
        operands = [self.times(operands[i], scales[i]) for i in range(len(operands))]
    return operands, [shift] + scales + [rows, cols]


# The factor [batch, 1, 1] that scales coefficients to the root mean square of the training, or to less if the largest would become too
# large. It is infinite if all coefficients are 0. Then a matrix of the solution that grows with the operands becomes 0 in `unnormalized`.
def scale(self, operands: List[Tensor]) -> Tensor:
    numbers = torch.cat([operand.flatten(1) for operand in operands], 1)
    largest = numbers.abs().amax(1, keepdim=True)
    unit = self.or_one(largest)
    spread = self.or_one((numbers / unit).square().mean(1, keepdim=True)).sqrt()
    # Uniformly distributed coefficients are at most √3 times their root mean square. Larger ones would be outside the training's range.
    scale = (self.deviation / spread).clamp(max=1.7320508075688772 * self.deviation) / unit
    return torch.where(largest > 0, scale, torch.full_like(scale, float("inf"))).unsqueeze(2)


# The product of numbers and a factor, but 0 if the factor is infinite.
def times(self, numbers: Tensor, factor: Tensor) -> Tensor:
    infinite = torch.isinf(factor)
    # Replaces the infinite factor before the product, because 0 times infinity would make the gradient NaN.
    return torch.where(infinite, torch.zeros_like(numbers), numbers * torch.where(infinite, torch.ones_like(factor), factor))


# The factor [batch, 1, 1] by which the scales of the operands multiply matrix `place` of the solution: each scale to the power of the
# matrix's degree of homogeneity. That degree may contain the number of rows, as for determinants.
def growth(self, factors: List[Tensor], task: int, place: int) -> Tensor:
    degrees, of_second = self.degrees[task], self.second_degrees[task]
    degree = 0
    if len(degrees) > 0:
        degree = degrees[2 * place] + degrees[2 * place + 1] * factors[3].size(1)
    growth = factors[1].pow(degree)
    if len(of_second) > 0:
        growth = growth * factors[2].pow(of_second[place])
    return growth


# Maps the solution of the normalized problem to the solution of the original problem.
def unnormalized(self, solution: List[Tensor], factors: List[Tensor], task: int) -> List[Tensor]:
    solution = [solution[i] / self.growth(factors, task, i) for i in range(len(solution))]
    if self.equilibrates[task] == 1:
        solution[0] = solution[0] * factors[4].unsqueeze(2) * factors[3].unsqueeze(1)
    if self.shifts[task] == 1:
        solution[0] = solution[0] + factors[0]
    return solution


# The inverse of `unnormalized`: maps the solution of the original problem to the solution of the normalized problem.
def normalized_solution(self, solution: List[Tensor], factors: List[Tensor], task: int) -> List[Tensor]:
    if self.shifts[task] == 1:
        solution = [solution[0] - factors[0]] + solution[1:]
    if self.equilibrates[task] == 1:
        solution = [solution[0] / factors[4].unsqueeze(2) / factors[3].unsqueeze(1)] + solution[1:]
    return [self.times(solution[i], self.growth(factors, task, i)) for i in range(len(solution))]


# Returns factors of the rows [batch, rows] and of the columns [batch, cols] that scale all root mean squares to about 1. Rows and columns
# are scaled in turn, 16 times (Sinkhorn and Knopp 1967).
def equilibration(self, matrix: Tensor) -> Tuple[Tensor, Tensor]:
    # Divides by the largest magnitude first, so that squares neither overflow nor underflow.
    unit = self.or_one(matrix.abs().amax([1, 2], keepdim=True))
    scaled = matrix / unit
    rows, cols = 1 / unit.expand(-1, matrix.size(1), 1), torch.ones_like(matrix[:, :1])
    for _ in range(16):
        of_rows = self.or_one(scaled.square().mean(2, keepdim=True).sqrt())
        scaled, rows = scaled / of_rows, rows / of_rows
        of_cols = self.or_one(scaled.square().mean(1, keepdim=True).sqrt())
        scaled, cols = scaled / of_cols, cols / of_cols
    return rows.squeeze(2), cols.squeeze(1)


# Replaces 0 by 1, so that a quotient exists and the square root keeps a finite gradient.
def or_one(self, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.ones_like(x))
