"""How wrong an answer is, from the operands and the answer alone.

`checks` has a code for each problem (problem/facts.rs), by which `relative_error` chooses a function. Operands and answers are matrices
float64 [batch, rows, cols]; every function returns a relative error [batch]: zero for exact answers, and infinite where there is none.
"""

from typing import List

import torch
from torch import Tensor, no_grad


# The relative error of answers, by which they are right or wrong; of spectra, to 2 % of itself; of vectors, the
# distance from orthonormal ones where that is larger.
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


# Refuses matrices that are singular to working precision, where the problem needs an inverse. Scales of rows and columns do not matter.
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


# Σ|error| / Σ|truth|.
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


# Σ|Vᵀ V - I| / 2n, half because products have twice the error of vectors; without it zeros would be right, which diagonalize, too.
def from_orthonormal(self, vectors: Tensor) -> Tensor:
    return self.from_identity(vectors.transpose(1, 2) @ vectors) / 2


# Σ|Uᵀ A V - diag(values)| / Σ|values|.
def from_diagonal(self, left: Tensor, matrix: Tensor, right: Tensor, values: Tensor) -> Tensor:
    return self.ratio(left.transpose(1, 2) @ matrix @ right - torch.diag_embed(values.squeeze(2)), values)


def symmetric_part(self, matrix: Tensor) -> Tensor:
    return matrix / 2 + matrix.transpose(1, 2) / 2


# Of a linear system: the step from the answer to A x = b. The residual itself is small for wrong answers to ill-conditioned systems.
def system_error(self, matrix: Tensor, vector: Tensor, answer: Tensor) -> Tensor:
    step = torch.linalg.solve_ex(matrix, vector - matrix @ answer)[0]
    return self.ratio(step, answer + step)


# How many eigenvalues of symmetric matrices lie above numbers [batch, count]: as many as A - x I has positive pivots (Sylvester).
def eigenvalues_above(self, matrix: Tensor, numbers: Tensor) -> Tensor:
    shifted = matrix.unsqueeze(1) - torch.diag_embed(numbers.unsqueeze(2).expand(-1, -1, matrix.size(1)))
    above = torch.zeros_like(numbers)
    # Pivots that are nearly zero would lose what is left; for others of this size, the matrix changes as little.
    least = 1e-8 * self.or_one(matrix.abs().amax([1, 2]).view(-1, 1))
    for _ in range(matrix.size(1)):
        pivot = shifted[:, :, 0, 0]
        pivot = torch.where(pivot.abs() < least, torch.where(pivot < 0, -least, least), pivot)
        above = above + (pivot > 0).to(above.dtype)
        column = shifted[:, :, 1:, :1]
        shifted = shifted[:, :, 1:, 1:] - column * (column.transpose(2, 3) / pivot.unsqueeze(2).unsqueeze(3))
    return above


# Of values [batch, count], descending, whose powers should be the eigenvalues of symmetric matrices. The distance of each from the right
# one is enclosed: only within it is the right number of eigenvalues above.
def spectrum_error(self, matrix: Tensor, values: Tensor, power: int) -> Tensor:
    rank = torch.arange(values.size(1), dtype=values.dtype, device=values.device)
    too_large = self.eigenvalues_above(matrix, values * values.abs().pow(power - 1)) <= rank
    # No eigenvalue is larger than the sum of a row.
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


# AᵀA or AAᵀ, the smaller: its eigenvalues are the squares of the singular values.
def smaller_gram(self, matrix: Tensor) -> Tensor:
    if matrix.size(1) < matrix.size(2):
        return matrix @ matrix.transpose(1, 2)
    return matrix.transpose(1, 2) @ matrix


# Of a determinant: beside that which traces give (Faddeev and LeVerrier), once rows and columns have one scale.
def determinant_error(self, matrix: Tensor, answer: Tensor) -> Tensor:
    rows, cols = self.equilibration(matrix)
    matrix = matrix * rows.unsqueeze(2) * cols.unsqueeze(1)
    answer = answer.flatten(1) * (rows * cols).prod(1, keepdim=True)
    power, coefficient = torch.zeros_like(matrix), torch.ones_like(answer)
    for k in range(matrix.size(1)):
        power = matrix @ (power + torch.diag_embed(coefficient.expand(-1, matrix.size(1))))
        coefficient = -power.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) / (k + 1)
    return self.difference(answer, coefficient * (-1) ** matrix.size(1))


# Of an exponential: beside its series, applied to unit vectors in steps of a norm of one.
def exponential_error(self, matrix: Tensor, answer: Tensor) -> Tensor:
    image = torch.eye(matrix.size(1), dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    steps = max(1, min(300, int(matrix.abs().sum(1).amax().ceil())))
    for _ in range(steps):
        term = image
        for k in range(1, 20):
            term = matrix @ term / (k * steps)
            image = image + term
    return self.difference(answer, image)


# Of a matrix sign: steps of Newton from the answer to S S = I and S A = A S. Roots of the identity that commute with A are many; but that of S A
# alone has all its eigenvalues on the right of the imaginary axis, and then powers of (S A + c I)⁻¹ (S A - c I) vanish.
def sign_error(self, matrix: Tensor, answer: Tensor) -> Tensor:
    n = matrix.size(1)
    unit = torch.eye(n, dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    matrix = matrix / self.or_one(matrix.abs().amax([1, 2], keepdim=True))
    # Those of other numbers have no decomposition.
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


# The matrix of X ↦ left X right, where X is read row by row.
def kronecker(self, left: Tensor, right: Tensor) -> Tensor:
    product = left.unsqueeze(2).unsqueeze(4) * right.transpose(1, 2).unsqueeze(1).unsqueeze(3)
    return product.flatten(3).flatten(1, 2)
