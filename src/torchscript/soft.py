# The answer as the number that the model expects, which has a gradient where the classes of `solve` have none.
#
# Fields are predicted one after another: E[sign] * E[mantissa] * 10^exponent, where the mantissa is expected given the most
# probable sign and exponent. The exponent is not expected: 10^100 would outweigh everything, however improbable. So the layers
# that choose it have no gradient, and the number jumps where the choice changes.
#
# Operands of value models have a gradient (`question` passes it through the rounding) as far as the features of a number have one:
# those of `value_features = "digits"` have none.


# Mantissas of several fields are expected over this many of the most probable beginnings. Ten are all that a first digit leaves;
# to leave others out changes a field by less than a class of the one before.
def paths(self) -> int:
    return 10


# [batch, count, d] to float64 [batch, count]. `known [batch, count, paths, fields]` are the classes on every path, `weights
# [batch, count, paths]` the paths' probabilities.
def soft_numbers(self, hidden: Tensor) -> Tensor:
    fields = self.soft_fields()
    known = torch.zeros([hidden.size(0), hidden.size(1), 1, 0], dtype=torch.int64, device=hidden.device)
    weights = torch.ones([hidden.size(0), hidden.size(1), 1], dtype=torch.float64, device=hidden.device)
    sign, power = torch.ones_like(weights[..., 0]), torch.ones_like(weights[..., 0])
    mantissa = torch.zeros_like(sign)
    for rank in range(len(fields)):
        part, zero, unit = fields[rank]
        probabilities = self.path_logits(rank, hidden, known).to(torch.float64).softmax(-1)
        best = probabilities.argmax(-1, keepdim=True)
        if part == "exponent":
            power = (weights * torch.pow(10.0, (best[..., 0] - zero).to(torch.float64))).sum(-1)
        else:
            numbers = unit * (torch.arange(probabilities.size(3), device=hidden.device) - zero).to(torch.float64)
            expected = (weights * torch.matmul(probabilities, numbers)).sum(-1)
            if part == "sign":
                sign = 1 - 2 * expected
            else:
                mantissa = mantissa + expected
        if part != "mantissa":
            known = torch.cat([known, best], -1)
        elif rank + 1 < len(fields):
            known, weights = self.branched(known, weights, probabilities)
    return sign * mantissa * power


# Logits of a field on every path: [batch, count, paths, classes].
def path_logits(self, rank: int, hidden: Tensor, known: Tensor) -> Tensor:
    paths = known.size(2)
    logits = self.rank_logits(rank, hidden.repeat_interleave(paths, 1), known.flatten(1, 2))
    return logits.unflatten(1, [hidden.size(1), paths])


# The most probable paths with one more field, whose `probabilities` are [batch, count, paths, classes].
def branched(self, known: Tensor, weights: Tensor, probabilities: Tensor) -> Tuple[Tensor, Tensor]:
    classes = probabilities.size(3)
    candidates = (weights.unsqueeze(-1) * probabilities).flatten(2)
    weights, chosen = candidates.topk(min(self.paths(), candidates.size(2)), -1)
    parent = torch.div(chosen, classes, rounding_mode="floor").unsqueeze(-1)
    before = known.gather(2, parent.expand(-1, -1, -1, known.size(3)))
    known = torch.cat([before, chosen.remainder(classes).unsqueeze(-1)], -1)
    return known, weights / weights.sum(-1, keepdim=True)


# The matrices of the soft answer, float64 [batch, rows, cols] each.
def soft_solution(self, operands: List[Tensor]) -> List[Tensor]:
    rows, cols = operands[0].size(1), operands[0].size(2)
    size = self.chunk(rows, cols, self.paths())
    read, made = self.question(operands)
    parts: List[Tensor] = []
    for start in range(0, max(1, operands[0].size(0)), size):
        source = self.source_of([operand[start:start + size] for operand in read])
        if torch.is_grad_enabled() and not source.is_floating_point():
            for operand in operands:
                if operand.requires_grad:
                    raise ValueError("this model reads tokens, through which no gradient reaches the operands: detach them")
        parts.append(self.soft_numbers(self.hidden(source, rows, cols)))
    return self.reply(self.as_matrices(torch.cat(parts), self.solution_shapes(rows, cols)), made)
