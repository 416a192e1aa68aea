# Numbers and classes: the arithmetic of laformer's `encoding` in float64 tensors, bit for bit.


# What rounding `a * b` to `product` has lost (Dekker 1971): exact, while nothing over- or underflows.
def lost_in_product(self, a: Tensor, b: Tensor, product: Tensor) -> Tensor:
    splitter = 134217729.0
    big = a * splitter
    a_high = big - (big - a)
    a_low = a - a_high
    big = b * splitter
    b_high = big - (big - b)
    b_low = b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


# 10^exponent as the nearest double, for exponents up to 110.
def power_of_ten(self, exponent: Tensor) -> Tensor:
    return self.powers_of_ten[exponent + 110]


# Rounds to `digits` digits, where `limit` is 10^digits: (negative, mantissa, exponent) for ± mantissa × 10^exponent. Below
# 10^floor the unit of the last digit stays. Ties go to even mantissas, or up.
def decimal(self, x: Tensor, digits: int, limit: int, floor: int, up: bool) -> Tuple[Tensor, Tensor, Tensor]:
    if bool((~torch.isfinite(x)).any()):
        raise ValueError("a number is NaN or infinite")
    magnitude = x.to(torch.float64).abs()
    if bool((magnitude >= 1e110).any()):
        raise ValueError("a number is too large for this encoding")
    tiny = magnitude < 1e-104
    magnitude = torch.where(tiny, torch.ones_like(magnitude), magnitude)
    leading = torch.bucketize(magnitude, self.powers_of_ten, right=True) - 111
    scale = leading.clamp(min=floor) - (digits - 1)
    power = self.power_of_ten(scale.abs())
    grows = scale <= 0
    factor = torch.where(grows, magnitude, magnitude / power)
    product = factor * power
    lost = self.lost_in_product(factor, power, product)
    scaled = torch.where(grows, product, factor)
    lost = torch.where(grows, lost, (magnitude - product) - lost)
    below = scaled.floor()
    rest = scaled - below
    exact = lost == 0
    if not up:
        exact = exact & (torch.remainder(below, 2.0) == 1)
    rises = (rest > 0.5) | ((rest == 0.5) & ((lost > 0) | exact))
    mantissa = (below + rises.to(torch.float64)).to(torch.int64)
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
    negative, mantissa, exponent = self.decimal(x, digits, limit, -110, False)
    if bool((exponent > 100).any()):
        raise ValueError("a number is too large for this encoding: magnitudes below 1e{} are allowed".format(100 + digits))
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


def positional_numbers(self, classes: Tensor, units: List[int]) -> Tensor:
    mantissa = torch.zeros_like(classes[..., 0])
    for i in range(len(units)):
        mantissa = mantissa + classes[..., i + 1] * units[i]
    return self.number(classes[..., 0] == 1, mantissa, classes[..., len(units) + 1] - 100)


# B1999: signed mantissa, exponent.
def signed_classes(self, x: Tensor, digits: int, limit: int) -> Tensor:
    negative, mantissa, exponent = self.scientific(x, digits, limit)
    return torch.stack([limit - 1 + torch.where(negative, -mantissa, mantissa), exponent + 100], -1)


def signed_numbers(self, classes: Tensor, limit: int) -> Tensor:
    mantissa = classes[..., 0] - (limit - 1)
    return self.number(mantissa < 0, mantissa.abs(), classes[..., 1] - 100)


# FP15: one class, positive magnitudes first. `limit` magnitudes are in fixed point, then `each` per exponent.
def float_classes(self, x: Tensor, digits: int, limit: int, each: int) -> Tensor:
    negative, mantissa, exponent = self.decimal(x, digits, limit, -7, True)
    exponent = torch.where(mantissa == 0, torch.zeros_like(exponent), exponent + digits + 6)
    if bool((exponent > 15).any()):
        raise ValueError("a number is too large for this encoding: magnitudes below 1e9 are allowed")
    magnitude = torch.where(exponent == 0, mantissa, limit + (exponent - 1) * each + mantissa - limit // 10)
    return torch.where(negative, magnitude + (limit - 1 + 15 * each), magnitude).unsqueeze(-1)


def float_numbers(self, classes: Tensor, digits: int, limit: int, each: int) -> Tensor:
    largest = limit - 1 + 15 * each
    negative = classes[..., 0] > largest
    magnitude = torch.where(negative, classes[..., 0] - largest, classes[..., 0])
    above = (magnitude - limit).clamp(min=0)
    fixed = magnitude < limit
    mantissa = torch.where(fixed, magnitude, torch.remainder(above, each) + limit // 10)
    exponent = torch.where(fixed, torch.zeros_like(above), torch.div(above, each, rounding_mode="floor") + 1)
    return self.number(negative, mantissa, exponent - (digits + 6))
