# A decoder that predicts all coefficients at once: one query each, its fields one after another.


def answer_positions(self, rows: int, cols: int) -> Tensor:
    positions = self.coefficient_positions(self.solution_shapes(rows, cols))
    if self.grid > 0:
        return self.answer_cells(positions, rows, cols)
    return positions


def hidden(self, source: Tensor, rows: int, cols: int) -> Tensor:
    memory = self.encode_source(source, self.source_positions(rows, cols, source.size(1)))
    return self.query_memory(memory, self.answer_positions(rows, cols), source)


# Classes [batch, count, fields] in the order in which they are written, and shares [batch, count] of the last digit.
def answer(self, source: Tensor, rows: int, cols: int, beam: int) -> Tuple[Tensor, Tensor]:
    if beam != 1:
        raise ValueError("this model predicts all coefficients at once: beam must be 1, not {}".format(beam))
    known, share = self.predict(self.hidden(source, rows, cols))
    return known.index_select(2, self.written_order), share


# float64 [batch, count].
def answer_numbers(self, source: Tensor, rows: int, cols: int, beam: int) -> Tensor:
    classes, share = self.answer(source, rows, cols, beam)
    return self.readout(classes, share)


# The numbers at a share of those that classes are written for; the last digit is at a place of the classes. See
# `Encoding::decode_within`.
def decoded_within(self, classes: Tensor, last: int, share: Tensor) -> Tensor:
    number = self.decode_output(classes)
    after = classes.clone()
    after.select(-1, last).add_(1)
    within = number + (self.decode_output(after) - number) * (share.to(torch.float64) - 0.5)
    return torch.where(number == 0, number, within)


def answer_tokens(self, source: Tensor, rows: int, cols: int, beam: int) -> Tensor:
    classes, _ = self.answer(source, rows, cols, beam)
    if self.variable_output == 1:
        # A decoder may choose the digits 053, but only 530 can be written.
        classes = self.encode_output(self.decode_output(classes))
    zeros = self.decode_output(classes) == 0
    shapes = self.solution_shapes(rows, cols)
    return self.written(classes, zeros, self.output_starts, self.output_short, shapes, self.target_start)


# Adds the best class of one more field to `known [batch, count, f]`.
def with_best(self, known: Tensor, logits: Tensor) -> Tensor:
    return torch.cat([known, logits.argmax(-1, keepdim=True)], -1)


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


# Logits of every field's classes, one field after another as they are predicted, each given the target's fields before it:
# source as `encode` returns it and target [batch, length] as `generate` does, to [batch, count, classes of all fields].
def forward(self, source: Tensor, target: Tensor, rows: int = 0, cols: int = 0) -> Tensor:
    source, target = self.read_source(source), self.integers(target, "target")
    rows, cols = self.known_size(source, rows, cols)
    classes = self.read(target, self.solution_shapes(rows, cols))
    return self.field_logits(self.hidden(source, rows, cols), classes.index_select(2, self.prediction_order))
