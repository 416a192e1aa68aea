"""The input transform of models that read operands as they are: the identity. See condensed.py for another transform."""

from typing import List, Tuple

from torch import Tensor


# Returns the matrices that the model reads, and the matrices of the transform: none.
def question(self, operands: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
    nothing: List[Tensor] = []
    return operands, nothing


# Maps the model's answer to the solution.
def reply(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    return solution


# Maps the solution to the answer that the model learns.
def lesson(self, solution: List[Tensor], made: List[Tensor]) -> List[Tensor]:
    return solution
