# The grid of rows and columns that a model lays matrices on, to multiply them.


def side(self, rows: int, cols: int) -> int:
    side = 1
    for shape in self.operand_shapes(rows, cols):
        side = max(side, shape[0], shape[1])
    return side


# Places in the source of each operand's coefficients, -1 where it has none: [operands, side, side]. A problem with fewer operands
# than the model has room for lacks the last ones.
def source_cells(self, rows: int, cols: int) -> Tensor:
    side = self.side(rows, cols)
    cells: List[Tensor] = []
    place = int(self.task >= 0)
    for height, width in self.operand_shapes(rows, cols):
        places = torch.arange(place, place + height * width, device=self.device()).view(height, width)
        cells.append(torch.constant_pad_nd(places, [0, side - width, 0, side - height], -1))
        place += height * width
    for _ in range(self.grid - len(cells)):
        cells.append(torch.full_like(cells[0], -1))
    return torch.stack(cells)


# Positions of coefficients [count, 5] with the cell that answers each in the first column: spectra are read on the diagonal.
def answer_cells(self, positions: Tensor, rows: int, cols: int) -> Tensor:
    matrix, row, column = positions[:, 1], positions[:, 2], positions[:, 3]
    diagonal = torch.bitwise_right_shift(torch.full_like(matrix, self.diagonal), matrix) % 2 == 1
    cell = (row - 1) * self.side(rows, cols) + torch.where(diagonal, row, column) - 1
    return torch.cat([cell.unsqueeze(1), positions[:, 1:]], 1)
