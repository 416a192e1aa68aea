# A model that reads problems as they are given.


def moves(self, operands: List[Tensor]) -> List[Tuple[Tensor, Tensor]]:
    nothing: List[Tuple[Tensor, Tensor]] = []
    return nothing


def posed(self, operands: List[Tensor], moves: List[Tuple[Tensor, Tensor]]) -> List[Tensor]:
    return operands


def restored(self, solution: List[Tensor], moves: List[Tuple[Tensor, Tensor]]) -> List[Tensor]:
    return self.with_signs(solution)
