"""Numbers and their classes: the arithmetic of the encodings in float64, bit for bit as Rust encodes training targets.

A codec is a list of integers: kind (0: P10 and P1000, 1: B1999, 2: FP15), digits, 10^digits, and for the first kind the values of
the last digit of each group of digits.

The buffer `powers_of_ten` is float64 [4, 221]. Row 0 is 10^-110 to 10^110; at 10^0 and beyond, rows 1 and 2 are the leading 26
bits of row 0 and what follows them, row 3 is what row 0 lacks.
"""

from typing import List, Tuple

import torch
from torch import Tensor


# Numbers [...] to classes [..., fields] in the order in which they are written.
def encoded(self, x: Tensor, codec: List[int]) -> Tensor:
    if codec[0] == 0:
        return self.positional_classes(x, codec[1], codec[2], codec[3:])
    if codec[0] == 1:
        return self.signed_classes(x, codec[1], codec[2])
    return self.float_classes(x, codec[1], codec[2], 9 * codec[2] // 10)


# Classes [..., fields] to numbers float64 [...].
def decoded(self, classes: Tensor, codec: List[int]) -> Tensor:
    if codec[0] == 0:
        negative, mantissa, exponent = self.positional_parts(classes, codec[3:])
    elif codec[0] == 1:
        negative, mantissa, exponent = self.signed_parts(classes, codec[2])
    else:
        negative, mantissa, exponent = self.float_parts(classes, codec[1], codec[2], 9 * codec[2] // 10)
    return self.number(negative, mantissa, exponent)


# 10^exponent as the nearest double, for exponents up to 110.
def power_of_ten(self, exponent: Tensor) -> Tensor:
    return self.powers_of_ten[0][exponent + 110]


# Refuses the first number that is not valid.
def check_numbers(self, x: Tensor, valid: Tensor, below: int) -> None:
    if not bool(valid.all()):
        value = float(x[~valid][0])
        raise ValueError("{} cannot be encoded: finite numbers of magnitudes below 1e{} can".format(value, below))


# magnitude * 10^shift to the nearest integer, below 10^9. Ties go to even integers, or up.
def scaled(self, magnitude: Tensor, shift: Tensor, up: bool) -> Tensor:
    # One of the two is 10^0, by which all is exact.
    times = self.powers_of_ten[:, 110 + shift.clamp(min=0)]
    over = self.powers_of_ten[:, 110 - shift.clamp(max=0)]
    below = (magnitude * times[0] / over[0]).floor()
    tie = below + 0.5
    # magnitude * times - tie * over, of halves whose products are exact (Dekker 1971).
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


# Rounds to `digits` digits, where `limit` is 10^digits: (negative, mantissa, exponent) for ± mantissa × 10^exponent. Below
# 10^floor the unit of the last digit stays. Ties go to even mantissas, or up. Numbers from 10^below on are refused.
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


# `decimal` within the exponents E-100 to E100: zero below, an error above.
def scientific(self, x: Tensor, digits: int, limit: int) -> Tuple[Tensor, Tensor, Tensor]:
    x = x.detach().to(torch.float64)
    negative, mantissa, exponent = self.decimal(x, digits, limit, -110, False, 100 + digits)
    self.check_numbers(x, exponent <= 100, 100 + digits)
    zero = exponent < -100
    exponent = torch.where(zero, torch.zeros_like(exponent), exponent)
    return negative & ~zero, torch.where(zero, torch.zeros_like(mantissa), mantissa), exponent


# P10 and P1000: sign, groups of digits, exponent. `units` are the values of the groups' last digits.
def positional_classes(self, x: Tensor, digits: int, limit: int, units: List[int]) -> Tensor:
    negative, rest, exponent = self.scientific(x, digits, limit)
    parts = [negative.to(torch.int64)]
    for unit in units:
        group = torch.div(rest, unit, rounding_mode="floor")
        parts.append(group)
        rest = rest - group * unit
    parts.append(exponent + 100)
    return torch.stack(parts, -1)


# Whether the number is negative, its mantissa and its exponent.
def positional_parts(self, classes: Tensor, units: List[int]) -> Tuple[Tensor, Tensor, Tensor]:
    mantissa = torch.zeros_like(classes[..., 0])
    for i in range(len(units)):
        mantissa = mantissa + classes[..., i + 1] * units[i]
    return classes[..., 0] == 1, mantissa, classes[..., len(units) + 1] - 100


# B1999: signed mantissa, exponent.
def signed_classes(self, x: Tensor, digits: int, limit: int) -> Tensor:
    negative, mantissa, exponent = self.scientific(x, digits, limit)
    return torch.stack([limit - 1 + torch.where(negative, -mantissa, mantissa), exponent + 100], -1)


def signed_parts(self, classes: Tensor, limit: int) -> Tuple[Tensor, Tensor, Tensor]:
    mantissa = classes[..., 0] - (limit - 1)
    return mantissa < 0, mantissa.abs(), classes[..., 1] - 100


# FP15: one class, positive magnitudes first. `limit` magnitudes are in fixed point, then `each` per exponent.
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
