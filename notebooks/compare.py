"""Eigenvalues by a trained model beside numpy's, for matrices that the model has never seen.

    python notebooks/compare.py checkpoints/eigenvalues-3x3/model.pt
"""

import argparse

import numpy as np
import torch


def symmetric_matrices(generator, count, size):
    """[count, size, size]: uniform entries within ±10 of three digits, as the model reads them."""
    matrices = generator.uniform(-10, 10, (count, size, size)).round(2)
    return np.triu(matrices) + np.triu(matrices, 1).transpose(0, 2, 1)


def relative_errors(answers, exact):
    """[count]: sum of absolute errors over sum of absolute values, the measure that accuracies are made of."""
    return np.abs(answers - exact).sum(1) / np.abs(exact).sum(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a model.pt that was trained on eigenvalues")
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000, help="matrices to solve (default: 1000)")
    parser.add_argument("--show", type=int, default=5, help="answers to print (default: 5)")
    arguments = parser.parse_args()

    model = torch.jit.load(arguments.model)
    matrices = symmetric_matrices(np.random.default_rng(), arguments.count, arguments.size)
    answers = model.solve(torch.from_numpy(matrices)).cpu().numpy()
    exact = np.linalg.eigvalsh(matrices)[:, ::-1]
    errors = relative_errors(answers, exact)

    print(f"{'model.solve(matrix)':<32}{'numpy.linalg.eigvalsh(matrix)':<32}error")
    for answer, truth, error in list(zip(answers, exact, errors))[: arguments.show]:
        numbers = ["  ".join(f"{x:8.3f}" for x in values) for values in (answer, truth)]
        print(f"{numbers[0]:<32}{numbers[1]:<32}{100 * error:.2f} %")
    shares = ", ".join(f"{100 * (errors < limit).mean():.1f} % within {100 * limit:g} %" for limit in (0.05, 0.02, 0.01))
    print(f"of {arguments.count} such matrices: {shares}")


if __name__ == "__main__":
    main()
