"""An independent implementation of laformer's encodings: numbers, matrices and positions. See the paper, arXiv 2112.01898, section 2.1."""

from collections import namedtuple
from decimal import ROUND_HALF_UP, Decimal

import torch

START, PAD, WORDS = 0, 1, 102  # <s>, <pad>, V1 to V100, then the words of the encoding
EXPONENT = 100  # E-100 to E100


def shapes(problem, rows, cols):
    """Shapes of operands and of the solution at a size."""
    k = min(rows, cols)
    return {
        "transpose": ([(rows, cols)], [(cols, rows)]),
        "add": ([(rows, cols)] * 2, [(rows, cols)]),
        "matrix-vector": ([(rows, cols), (cols, 1)], [(rows, 1)]),
        "matrix-product": ([(rows, cols), (cols, rows)], [(rows, rows)]),
        "eigenvalues": ([(rows, cols)], [(rows, 1)]),
        "eigenvectors": ([(rows, cols)], [(rows, 1), (rows, cols)]),
        "inverse": ([(rows, cols)], [(rows, cols)]),
        "symmetric-inverse": ([(rows, cols)], [(rows, cols)]),
        "singular-values": ([(rows, cols)], [(k, 1)]),
        "svd": ([(rows, cols)], [(rows, k), (k, 1), (cols, k)]),
        "determinant": ([(rows, cols)], [(1, 1)]),
        "linear-solve": ([(rows, cols), (rows, 1)], [(rows, 1)]),
        "matrix-exponential": ([(rows, cols)], [(rows, cols)]),
        "matrix-sign": ([(rows, cols)], [(rows, cols)]),
    }[problem]


# A field is one symbol of a number. Its class c is the word `first + c` of the encoding.
Field = namedtuple("Field", "name first classes")


class Encoding:
    """Encodes numbers as tuples of classes, one per field. `order` is the order in which a parallel decoder predicts the fields."""

    def __init__(self, text, default_digits):
        self.name, _, digits = text.partition(":")
        self.digits = d = int(digits or default_digits)
        exponents = 2 * EXPONENT + 1
        if self.name in ("P10", "P1000"):
            width = 1 if self.name == "P10" else 3
            self.groups = [min(width, d - done) for done in range(0, d, width)]
            mantissa = [Field(self.group_name(i), 2, 10**group) for i, group in enumerate(self.groups)]
            exponent = Field("exponent", 2 + 10 ** self.groups[0], exponents)
            self.fields = [Field("sign", 0, 2), *mantissa, exponent]
            self.order = [0, len(mantissa) + 1, *range(1, len(mantissa) + 1)]
        elif self.name == "B1999":
            self.fields = [Field("mantissa", 0, 2 * 10**d - 1), Field("exponent", 2 * 10**d - 1, exponents)]
            self.order = [1, 0]
        elif self.name == "FP15":
            self.fields = [Field("number", 0, 1 + 2 * self.magnitudes())]
            self.order = [0]
        else:
            raise ValueError(f"unknown encoding {text}")
        self.words = max(field.first + field.classes for field in self.fields)

    def group_name(self, i):
        if self.name == "P10":
            return f"digit{i + 1}"
        return f"mantissa{i + 1}" if i else "mantissa"

    def magnitudes(self):
        """The count of positive numbers in FP15: those in fixed point, and for each of 15 exponents the mantissas without a leading 0."""
        return 10**self.digits - 1 + 15 * 9 * 10 ** (self.digits - 1)

    def encode(self, x):
        """The classes of a number, which must be in the range of the encoding."""
        if self.name == "FP15":
            return [self.encode_fp15(x)]
        text, exponent = f"{abs(x):.{self.digits - 1}e}".split("e")
        mantissa, exponent = text.replace(".", ""), int(exponent) - (self.digits - 1)
        if int(mantissa) == 0 or exponent < -EXPONENT:
            mantissa, exponent, x = "0" * self.digits, 0, 0
        if self.name == "B1999":
            return [10**self.digits - 1 + (-1 if x < 0 else 1) * int(mantissa), exponent + EXPONENT]
        ends = [sum(self.groups[: i + 1]) for i in range(len(self.groups))]
        digits = [int(mantissa[end - width : end]) for end, width in zip(ends, self.groups)]
        return [int(x < 0), *digits, exponent + EXPONENT]

    def encode_fp15(self, x):
        magnitude = abs(Decimal(x))
        exponent = max(magnitude.adjusted(), -7) if x else -7
        mantissa = int(magnitude.scaleb(self.digits - 1 - exponent).to_integral_value(ROUND_HALF_UP))
        if mantissa == 10**self.digits:
            mantissa, exponent = mantissa // 10, exponent + 1
        least = 10 ** (self.digits - 1)
        size = mantissa if exponent == -7 else 10 * least + 9 * least * (exponent + 6) + mantissa - least
        return size + self.magnitudes() if x < 0 and size > 0 else size

    def skips(self, classes):
        """Whether the next field is omitted, because P10 writes zero with one digit."""
        place = len(classes)
        return self.name == "P10" and 1 < place < len(self.fields) - 1 and classes[1] == 0

    def write(self, matrices):
        """The token sequence of matrices, which are nested lists."""
        tokens = [START]
        for matrix in matrices:
            tokens += [1 + len(matrix), 1 + len(matrix[0])]
            for classes in (self.encode(x) for row in matrix for x in row):
                kept = [i for i in range(len(classes)) if not self.skips(classes[:i])]
                tokens += [WORDS + self.fields[i].first + classes[i] for i in kept]
        return [*tokens, START]

    def read(self, tokens):
        """Decodes tokens `[length]` to classes `[count, fields]`."""
        numbers, words = [[]], iter(token - WORDS for token in tokens if token >= WORDS)
        for word in words:
            while self.skips(numbers[-1]):
                numbers[-1].append(0)
            numbers[-1].append(word - self.fields[len(numbers[-1])].first)
            if len(numbers[-1]) == len(self.fields):
                numbers.append([])
        return numbers[:-1]


def coefficient_positions(shapes):
    """Position indices of all coefficients, `[count, 5]`: place, matrix, row, column, field."""
    places = [(m, i + 1, j + 1, 1) for m, (rows, cols) in enumerate(shapes) for i in range(rows) for j in range(cols)]
    return torch.tensor([(place, *rest) for place, rest in enumerate(places)])


def triangle_positions(shapes):
    """Position indices of the coefficients on or below the diagonal."""
    positions = coefficient_positions(shapes)
    positions = positions[positions[:, 2] >= positions[:, 3]]
    return torch.cat([torch.arange(len(positions))[:, None], positions[:, 1:]], 1)


def condensed_positions(shapes):
    """Position indices of the coefficients on the diagonal and the superdiagonal."""
    positions = coefficient_positions(shapes)
    above = positions[:, 3] - positions[:, 2]
    positions = positions[(above == 0) | (above == 1)]
    return torch.cat([torch.arange(len(positions))[:, None], positions[:, 1:]], 1)


def token_positions(shapes, fields):
    """Position indices of all tokens, `[length, 5]`; row, column and field are 0 for tokens that belong to no coefficient."""
    places = [(0, 0, 0, 0)]
    for m, (rows, cols) in enumerate(shapes):
        places += [(m, 0, 0, 0)] * 2
        places += [(m, i + 1, j + 1, f + 1) for i in range(rows) for j in range(cols) for f in range(fields)]
    places += [(0, 0, 0, 0)]
    return torch.tensor([(place, *rest) for place, rest in enumerate(places)])


def cells(operands):
    """The cells of a pair model's grid `[operands, side, side]`: the index of each coefficient in the source, or -1 outside the operand."""
    side, first, grids = max(map(max, operands)), 0, []
    for rows, cols in operands:
        grids.append([[first + i * cols + j if i < rows and j < cols else -1 for j in range(side)] for i in range(side)])
        first += rows * cols
    return torch.tensor(grids)


def answer_cells(problem, operands, solution):
    """Position indices of the answer of a pair model, `[count, 5]`. The first column is the cell from which the coefficient is read.
    Spectra are read from the diagonal."""
    side, positions = max(map(max, operands)), coefficient_positions(solution)
    for position in positions:
        _, matrix, row, column, _ = position.tolist()
        is_spectrum = solution[matrix][1] == 1 and problem not in ("matrix-vector", "linear-solve")
        position[0] = (row - 1) * side + (row if is_spectrum else column) - 1
    return positions
