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


def is_recurrent(config):
    return config["architecture"] in ("lstm", "gru")


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
        self.columns = [(i, name) for i, name in enumerate(entries) if kind == "both" or i == 0]
        for _, name in self.columns:
            setattr(self, name, table(config, entries[name]))

    def forward(self, positions):
        return sum(F.embedding(positions[:, i], getattr(self, name)) for i, name in self.columns)


class Values(nn.Module):
    """Numbers `[batch, count]` as vectors: features of them, mixed."""

    PERIODS = (4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.005)

    def __init__(self, config, magnitude, digits):
        super().__init__()
        self.member, self.width, self.digits = config["value_features"], config["width"], digits
        if self.member == "all":
            self.register_buffer("frequencies", torch.tensor([math.tau / (period * magnitude) for period in self.PERIODS]))
            self.register_buffer("scale", torch.tensor([1 / magnitude]))
        self.mix = nn.Linear(self.features(torch.zeros(1)).shape[-1], 2 * self.width)
        self.out = nn.Linear(2 * self.width, self.width)

    def logarithm(self, x, least):
        return (10 * (x * self.scale).abs()).clamp(min=least).log10()

    def written(self, x):
        """Sign, then one-hot digits and exponent of the number as Python writes it."""
        text = f"{abs(x):.{self.digits - 1}e}"
        mantissa, exponent = text.replace(".", "").split("e")
        hot = [float(int(digit) == i) for digit in mantissa for i in range(10)]
        return [math.copysign(1.0, x) if x else 0.0, *hot, *(float(int(exponent) == i) for i in range(-38, 39))]

    def features(self, x):
        x = x.unsqueeze(-1)
        if self.member == "digits":
            return torch.tensor([self.written(number) for number in x.flatten().tolist()]).unflatten(0, x.shape[:-1])
        logs = [self.logarithm(x, 1e-3), x.sign() * (1 + self.logarithm(x, 1e-2) / 2)]
        waves = [function(x * self.frequencies) for function in (torch.sin, torch.cos)]
        return torch.cat([x * self.scale, x.sign(), *logs, *waves], -1)

    def forward(self, values):
        return self.out(F.gelu(self.mix(self.features(values))))


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
    def __init__(self, width, memory, heads, bias):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias)
        self.kv = nn.Linear(memory, 2 * width, bias)
        self.out = nn.Linear(width, width, bias)

    def forward(self, x, memory, mask):
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.kv(memory).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, config, bias):
        super().__init__()
        width, hidden = config["width"], config["feedforward"] * config["width"]
        self.bilinear = config["activation"] == "bilinear"
        if self.bilinear:
            hidden = -(-(hidden * 2 // 3) // 8) * 8
            self.gate_up = nn.Linear(width, 2 * hidden, bias)
        else:
            self.up = nn.Linear(width, hidden, bias)
            self.activation = {"gelu": F.gelu, "relu": F.relu}[config["activation"]]
        self.down = nn.Linear(hidden, width, bias)

    def forward(self, x):
        if self.bilinear:
            gate, up = self.gate_up(x).chunk(2, -1)
            return self.down(gate * up)
        return self.down(self.activation(self.up(x)))


class CopyGate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.down.bias, -3.0)

    def forward(self, x):
        return torch.sigmoid(self.down(F.relu(self.up(x))))


class Layer(nn.Module):
    """What both kinds of layers end with: the feed-forward sublayer, and a gate between the layer's input and output."""

    def __init__(self, config):
        super().__init__()
        self.post = is_post_norm(config)
        self.feedforward = FeedForward(config, self.post)
        self.feedforward_norm = norm(config)
        self.gate = CopyGate(config["width"]) if config["gate"] == "copy" else None

    def residual(self, x, norm, sublayer):
        return norm(x + sublayer(x)) if self.post else x + sublayer(norm(x))

    def end(self, before, x):
        new = self.residual(x, self.feedforward_norm, self.feedforward)
        if self.gate is None:
            return new
        share = self.gate(x if self.post else self.feedforward_norm(x))
        return share * new + (1 - share) * before


class EncoderLayer(Layer):
    def __init__(self, config):
        super().__init__(config)
        self.attention = SelfAttention(config["width"], config["heads"], self.post)
        self.attention_norm = norm(config)

    def forward(self, x, mask):
        return self.end(x, self.residual(x, self.attention_norm, lambda x: self.attention(x, mask)))


class DecoderLayer(Layer):
    def __init__(self, config):
        super().__init__(config)
        self.self_attention = SelfAttention(config["width"], config["decoder_heads"], self.post)
        self.self_norm = norm(config)
        self.cross_attention = CrossAttention(config["width"], config["memory"], config["decoder_heads"], self.post)
        self.cross_norm = norm(config)

    def forward(self, x, mask, memory, memory_mask):
        y = self.residual(x, self.self_norm, lambda x: self.self_attention(x, mask))
        return self.end(x, self.residual(y, self.cross_norm, lambda x: self.cross_attention(x, memory, memory_mask)))


class Recurrence(nn.Module):
    """One direction of an LSTM or of gated recurrent units, written out step by step."""

    def __init__(self, cell, inputs, width):
        super().__init__()
        self.cell, self.width = cell, width
        rows = {"lstm": 4, "gru": 3}[cell] * width
        setattr(self, cell, nn.ModuleDict({"input": nn.Linear(inputs, rows), "state": nn.Linear(width, rows)}))

    def lstm_step(self, x, state, hidden, memory):
        add, forget, new, show = (x + state).chunk(4)
        memory = forget.sigmoid() * memory + add.sigmoid() * new.tanh()
        return show.sigmoid() * memory.tanh(), memory

    def gru_step(self, x, state, hidden, memory):
        (reset, keep, new), (old_reset, old_keep, old_new) = x.chunk(3), state.chunk(3)
        keep = (keep + old_keep).sigmoid()
        return keep * hidden + (1 - keep) * (new + (reset + old_reset).sigmoid() * old_new).tanh(), memory

    def states(self, x, hidden):
        """Of one sequence `[length, inputs]` and a first state `[width]`: `[length, width]`."""
        maps, step = getattr(self, self.cell), {"lstm": self.lstm_step, "gru": self.gru_step}[self.cell]
        memory, states = torch.zeros_like(hidden), []
        for row in maps["input"](x):
            hidden, memory = step(row, maps["state"](hidden), hidden, memory)
            states.append(hidden)
        return torch.stack(states)

    def forward(self, x):
        return self.states(x, x.new_zeros(self.width))


class RecurrentEncoder(nn.Module):
    """Layers that read in both directions, each sequence without its padding."""

    def __init__(self, config):
        super().__init__()
        cell, width = config["architecture"], config["width"]
        layer = lambda: nn.ModuleDict({name: Recurrence(cell, width, width // 2) for name in ("ahead", "back")})
        self.layers = nn.ModuleList(layer() for _ in range(config["encoder_layers"]))

    def forward(self, x, mask):
        rows = []
        for i, row in enumerate(x):
            row = row if mask is None else row[mask[i, 0, 0]]
            for layer in self.layers:
                row = torch.cat([layer["ahead"](row), layer["back"](row.flip(0)).flip(0)], -1)
            rows.append(F.pad(row, (0, 0, 0, x.shape[1] - len(row))))
        return torch.stack(rows)


class RecurrentDecoderLayer(Recurrence):
    """States that start from the memory's first position, each mixed with what attention finds in the memory."""

    def __init__(self, config):
        width = config["width"]
        super().__init__(config["architecture"], width, width)
        self.start = nn.Linear(config["memory"], width)
        self.cross_attention = CrossAttention(width, config["memory"], config["decoder_heads"], False)
        self.mix = nn.Linear(2 * width, width)

    def forward(self, x, mask, memory, memory_mask):
        first = self.start(memory[:, 0]).tanh()
        hidden = torch.stack([self.states(row, state) for row, state in zip(x, first)])
        return self.mix(torch.cat([self.cross_attention(hidden, memory, memory_mask), hidden], -1)).tanh()


class Stack(nn.Module):
    """Layers, applied in loops, with a norm before them (post-norm, whose layers end with one) or after them; none in a
    decoder that is none, and no norm around recurrent ones."""

    def __init__(self, config, layer, side):
        super().__init__()
        self.post, self.injects = is_post_norm(config), config["input_injection"]
        self.loops, count = config[f"{side}_loops"], config[f"{side}_layers"]
        if side == "decoder" and config["decoder"] == "none":
            count = 0
        self.layers = nn.ModuleList(layer(config) for _ in range(count))
        self.norm = norm(config) if count and not is_recurrent(config) else nn.Identity()

    def forward(self, x, *arguments):
        embedded = x = self.norm(x) if self.post else x
        for turn in range(self.loops):
            x = x + embedded if turn and self.injects else x
            for layer in self.layers:
                x = layer(x, *arguments)
        return x if self.post else self.norm(x)


def encoder(config):
    return RecurrentEncoder(config) if is_recurrent(config) else Stack(config, EncoderLayer, "encoder")


class Decoder(Stack):
    def __init__(self, config):
        super().__init__(config, RecurrentDecoderLayer if is_recurrent(config) else DecoderLayer, "decoder")


class Source(nn.Module):
    def __init__(self, config, positions, dim, fields, vocabulary, magnitude, digits):
        super().__init__()
        if vocabulary is None:
            self.values = Values(config, magnitude, digits)
        else:
            self.tokens = table(config, vocabulary)
        self.positions = Positions(config, positions, dim, fields)

    def forward(self, source, positions):
        embedded = F.embedding(source, self.tokens) if hasattr(self, "tokens") else self.values(source)
        return embedded + self.positions(positions)


class AutoregressiveDecoder(Decoder):
    """Tokens that are read `[batch, length]` to logits of those that follow `[batch, length, vocabulary]`."""

    def __init__(self, config, positions, dim, encoding):
        super().__init__(config)
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


class ParallelDecoder(Decoder):
    """Classes `[batch, count, fields]` to logits `[batch, count, all classes]` of the fields in prediction order, each given
    the true classes of those before."""

    def __init__(self, config, positions, dim, encoding):
        super().__init__(config)
        self.positions = Positions(config, positions, dim, len(encoding.fields))
        self.order, heads = encoding.order, {}
        for place, field in enumerate(encoding.fields[i] for i in self.order):
            heads[field.name] = FieldHead(config, field.classes, place == 0, place + 1 == len(self.order))
        self.fields = nn.ModuleDict(heads)

    def forward(self, classes, positions, memory, memory_mask):
        queries = self.positions(positions).expand(len(classes), -1, -1)
        return self.heads(super().forward(queries, None, memory, memory_mask), classes)

    def heads(self, state, classes):
        logits = []
        for place, head in zip(self.order, self.fields.values()):
            mixed = state + head.mix(state) if hasattr(head, "mix") else state
            logits.append(head.logits(mixed))
            if hasattr(head, "known"):
                state = state + F.embedding(classes[:, :, place], head.known)
        return torch.cat(logits, -1)


VALUES = {"values": codec.coefficient_positions, "triangle": codec.triangle_positions, "condensed": codec.condensed_positions}


class Transformer(nn.Module):
    def __init__(self, recipe):
        super().__init__()
        config, self.problem = recipe["model"], recipe["problem"]
        digits = recipe["encoding"]["digits"]
        self.parallel, self.alone = config["decoder"] != "autoregressive", config["decoder"] == "none"
        kind, *rest = recipe["encoding"]["input"].split(":")
        self.positions = VALUES.get(kind)
        self.reads_values = kind in VALUES
        self.input = codec.Encoding(":".join(["P1000" if self.reads_values else kind, *rest]), digits)
        self.output = codec.Encoding(recipe["encoding"]["output"], digits)
        largest = [int(recipe[key].split("-")[-1]) for key in (["dim"] * 2 if recipe["dim"] else ["rows", "cols"])]
        self.size = largest if not any("-" in recipe[key] for key in ("dim", "rows", "cols")) else None
        largest = [max(size, config["max_dim"]) for size in largest]
        source, target = self.all_positions(*largest)
        vocabulary = None if self.reads_values else codec.WORDS + self.input.words
        fields = 1 if self.reads_values else len(self.input.fields)
        magnitude = recipe["data"]["magnitude"]
        self.source = Source(config, source, max(largest), fields, vocabulary, magnitude, self.input.digits)
        self.encoder = encoder(config)
        decoder = ParallelDecoder if self.parallel else AutoregressiveDecoder
        config = config | {"memory": config["width"], "width": config["decoder_width"] or config["width"]}
        self.decoder = decoder(config, target, max(largest), self.output)

    def all_positions(self, rows, cols):
        """Position indices of the source, and of the coefficients or of the tokens that are read."""
        operands, solution = codec.shapes(self.problem, rows, cols)
        if self.reads_values:
            source = self.positions(operands)
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
        embedded = self.source(source, source_positions[: source.shape[1]])
        if self.alone:
            return self.without_decoder(embedded, target, target_positions, mask)
        memory = self.encoder(embedded, mask)
        if not self.parallel:
            target_positions = target_positions[: target.shape[1]]
        return self.decoder(target, target_positions, memory, mask)

    def without_decoder(self, embedded, classes, positions, mask):
        """Queries go through the encoder before the source."""
        queries = self.decoder.positions(positions).expand(len(embedded), -1, -1)
        if mask is not None:
            mask = F.pad(mask, (len(positions), 0), value=True)
        state = self.encoder(torch.cat([queries, embedded], 1), mask)
        return self.decoder.heads(state[:, : len(positions)], classes)


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
