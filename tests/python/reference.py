"""The forward pass without the inference engine: the package's network, with encodings and positions of an independent implementation.

It reads `model.safetensors`, whose metadata contains the recipe. For the same source and target, its logits equal those of `model.pt`:

    model = reference.load("checkpoints/eigenvalues-3x3/model.safetensors")
    logits = model(source, target)
"""

import pathlib
import sys
import tomllib

import codec
import torch

sys.path.append(str(pathlib.Path(__file__).parents[2] / "python"))
from laformer import safetensors  # noqa: E402
from laformer.network import Network  # noqa: E402

VALUES = {"values": codec.coefficient_positions, "triangle": codec.triangle_positions, "condensed": codec.condensed_positions}


class Reference(Network):
    """A model of one problem."""

    def __init__(self, recipe, tensors):
        self.recipe = recipe
        self.problem, digits = recipe["problem"], recipe["encoding"]["digits"]
        kind, *rest = recipe["encoding"]["input"].split(":")
        self.input = codec.Encoding(":".join(["P1000" if kind in VALUES else kind, *rest]), digits)
        self.output = codec.Encoding(recipe["encoding"]["output"], digits)
        super().__init__(recipe["model"], tensors, [self.output.fields[place].name for place in self.output.order])
        self.parallel, self.values_read = recipe["model"]["decoder"] != "autoregressive", VALUES.get(kind)
        sizes = [recipe["dim"]] * 2 if recipe["dim"] else [recipe["rows"], recipe["cols"]]
        self.size = None if any("-" in size for size in sizes) else list(map(int, sizes))

    def all_positions(self, rows, cols):
        """The position indices of the source, and of the answer: its coefficients (parallel decoders) or its tokens."""
        operands, solution = codec.shapes(self.problem, rows, cols)
        if self.pair:
            return codec.cells(operands), codec.answer_cells(self.problem, operands, solution)
        if self.values_read:
            source = self.values_read(operands)
        else:
            source = codec.token_positions(operands, len(self.input.fields))
        if self.parallel:
            return source, codec.coefficient_positions(solution)
        return source, codec.token_positions(solution, len(self.output.fields))[:-1]

    def forward(self, source, target, rows=None, cols=None):
        """The logits for a source from `encode` of model.pt and target tokens from `generate`. If the model has several sizes, `rows` and
        `cols` are needed."""
        rows, cols = (rows, cols) if rows else self.size
        if self.parallel:
            target = torch.tensor([self.output.read(row) for row in target.tolist()])
        else:
            target = target[:, :-1]
        positions = [positions.to(source.device) for positions in self.all_positions(rows, cols)]
        return self.logits(source, target.to(source.device), *positions)

    def logits(self, source, target, source_positions, target_positions):
        """The logits for a target: classes `[batch, count, fields]` (parallel decoders), or the tokens that the decoder reads."""
        mask = source != codec.PAD
        memory = self.encode_source(source, source_positions if self.pair else source_positions[: source.shape[1]])
        if not self.parallel:
            return self.next_logits(target, target_positions[: target.shape[1]], *self.start(memory), mask)[0]
        hidden = self.query(memory, target_positions, None, mask)
        known = target[..., self.output.order]
        return torch.cat([self.field_logits(rank, hidden, known) for rank in range(len(self.output.order))], -1)


def load(path):
    """Loads a model from a `model.safetensors`, ready to answer."""
    tensors, text = safetensors.read(path)
    # Names without a dot are tables of the engine.
    return Reference(tomllib.loads(text["recipe"]), {name: tensor for name, tensor in tensors.items() if "." in name}).eval()
