# A model that reads canonical forms (see Symmetry::canonical): rows, columns and the columns of a second operand move and
# change signs. A move is the order [batch, n], which entry comes to each place, and the factor [batch, n], a sign where nothing
# is scaled, of each entry before it moves.


# Operands in canonical form; `encode` writes this, so that `decode` reads the solution of it.
def posed(self, operands: List[Tensor], moves: List[Tuple[Tensor, Tensor]]) -> List[Tensor]:
    axes = self.operand_axes()
    result: List[Tensor] = []
    for i in range(len(operands)):
        rows, cols = axes[i]
        by_rows = self.moved(operands[i], rows, moves)
        result.append(self.moved(by_rows.transpose(1, 2), cols, moves).transpose(1, 2))
    return result


# The solution of the problem that was asked for.
def restored(self, solution: List[Tensor], moves: List[Tuple[Tensor, Tensor]]) -> List[Tensor]:
    axes = self.solution_axes()
    result: List[Tensor] = []
    for i in range(len(solution)):
        rows, cols = axes[i]
        by_rows = self.moved_back(solution[i], rows, moves)
        result.append(self.moved_back(by_rows.transpose(1, 2), cols, moves).transpose(1, 2))
    return self.with_signs(result)


# Moves the rows of a matrix [batch, n, m]; axis 3 stays.
def moved(self, matrix: Tensor, axis: int, moves: List[Tuple[Tensor, Tensor]]) -> Tensor:
    if axis == 3:
        return matrix
    order, factor = moves[axis]
    return (matrix * factor.unsqueeze(2)).gather(1, order.unsqueeze(2).expand(-1, -1, matrix.size(2)))


def moved_back(self, matrix: Tensor, axis: int, moves: List[Tuple[Tensor, Tensor]]) -> Tensor:
    if axis == 3:
        return matrix
    order, factor = moves[axis]
    return matrix.gather(1, order.argsort(1).unsqueeze(2).expand(-1, -1, matrix.size(2))) * factor.unsqueeze(2)


# Of rows, columns, and the columns of the second operand.
def moves(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    moves: List[Tuple[Tensor, Tensor]] = []
    for order, factor in self.canonical_moves([operand.detach() for operand in operands]):
        # No gradient passes through the choice of a form.
        moves.append((order, factor.detach()))
    return moves


# Entries in descending order of keys [batch, n], equal ones in their order; the others, [batch, n], become positive.
def sorting(self, keys: Tensor, others: Tensor) -> Tuple[Tensor, Tensor]:
    return torch.sort(keys, stable=True, dim=1, descending=True)[1], self.sign_of(others)


# Row [batch, m] of matrices [batch, n, m] at a place [batch, 1].
def row_at(self, matrix: Tensor, place: Tensor) -> Tensor:
    return matrix.gather(1, place.unsqueeze(2).expand(-1, -1, matrix.size(2))).squeeze(1)


# Factors [batch, n] and [batch, m] of rows and columns that bring their root mean squares near that of the whole matrix.
def equilibration(self, matrix: Tensor) -> Tuple[Tensor, Tensor]:
    whole = matrix.square().mean([1, 2]).sqrt().unsqueeze(1)
    rows, cols = torch.ones_like(matrix[:, :, 0]), torch.ones_like(matrix[:, 0, :])
    for _ in range(16):
        square = (matrix * rows.unsqueeze(2) * cols.unsqueeze(1)).square()
        of_rows, of_cols = square.mean(2).sqrt(), square.mean(1).sqrt()
        rows = torch.where(of_rows > 0, rows * (whole / of_rows).sqrt(), rows)
        cols = torch.where(of_cols > 0, cols * (whole / of_cols).sqrt(), cols)
    return rows, cols


# The same moves of a problem whose rows and columns may be scaled. The last bits of a scaled matrix do not decide an order.
def scaled_moves(self, matrix: Tensor) -> List[Tuple[Tensor, Tensor]]:
    factors = self.equilibration(matrix)
    scaled = matrix * factors[0].unsqueeze(2) * factors[1].unsqueeze(1)
    moves = self.own_moves([scaled.to(torch.float32).to(torch.float64)])
    result: List[Tuple[Tensor, Tensor]] = []
    for i in range(len(moves)):
        order, sign = moves[i]
        result.append((order, sign * (factors[0] if i == 0 else factors[1])))
    return result


# P A Pᵀ: the diagonal descends, the first row is positive.
def moves_together(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    diagonal = operands[0].diagonal(dim1=1, dim2=2)
    first = torch.sort(diagonal, stable=True, dim=1, descending=True)[1][:, :1]
    return [self.sorting(diagonal, self.row_at(operands[0], first).scatter(1, first, 1.0))]


# P A Q: the largest coefficient comes to the corner, the first of equal ones in reading order; its row and column descend and
# are positive.
def moves_apart(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    matrix = operands[0]
    largest = torch.sort(matrix.abs().flatten(1), stable=True, dim=1, descending=True)[1][:, :1]
    p = torch.div(largest, matrix.size(2), rounding_mode="floor")
    column = self.row_at(matrix.transpose(1, 2), largest - p * matrix.size(2))
    rows = self.sorting(column.abs(), column)
    row = self.row_at(matrix, p)
    return [rows, self.sorting(row.abs(), row * rows[1].gather(1, p))]


# (P A Q)(Qᵀ B R): the first column of B descends; it, the first column of A and the first row of B are positive.
def moves_of_product(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    left, right = operands
    column = right[:, :, 0]
    inner = self.sorting(column.abs(), column)
    first = inner[0][:, :1]
    sign = inner[1].gather(1, first)
    row, col = self.row_at(right, first), self.row_at(left.transpose(1, 2), first)
    return [self.sorting(torch.zeros_like(col), col * sign), inner, self.sorting(torch.zeros_like(row), row * sign)]
