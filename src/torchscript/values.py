# A source of values: one position per coefficient, the number itself, rounded as the input encoding writes it.


def source_of(self, operands: List[Tensor]) -> Tensor:
    values = torch.cat([operand.flatten(1) for operand in operands], 1)
    return self.decode_input(self.encode_input(values)).to(torch.float32)


def source_positions(self, rows: int, cols: int, length: int) -> Tensor:
    return self.coefficient_positions(self.operand_shapes(rows, cols))


def source_length(self, rows: int, cols: int) -> int:
    return self.count(self.operand_shapes(rows, cols))


def size_of(self, source: Tensor) -> Tuple[int, int]:
    rows, cols = self.only_size()
    if rows == 0 and self.square == 1:
        for size in range(self.min_rows, self.max_rows + 1):
            if self.source_length(size, size) == source.size(1):
                rows, cols = size, size
    if rows == 0:
        raise ValueError("a source of {} values does not tell its size: give rows and cols".format(source.size(1)))
    return rows, cols
