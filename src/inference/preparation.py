"""Examples as a model learns them, and answers back. Matrices are those of the operands [batch, rows, cols], then those of the solution."""

from typing import List

from torch import Tensor


# What the model reads of the operands, and the answer that it learns.
def prepared(self, matrices: List[Tensor], count: int, task: int) -> List[Tensor]:
    operands, factors = self.normalized(matrices[:count], task)
    read, made = self.question(operands)
    return read + self.lesson(self.normalized_solution(matrices[count:], factors, task), made)


# The solution, from an answer as the model learns it.
def restored(self, matrices: List[Tensor], count: int, task: int) -> List[Tensor]:
    operands, factors = self.normalized(matrices[:count], task)
    _, made = self.question(operands)
    return self.unnormalized(self.reply(matrices[count:], made), factors, task)
