"""Numbers in token sequences. `<s>` is 0, `<pad>` 1, `V<n>` 1 + n, and word w of the encoding 102 + w; tasks come after the words."""

from typing import List, Tuple

import torch
from torch import Tensor


def first_word(self) -> int:
    return 102


# [batch, count, fields] classes to [batch, length] tokens that begin with `first`. `starts [fields]` are the words of the classes 0; where `zeros
# [batch, count]`, only the fields of `short [fields]` are written, and shorter sequences end with `<pad>`.
def written(self, classes: Tensor, zeros: Tensor, starts: Tensor, short: Tensor,
            shapes: List[Tuple[int, int]], first: int) -> Tensor:
    batch = classes.size(0)
    words = classes + (starts + self.first_word())
    kept = (short | ~zeros.unsqueeze(-1)).expand_as(words)
    mark = torch.zeros([batch, 1], dtype=torch.int64, device=words.device)
    token_parts = [torch.full_like(mark, first)]
    kept_parts = [torch.ones_like(mark).to(torch.bool)]
    done = 0
    for rows, cols in shapes:
        end = done + rows * cols
        token_parts.extend([torch.full_like(mark, 1 + rows), torch.full_like(mark, 1 + cols)])
        token_parts.append(words[:, done:end].flatten(1))
        kept_parts.extend([kept_parts[0], kept_parts[0], kept[:, done:end].flatten(1)])
        done = end
    token_parts.append(mark)
    kept_parts.append(kept_parts[0])
    tokens = torch.cat(token_parts, 1)
    keep = torch.cat(kept_parts, 1)
    if bool(keep.all()):
        return tokens
    order = torch.argsort((~keep).to(torch.int64), stable=True, dim=1, descending=False)
    length = int(keep.sum(1).max())
    tokens = torch.where(keep, tokens, torch.ones_like(tokens)).gather(1, order)
    return tokens[:, :length]


# The tokens that a sequence of these matrices is made of: marks are given, -1 stands for a number.
def slots(self, shapes: List[Tuple[int, int]]) -> List[int]:
    result: List[int] = []
    for rows, cols in shapes:
        result.extend([1 + rows, 1 + cols])
        for _ in range(rows * cols):
            result.append(-1)
    result.append(0)
    return result


# The shapes that the first of `tokens [batch, length]` announces; the problem has `matrices` of them.
def announced_shapes(self, tokens: Tensor, matrices: int) -> List[Tuple[int, int]]:
    row: List[int] = tokens[0].tolist()
    next: List[List[int]] = self.grammar_next.tolist()
    shapes: List[Tuple[int, int]] = []
    place = 1
    for _ in range(matrices):
        if place + 1 >= len(row) or row[place] < 2 or row[place + 1] < 2:
            raise ValueError("tokens must announce {} matrices by V<rows> V<cols>".format(matrices))
        rows, cols = row[place] - 1, row[place + 1] - 1
        shapes.append((rows, cols))
        place += 2
        for _ in range(rows * cols):
            state = 0
            while state >= 0:
                word = -1
                if place < len(row):
                    word = row[place] - self.first_word()
                if word < 0 or word >= len(next[state]):
                    raise ValueError("tokens end in the middle of a {}x{} matrix".format(rows, cols))
                state = next[state][word]
                place += 1
    return shapes


# Tokens where the model is.
def integers(self, tokens: Tensor, name: str) -> Tensor:
    if tokens.is_floating_point() or tokens.is_complex():
        raise ValueError("{} must be integers".format(name))
    return tokens.to(self.device(), torch.int64)


# [batch, length] tokens of matrices of these shapes to [batch, count, fields] classes.
def read(self, tokens: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
    classes, legal = self.parsed(tokens, shapes)
    if not bool(legal.all()):
        raise ValueError("tokens do not write {} numbers".format(self.count(shapes)))
    return classes


# The same, and which of the sequences are legal [batch].
def parsed(self, tokens: Tensor, shapes: List[Tuple[int, int]]) -> Tuple[Tensor, Tensor]:
    batch, fields, count = tokens.size(0), self.output_starts.size(0), self.count(shapes)
    # One place more, for what is not of a number.
    classes = torch.zeros([batch, count * fields + 1], dtype=torch.int64, device=tokens.device)
    number = torch.zeros([batch], dtype=torch.int64, device=tokens.device)
    state = torch.zeros_like(number)
    legal = torch.ones_like(number).to(torch.bool)
    for step in range(tokens.size(1)):
        word = tokens[:, step] - self.first_word()
        inside = (word >= 0) & (word < self.grammar_next.size(1)) & (number < count)
        word = torch.where(inside, word, torch.zeros_like(word))
        legal = legal & (self.grammar_allowed[state, word] | ~inside)
        field = self.output_field[state, word]
        place = torch.where(inside, number * fields + field, torch.full_like(number, count * fields))
        classes.scatter_(1, place.unsqueeze(1), (word - self.output_starts[field]).unsqueeze(1))
        following = self.grammar_next[state, word]
        number = number + (inside & (following < 0)).to(torch.int64)
        state = torch.where(inside, following.clamp(min=0), state)
    return classes[:, :-1].unflatten(1, [count, fields]), legal & (number == count)
