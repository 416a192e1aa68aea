"""A decoder that predicts all coefficients at once: a hidden state for each, its fields one after another.

Each row of the table `fields` is a field in the order of prediction: what it says (0: sign, 1: exponent, 2: mantissa, 3: the whole
number), the class of zero, the worth of a class, and whether larger classes are larger magnitudes (1).
"""

from typing import List, Tuple

import torch
from torch import Tensor


# Numbers and logarithms of probabilities: see `proposed`.
def proposals(self, source: Tensor, task: int, rows: int, cols: int, beam: int) -> Tuple[Tensor, Tensor]:
    if beam != 1:
        raise ValueError("this model predicts all coefficients at once: beam must be 1, not {}".format(beam))
    classes, share, score = self.predict(self.hidden(source, task, rows, cols))
    after = classes
    if self.readout == 2 and self.last_digit >= 0:
        after = classes.clone()
        after.select(-1, self.last_digit).add_(1)
    both = self.decoded(torch.stack([classes, after]), self.output_codec)
    written = both[0]
    # The number at a share of those that these digits are written for; zero stays.
    within = written + (both[1] - written) * (share.to(torch.float64) - 0.5)
    numbers = torch.where(written == 0, written, within)
    return numbers.unsqueeze(1), score.unsqueeze(1)


# Hidden states [batch, count, width] of the coefficients of the answer.
def hidden(self, source: Tensor, task: int, rows: int, cols: int) -> Tensor:
    memory = self.encode_source(source, self.source_positions(task, rows, cols, source.size(1)))
    positions = self.coefficient_positions(self.solution_shapes(task, rows, cols))
    if self.grid > 0:
        positions = self.answer_cells(positions, task, self.grid_side(self.operand_shapes(task, rows, cols)))
    return self.query(memory, positions, self.tasks(source), source != 1)


# Classes [batch, count, fields] in the order in which they are written; the share [batch, count] of the probability of the last
# digits that lies below the median; the logarithm of each answer's probability, float64 [batch].
def predict(self, hidden: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    known = torch.zeros([hidden.size(0), hidden.size(1), 0], dtype=torch.int64, device=hidden.device)
    share = torch.full([hidden.size(0), hidden.size(1)], 0.5, dtype=torch.float32, device=hidden.device)
    score = torch.zeros([hidden.size(0)], dtype=torch.float64, device=hidden.device)
    for rank in range(len(self.fields)):
        logits = self.field_logits(rank, hidden, known)
        if self.readout > 0 and self.fields[rank][3] == 1:
            known, share = self.with_median(known, logits, share)
        else:
            known = torch.cat([known, logits.argmax(-1, keepdim=True)], -1)
        chosen = logits.gather(-1, known[..., -1:]).squeeze(-1)
        score = score + (chosen - logits.logsumexp(-1)).sum(1, dtype=torch.float64)
    return known.index_select(2, self.written_order), share, score


# Adds the class of the next digits of the median; `share [batch, count]` of the probability lies below the median among the
# numbers that begin with `known`. Returns the share for the digits that follow, too.
def with_median(self, known: Tensor, logits: Tensor, share: Tensor) -> Tuple[Tensor, Tensor]:
    probability = logits.softmax(-1)
    reached = probability.cumsum(-1)
    place = (reached < share.unsqueeze(-1)).sum(-1, keepdim=True).clamp(max=logits.size(-1) - 1)
    own = probability.gather(-1, place).squeeze(-1)
    before = reached.gather(-1, place).squeeze(-1) - own
    share = ((share - before) / own.clamp(min=1.1754943508222875e-38)).clamp(min=0.0, max=1.0)
    return torch.cat([known, place], -1), share


def answer_tokens(self, source: Tensor, task: int, rows: int, cols: int, beam: int) -> Tensor:
    if beam != 1:
        raise ValueError("this model predicts all coefficients at once: beam must be 1, not {}".format(beam))
    classes, _, _ = self.predict(self.hidden(source, task, rows, cols))
    if self.variable_output == 1:
        # A decoder may choose the digits 053, but only 530 can be written.
        classes = self.encoded(self.decoded(classes, self.output_codec), self.output_codec)
    zeros = self.decoded(classes, self.output_codec) == 0
    shapes = self.solution_shapes(task, rows, cols)
    return self.written(classes, zeros, self.output_starts, self.output_short, shapes, self.target_starts[task])


# Logits of every field's classes, one field after another as they are predicted, each given the target's fields before it:
# source as `encode` returns it and target [batch, length] as `generate` does, to [batch, count, classes of all fields].
def forward(self, source: Tensor, target: Tensor, rows: int = 0, cols: int = 0) -> Tensor:
    source, target = self.read_source(source), self.integers(target, "target")
    task = self.source_task(source)
    rows, cols = self.known_size(source, task, rows, cols)
    classes = self.read(target, self.solution_shapes(task, rows, cols)).index_select(2, self.prediction_order)
    hidden = self.hidden(source, task, rows, cols)
    logits: List[Tensor] = []
    for rank in range(len(self.fields)):
        logits.append(self.field_logits(rank, hidden, classes[:, :, :rank]))
    return torch.cat(logits, -1)


# ---- Expected numbers, which have a gradient where chosen classes have none


# Mantissas of several fields are expected over this many of the most probable beginnings. Ten are all that a first digit leaves;
# to leave others out changes a field by less than a class of the one before.
def paths(self) -> int:
    return 10


# The expected numbers, float64 [batch, count]: E[sign] E[mantissa] 10^exponent, where the mantissa is expected given the most probable
# sign and exponent. The exponent is not expected, because 10^100 would outweigh everything, however improbable. So the layers that
# choose it have no gradient, and the number jumps where the choice changes. Operands of value models have a gradient as far as the
# features of a number have one; those of `value_features = "digits"` have none.
def expected(self, source: Tensor, task: int, rows: int, cols: int) -> Tensor:
    for field in self.fields:
        if field[0] == 3:
            raise ValueError("soft_solve is for answers in P10, P1000 and B1999; those of this model are in FP15, which has no exponent apart")
    return self.soft_numbers(self.hidden(source, task, rows, cols))


def soft_numbers(self, hidden: Tensor) -> Tensor:
    # Classes on every path [batch, count, paths, fields], and the paths' probabilities.
    known = torch.zeros([hidden.size(0), hidden.size(1), 1, 0], dtype=torch.int64, device=hidden.device)
    weights = torch.ones([hidden.size(0), hidden.size(1), 1], dtype=torch.float64, device=hidden.device)
    sign, power = torch.ones_like(weights[..., 0]), torch.ones_like(weights[..., 0])
    mantissa = torch.zeros_like(sign)
    for rank in range(len(self.fields)):
        part, zero, unit = self.fields[rank][0], self.fields[rank][1], self.fields[rank][2]
        probabilities = self.path_logits(rank, hidden, known).to(torch.float64).softmax(-1)
        best = probabilities.argmax(-1, keepdim=True)
        if part == 1:
            power = (weights * torch.pow(10.0, (best[..., 0] - zero).to(torch.float64))).sum(-1)
        else:
            numbers = unit * (torch.arange(probabilities.size(3), device=hidden.device) - zero).to(torch.float64)
            expected = (weights * torch.matmul(probabilities, numbers)).sum(-1)
            if part == 0:
                sign = 1 - 2 * expected
            else:
                mantissa = mantissa + expected
        if part != 2:
            known = torch.cat([known, best], -1)
        elif rank + 1 < len(self.fields):
            known, weights = self.branched(known, weights, probabilities)
    return sign * mantissa * power


# Logits of a field on every path: [batch, count, paths, classes].
def path_logits(self, rank: int, hidden: Tensor, known: Tensor) -> Tensor:
    paths = known.size(2)
    logits = self.field_logits(rank, hidden.repeat_interleave(paths, 1), known.flatten(1, 2))
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
