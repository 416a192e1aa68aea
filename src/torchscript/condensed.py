# A model that reads condensed forms (see Rotation::condensing): nothing but the diagonal and what is right above it is left of a
# matrix, by reflections of rows and columns.


# Rotations of rows [batch, m, m] and columns [batch, n, n]: those that bring the operand to its condensed form.
def turns(self, operands: List[Tensor]) -> List[Tensor]:
    matrix = operands[0]
    if self.symmetric == 1:
        n = matrix.size(1)
        rows = self.unturned(matrix, n)
        for k in range(1, n):
            mirror = self.straightening(matrix[:, :, k - 1], k)
            matrix, rows = mirror @ matrix @ mirror, mirror @ rows
        return [rows]
    rows, cols, growth = self.bidiagonalizing(matrix, 0)
    if self.pivots():
        for first in range(1, matrix.size(2)):
            other_rows, other_cols, other = self.bidiagonalizing(matrix, first)
            # Rounding errors do not decide between equal ones.
            smaller = other < growth * (1 - 1e-9)
            growth = torch.where(smaller, other, growth)
            smaller = smaller.unsqueeze(1).unsqueeze(2)
            rows, cols = torch.where(smaller, other_rows, rows), torch.where(smaller, other_cols, cols)
    return [rows, cols]


# Rotations that make a matrix bidiagonal once one of its columns has changed places with the first, and the growth [batch] of errors
# of the inverse.
def bidiagonalizing(self, matrix: Tensor, first: int) -> Tuple[Tensor, Tensor, Tensor]:
    m, n = matrix.size(1), matrix.size(2)
    order = torch.arange(n, device=matrix.device)
    order[0], order[first] = first, 0
    matrix, rows, cols = matrix[:, :, order], self.unturned(matrix, m), self.unturned(matrix, n)[:, order]
    for k in range(min(m, n)):
        mirror = self.straightening(matrix[:, :, k], k)
        matrix, rows = mirror @ matrix, mirror @ rows
        if k + 1 < n:
            mirror = self.straightening(matrix[:, k], k + 1)
            matrix, cols = matrix @ mirror, mirror @ cols
    form = matrix.detach()
    column = torch.ones_like(form[:, 0, 0])
    growth = column
    for k in range(min(m, n) - 1):
        column = 1 + column * (form[:, k, k + 1] / form[:, k, k]).abs()
        growth = growth + column
    return rows, cols, growth


# Identities [batch, length, length].
def unturned(self, matrix: Tensor, length: int) -> Tensor:
    return torch.eye(length, dtype=matrix.dtype, device=matrix.device).expand(matrix.size(0), -1, -1)


# Reflections [batch, n, n] that leave vectors [batch, n] nothing but their norm at a place and what stands before it.
def straightening(self, x: Tensor, place: int) -> Tensor:
    past = torch.zeros_like(x[:, :place])
    x = x[:, place:]
    # Squares of very small numbers are zero.
    x = x / self.or_one(x.abs().amax(1, keepdim=True))
    first, rest = x[:, :1], x[:, 1:]
    norm = self.or_one(x.square().sum(1, keepdim=True)).sqrt()
    # first - norm, not as a difference of two numbers that may be nearly equal.
    start = torch.where(first < 0, first - norm, -rest.square().sum(1, keepdim=True) / (first.abs() + norm))
    axis = torch.cat([past, start, rest], 1)
    # Zeros, and what is straight, stay as they are.
    axis = axis / self.or_one(axis.square().sum(1, keepdim=True)).sqrt()
    return self.unturned(axis, axis.size(1)) - 2 * axis.unsqueeze(2) * axis.unsqueeze(1)


# A divisor, where it is zero another one: so that a root of it has a gradient.
def or_one(self, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.ones_like(x))
