"""The exact invariances of problems. What they leave free is fixed before the model reads a problem, and given back to its answer.

The coefficients of an operand get the root mean square of the training, spectra lose their mean, and rows and columns of a matrix to
invert get one scale. What was done is told by factors: the shift and the scales of both operands [batch, 1, 1], and the scales of rows
and of columns [batch, n].
"""

from typing import List, Tuple

import torch
from torch import Tensor


# The equivalent problem, and its factors; the problem itself where the model does without. Gradients pass through shift and scales: the
# model itself sees neither change.
def normalized(self, operands: List[Tensor], task: int) -> Tuple[List[Tensor], List[Tensor]]:
    shift = torch.zeros_like(operands[0][:, :1, :1])
    rows, cols = torch.ones_like(operands[0][:, :, 0]), torch.ones_like(operands[0][:, 0])
    scales = [torch.ones_like(shift), torch.ones_like(shift)]
    if self.normalizes[task] == 1:
        matrix = operands[0]
        if self.shifts[task] == 1:
            shift = matrix.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1)
            shifted = matrix - shift * torch.eye(matrix.size(1), dtype=matrix.dtype, device=matrix.device)
            # Of a multiple of the identity, rounding errors of its mean are left.
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


# The factor [batch, 1, 1] that brings coefficients to the root mean square of the training, or to less where one would be too large.
# Infinite where all are zero: whatever grows with them is zero, too.
def scale(self, operands: List[Tensor]) -> Tensor:
    numbers = torch.cat([operand.flatten(1) for operand in operands], 1)
    largest = numbers.abs().amax(1, keepdim=True)
    unit = self.or_one(largest)
    spread = self.or_one((numbers / unit).square().mean(1, keepdim=True)).sqrt()
    # Coefficients that are uniform up to a magnitude have √3 of their deviation at most.
    scale = (self.deviation / spread).clamp(max=1.7320508075688772 * self.deviation) / unit
    return torch.where(largest > 0, scale, torch.full_like(scale, float("inf"))).unsqueeze(2)


# A product that is zero where a factor is infinite.
def times(self, numbers: Tensor, factor: Tensor) -> Tensor:
    infinite = torch.isinf(factor)
    # A gradient of zero times infinity would be no number.
    return torch.where(infinite, torch.zeros_like(numbers), numbers * torch.where(infinite, torch.ones_like(factor), factor))


# By how much a matrix of the solution grows with the operands.
def growth(self, factors: List[Tensor], task: int, place: int) -> Tensor:
    degrees, of_second = self.degrees[task], self.second_degrees[task]
    degree = 0
    if len(degrees) > 0:
        degree = degrees[2 * place] + degrees[2 * place + 1] * factors[3].size(1)
    growth = factors[1].pow(degree)
    if len(of_second) > 0:
        growth = growth * factors[2].pow(of_second[place])
    return growth


# The solution of the problem, from that of the equivalent one.
def unnormalized(self, solution: List[Tensor], factors: List[Tensor], task: int) -> List[Tensor]:
    solution = [solution[i] / self.growth(factors, task, i) for i in range(len(solution))]
    if self.equilibrates[task] == 1:
        solution[0] = solution[0] * factors[4].unsqueeze(2) * factors[3].unsqueeze(1)
    if self.shifts[task] == 1:
        solution[0] = solution[0] + factors[0]
    return solution


# The solution of the equivalent problem, from that of the problem.
def normalized_solution(self, solution: List[Tensor], factors: List[Tensor], task: int) -> List[Tensor]:
    if self.shifts[task] == 1:
        solution = [solution[0] - factors[0]] + solution[1:]
    if self.equilibrates[task] == 1:
        solution = [solution[0] / factors[4].unsqueeze(2) / factors[3].unsqueeze(1)] + solution[1:]
    return [self.times(solution[i], self.growth(factors, task, i)) for i in range(len(solution))]


# Factors [batch, n] of rows and of columns that bring their root mean squares to one, as near as a few rounds do (Sinkhorn and Knopp 1967).
def equilibration(self, matrix: Tensor) -> Tuple[Tensor, Tensor]:
    # Squares of very small and very large numbers are no numbers.
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
