# From operands to the answer.


# [rows, cols] or [batch, rows, cols] to float64 [batch, rows, cols] where the model is.
def matrix_batch(self, operand: Tensor, name: str) -> Tensor:
    if operand.dim() == 2:
        operand = operand.unsqueeze(0)
    if operand.dim() != 3:
        raise ValueError("{} must be [rows, cols] or [batch, rows, cols], not {}".format(name, operand.size()))
    if operand.is_complex():
        raise ValueError("{} must be real".format(name))
    return operand.to(self.device(), torch.float64)


# A vector [rows] or [rows, 1]; beside a batch also [batch, rows] or [batch, rows, 1].
def column_batch(self, operand: Tensor, name: str, batched: bool) -> Tensor:
    if operand.dim() == 1 or (operand.dim() == 2 and batched):
        operand = operand.unsqueeze(-1)
    if operand.dim() < 2 or operand.dim() > 3 or operand.size(-1) != 1:
        raise ValueError("{} must be a vector [rows] or, beside a batch, [batch, rows]; not {}".format(
            name, operand.size()))
    return self.matrix_batch(operand, name)


# Operands of one batch, or an error that says what is wrong.
def checked(self, operands: List[Tensor], names: List[str]) -> List[Tensor]:
    rows, cols = operands[0].size(1), operands[0].size(2)
    self.check_size(rows, cols)
    shapes = self.operand_shapes(rows, cols)
    batch = 1
    for operand in operands:
        if operand.size(0) != 1:
            batch = operand.size(0)
    result: List[Tensor] = []
    for i in range(len(operands)):
        operand, name = operands[i], names[i]
        if operand.size(1) != shapes[i][0] or operand.size(2) != shapes[i][1]:
            raise ValueError("{} must be {}x{} beside a {}x{} {}, not {}x{}".format(
                name, shapes[i][0], shapes[i][1], rows, cols, names[0], operand.size(1), operand.size(2)))
        if operand.size(0) != 1 and operand.size(0) != batch:
            raise ValueError("{} comes {} times, other operands {} times".format(name, operand.size(0), batch))
        if not bool(torch.isfinite(operand).all()):
            raise ValueError("{} contains NaN or infinity".format(name))
        if self.symmetric == 1:
            operand = self.symmetrized(operand, name)
        result.append(operand.expand(batch, -1, -1))
    return result


# Rounding errors of a computed matrix are forgiven: 1e-6 of its largest coefficient.
def symmetrized(self, matrix: Tensor, name: str) -> Tensor:
    difference = (matrix - matrix.transpose(1, 2)).abs()
    if matrix.numel() > 0 and bool((difference > 1e-6 * matrix.abs().amax([1, 2], keepdim=True)).any()):
        raise ValueError("{} must be symmetric: {} is made for symmetric matrices".format(name, self.problem))
    return matrix / 2 + matrix.transpose(1, 2) / 2


# Operands rounded as the input encoding writes them; gradients pass as if they were not: what is added is zero.
def as_read(self, operands: List[Tensor]) -> List[Tensor]:
    result: List[Tensor] = []
    for operand in operands:
        numbers = operand.flatten(1)
        numbers = self.decode_input(self.encode_input(numbers)) + (numbers - numbers.detach())
        result.append(numbers.unflatten(1, [operand.size(1), operand.size(2)]))
    return result


# Examples that are computed at once, so that memory stays small.
def chunk(self, rows: int, cols: int, beam: int) -> int:
    numbers = self.count(self.operand_shapes(rows, cols)) + self.count(self.solution_shapes(rows, cols))
    return max(1, 65536 // (numbers * max(1, beam)))


# The matrices of the answer, float64 [batch, rows, cols] each.
def solution(self, operands: List[Tensor], beam: int) -> List[Tensor]:
    rows, cols = operands[0].size(1), operands[0].size(2)
    size = self.chunk(rows, cols, beam)
    read, made = self.question(operands)
    parts: List[Tensor] = []
    for start in range(0, max(1, operands[0].size(0)), size):
        source = self.source_of([operand[start:start + size] for operand in read])
        parts.append(self.answer_numbers(source, rows, cols, beam))
    return self.reply(self.as_matrices(torch.cat(parts), self.solution_shapes(rows, cols)), made)


# [batch, count, fields] classes to matrices.
def matrices(self, classes: Tensor, shapes: List[Tuple[int, int]]) -> List[Tensor]:
    return self.as_matrices(self.decode_output(classes), shapes)


# [batch, count] numbers to matrices.
def as_matrices(self, numbers: Tensor, shapes: List[Tuple[int, int]]) -> List[Tensor]:
    result: List[Tensor] = []
    done = 0
    for rows, cols in shapes:
        result.append(numbers[:, done:done + rows * cols].unflatten(1, [rows, cols]))
        done += rows * cols
    return result


# As numpy shapes it; without the batch where the operands had none.
def column(self, matrix: Tensor, batched: bool) -> Tensor:
    return self.matrix(matrix.squeeze(2), batched)


def transposed(self, matrix: Tensor, batched: bool) -> Tensor:
    return self.matrix(matrix.transpose(1, 2), batched)


def matrix(self, matrix: Tensor, batched: bool) -> Tensor:
    if batched:
        return matrix
    return matrix[0]


# The size that a source was made for; 0 asks for it to be read from the source.
def known_size(self, source: Tensor, rows: int, cols: int) -> Tuple[int, int]:
    if source.dim() != 2:
        raise ValueError("source must be [batch, length], as encode returns it; not {}".format(source.size()))
    self.check_task(source)
    if rows == 0 or cols == 0:
        rows, cols = self.size_of(source)
    self.check_size(rows, cols)
    wanted = self.source_length(rows, cols)
    if wanted > 0 and source.size(1) != wanted:
        raise ValueError("the source of {}x{} operands has length {}, not {}".format(
            rows, cols, wanted, source.size(1)))
    return rows, cols


# Answers of many sources, cut so that memory stays small.
def generate(self, source: Tensor, rows: int = 0, cols: int = 0, beam: int = 1) -> Tensor:
    source = self.read_source(source)
    rows, cols = self.known_size(source, rows, cols)
    size = self.chunk(rows, cols, beam)
    parts: List[Tensor] = []
    longest = 0
    with no_grad():
        for start in range(0, max(1, source.size(0)), size):
            parts.append(self.answer_tokens(source[start:start + size], rows, cols, beam))
            longest = max(longest, parts[-1].size(1))
    for i in range(len(parts)):
        missing = longest - parts[i].size(1)
        parts[i] = torch.constant_pad_nd(parts[i], [0, missing], 1)
    return torch.cat(parts)
