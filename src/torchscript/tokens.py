# A source of tokens, as the input encoding writes them.


def source_of(self, operands: List[Tensor]) -> Tensor:
    classes = self.encode_input(torch.cat([operand.flatten(1) for operand in operands], 1))
    shapes = self.operand_shapes(operands[0].size(1), operands[0].size(2))
    zeros = self.decode_input(classes) == 0
    return self.written(classes, zeros, self.input_starts, self.input_short, shapes, self.source_start)


def source_positions(self, rows: int, cols: int, length: int) -> Tensor:
    return self.token_positions(self.operand_shapes(rows, cols), self.input_starts.size(0))[:length]


# 0 where sources of one size differ in length.
def source_length(self, rows: int, cols: int) -> int:
    if self.variable_input == 1:
        return 0
    shapes = self.operand_shapes(rows, cols)
    return 2 + 2 * len(shapes) + self.count(shapes) * self.input_starts.size(0)


def read_source(self, source: Tensor) -> Tensor:
    source = self.integers(source, "source")
    known = (source >= 0) & (source < self.source_tokens)
    if not bool(known.all()):
        raise ValueError("source contains {}: this model reads the tokens 0 to {}".format(
            int(source[~known][0]), self.source_tokens - 1))
    return source


def check_task(self, source: Tensor) -> None:
    if self.task >= 0 and bool((source[:, :1] != self.source_start).any()):
        raise ValueError("source was not encoded for {}".format(self.problem))


def size_of(self, source: Tensor) -> Tuple[int, int]:
    rows, cols = self.only_size()
    if rows == 0:
        if source.size(0) == 0 or source.size(1) < 3:
            raise ValueError("source must begin with <s> V<rows> V<cols>")
        rows, cols = int(source[0, 1]) - 1, int(source[0, 2]) - 1
    return rows, cols
