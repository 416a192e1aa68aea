# The signs of vectors, which are free.


# Columns of vectors: the largest entry of the first of these matrices, the first of equal ones, is positive.
def with_signs(self, solution: List[Tensor]) -> List[Tensor]:
    vectors = self.vectors()
    if len(vectors) > 0:
        leader = solution[vectors[0]]
        largest = torch.sort(leader.abs(), stable=True, dim=1, descending=True)[1][:, :1]
        sign = self.sign_of(leader.gather(1, largest))
        for place in vectors:
            solution[place] = solution[place] * sign
    return solution


def sign_of(self, x: Tensor) -> Tensor:
    return torch.where(x < 0, -torch.ones_like(x), torch.ones_like(x))
