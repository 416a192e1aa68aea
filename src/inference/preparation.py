"""Maps examples to the form in which a model learns them, and learned answers back to solutions.

`matrices` are the operands, `count` of them, followed by the matrices of the solution; each is [batch, rows, cols].
"""

from typing import List

from torch import Tensor


# Returns the matrices that the model reads, followed by the matrices of the answer that it learns.
def prepared(self, matrices: List[Tensor], count: int, task: int) -> List[Tensor]:
    operands, factors = self.normalized(matrices[:count], task)
    read, made = self.question(operands)
    return read + self.lesson(self.normalized_solution(matrices[count:], factors, task), made)


# Returns the solution; `matrices` has the answer in the form that the model learns.
def restored(self, matrices: List[Tensor], count: int, task: int) -> List[Tensor]:
    operands, factors = self.normalized(matrices[:count], task)
    _, made = self.question(operands)
    return self.unnormalized(self.reply(matrices[count:], made), factors, task)
