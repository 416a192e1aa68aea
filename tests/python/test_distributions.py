"""`laformer generate` draws the same distributions as NumPy: entries, spectra and moments, by Kolmogorov-Smirnov tests of two samples."""

import csv
import io
import json
import math
import re

import numpy as np
import pytest

COUNT = 3000
SIDE = 4
MAGNITUDE = 10.0
# A test fails below this probability. Seeds are fixed, so a test that passes once passes always.
RARE = 1e-6
# A singular value below this share of the largest is rounding.
NEGLIGIBLE = 1e-9


class Draw:
    """What a distribution is made of, for `COUNT` matrices at once."""

    def __init__(self, seed, symmetric):
        self.random = np.random.default_rng(seed)
        self.symmetric = symmetric

    def entries(self, *shape):
        return self.random.uniform(-MAGNITUDE, MAGNITUDE, (COUNT, *shape))

    def square(self):
        return self.entries(SIDE, SIDE)

    def normal(self, *shape):
        return self.random.normal(size=(COUNT, *shape))

    def scale(self):
        return self.random.uniform(0.1, 10, (COUNT, 1, 1))

    def signs(self, *shape):
        return self.random.choice([-1.0, 1.0], (COUNT, *shape))

    def orthogonal(self):
        """By Haar's measure: QR with a positive diagonal of R."""
        q, r = np.linalg.qr(self.normal(SIDE, SIDE))
        return q * np.sign(np.einsum("bii->bi", r))[:, None, :]

    def with_values(self, values):
        left = self.orthogonal()
        right = left if self.symmetric else self.orthogonal()
        return left * values[:, None, :] @ right.swapaxes(1, 2)

    def low_rank(self, rank):
        left = self.entries(SIDE, rank)
        right = left if self.symmetric else self.entries(SIDE, rank)
        return left @ right.swapaxes(1, 2) / MAGNITUDE

    def permutation(self):
        places = np.stack([self.random.permutation(SIDE) for _ in range(COUNT)])
        if self.symmetric:
            # Two of the pairs of a random order are swapped, each with probability one half.
            partners = np.tile(np.arange(SIDE), (COUNT, 1))
            for row, order in zip(partners, places):
                for one, other in order.reshape(-1, 2):
                    if self.random.random() < 0.5:
                        row[[one, other]] = row[[other, one]]
            places = partners
        return np.eye(SIDE)[places]

    def covariance(self):
        counts = self.random.integers(SIDE + 1, 4 * SIDE + 1, COUNT, endpoint=True)
        samples = [self.random.normal(size=(SIDE, count)) for count in counts]
        return np.stack([sample @ sample.T / sample.shape[1] for sample in samples])

    def adjacency(self):
        edges = np.tril(self.random.random((COUNT, SIDE, SIDE)) < self.random.uniform(0.2, 0.9, (COUNT, 1, 1)), -1)
        return (edges | edges.swapaxes(1, 2)).astype(float)


ROW, COLUMN = np.indices((SIDE, SIDE))
IDENTITY = np.eye(SIDE)


def banded(draw):
    return draw.square() * (abs(ROW - COLUMN) <= draw.random.integers(0, SIDE, (COUNT, 1, 1)))


def triangular(draw):
    upper = np.triu(draw.square())
    flipped = draw.random.random((COUNT, 1, 1)) < 0.5
    return upper if draw.symmetric else np.where(flipped, upper, upper.swapaxes(1, 2))


def block(draw):
    first = draw.random.integers(1, SIDE, (COUNT, 1, 1), endpoint=True)
    return draw.square() * ((ROW < first) == (COLUMN < first))


def circulant(draw):
    shift = (COLUMN - ROW) % SIDE
    return draw.entries(SIDE)[:, np.minimum(shift, SIDE - shift) if draw.symmetric else shift]


def vandermonde(draw):
    powers = draw.random.uniform(-1, 1, (COUNT, SIDE, 1)) ** np.arange(SIDE)
    return powers @ powers.swapaxes(1, 2) if draw.symmetric else powers


def companion(draw):
    below = np.tile(np.eye(SIDE, k=-1), (COUNT, 1, 1))
    below[:, 0] = draw.entries(SIDE)
    return below


def correlation(draw):
    covariance = draw.covariance()
    deviations = np.sqrt(np.einsum("bii->bi", covariance))
    return covariance / deviations[:, :, None] / deviations[:, None, :]


def kernel(draw):
    points = draw.random.uniform(-1, 1, (COUNT, SIDE, 1))
    return np.exp(-(((points - points.swapaxes(1, 2)) / (draw.scale() / 2)) ** 2))


def laplacian(draw):
    adjacency = draw.adjacency()
    return adjacency.sum(2)[:, :, None] * IDENTITY - adjacency


def stochastic(draw):
    weights = draw.random.random((COUNT, SIDE, SIDE))
    return weights / weights.sum(2, keepdims=True)


def clustered(draw):
    values = np.take_along_axis(draw.entries(2), draw.random.integers(0, 2, (COUNT, SIDE)), 1)
    return draw.with_values(values)


def graded(draw):
    decades = draw.random.uniform(0, 8, (COUNT, 1)) * np.arange(SIDE) / (SIDE - 1)
    return draw.with_values(draw.scale()[:, :, 0] * draw.signs(SIDE) * 10**-decades)


FAMILIES = {
    "tiny": lambda draw: draw.square() * 1e-3,
    "huge": lambda draw: draw.square() * 1e4,
    "integer": lambda draw: np.round(draw.square()),
    "positive": lambda draw: abs(draw.square()),
    "mixed-rows": lambda draw: draw.square() * 10 ** draw.random.uniform(-2, 2, (COUNT, SIDE, 1)),
    "identity": lambda draw: IDENTITY * draw.scale(),
    "near-identity": lambda draw: IDENTITY + draw.square() * 10 ** draw.random.uniform(-3, 0, (COUNT, 1, 1)) / MAGNITUDE,
    "exchangeable": lambda draw: IDENTITY * draw.scale() + draw.scale(),
    "permutation": Draw.permutation,
    "diagonal": lambda draw: IDENTITY * draw.entries(SIDE, 1),
    "tridiagonal": lambda draw: draw.square() * (abs(ROW - COLUMN) <= 1),
    "banded": banded,
    "triangular": triangular,
    "arrow": lambda draw: draw.square() * ((ROW == COLUMN) | (ROW == SIDE - 1) | (COLUMN == SIDE - 1)),
    "block": block,
    "sparse": lambda draw: draw.square() * (draw.random.random((COUNT, SIDE, SIDE)) < draw.random.uniform(0.1, 0.6, (COUNT, 1, 1))),
    "toeplitz": lambda draw: draw.entries(2 * SIDE)[:, SIDE + ROW - COLUMN],
    "hankel": lambda draw: draw.entries(2 * SIDE)[:, ROW + COLUMN],
    "circulant": circulant,
    "hilbert": lambda draw: np.tile(1 / (ROW + COLUMN + 1), (COUNT, 1, 1)),
    "vandermonde": vandermonde,
    "companion": companion,
    "covariance": lambda draw: draw.covariance() * draw.scale(),
    "correlation": correlation,
    "kernel": kernel,
    "adjacency": Draw.adjacency,
    "laplacian": laplacian,
    "stochastic": stochastic,
    "orthogonal": lambda draw: draw.with_values(draw.signs(SIDE)),
    "rank-one": lambda draw: draw.low_rank(1),
    "rank-two": lambda draw: draw.low_rank(2),
    "clustered": clustered,
    "graded": graded,
}


def wigner(draw):
    lower = np.tril(draw.square())
    return lower + np.tril(lower, -1).swapaxes(1, 2)


def replaced(law):
    """Wigner matrices whose eigenvalues are drawn anew."""

    def matrices(draw):
        vectors = np.linalg.eigh(wigner(draw))[1]
        values = law(draw.random, MAGNITUDE * math.sqrt(SIDE / 3))
        return vectors * values[:, None, :] @ vectors.swapaxes(1, 2)

    return matrices


def marchenko_pastur(draw):
    matrix = draw.square() / math.sqrt(MAGNITUDE)
    return matrix.swapaxes(1, 2) @ matrix


def abs_semicircle(draw):
    values, vectors = np.linalg.eigh(wigner(draw))
    return vectors * abs(values)[:, None, :] @ vectors.swapaxes(1, 2)


SPECTRA = {
    "semicircle": wigner,
    "uniform": replaced(lambda random, sigma: random.uniform(-1, 1, (COUNT, SIDE)) * sigma * math.sqrt(3)),
    "gaussian": replaced(lambda random, sigma: random.normal(0, sigma, (COUNT, SIDE))),
    "laplace": replaced(lambda random, sigma: random.laplace(0, sigma / math.sqrt(2), (COUNT, SIDE))),
    "abs-laplace": replaced(lambda random, sigma: abs(random.laplace(0, sigma / math.sqrt(2), (COUNT, SIDE)))),
    "abs-semicircle": abs_semicircle,
    "marchenko-pastur": marchenko_pastur,
}


def mirrored(matrices):
    return np.tril(matrices) + np.tril(matrices, -1).swapaxes(1, 2)


def statistics(matrices, symmetric):
    """Numbers of each matrix by name, rounded so that equal ones are equal."""
    sizes = np.linalg.norm(matrices, axis=(1, 2))
    shapes = matrices / np.where(sizes == 0, 1, sizes)[:, None, None]
    values = np.linalg.eigvalsh(shapes) if symmetric else np.linalg.svd(shapes, compute_uv=False)
    found = {
        "norm": sizes / np.where(sizes == 0, 1, 10 ** np.floor(np.log10(np.where(sizes == 0, 1, sizes)))),
        "decade of the norm": np.floor(np.log10(np.maximum(sizes * (1 + NEGLIGIBLE), 1e-30))),
        "trace": np.trace(shapes, axis1=1, axis2=2),
        "sum": shapes.sum((1, 2)),
        "first value": values[:, 0],
        "second value": values[:, 1],
        "last value": values[:, -1],
    }
    found |= {f"entry ({i}, {j})": shapes[:, i, j] for i, j in [(0, 0), (1, 0), (3, 0), (2, 2), (3, 3), (1, 2)]}
    return {name: np.round(numbers, 7) for name, numbers in found.items()}


def distance(one, other):
    """The largest distance between two empirical distribution functions."""
    places = np.concatenate([one, other])
    share = lambda sample: np.searchsorted(np.sort(sample), places, side="right") / len(sample)
    return abs(share(one) - share(other)).max()


def compare(found, expected, symmetric):
    """Asserts that two samples of matrices are likely to be of one distribution."""
    # Kolmogorov's limit for equal distributions of any kind (Smirnov 1948), and as many deviations of a mean.
    limit = math.sqrt(-math.log(RARE / 2) / len(found))
    deviations = 4.9
    expected = statistics(expected, symmetric)
    for name, numbers in statistics(found, symmetric).items():
        assert distance(numbers, expected[name]) < limit, name
        for power, moment in [(1, "mean"), (2, "second moment")]:
            one, other = numbers**power, expected[name] ** power
            allowed = deviations * math.sqrt((one.var() + other.var()) / len(one)) + NEGLIGIBLE
            assert abs(one.mean() - other.mean()) <= allowed, (name, moment)


@pytest.fixture
def generated(laformer):
    """A function of options that returns operands of `laformer generate`, as an array `[COUNT, SIDE, SIDE]`."""

    def run(problem, *options):
        csv.field_size_limit(10**7)
        text = laformer("generate", problem, "--dim", SIDE, "--count", COUNT, "--magnitude", MAGNITUDE, *options)
        return np.array([json.loads(row["operands"])[0] for row in csv.DictReader(io.StringIO(text))])

    return run


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_those_that_numpy_draws(generated, family):
    for seed, (problem, symmetric) in enumerate([("transpose", False), ("eigenvalues", True)]):
        expected = FAMILIES[family](Draw(seed, symmetric))
        compare(generated(problem, "--family", family), mirrored(expected) if symmetric else expected, symmetric)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_spectra_are_those_that_numpy_draws(generated, spectrum):
    compare(generated("eigenvalues", "--spectrum", spectrum), SPECTRA[spectrum](Draw(2, True)), True)


@pytest.mark.parametrize("coefficients", ["uniform", "gaussian"])
def test_coefficients_are_those_that_numpy_draws(generated, coefficients):
    draw = Draw(3, False)
    expected = draw.square() if coefficients == "uniform" else draw.normal(SIDE, SIDE) * MAGNITUDE / math.sqrt(3)
    compare(generated("transpose", "--coefficients", coefficients), expected, False)


def test_every_family_and_spectrum_is_compared(laformer):
    for option, known in [("--family", FAMILIES), ("--spectrum", SPECTRA)]:
        with pytest.raises(AssertionError) as refused:
            laformer("generate", "eigenvalues", "--dim", SIDE, option, "no such")
        listed = re.search(r"Allowed: ([a-z0-9, -]+)", str(refused.value))[1]
        assert set(listed.split(", ")) == set(known)


def test_other_distributions_are_told_apart():
    draw = Draw(4, False)
    for other in [draw.normal(SIDE, SIDE) * MAGNITUDE / math.sqrt(3), draw.square() + 0.7, draw.square() * IDENTITY]:
        with pytest.raises(AssertionError):
            compare(draw.square(), other, False)
    compare(draw.square(), draw.square(), False)
