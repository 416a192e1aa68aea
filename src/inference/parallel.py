"""The parallel decoder: predicts all coefficients of an answer at once, from one hidden state each. The fields of a coefficient are
predicted one after another; each depends on the fields before it.

The table `fields` has a row for each field, in the order of prediction. A row has four numbers: the part of the number (0: sign,
1: exponent, 2: mantissa, 3: the whole number), the class of zero, the value of one class, and 1 if larger classes mean larger magnitudes.

The readout says how distributions become numbers. 0: the most probable class of each field. 1: the same, but the median for the digits
of P10 and P1000. 2: the median, interpolated within the last digit.
"""

from typing import List, Tuple

import torch
from torch import Tensor


# Returns the numbers of the answer [batch, 1, count], and the logarithm of its probability [batch, 1].
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
    # Interpolates within half a unit of the last digit: `share` 0 is the end with the smaller magnitude, 1 the other end. Zero stays zero.
    within = written + (both[1] - written) * (share.to(torch.float64) - 0.5)
    numbers = torch.where(written == 0, written, within)
    return numbers.unsqueeze(1), score.unsqueeze(1)


# The hidden states [batch, count, width] of the answer's coefficients.
def hidden(self, source: Tensor, task: int, rows: int, cols: int) -> Tensor:
    memory = self.encode_source(source, self.source_positions(task, rows, cols, source.size(1)))
    positions = self.coefficient_positions(self.solution_shapes(task, rows, cols))
    if self.grid > 0:
        positions = self.answer_cells(positions, task, self.grid_side(self.operand_shapes(task, rows, cols)))
    return self.query(memory, positions, self.tasks(source), source != 1)


# Chooses the classes of all fields. Returns the classes [batch, count, fields] in the order of a token sequence; the share [batch, count]
# of the probability of the last digits that lies below the median; and the logarithm of each answer's probability, float64 [batch].
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


# Appends the next digits of the median to `known`. Among the numbers with the fields `known`, the fraction `share` [batch, count] of the
# probability lies below the median. Also returns that fraction for the numbers with the appended digits.
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
        # The decoder may choose the digits 053, but a sequence must have 530 with a smaller exponent.
        classes = self.encoded(self.decoded(classes, self.output_codec), self.output_codec)
    zeros = self.decoded(classes, self.output_codec) == 0
    shapes = self.solution_shapes(task, rows, cols)
    return self.written(classes, zeros, self.output_starts, self.output_short, shapes, self.target_starts[task])


# The logits of all fields [batch, count, classes of all fields], concatenated in the order of prediction. Every field is given the
# target's fields before it. `source` is from `encode`, and `target` [batch, length] has tokens as `generate` returns them.
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


# ---- Expected values, which have a gradient; chosen classes have none


# The number of prefixes in the expected value of a mantissa of several fields: the most probable prefixes. In P10, ten are all first
# digits. Leaving out other prefixes changes the expected value of a field by less than one class of the field before it.
def paths(self) -> int:
    return 10


# The expected values of the numbers, float64 [batch, count]: E[sign] E[mantissa] 10^exponent. The mantissa is predicted for the most
# probable sign and exponent. The exponent is the most probable one, because 10^100 would dominate an expected value, however improbable.
# So the layers that choose the exponent have no gradient, and the number jumps where the choice changes. In models that read values,
# operands have a gradient if the features of a number have one; `value_features = "digits"` has none.
def expected(self, source: Tensor, task: int, rows: int, cols: int) -> Tensor:
    for field in self.fields:
        if field[0] == 3:
            raise ValueError("soft_solve is for answers in P10, P1000 and B1999; those of this model are in FP15, which has no exponent apart")
    return self.soft_numbers(self.hidden(source, task, rows, cols))


def soft_numbers(self, hidden: Tensor) -> Tensor:
    # The classes of every prefix [batch, count, paths, fields], and the probabilities of the prefixes [batch, count, paths].
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


# The logits of a field after every prefix: [batch, count, paths, classes].
def path_logits(self, rank: int, hidden: Tensor, known: Tensor) -> Tensor:
    paths = known.size(2)
    logits = self.field_logits(rank, hidden.repeat_interleave(paths, 1), known.flatten(1, 2))
    return logits.unflatten(1, [hidden.size(1), paths])


# Extends the prefixes by one field, whose `probabilities` are [batch, count, paths, classes]. Returns the most probable extended prefixes
# and their weights [batch, count, paths], which sum to 1.
def branched(self, known: Tensor, weights: Tensor, probabilities: Tensor) -> Tuple[Tensor, Tensor]:
    classes = probabilities.size(3)
    candidates = (weights.unsqueeze(-1) * probabilities).flatten(2)
    weights, chosen = candidates.topk(min(self.paths(), candidates.size(2)), -1)
    parent = torch.div(chosen, classes, rounding_mode="floor").unsqueeze(-1)
    before = known.gather(2, parent.expand(-1, -1, -1, known.size(3)))
    known = torch.cat([before, chosen.remainder(classes).unsqueeze(-1)], -1)
    return known, weights / weights.sum(-1, keepdim=True)
