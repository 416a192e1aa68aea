"""Converts numbers to classes and back, in float64. The results are bit for bit those of Rust's encodings (encoding/decimal.rs).

An encoding writes a number as fields, such as sign, digits and exponent. The class of a field is the index of its value.

A codec is a list of integers: kind (0: P10 and P1000, 1: B1999, 2: FP15), digits, 10^digits, and for kind 0 the unit of each group of
digits: the value of its last digit in the mantissa.

The buffer `powers_of_ten` is float64 [4, 221], with a column for each power from 10^-110 to 10^110. Row 0 is the nearest double. Rows 1
and 2 are its leading 26 bits and the rest of its bits. Row 3 is the error of row 0, 10^k - row 0, for k from 0.
"""

from typing import List, Tuple

import torch
from torch import Tensor


# Converts numbers [...] to classes [..., fields], in the order of a token sequence.
def encoded(self, x: Tensor, codec: List[int]) -> Tensor:
    if codec[0] == 0:
        return self.positional_classes(x, codec[1], codec[2], codec[3:])
    if codec[0] == 1:
        return self.signed_classes(x, codec[1], codec[2])
    return self.float_classes(x, codec[1], codec[2], 9 * codec[2] // 10)


# Converts classes [..., fields] to float64 numbers [...].
def decoded(self, classes: Tensor, codec: List[int]) -> Tensor:
    if codec[0] == 0:
        negative, mantissa, exponent = self.positional_parts(classes, codec[3:])
    elif codec[0] == 1:
        negative, mantissa, exponent = self.signed_parts(classes, codec[2])
    else:
        negative, mantissa, exponent = self.float_parts(classes, codec[1], codec[2], 9 * codec[2] // 10)
    return self.number(negative, mantissa, exponent)


# The double nearest to 10^exponent, for exponents from -110 to 110.
def power_of_ten(self, exponent: Tensor) -> Tensor:
    return self.powers_of_ten[0][exponent + 110]


# Raises ValueError if a number is not valid. The message names the first such number, and the limit 10^below of the encoding.
def check_numbers(self, x: Tensor, valid: Tensor, below: int) -> None:
    if not bool(valid.all()):
        value = float(x[~valid][0])
        raise ValueError("{} cannot be encoded: finite numbers of magnitudes below 1e{} can".format(value, below))


# magnitude * 10^shift, rounded to the nearest integer; it must be below 10^9. Ties go to the even integer, or up if `up` is true.
def scaled(self, magnitude: Tensor, shift: Tensor, up: bool) -> Tensor:
    # One of the two factors is 1, so only the operation with the other one rounds.
    times = self.powers_of_ten[:, 110 + shift.clamp(min=0)]
    over = self.powers_of_ten[:, 110 - shift.clamp(max=0)]
    below = (magnitude * times[0] / over[0]).floor()
    tie = below + 0.5
    # The sign of magnitude * times - tie * over decides. Factors are split into halves, whose products are exact (Dekker 1971).
    big = magnitude * 134217729.0
    high = big - (big - magnitude)
    low = magnitude - high
    near = high * times[1] - tie * over[1]
    left = high * times[2] - tie * over[2]
    right = low * times[1]
    middle = left + right
    shown = middle - left
    lost = (left - (middle - shown)) + (right - shown)
    residual = (near + middle) + (lost + (low * times[2] + magnitude * times[3] - tie * over[3]))
    rises = residual > 0
    if up:
        rises = rises | (residual == 0)
    else:
        rises = rises | ((residual == 0) & (torch.remainder(below, 2.0) == 1))
    return (below + rises.to(torch.float64)).to(torch.int64)


# Rounds numbers to `digits` significant digits; `limit` is 10^digits. Returns (negative, mantissa, exponent) for ± mantissa × 10^exponent.
# Below 10^floor, the last digit keeps the unit that it has at 10^floor (fixed point). Ties go to the even mantissa, or up if `up` is
# true. Raises ValueError for NaN and for magnitudes of 1e110 or more; the message names the encoding's limit 10^below.
def decimal(self, x: Tensor, digits: int, limit: int, floor: int, up: bool, below: int) -> Tuple[Tensor, Tensor, Tensor]:
    magnitude = x.abs()
    self.check_numbers(x, magnitude < 1e110, below)
    tiny = magnitude < 1e-104
    magnitude = torch.where(tiny, torch.ones_like(magnitude), magnitude)
    leading = torch.bucketize(magnitude.contiguous(), self.powers_of_ten[0], right=True) - 111
    scale = leading.clamp(min=floor) - (digits - 1)
    mantissa = self.scaled(magnitude, -scale, up)
    mantissa = torch.where(tiny, torch.zeros_like(mantissa), mantissa)
    full = mantissa == limit
    mantissa = torch.where(full, torch.full_like(mantissa, limit // 10), mantissa)
    exponent = scale + full.to(torch.int64)
    exponent = torch.where(mantissa == 0, torch.zeros_like(exponent), exponent)
    return (x < 0) & (mantissa > 0), mantissa, exponent


# ± mantissa × 10^exponent in float64.
def number(self, negative: Tensor, mantissa: Tensor, exponent: Tensor) -> Tensor:
    power = self.power_of_ten(exponent.abs())
    whole = mantissa.to(torch.float64)
    magnitude = torch.where(exponent < 0, whole / power, whole * power)
    return torch.where(negative & (mantissa > 0), -magnitude, magnitude)


# `decimal` with exponents from -100 to 100. Smaller numbers become 0; larger ones raise ValueError.
def scientific(self, x: Tensor, digits: int, limit: int) -> Tuple[Tensor, Tensor, Tensor]:
    x = x.detach().to(torch.float64)
    negative, mantissa, exponent = self.decimal(x, digits, limit, -110, False, 100 + digits)
    self.check_numbers(x, exponent <= 100, 100 + digits)
    zero = exponent < -100
    exponent = torch.where(zero, torch.zeros_like(exponent), exponent)
    return negative & ~zero, torch.where(zero, torch.zeros_like(mantissa), mantissa), exponent


# P10 and P1000: the fields are sign, groups of digits, and exponent. `units` has the unit of each group in the mantissa.
def positional_classes(self, x: Tensor, digits: int, limit: int, units: List[int]) -> Tensor:
    negative, rest, exponent = self.scientific(x, digits, limit)
    parts = [negative.to(torch.int64)]
    for unit in units:
        group = torch.div(rest, unit, rounding_mode="floor")
        parts.append(group)
        rest = rest - group * unit
    parts.append(exponent + 100)
    return torch.stack(parts, -1)


# The inverse of `positional_classes`: returns (negative, mantissa, exponent).
def positional_parts(self, classes: Tensor, units: List[int]) -> Tuple[Tensor, Tensor, Tensor]:
    mantissa = torch.zeros_like(classes[..., 0])
    for i in range(len(units)):
        mantissa = mantissa + classes[..., i + 1] * units[i]
    return classes[..., 0] == 1, mantissa, classes[..., len(units) + 1] - 100


# B1999: the fields are the signed mantissa and the exponent.
def signed_classes(self, x: Tensor, digits: int, limit: int) -> Tensor:
    negative, mantissa, exponent = self.scientific(x, digits, limit)
    return torch.stack([limit - 1 + torch.where(negative, -mantissa, mantissa), exponent + 100], -1)


def signed_parts(self, classes: Tensor, limit: int) -> Tuple[Tensor, Tensor, Tensor]:
    mantissa = classes[..., 0] - (limit - 1)
    return mantissa < 0, mantissa.abs(), classes[..., 1] - 100


# FP15: the only field is the whole number. Its classes are 0 and the positive numbers, ascending, then the negative ones by ascending
# magnitude. The first `limit` magnitudes, including 0, are in fixed point; then each of 15 exponents has `each` mantissas.
def float_classes(self, x: Tensor, digits: int, limit: int, each: int) -> Tensor:
    x = x.detach().to(torch.float64)
    negative, mantissa, exponent = self.decimal(x, digits, limit, -7, True, 9)
    exponent = torch.where(mantissa == 0, torch.zeros_like(exponent), exponent + digits + 6)
    self.check_numbers(x, exponent <= 15, 9)
    magnitude = torch.where(exponent == 0, mantissa, limit + (exponent - 1) * each + mantissa - limit // 10)
    return torch.where(negative, magnitude + (limit - 1 + 15 * each), magnitude).unsqueeze(-1)


def float_parts(self, classes: Tensor, digits: int, limit: int, each: int) -> Tuple[Tensor, Tensor, Tensor]:
    largest = limit - 1 + 15 * each
    negative = classes[..., 0] > largest
    magnitude = torch.where(negative, classes[..., 0] - largest, classes[..., 0])
    above = (magnitude - limit).clamp(min=0)
    fixed = magnitude < limit
    mantissa = torch.where(fixed, magnitude, torch.remainder(above, each) + limit // 10)
    exponent = torch.where(fixed, torch.zeros_like(above), torch.div(above, each, rounding_mode="floor") + 1)
    return negative, mantissa, exponent - (digits + 6)
