"""Relative errors of answers, computed from the operands and the answer, without a solution.

`checks` has a code for each problem (`Check` in problem/facts.rs), by which `relative_error` chooses a formula. Operands and answers are
float64 matrices [batch, rows, cols]. Errors are [batch]: 0 for exact answers up to rounding, and infinite if the error is not a finite
number.
"""

from typing import List

import torch
from torch import Tensor, no_grad


# The relative error by which evaluations count answers as right or wrong. Two cases differ. For eigenvalues and singular values, the
# result is within 2 % of that error. For eigenvectors and singular vectors, it is at least their distance from orthonormality.
def relative_error(self, operands: List[Tensor], answer: List[Tensor], task: int) -> Tensor:
    check, matrix, first = self.checks[task], operands[0], answer[0]
    with no_grad():
        if check == 0:
            error = self.difference(first, matrix.transpose(1, 2))
        elif check == 1:
            error = self.difference(first, matrix + operands[1])
        elif check == 2:
            error = self.difference(first, matrix @ operands[1])
        elif check == 3:
            error = self.from_identity(matrix @ first)
        elif check == 4:
            error = self.system_error(matrix, operands[1], first)
        elif check == 5:
            error = self.spectrum_error(self.symmetric_part(matrix), first.squeeze(2), 1)
        elif check == 6:
            error = self.from_diagonal(answer[1], self.symmetric_part(matrix), answer[1], first)
            error = torch.maximum(error, self.from_orthonormal(answer[1]))
        elif check == 7:
            error = self.spectrum_error(self.smaller_gram(matrix), first.squeeze(2), 2)
        elif check == 8:
            error = self.from_diagonal(first, matrix, answer[2], answer[1])
            error = torch.maximum(error, torch.maximum(self.from_orthonormal(first), self.from_orthonormal(answer[2])))
        elif check == 9:
            error = self.determinant_error(matrix, first)
        elif check == 10:
            error = self.exponential_error(matrix, first)
        else:
            error = self.sign_error(matrix, first)
    return error


# If the problem needs an inverse, raises ValueError for matrices that are singular to working precision. They are equilibrated first,
# because rows or columns of very different scales do not make a matrix singular.
def check_regular(self, matrix: Tensor, task: int) -> None:
    if self.regular[task] == 1:
        with no_grad():
            rows, cols = self.equilibration(matrix)
            singular = torch.linalg.matrix_rank(matrix * rows.unsqueeze(2) * cols.unsqueeze(1)) < matrix.size(1)
            if bool(singular.any()):
                name = "the matrix"
                if matrix.size(0) > 1:
                    name = "matrix {} of the batch".format(int(singular.to(torch.int64).argmax()))
                raise ValueError("{} is singular: it has no inverse".format(name))


# Σ|error| / Σ|truth| [batch]: 0 if the error is 0, infinite if the quotient is not a finite number.
def ratio(self, error: Tensor, truth: Tensor) -> Tensor:
    error, scale = error.abs().flatten(1).sum(1), truth.abs().flatten(1).sum(1)
    ratio = torch.where(error == 0, torch.zeros_like(error), error / scale)
    return torch.where(torch.isfinite(ratio) & torch.isfinite(scale), ratio, torch.full_like(ratio, float("inf")))


def difference(self, answer: Tensor, truth: Tensor) -> Tensor:
    return self.ratio(answer - truth, truth)


# Σ|matrix - I| / n.
def from_identity(self, matrix: Tensor) -> Tensor:
    unit = torch.eye(matrix.size(1), dtype=matrix.dtype, device=matrix.device)
    return self.ratio(matrix - unit, unit.expand_as(matrix))


# Σ|Vᵀ V - I| / 2n. The 2 is there because small errors of V count twice in the product. Without this check, zeros would be right
# answers: zero values and vectors satisfy `from_diagonal`.
def from_orthonormal(self, vectors: Tensor) -> Tensor:
    return self.from_identity(vectors.transpose(1, 2) @ vectors) / 2


# Σ|Uᵀ A V - diag(values)| / Σ|values|.
def from_diagonal(self, left: Tensor, matrix: Tensor, right: Tensor, values: Tensor) -> Tensor:
    return self.ratio(left.transpose(1, 2) @ matrix @ right - torch.diag_embed(values.squeeze(2)), values)


def symmetric_part(self, matrix: Tensor) -> Tensor:
    return matrix / 2 + matrix.transpose(1, 2) / 2


# The relative error of the answer x to A x = b: Σ|d| / Σ|x + d| with A d = b - A x. The residual b - A x itself is no measure, because it
# is small for wrong answers, too, if the system is ill-conditioned.
def system_error(self, matrix: Tensor, vector: Tensor, answer: Tensor) -> Tensor:
    step = torch.linalg.solve_ex(matrix, vector - matrix @ answer)[0]
    return self.ratio(step, answer + step)


# For every x of `numbers` [batch, count], the number of eigenvalues of a symmetric matrix A that are larger than x. By Sylvester's law of
# inertia, it is the number of positive pivots of A - x I in Gaussian elimination.
def eigenvalues_above(self, matrix: Tensor, numbers: Tensor) -> Tensor:
    shifted = matrix.unsqueeze(1) - torch.diag_embed(numbers.unsqueeze(2).expand(-1, -1, matrix.size(1)))
    above = torch.zeros_like(numbers)
    # A pivot near 0 would destroy the rest of the matrix. ±least instead changes A by at most 1e-8 of its largest coefficient.
    least = 1e-8 * self.or_one(matrix.abs().amax([1, 2]).view(-1, 1))
    for _ in range(matrix.size(1)):
        pivot = shifted[:, :, 0, 0]
        pivot = torch.where(pivot.abs() < least, torch.where(pivot < 0, -least, least), pivot)
        above = above + (pivot > 0).to(above.dtype)
        column = shifted[:, :, 1:, :1]
        shifted = shifted[:, :, 1:, 1:] - column * (column.transpose(2, 3) / pivot.unsqueeze(2).unsqueeze(3))
    return above


# The relative error of `values` [batch, count], descending. To the power `power`, they should be the eigenvalues of symmetric matrices
# (power 1), or of Gram matrices (power 2: singular values). Bisection finds the distance of each value from the true one. The k-th true
# value, with k from 0, is within d of `value` if more than k eigenvalues lie above value - d, and at most k above value + d. The first
# interval is from 1e-7 of an upper bound to that bound; ten halvings on a logarithmic scale find the distance within 2 %.
def spectrum_error(self, matrix: Tensor, values: Tensor, power: int) -> Tensor:
    rank = torch.arange(values.size(1), dtype=values.dtype, device=values.device)
    too_large = self.eigenvalues_above(matrix, values * values.abs().pow(power - 1)) <= rank
    # No eigenvalue has a larger magnitude than the largest Σ|coefficient| of a row.
    largest = matrix.abs().sum(2).amax(1, keepdim=True).pow(1 / power)
    high = (largest + values.abs()).amax(1, keepdim=True).expand_as(values)
    low = 1e-7 * high
    for _ in range(10):
        distance = (low * high).sqrt()
        ends = torch.cat([values + distance, values - distance], 1)
        above, below = self.eigenvalues_above(matrix, ends * ends.abs().pow(power - 1)).chunk(2, 1)
        within = (above <= rank) & (below > rank)
        low, high = torch.where(within, low, distance), torch.where(within, distance, high)
    return self.ratio(high, torch.where(too_large, values - high, values + high))


# AᵀA or AAᵀ, whichever is smaller. Its eigenvalues are the squares of the singular values of A.
def smaller_gram(self, matrix: Tensor) -> Tensor:
    if matrix.size(1) < matrix.size(2):
        return matrix @ matrix.transpose(1, 2)
    return matrix.transpose(1, 2) @ matrix


# The relative error of a determinant. The true one follows from traces (Faddeev-LeVerrier algorithm), after rows and columns are
# equilibrated.
def determinant_error(self, matrix: Tensor, answer: Tensor) -> Tensor:
    rows, cols = self.equilibration(matrix)
    matrix = matrix * rows.unsqueeze(2) * cols.unsqueeze(1)
    answer = answer.flatten(1) * (rows * cols).prod(1, keepdim=True)
    power, coefficient = torch.zeros_like(matrix), torch.ones_like(answer)
    for k in range(matrix.size(1)):
        power = matrix @ (power + torch.diag_embed(coefficient.expand(-1, matrix.size(1))))
        coefficient = -power.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) / (k + 1)
    return self.difference(answer, coefficient * (-1) ** matrix.size(1))


# The relative error of a matrix exponential. The true one is exp(A / steps) to the power `steps`, by 19 terms of the Taylor series.
# There are enough steps for a 1-norm of A / steps of at most 1, but at most 300.
def exponential_error(self, matrix: Tensor, answer: Tensor) -> Tensor:
    image = torch.eye(matrix.size(1), dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    steps = max(1, min(300, int(matrix.abs().sum(1).amax().ceil())))
    for _ in range(steps):
        term = image
        for k in range(1, 20):
            term = matrix @ term / (k * steps)
            image = image + term
    return self.difference(answer, image)


# The relative error of a matrix sign. Three steps of Newton's method for S S = I and S A = A S lead from the answer to a nearby solution S,
# with which the answer is compared. These equations have several solutions. S is the sign of A only if all eigenvalues of S A have positive
# real parts, and then powers of (S A + I)⁻¹ (S A - I) converge to 0. Otherwise the error is infinite.
def sign_error(self, matrix: Tensor, answer: Tensor) -> Tensor:
    n = matrix.size(1)
    unit = torch.eye(n, dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    matrix = matrix / self.or_one(matrix.abs().amax([1, 2], keepdim=True))
    # `pinv` fails for NaN, infinity and very large numbers. Such answers are replaced by 0 here; their error is infinite.
    is_finite = answer.abs().amax([1, 2]) < 1e8
    answer = torch.where(is_finite.view(-1, 1, 1), answer, torch.zeros_like(answer))
    sign = answer
    commute = self.kronecker(matrix, unit) - self.kronecker(unit, matrix)
    for _ in range(3):
        equations = torch.cat([self.kronecker(sign, unit) + self.kronecker(unit, sign), commute], 1)
        wrong = torch.cat([(sign @ sign - unit).flatten(1), (matrix @ sign - sign @ matrix).flatten(1)], 1)
        sign = sign - (torch.linalg.pinv(equations) @ wrong.unsqueeze(2)).view_as(matrix)
    root = sign @ matrix
    power = torch.linalg.solve_ex(root + unit, root - unit)[0]
    for _ in range(24):
        power = power @ power
    is_root = is_finite & (power.abs().amax([1, 2]) < 1)
    return torch.where(is_root, self.difference(answer, sign), torch.full_like(answer[:, 0, 0], float("inf")))


# The matrix of the linear map X ↦ left X right, for X in row-major order.
def kronecker(self, left: Tensor, right: Tensor) -> Tensor:
    product = left.unsqueeze(2).unsqueeze(4) * right.transpose(1, 2).unsqueeze(1).unsqueeze(3)
    return product.flatten(3).flatten(1, 2)
