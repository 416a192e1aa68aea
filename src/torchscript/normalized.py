# Equivalent problems of another scale, and for eigenvalues of another mean (see Normalization).


# Operands whose coefficients look like those of the training, and the shift and the scale [batch, 1, 1] that made them so.
def normalized(self, operands: List[Tensor]) -> Tuple[List[Tensor], Tensor, Tensor]:
    if len(self.degrees(1)) == 0:
        raise ValueError("{} has no equivalent problem of another scale: leave normalize out".format(self.problem))
    shift = torch.zeros_like(operands[0][:, :1, 0])
    if self.shifts():
        shift = operands[0].diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
        operands = [operands[0] - torch.diag_embed(shift.expand(-1, operands[0].size(1)))]
    numbers = torch.cat([operand.flatten(1) for operand in operands], 1)
    largest = numbers.abs().amax(1, keepdim=True)
    spread = (numbers / largest).square().mean(1, keepdim=True).sqrt()
    scale = (self.deviation() / spread).clamp(max=1.65 * self.deviation()) / largest
    # Of a multiple of the identity nothing is left: whatever a model makes of it is nothing beside the mean.
    scale = torch.where(torch.isfinite(scale), scale, torch.full_like(scale, 1e100)).unsqueeze(2)
    return [operand * scale for operand in operands], shift.unsqueeze(2), scale


# The solution of the problem whose first operand has `rows` rows, from that of the normalized one.
def denormalized(self, solution: List[Tensor], shift: Tensor, scale: Tensor, rows: int) -> List[Tensor]:
    degrees = self.degrees(rows)
    for i in range(len(solution)):
        solution[i] = solution[i] / scale.pow(degrees[i])
    if self.shifts():
        solution[0] = solution[0] + shift
    return solution
