# A model that reads matrices with all their coefficients.


def turns(self, operands: List[Tensor]) -> List[Tensor]:
    nothing: List[Tensor] = []
    return nothing
