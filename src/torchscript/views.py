# Answers to the problem rotated: the median of each coefficient is nearer to the solution than most of them are.


# An orthogonal matrix [n, n], the same one at every call.
def rotation(self, length: int, axis: int, view: int) -> Tensor:
    # The last digits of a sine, in which nobody sees a pattern; torch's own random numbers are left to the caller.
    places = torch.arange(length * length, dtype=torch.float64, device=self.device())
    digits = torch.sin(places * 12.9898 + axis * 37.719 + view * 78.233) * 43758.5453
    return torch.linalg_qr((digits - digits.floor() - 0.5).unflatten(0, [length, length]))[0]


# Of rows, columns and the columns of the second operand.
def rotations(self, operands: List[Tensor], view: int) -> List[Tensor]:
    axes = self.operand_axes()
    lengths = [0, 0, 0, 0]
    for i in range(len(operands)):
        rows, cols = axes[i]
        lengths[rows] = operands[i].size(1)
        lengths[cols] = operands[i].size(2)
    return [self.rotation(lengths[axis], axis, view) for axis in range(3)]


# Rotates rows and columns of matrices [batch, n, m]; axis 3 stays.
def rotated(self, matrices: List[Tensor], axes: List[Tuple[int, int]], rotations: List[Tensor]) -> List[Tensor]:
    result: List[Tensor] = []
    for i in range(len(matrices)):
        matrix = matrices[i]
        rows, cols = axes[i]
        if rows != 3:
            matrix = rotations[rows] @ matrix
        if cols != 3:
            matrix = matrix @ rotations[cols].transpose(-2, -1)
        result.append(matrix)
    return result


# The largest absolute value of the operands, [batch, 1, 1].
def largest(self, operands: List[Tensor]) -> Tensor:
    return torch.stack([operand.abs().amax([1, 2], keepdim=True) for operand in operands]).amax(0)


# A rotated problem, with the rotations and the scale [batch, 1, 1] that made it; view 0 is the problem itself, without rotations.
def view(self, operands: List[Tensor], view: int) -> Tuple[List[Tensor], List[Tensor], Tensor]:
    before = self.largest(operands)
    rotations: List[Tensor] = []
    if view == 0:
        return operands, rotations, before
    rotations = self.rotations(operands, view)
    rotated = self.rotated(operands, self.operand_axes(), rotations)
    # Models are used to a range: no coefficient becomes larger than the largest was.
    after = self.largest(rotated)
    scale = torch.where(after > before, before / after, torch.ones_like(after))
    for i in range(len(rotated)):
        rotated[i] = rotated[i] * scale
        if self.symmetric == 1:
            rotated[i] = rotated[i] / 2 + rotated[i].transpose(1, 2) / 2
    return rotated, rotations, scale


# The solution of the problem, from that of a view.
def viewed_back(self, solution: List[Tensor], rotations: List[Tensor], scale: Tensor) -> List[Tensor]:
    if len(rotations) == 0:
        return solution
    degrees = self.degrees()
    for i in range(len(solution)):
        solution[i] = solution[i] / scale.pow(degrees[i])
    back = [rotation.transpose(0, 1) for rotation in rotations]
    return self.with_signs(self.rotated(solution, self.solution_axes(), back))


# Vectors have the signs that make them nearer to those of another solution.
def aligned(self, solution: List[Tensor], other: List[Tensor]) -> List[Tensor]:
    vectors = self.vectors()
    result = [matrix for matrix in solution]
    if len(vectors) > 0:
        products = [(solution[place] * other[place]).sum(1, keepdim=True) for place in vectors]
        sign = self.sign_of(torch.stack(products).sum(0))
        for place in vectors:
            result[place] = solution[place] * sign
    return result


# The mean of answers, each weighed by the inverse square of its distance to another one; that one where one is it.
def nearest(self, answers: List[List[Tensor]], other: List[Tensor]) -> List[Tensor]:
    distances = torch.stack([
        torch.stack([(answer[i] - other[i]).abs().sum([1, 2]) for i in range(len(other))]).sum(0) for answer in answers])
    least = distances.amin(0, keepdim=True)
    weights = torch.where(distances > least, (least / distances).square(), torch.ones_like(distances))
    weights = (weights / weights.sum(0)).unsqueeze(2).unsqueeze(3)
    return [(torch.stack([answer[i] for answer in answers]) * weights).sum(0) for i in range(len(other))]


# The median of the answers to all views; of inverses the mean of whole answers near it.
def median(self, answers: List[List[Tensor]]) -> List[Tensor]:
    views = len(answers)
    # Where two entries are equally large, the sign that solutions have is a matter of luck.
    answers = [self.aligned(answer, answers[0]) for answer in answers]
    result: List[Tensor] = []
    for i in range(len(answers[0])):
        ordered = torch.stack([answer[i] for answer in answers]).sort(0)[0]
        result.append((ordered[(views - 1) // 2] + ordered[views // 2]) / 2)
    if self.together():
        result = self.nearest(answers, result)
    if views > 1:
        result = self.unit(result)
    return self.with_signs(result)


# Vectors of norm 1, which medians of their entries are not; one that is zero stays.
def unit(self, solution: List[Tensor]) -> List[Tensor]:
    result = [matrix for matrix in solution]
    for place in self.vectors():
        norm = result[place].square().sum(1, keepdim=True).sqrt()
        result[place] = result[place] / torch.where(norm > 0, norm, torch.ones_like(norm))
    return result
