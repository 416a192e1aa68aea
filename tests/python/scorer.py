"""Errors of answers as docs/method.md defines them, from operands and answers by NumPy alone: solutions are NumPy's own."""

import numpy as np


def exponential(matrix):
    """By Taylor's series, scaled and squared."""
    halvings = max(0, int(np.ceil(np.log2(max(np.linalg.norm(matrix, 2), 1e-300)))) + 3)
    scaled = matrix / 2.0**halvings
    term = total = np.eye(len(matrix))
    for order in range(1, 20):
        term = term @ scaled / order
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


def sign(matrix):
    """From the eigenvalues: the sign of each real part."""
    values, vectors = np.linalg.eig(matrix)
    return np.real(vectors * np.sign(values.real) @ np.linalg.inv(vectors))


# The solution of each problem whose error is relative to it.
SOLUTIONS = {
    "transpose": lambda a: a.T,
    "add": np.add,
    "matrix-vector": np.matmul,
    "matrix-product": np.matmul,
    "eigenvalues": lambda a: np.linalg.eigvalsh((a + a.T) / 2)[::-1, None],
    "singular-values": lambda a: np.linalg.svd(a, compute_uv=False)[:, None],
    "determinant": lambda a: np.linalg.det(a)[None, None],
    "linear-solve": np.linalg.solve,
    "matrix-exponential": exponential,
    "matrix-sign": sign,
}


def error(problem, operands, prediction):
    """The error of an answer. Both are lists of arrays `[rows, cols]`."""
    operands, prediction = [[np.array(part, dtype=float) for part in parts] for parts in (operands, prediction)]
    a = operands[0]
    if problem in SOLUTIONS:
        solution = SOLUTIONS[problem](*operands)
        return abs(prediction[0] - solution).sum() / abs(solution).sum()
    if problem in ("inverse", "symmetric-inverse"):
        return abs(a @ prediction[0] - np.eye(len(a))).sum() / len(a)
    if problem == "eigenvectors":
        values, left = prediction
        right = left
    else:
        left, values, right = prediction
    return abs(left.T @ a @ right - np.diag(values[:, 0])).sum() / abs(values).sum()
