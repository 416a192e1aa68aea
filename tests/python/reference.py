"""The models of laformer in plain PyTorch, an oracle of the forward pass that shares no code with them.

It reads `model.safetensors`, whose metadata hold the recipe, and gives the logits that `model.pt` gives for the same source
and target:

    model = reference.load("checkpoints/eigenvalues-3x3/model.safetensors")
    logits = model(source, target)
"""

import json
import math
import struct

import codec
import torch
from torch import nn
from torch.nn import functional as F


def is_post_norm(config):
    return config["normalization"] == "post-layer"


def norm(config):
    if config["normalization"] == "pre-rms":
        return nn.RMSNorm(config["width"], eps=1e-6)
    return nn.LayerNorm(config["width"], eps=1e-12, bias=is_post_norm(config))


def table(config, entries):
    """Parameters of an embedding: Charton's d^-1/2 for post-norm, a deviation of 1/2 otherwise."""
    deviation = config["width"] ** -0.5 if is_post_norm(config) else 0.5
    return nn.Parameter(deviation * torch.randn(entries, config["width"]))


class Positions(nn.Module):
    """Sum of tables over the columns of position indices `[length, 5]`."""

    def __init__(self, config, positions, dim, fields):
        super().__init__()
        entries = {"flat": len(positions), "matrix": int(positions[:, 1].max()) + 1}
        entries |= {"row": dim + 1, "column": dim + 1, "field": fields + 1}
        kind = config["positions"]
        self.columns = [(i, name) for i, name in enumerate(entries) if kind == "both" or (kind == "flat") == (i == 0)]
        for _, name in self.columns:
            setattr(self, name, table(config, entries[name]))

    def forward(self, positions):
        return sum(F.embedding(positions[:, i], getattr(self, name)) for i, name in self.columns)


class Values(nn.Module):
    """Numbers `[batch, count]` as vectors: value, sign, logarithms, sines and cosines, mixed."""

    def __init__(self, width, magnitude):
        super().__init__()
        periods = (4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.005)
        self.register_buffer("frequencies", torch.tensor([math.tau / (period * magnitude) for period in periods]))
        self.register_buffer("scale", torch.tensor([1 / magnitude]))
        self.mix = nn.Linear(4 + 2 * len(periods), 2 * width)
        self.out = nn.Linear(2 * width, width)

    def forward(self, values):
        x = values.unsqueeze(-1)
        scaled, sign, angle = x * self.scale, x.sign(), x * self.frequencies
        ten = 10 * scaled.abs()
        log, signed = ten.clamp(min=1e-3).log10(), sign * (1 + ten.clamp(min=1e-2).log10() / 2)
        return self.out(F.gelu(self.mix(torch.cat([scaled, sign, log, signed, angle.sin(), angle.cos()], -1))))


class SelfAttention(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias)
        self.out = nn.Linear(width, width, bias)

    def forward(self, x, mask):
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias)
        self.kv = nn.Linear(width, 2 * width, bias)
        self.out = nn.Linear(width, width, bias)

    def forward(self, x, memory, mask):
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.kv(memory).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, config, bias):
        super().__init__()
        width, hidden = config["width"], config["feedforward"] * config["width"]
        self.gate = {"swiglu": F.silu, "bilinear": nn.Identity()}.get(config["activation"])
        if self.gate:
            hidden = -(-(hidden * 2 // 3) // 8) * 8
            self.gate_up = nn.Linear(width, 2 * hidden, bias)
        else:
            self.up = nn.Linear(width, hidden, bias)
            self.activation = {"gelu": F.gelu, "relu": F.relu}[config["activation"]]
        self.down = nn.Linear(hidden, width, bias)

    def forward(self, x):
        if self.gate:
            gate, up = self.gate_up(x).chunk(2, -1)
            return self.down(self.gate(gate) * up)
        return self.down(self.activation(self.up(x)))


class EncoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.post = is_post_norm(config)
        self.attention = SelfAttention(config["width"], config["heads"], self.post)
        self.attention_norm = norm(config)
        self.feedforward = FeedForward(config, self.post)
        self.feedforward_norm = norm(config)

    def residual(self, x, norm, sublayer):
        return norm(x + sublayer(x)) if self.post else x + sublayer(norm(x))

    def forward(self, x, mask):
        x = self.residual(x, self.attention_norm, lambda x: self.attention(x, mask))
        return self.residual(x, self.feedforward_norm, self.feedforward)


class DecoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.post = is_post_norm(config)
        self.self_attention = SelfAttention(config["width"], config["decoder_heads"], self.post)
        self.self_norm = norm(config)
        self.cross_attention = CrossAttention(config["width"], config["decoder_heads"], self.post)
        self.cross_norm = norm(config)
        self.feedforward = FeedForward(config, self.post)
        self.feedforward_norm = norm(config)

    residual = EncoderLayer.residual

    def forward(self, x, mask, memory, memory_mask):
        x = self.residual(x, self.self_norm, lambda x: self.self_attention(x, mask))
        x = self.residual(x, self.cross_norm, lambda x: self.cross_attention(x, memory, memory_mask))
        return self.residual(x, self.feedforward_norm, self.feedforward)


class Stack(nn.Module):
    """Layers, with a norm before them (post-norm, whose layers end with one) or after them."""

    def __init__(self, config, layer, count):
        super().__init__()
        self.post = is_post_norm(config)
        self.layers = nn.ModuleList(layer(config) for _ in range(count))
        self.norm = norm(config)

    def forward(self, x, *arguments):
        x = self.norm(x) if self.post else x
        for layer in self.layers:
            x = layer(x, *arguments)
        return x if self.post else self.norm(x)


class Source(nn.Module):
    def __init__(self, config, positions, dim, fields, vocabulary, magnitude):
        super().__init__()
        if vocabulary is None:
            self.values = Values(config["width"], magnitude)
        else:
            self.tokens = table(config, vocabulary)
        self.positions = Positions(config, positions, dim, fields)

    def forward(self, source, positions):
        embedded = F.embedding(source, self.tokens) if hasattr(self, "tokens") else self.values(source)
        return embedded + self.positions(positions)


class AutoregressiveDecoder(Stack):
    """Tokens that are read `[batch, length]` to logits of those that follow `[batch, length, vocabulary]`."""

    def __init__(self, config, positions, dim, encoding):
        super().__init__(config, DecoderLayer, config["decoder_layers"])
        self.positions = Positions(config, positions, dim, len(encoding.fields))
        vocabulary, width = codec.WORDS + encoding.words, config["width"]
        self.tokens = nn.Parameter(width**-0.5 * torch.randn(vocabulary, width))
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, tokens, positions, memory, memory_mask):
        x = F.embedding(tokens, self.tokens) + self.positions(positions)
        causal = torch.ones(len(positions), len(positions), dtype=torch.bool, device=x.device).tril()
        return F.linear(super().forward(x, causal, memory, memory_mask), self.tokens, self.bias)


class FieldHead(nn.Module):
    """Predicts one field of the numbers, knowing the fields before it."""

    def __init__(self, config, classes, first, last):
        super().__init__()
        if not last:
            self.known = table(config, classes)
        if not first:
            self.mix = FeedForward(config | {"feedforward": 2}, True)
        self.logits = nn.Linear(config["width"], classes)


class ParallelDecoder(Stack):
    """Classes `[batch, count, fields]` to logits `[batch, count, all classes]` of the fields in prediction order, each given
    the true classes of those before."""

    def __init__(self, config, positions, dim, encoding):
        super().__init__(config, DecoderLayer, config["decoder_layers"])
        self.positions = Positions(config, positions, dim, len(encoding.fields))
        self.order, heads = encoding.order, {}
        for place, field in enumerate(encoding.fields[i] for i in self.order):
            heads[field.name] = FieldHead(config, field.classes, place == 0, place + 1 == len(self.order))
        self.fields = nn.ModuleDict(heads)

    def forward(self, classes, positions, memory, memory_mask):
        queries = self.positions(positions).expand(len(classes), -1, -1)
        state = super().forward(queries, None, memory, memory_mask)
        logits = []
        for place, head in zip(self.order, self.fields.values()):
            mixed = state + head.mix(state) if hasattr(head, "mix") else state
            logits.append(head.logits(mixed))
            if hasattr(head, "known"):
                state = state + F.embedding(classes[:, :, place], head.known)
        return torch.cat(logits, -1)


class Transformer(nn.Module):
    def __init__(self, recipe):
        super().__init__()
        config, self.problem = recipe["model"], recipe["problem"]
        digits = recipe["encoding"]["digits"]
        self.parallel = config["decoder"] == "parallel"
        self.reads_values = recipe["encoding"]["input"].startswith("values")
        self.input = codec.Encoding(recipe["encoding"]["input"].replace("values", "P1000"), digits)
        self.output = codec.Encoding(recipe["encoding"]["output"], digits)
        largest = [int(recipe[key].split("-")[-1]) for key in (["dim"] * 2 if recipe["dim"] else ["rows", "cols"])]
        self.size = largest if not any("-" in recipe[key] for key in ("dim", "rows", "cols")) else None
        largest = [max(size, config["max_dim"]) for size in largest]
        source, target = self.all_positions(*largest)
        vocabulary = None if self.reads_values else codec.WORDS + self.input.words
        fields = 1 if self.reads_values else len(self.input.fields)
        self.source = Source(config, source, max(largest), fields, vocabulary, recipe["data"]["magnitude"])
        self.encoder = Stack(config, EncoderLayer, config["encoder_layers"])
        decoder = ParallelDecoder if self.parallel else AutoregressiveDecoder
        self.decoder = decoder(config, target, max(largest), self.output)

    def all_positions(self, rows, cols):
        """Position indices of the source, and of the coefficients or of the tokens that are read."""
        operands, solution = codec.shapes(self.problem, rows, cols)
        if self.reads_values:
            source = codec.coefficient_positions(operands)
        else:
            source = codec.token_positions(operands, len(self.input.fields))
        if self.parallel:
            return source, codec.coefficient_positions(solution)
        return source, codec.token_positions(solution, len(self.output.fields))[:-1]

    def forward(self, source, target, rows=None, cols=None):
        """Logits for a source, as `encode` of model.pt returns it, and target tokens, as `generate` does; the size is needed
        where the model knows several."""
        rows, cols = (rows, cols) if rows else self.size
        if self.parallel:
            target = torch.tensor([self.output.read(row) for row in target.tolist()])
        else:
            target = target[:, :-1]
        positions = [positions.to(source.device) for positions in self.all_positions(rows, cols)]
        return self.logits(source, target.to(source.device), *positions)

    def logits(self, source, target, source_positions, target_positions):
        """Classes `[batch, count, fields]` or the tokens that are read are the target here."""
        mask = None if self.reads_values else (source != codec.PAD)[:, None, None, :]
        memory = self.encoder(self.source(source, source_positions[: source.shape[1]]), mask)
        if not self.parallel:
            target_positions = target_positions[: target.shape[1]]
        return self.decoder(target, target_positions, memory, mask)


DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def read_safetensors(path):
    """The tensors of a safetensors file and its text: 8 bytes of length, a JSON header, the data."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), bytearray(file.read())
    text, tensors = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        tensor = torch.frombuffer(data[start:end], dtype=DTYPES[entry["dtype"]])
        tensors[name] = tensor.reshape(entry["shape"])
    return tensors, text


def load(path):
    """The model of a `model.safetensors`, ready to answer."""
    import tomllib  # of Python 3.11; the model itself needs 3.10

    tensors, text = read_safetensors(path)
    model = Transformer(tomllib.loads(text["recipe"]))
    model.load_state_dict(tensors)
    return model.eval()
