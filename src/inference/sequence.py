"""Writes numbers as token sequences and reads them.

A sequence is `<s>` (or a task's token), then `V<rows> V<cols>` and the numbers of each matrix, then `<s>`. The token of `<s>` is 0, of
`<pad>` 1, of `V<n>` 1 + n, and of word w of the encoding 102 + w. The tokens of tasks follow the words.
"""

from typing import List, Tuple

import torch
from torch import Tensor


def first_word(self) -> int:
    return 102


# Converts classes [batch, count, fields] to tokens [batch, length]; `first` is the first token. `starts` [fields] has the word of each
# field's class 0. For numbers marked in `zeros` [batch, count], only fields marked in `short` [fields] are written. Shorter
# sequences are padded at the end.
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


# The slots of a sequence after its first token: the only possible token, or -1 for a number, which may have several tokens.
def slots(self, shapes: List[Tuple[int, int]]) -> List[int]:
    result: List[int] = []
    for rows, cols in shapes:
        result.extend([1 + rows, 1 + cols])
        for _ in range(rows * cols):
            result.append(-1)
    result.append(0)
    return result


# The shapes of the problem's matrices, read from the first sequence of `tokens` [batch, length]. There are `matrices` of them.
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


# Converts tokens to int64 on the model's device. Raises ValueError if they are not integers.
def integers(self, tokens: Tensor, name: str) -> Tensor:
    if tokens.is_floating_point() or tokens.is_complex():
        raise ValueError("{} must be integers".format(name))
    return tokens.to(self.device(), torch.int64)


# Converts the tokens [batch, length] of matrices of these shapes to classes [batch, count, fields]. Raises ValueError if a sequence is
# illegal.
def read(self, tokens: Tensor, shapes: List[Tuple[int, int]]) -> Tensor:
    classes, legal = self.parsed(tokens, shapes)
    if not bool(legal.all()):
        raise ValueError("tokens do not write {} numbers".format(self.count(shapes)))
    return classes


# Like `read`, but instead of raising an error, also returns which sequences are legal, bool [batch].
def parsed(self, tokens: Tensor, shapes: List[Tuple[int, int]]) -> Tuple[Tensor, Tensor]:
    batch, fields, count = tokens.size(0), self.output_starts.size(0), self.count(shapes)
    # The extra column at the end takes the tokens that belong to no number.
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
