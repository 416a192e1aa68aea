"""The autoregressive decoder: writes one token after another. A cache holds what its layers computed for earlier tokens."""

from typing import List, Tuple

import torch
from torch import Tensor


# Returns the numbers of the answers [batch, beam, count], and the logarithms of their probabilities [batch, beam].
def proposals(self, source: Tensor, task: int, rows: int, cols: int, beam: int) -> Tuple[Tensor, Tensor]:
    tokens, scores = self.search(source, task, rows, cols, beam)
    # If the beam is wider than the number of legal answers, the remaining hypotheses are illegal and have a score of -inf.
    classes, _ = self.parsed(tokens.flatten(0, 1), self.solution_shapes(task, rows, cols))
    numbers = self.decoded(classes, self.output_codec).unflatten(0, [tokens.size(0), tokens.size(1)])
    return numbers, scores


def answer_tokens(self, source: Tensor, task: int, rows: int, cols: int, beam: int) -> Tensor:
    return self.search(source, task, rows, cols, beam)[0][:, 0]


# The positions of the tokens that the decoder reads: all tokens of the answer except the last.
def answer_positions(self, task: int, rows: int, cols: int) -> Tensor:
    return self.token_positions(self.solution_shapes(task, rows, cols), self.output_starts.size(0))[:-1]


# Returns the keys and values of the encoded source for cross-attention, and the cache before the first step. Dimension 2 of both tensors
# is the batch.
def started(self, source: Tensor, task: int, rows: int, cols: int) -> Tuple[Tensor, Tensor]:
    return self.start(self.encode_source(source, self.source_positions(task, rows, cols, source.size(1))))


# Which tokens may follow each hypothesis, bool [hypotheses, tokens]. `slot` [hypotheses] is the index of its next slot, and `state`
# [hypotheses] the grammar's state within a number. After a finished sequence, only `<pad>` may follow.
def legal(self, slots: Tensor, slot: Tensor, state: Tensor) -> Tensor:
    words = self.grammar_allowed[state]
    tokens = torch.constant_pad_nd(words, [self.first_word(), self.named_tasks()], 0)
    forced = slots[slot]
    only = torch.arange(tokens.size(1), device=slot.device).unsqueeze(0) == forced.unsqueeze(1)
    return torch.where((forced < 0).unsqueeze(1), tokens, only)


# Beam search over the sequences that the grammar allows; a beam of 1 is greedy search. Returns tokens [batch, beam, length], with the first
# token, and scores, float64 [batch, beam]. A score is the sum of log-probabilities, each among the legal tokens.
def search(self, source: Tensor, task: int, rows: int, cols: int, beam: int) -> Tuple[Tensor, Tensor]:
    if beam < 1 or beam > 1000:
        raise ValueError("beam must be from 1 to 1000, not {}".format(beam))
    batch, device = source.size(0), source.device
    wanted = self.slots(self.solution_shapes(task, rows, cols))
    # A finished sequence stays at an extra slot, which is `<pad>`.
    slots = torch.tensor(wanted + [1], device=device)
    positions = self.answer_positions(task, rows, cols)
    cross, cache = self.started(source, task, rows, cols)
    cross, cache = cross.repeat_interleave(beam, 2), cache.repeat_interleave(beam, 2)
    source = source.repeat_interleave(beam, 0)
    tokens = torch.full([batch * beam, 1], self.target_starts[task], dtype=torch.int64, device=device)
    slot = torch.zeros([batch * beam], dtype=torch.int64, device=device)
    state = torch.zeros_like(slot)
    # At first all hypotheses are equal, so only one of them may continue.
    scores = torch.zeros([batch, beam], dtype=torch.float64, device=device)
    scores[:, 1:] = float("-inf")
    first = torch.arange(batch, device=device).unsqueeze(1) * beam
    for step in range(positions.size(0)):
        logits, cache = self.decode_step(tokens[:, -1:], positions[step:step + 1], cross, cache, source != 1)
        forbidden = ~self.legal(slots, slot, state)
        gains = logits.to(torch.float32).masked_fill(forbidden, float("-inf")).log_softmax(1).to(torch.float64)
        vocabulary = gains.size(1)
        candidates = (scores.unsqueeze(2) + gains.unflatten(0, [batch, beam])).flatten(1)
        scores, chosen = candidates.topk(beam, 1)
        parent = (first + torch.div(chosen, vocabulary, rounding_mode="floor")).flatten()
        token = chosen.remainder(vocabulary).flatten()
        if beam > 1:
            cache = cache.index_select(2, parent)
            tokens, slot, state = tokens[parent], slot[parent], state[parent]
        tokens = torch.cat([tokens, token.unsqueeze(1)], 1)
        slot, state = self.advanced(slots, slot, state, token)
        if self.variable_output == 1 and bool((slot == len(wanted)).all()):
            break
    return tokens.unflatten(0, [batch, beam]), scores


# Returns the slots and states of hypotheses after their next token.
def advanced(self, slots: Tensor, slot: Tensor, state: Tensor, token: Tensor) -> Tuple[Tensor, Tensor]:
    number = slots[slot] < 0
    word = torch.where(number, token - self.first_word(), torch.zeros_like(token)).clamp(min=0)
    following = torch.where(number, self.grammar_next[state, word], torch.full_like(token, -1))
    done = following < 0
    slot = torch.where(done, slot + 1, slot).clamp(max=slots.size(0) - 1)
    return slot, following.clamp(min=0)


# The logits [batch, length - 1, tokens] of every token of `target` [batch, length] except the first, given the tokens before it. `source`
# is from `encode`.
def forward(self, source: Tensor, target: Tensor, rows: int = 0, cols: int = 0) -> Tensor:
    source, target = self.read_source(source), self.integers(target, "target")
    task = self.source_task(source)
    rows, cols = self.known_size(source, task, rows, cols)
    positions = self.answer_positions(task, rows, cols)
    steps = target.size(-1) - 1
    if target.dim() != 2 or steps < 1 or steps > positions.size(0) or target.size(0) != source.size(0):
        raise ValueError("target must be [{}, 2 to {}], not {}".format(
            source.size(0), positions.size(0) + 1, target.size()))
    cross, cache = self.started(source, task, rows, cols)
    parts: List[Tensor] = []
    for step in range(steps):
        logits, cache = self.decode_step(target[:, step:step + 1], positions[step:step + 1], cross, cache, source != 1)
        parts.append(logits)
    return torch.stack(parts, 1)


# The number of tokens that name a task. They follow the words of the encoding in the vocabulary; a model of one problem has none.
def named_tasks(self) -> int:
    if len(self.names) > 1:
        return len(self.names)
    return 0


def paths(self) -> int:
    return 1


def expected(self, source: Tensor, task: int, rows: int, cols: int) -> Tensor:
    raise ValueError("soft_solve is for models that predict all coefficients at once (decoder = 'parallel'); this one writes token after token")
