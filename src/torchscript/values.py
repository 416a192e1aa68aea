# A source of values: one position per coefficient, the number itself.


# Positions of the coefficients that are read, as `reading` says: all (0), those on or below the diagonal (1), or the diagonal and what
# is right above it (2). The first column is their place among all.
def read_positions(self, rows: int, cols: int) -> Tensor:
    positions = self.coefficient_positions(self.operand_shapes(rows, cols))
    row, col = positions[:, 2], positions[:, 3]
    if self.reading == 1:
        return positions[col <= row]
    if self.reading == 2:
        return positions[(col == row) | (col == row + 1)]
    return positions


def source_of(self, operands: List[Tensor]) -> Tensor:
    values = torch.cat([operand.flatten(1) for operand in operands], 1)
    # Features of larger ones are beyond float32.
    large = values.detach().abs() >= 1e18
    if bool(large.any()):
        raise ValueError("{} is too large: this model reads numbers of magnitudes below 1e18".format(float(values[large][0])))
    values = values.to(torch.float32)
    if self.reading != 0:
        values = values[:, self.read_positions(operands[0].size(1), operands[0].size(2))[:, 0]]
    if self.task >= 0:
        values = torch.cat([torch.full_like(values[:, :1], self.task), values], 1)
    return values


# Where the model answers several problems, the task stands first and belongs to no coefficient.
def source_positions(self, rows: int, cols: int, length: int) -> Tensor:
    if self.grid > 0:
        return self.source_cells(rows, cols)
    places = self.read_positions(rows, cols)[:, 1:]
    if self.task >= 0:
        places = torch.cat([torch.zeros_like(places[:1]), places])
    return self.numbered(places)


def source_length(self, rows: int, cols: int) -> int:
    return self.read_positions(rows, cols).size(0) + int(self.task >= 0)


def read_source(self, source: Tensor) -> Tensor:
    source = source.to(self.device(), torch.float32)
    if not bool(torch.isfinite(source).all()):
        raise ValueError("source contains NaN or infinity")
    return source


def check_task(self, source: Tensor) -> None:
    if self.task >= 0 and bool((source[:, :1] != self.task).any()):
        raise ValueError("source was not encoded for {}".format(self.problem))


def size_of(self, source: Tensor) -> Tuple[int, int]:
    rows, cols = self.only_size()
    if rows == 0 and self.square == 1:
        for size in range(self.min_rows, self.max_rows + 1):
            if self.source_length(size, size) == source.size(1):
                rows, cols = size, size
    if rows == 0:
        raise ValueError("a source of {} values does not tell its size: give rows and cols".format(source.size(1)))
    return rows, cols
