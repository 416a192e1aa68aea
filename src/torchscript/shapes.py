# Sizes, shapes and positions. A size is the rows and columns of the first operand; a shape, those of any matrix.


# Where the model is, and everything that it makes.
def device(self) -> Device:
    return self.output_starts.device


def check_size(self, rows: int, cols: int) -> None:
    fits = self.min_rows <= rows and rows <= self.max_rows and self.min_cols <= cols and cols <= self.max_cols
    if self.square == 1 and rows != cols:
        fits = False
    if not fits:
        raise ValueError("this model is made for {} of {} matrices; this one is {}x{}".format(
            self.problem, self.sizes, rows, cols))


def count(self, shapes: List[Tuple[int, int]]) -> int:
    total = 0
    for rows, cols in shapes:
        total += rows * cols
    return total


# The only size of the model, or (0, 0).
def only_size(self) -> Tuple[int, int]:
    if self.min_rows == self.max_rows and self.min_cols == self.max_cols:
        return self.min_rows, self.min_cols
    return 0, 0


# [rows * cols, 3]: matrix, and row and column from 1, of every coefficient, row-major.
def places(self, matrix: int, rows: int, cols: int) -> Tensor:
    index = torch.arange(rows * cols, device=self.device())
    row = torch.div(index, cols, rounding_mode="floor")
    return torch.stack([torch.full_like(index, matrix), 1 + row, 1 + index - row * cols], 1)


# [length, 5]: a number that counts up, then places and field.
def numbered(self, rest: Tensor) -> Tensor:
    return torch.cat([torch.arange(rest.size(0), device=rest.device).unsqueeze(1), rest], 1)


# Positions of one per coefficient: field 1.
def coefficient_positions(self, shapes: List[Tuple[int, int]]) -> Tensor:
    parts: List[Tensor] = []
    for matrix in range(len(shapes)):
        parts.append(self.places(matrix, shapes[matrix][0], shapes[matrix][1]))
    places = torch.cat(parts)
    return self.numbered(torch.cat([places, torch.ones_like(places[:, :1])], 1))


# Positions of tokens: `<s>`, then `V<rows> V<cols>` and the coefficients of every matrix, then `<s>`. Fields count from 1;
# marks have row, column and field 0.
def token_positions(self, shapes: List[Tuple[int, int]], fields: int) -> Tensor:
    mark = torch.zeros([1, 4], dtype=torch.int64, device=self.device())
    parts = [mark]
    for matrix in range(len(shapes)):
        rows, cols = shapes[matrix]
        sizes = mark.repeat(2, 1)
        sizes[:, 0] = matrix
        field = torch.arange(1, fields + 1, device=mark.device).repeat(rows * cols).unsqueeze(1)
        parts.append(sizes)
        parts.append(torch.cat([self.places(matrix, rows, cols).repeat_interleave(fields, 0), field], 1))
    parts.append(mark)
    return self.numbered(torch.cat(parts))
