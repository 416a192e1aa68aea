# A model that reads the condensed form of an inverse (see problem/condensed.rs): nothing but the diagonal and what is right above it is
# left of the scaled and transposed matrix, by reflections of rows and columns.


# What is read of operands, and how it was made: factors of rows and of columns, and the reflections U and V.
def question(self, operands: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
    matrix = operands[0]
    rows, cols = self.equilibration(matrix.detach())
    scaled = (matrix * rows.unsqueeze(2) * cols.unsqueeze(1)).transpose(1, 2)
    left, right, growth = self.bidiagonalizing(scaled, 0)
    for first in range(1, matrix.size(2)):
        other_left, other_right, other = self.bidiagonalizing(scaled, first)
        # Rounding errors do not decide between equal ones.
        smaller = other < growth * (1 - 1e-9)
        growth = torch.where(smaller, other, growth)
        smaller = smaller.unsqueeze(1).unsqueeze(2)
        left, right = torch.where(smaller, other_left, left), torch.where(smaller, other_right, right)
    return [left @ scaled @ right.transpose(1, 2)], [rows, cols, left, right]


# The inverse of the operand, from that of what was read.
def reply(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    rows, cols, left, right = made
    scaled = (right.transpose(1, 2) @ solution[0] @ left).transpose(1, 2)
    return [scaled * cols.unsqueeze(2) * rows.unsqueeze(1)]


# Factors [batch, n] of rows and of columns that bring their root mean squares near that of the whole matrix.
def equilibration(self, matrix: Tensor) -> Tuple[Tensor, Tensor]:
    whole = matrix.square().mean([1, 2]).sqrt().unsqueeze(1)
    rows, cols = torch.ones_like(matrix[:, :, 0]), torch.ones_like(matrix[:, 0, :])
    for _ in range(16):
        square = (matrix * rows.unsqueeze(2) * cols.unsqueeze(1)).square()
        of_rows, of_cols = square.mean(2).sqrt(), square.mean(1).sqrt()
        rows = torch.where(of_rows > 0, rows * (whole / of_rows).sqrt(), rows)
        cols = torch.where(of_cols > 0, cols * (whole / of_cols).sqrt(), cols)
    return rows, cols


# Reflections that make a matrix bidiagonal once one of its columns has changed places with the first, and the growth [batch] of
# errors of the inverse.
def bidiagonalizing(self, matrix: Tensor, first: int) -> Tuple[Tensor, Tensor, Tensor]:
    n = matrix.size(1)
    order = torch.arange(n, device=matrix.device)
    order[0], order[first] = first, 0
    matrix, left, right = matrix[:, :, order], self.unturned(matrix, n), self.unturned(matrix, n)[:, order]
    for k in range(n):
        mirror = self.straightening(matrix[:, :, k], k)
        matrix, left = mirror @ matrix, mirror @ left
        if k + 1 < n:
            mirror = self.straightening(matrix[:, k], k + 1)
            matrix, right = matrix @ mirror, mirror @ right
    form = matrix.detach()
    column = torch.ones_like(form[:, 0, 0])
    growth = column
    for k in range(n - 1):
        column = 1 + column * (form[:, k, k + 1] / form[:, k, k]).abs()
        growth = growth + column
    return left, right, growth


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
