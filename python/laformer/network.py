"""The networks of laformer in plain PyTorch and fp32, built from named tensors.

A `Network` has the model methods that `inference/*.py` call (`src/inference/trace.rs` describes them). The names and shapes of the tensors
decide the layers and their sizes; the `[model]` section of the recipe decides the rest.
"""

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"gelu": F.gelu, "relu": F.relu}
# The function of each recurrent cell, and its number of states.
CELLS = {"lstm": (torch.lstm, 2), "gru": (torch.gru, 1)}
# Tensors that are constants, not parameters.
CONSTANTS = ("scale", "frequencies")
# The exponents that have a one-hot feature in `digits`.
EXPONENTS = range(-38, 39)
# Lower bound of the root mean square in `state_norm`.
LEAST = 1e-3


class Parameters(nn.Module):
    """Makes tensors attributes by their dotted names: `parameters.encoder.norm.weight`. Groups with numbered names can be iterated over."""

    def __init__(self, tensors):
        super().__init__()
        groups = {}
        for name, tensor in tensors.items():
            first, _, rest = name.partition(".")
            if rest:
                groups.setdefault(first, {})[rest] = tensor
            elif first in CONSTANTS:
                self.register_buffer(first, tensor.float())
            else:
                self.register_parameter(first, nn.Parameter(tensor.float()))
        for name, group in groups.items():
            self.add_module(name, Parameters(group))

    def __contains__(self, name):
        return name in self._modules or name in self._parameters or name in self._buffers

    def __iter__(self):
        return iter([self._modules[name] for name in sorted(self._modules, key=int)])


class Network(Parameters):
    """A laformer model. `fields` are the names of a number's fields, in the order in which a parallel decoder predicts them."""

    def __init__(self, config, tensors, fields):
        super().__init__(tensors)
        self.config, self.fields = config, fields
        self.recurrent = config["architecture"] in CELLS
        self.pair = config["architecture"] == "pair"
        self.post = config["normalization"] == "post-layer"

    # ---- The source

    def encode_source(self, source, positions):
        """Encodes `source` `[batch, length]` as `[batch, length, width]`. `positions` are `[length, 5]`, or a pair model's cells."""
        embedded = self.embedded(source, positions)
        return embedded if self.config["decoder"] == "none" else self.encoded_memory(embedded, self.visible(source != 1))

    def embedded(self, source, positions):
        weights = self.source
        if "tokens" in weights:
            return F.embedding(source, weights.tokens) + places(positions, weights.positions)
        task = F.embedding(source[:, :1].long(), weights.tasks) if "tasks" in weights else None
        if "grid" in weights:
            state = self.grid(source, positions, weights.grid)
            return state if task is None else state + task.unsqueeze(1)
        values = self.values(source if task is None else source[:, 1:])
        return (values if task is None else torch.cat([task, values], 1)) + places(positions, weights.positions)

    def values(self, numbers):
        weights = self.source.values
        features = waves(numbers, weights) if self.config["value_features"] == "all" else digits(numbers, weights)
        return linear(F.gelu(linear(features, weights.mix)), weights.out)

    def grid(self, source, cells, weights):
        """Embeds operands on a grid `[batch, side, side, width]`. `cells` `[operands, side, side]` has the index of every operand's
        coefficient in the source, or -1 outside the operand."""
        given = (cells >= 0).float()
        numbers = source[:, cells.clamp(min=0)] * given
        vectors = self.values(source[:, cells.clamp(min=0)]) * given.unsqueeze(-1)
        if "operands" in weights:
            vectors = torch.stack([linear(vectors[:, i], each) for i, each in enumerate(weights.operands)], 1)
        state = vectors.sum(1) + (0.1 * numbers.unsqueeze(-1) * weights.numbers).sum(1)
        side = cells.size(-1)
        state = state + torch.eye(side, device=state.device).unsqueeze(-1) * weights.diagonal
        if "cells" in weights:
            room = round(len(weights.cells) ** 0.5)
            state = state + weights.cells.unflatten(0, (room, room))[:side, :side]
        return state

    def visible(self, mask):
        """Reshapes `mask` `[batch, length]` for attention; `None` for values, which are never padded."""
        return mask[:, None, None, :] if "tokens" in self.source else None

    # ---- Stacks of layers

    def encoded_memory(self, x, mask):
        if self.recurrent:
            return self.read_both_ways(x, mask)
        layer = self.pair_layer if self.pair else self.encoder_layer

        def layers(x, turn):
            for weights in self.encoder.layers:
                x = layer(x, weights, mask)
            return x

        x = self.looped(x, self.encoder, self.config["encoder_loops"], layers)
        return x.flatten(1, 2) if self.pair else x

    def looped(self, x, weights, loops, layers):
        """Applies all layers `loops` times. The extra norm comes first in post-norm models, whose layers end with a norm, else last."""
        x = embedded = norm(x, weights.norm) if self.post else x
        for turn in range(loops):
            x = layers(x + embedded if turn and self.config["input_injection"] else x, turn)
        return x if self.post else norm(x, weights.norm)

    def residual(self, x, weights, sublayer):
        return norm(x + sublayer(x), weights) if self.post else x + sublayer(norm(x, weights))

    def end(self, before, x, weights):
        """The feed-forward sublayer, and an optional gate that mixes the layer's input `before` and its output."""
        new = self.residual(x, weights.feedforward_norm, lambda x: self.feedforward(x, weights.feedforward))
        if "gate" not in weights:
            return new
        gate = weights.gate
        hidden = F.relu(linear(x if self.post else norm(x, weights.feedforward_norm), gate.up))
        share = torch.sigmoid(linear(hidden, gate.down))
        return share * new + (1 - share) * before

    def feedforward(self, x, weights):
        if "gate_up" in weights:
            gate, up = linear(x, weights.gate_up).chunk(2, -1)
            return linear(gate * up, weights.down)
        return linear(ACTIVATIONS[self.config["activation"]](linear(x, weights.up)), weights.down)

    def encoder_layer(self, x, weights, mask):
        attend = lambda x: self_attention(x, weights.attention, self.config["heads"], mask)[0]
        return self.end(x, self.residual(x, weights.attention_norm, attend), weights)

    # ---- Matrix products

    def pair_layer(self, state, weights, _mask):
        for product in weights.products if "products" in weights else ():
            state = self.product(state, product)
        if "attention" in weights:
            cells = norm(state, weights.attention_norm).flatten(1, 2)
            state = state + self_attention(cells, weights.attention, self.config["heads"])[0].view_as(state)
        return state + self.feedforward(norm(state, weights.feedforward_norm), weights.feedforward)

    def product(self, state, weights):
        """`h + W norm(a b)` for the state `h` `[batch, side, side, width]`: a matrix product in every channel. In half of the channels, `b`
        is transposed."""
        a, b = linear(self.state_norm(state, weights, "before"), weights.factors).chunk(2, -1)
        plain, transposed = b.chunk(2, -1)
        b = torch.cat([plain, transposed.transpose(1, 2)], -1)
        product = torch.einsum("bikc,bkjc->bijc", a, b)
        return state + linear(self.state_norm(product, weights, "after"), weights.out)

    def state_norm(self, x, weights, name):
        if name in weights:
            return norm(x, getattr(weights, name))
        over = [1, 2, 3] if self.config["normalization"] == "pre-matrix" else [1, 2]
        return x / x.square().mean(over, keepdim=True).sqrt().clamp(min=LEAST)

    # ---- Recurrences

    def recur(self, x, state, weights):
        """Maps `x` `[batch, length, inputs]` and `state` `[states, batch, width]` to `[batch, length, width]` and the next state."""
        cell, states = CELLS[self.config["architecture"]]
        weights = getattr(weights, self.config["architecture"])
        tensors = [weights.input.weight, weights.state.weight, weights.input.bias, weights.state.bias]
        state = state.contiguous()
        # cuDNN keeps the intermediate results for a backward pass only in training mode.
        options = (tensors, True, 1, 0.0, torch.is_grad_enabled(), False, True)
        if states == 1:
            return cell(x, state, *options)
        y, hidden, memory = cell(x, (state[:1], state[1:]), *options)
        return y, torch.cat([hidden, memory])

    def first_state(self, hidden):
        """The initial state `[states, batch, width]` with the hidden state `hidden` `[batch, width]`. The cell state of an LSTM is 0."""
        states = CELLS[self.config["architecture"]][1]
        return torch.stack([hidden, torch.zeros_like(hidden)][:states])

    def read_both_ways(self, x, mask):
        """Bidirectional recurrent layers. For the backward direction, sequences are reversed, but their padding stays at the end."""
        place = torch.arange(x.size(1), device=x.device).expand(x.shape[:2])
        length = torch.full_like(place[:, :1], x.size(1)) if mask is None else mask[:, 0, 0].sum(1, keepdim=True)
        mirror = torch.where(place < length, length - 1 - place, place).unsqueeze(-1)
        mirrored = lambda x: x.gather(1, mirror.expand_as(x))
        zeros = x.new_zeros(len(x), x.size(2) // 2)
        for weights in self.encoder.layers:
            ahead, _ = self.recur(x, self.first_state(zeros), weights.ahead)
            back, _ = self.recur(mirrored(x), self.first_state(zeros), weights.back)
            x = torch.cat([ahead, mirrored(back)], -1)
        return x

    # ---- Decoders

    def start(self, memory):
        """Returns keys and values of the encoded source for every layer, `[layers, 2, batch, heads, sources, d]`, and the cache before the
        first step."""
        layers, heads = list(self.decoder.layers), self.config["decoder_heads"]
        cross = torch.stack(
            [linear(memory, layer.cross_attention.kv).unflatten(-1, (2, heads, -1)).permute(2, 0, 3, 1, 4) for layer in layers]
        )
        if self.recurrent:
            return cross, torch.stack([self.first_state(linear(memory[:, 0], layer.start).tanh()) for layer in layers])
        return cross, cross[..., :0, :].repeat(self.config["decoder_loops"], 1, 1, 1, 1, 1)

    def decoded_states(self, x, cross, cache, mask):
        """Applies all layers to `x` `[batch, length, width]`. Returns the result and the extended cache. Without a cache, self-attention is
        not causal."""
        longer = []

        def layers(x, turn):
            for i, weights in enumerate(self.decoder.layers):
                past = None if cache is None else cache[turn * len(cross) + i]
                layer = self.recurrent_layer if self.recurrent else self.decoder_layer
                x, state = layer(x, weights, cross[i], past, mask)
                longer.append(state)
            return x

        x = layers(x, 0) if self.recurrent else self.looped(x, self.decoder, self.config["decoder_loops"], layers)
        return x, torch.stack(longer)

    def decoder_layer(self, x, weights, cross, past, mask):
        heads, states = self.config["decoder_heads"], []

        def attend(x):
            y, state = self_attention(x, weights.self_attention, heads, past=past)
            states.append(state)
            return y

        y = self.residual(x, weights.self_norm, attend)
        y = self.residual(y, weights.cross_norm, lambda x: cross_attention(x, weights.cross_attention, cross, mask))
        return self.end(x, y, weights), states[0]

    def recurrent_layer(self, x, weights, cross, past, mask):
        hidden, state = self.recur(x, past, weights)
        found = cross_attention(hidden, weights.cross_attention, cross, mask)
        return linear(torch.cat([found, hidden], -1), weights.mix).tanh(), state

    def next_logits(self, tokens, positions, cross, cache, mask):
        """Returns the logits `[batch, length, vocabulary]` of the token after each of `tokens` `[batch, length]`, and the extended cache.
        The given cache belongs to the tokens before `tokens`."""
        x = F.embedding(tokens, self.decoder.tokens) + places(positions, self.decoder.positions)
        x, cache = self.decoded_states(x, cross, cache, self.visible(mask))
        return F.linear(x, self.decoder.tokens, self.decoder.bias), cache

    def decode_step(self, tokens, positions, cross, cache, mask):
        logits, cache = self.next_logits(tokens, positions, cross, cache, mask)
        return logits[:, 0], cache

    def query(self, memory, positions, tasks, mask):
        """The hidden state `[batch, count, width]` of every coefficient of the answer."""
        weights = self.decoder
        task = F.embedding(tasks, weights.tasks).unsqueeze(1) if "tasks" in weights else 0
        if self.pair:
            read = memory[:, positions[:, 0]]
            maps = weights.reader.matrices if "reader" in weights else ()
            return read + sum((positions[:, 1:2] == i) * linear(read, each) for i, each in enumerate(maps)) + task
        queries = (places(positions, weights.positions) + task).expand(len(memory), -1, -1)
        mask = self.visible(mask)
        if self.config["decoder"] == "none":
            # Queries come first, so that padding stays at the end.
            mask = None if mask is None else F.pad(mask, (len(positions), 0), value=True)
            return self.encoded_memory(torch.cat([queries, memory], 1), mask)[:, : len(positions)]
        cross, cache = self.start(memory)
        return self.decoded_states(queries, cross, cache if self.recurrent else None, mask)[0]

    def field_logits(self, rank, hidden, known):
        """Logits `[batch, count, classes]` of a field, given the classes `known` `[batch, count, rank]` of the fields before it."""
        heads = [getattr(self.decoder.fields, self.fields[place]) for place in range(rank + 1)]
        for i, head in enumerate(heads[:-1]):
            hidden = hidden + F.embedding(known[..., i], head.known)
        if "mix" in heads[-1]:
            hidden = hidden + self.feedforward(hidden, heads[-1].mix)
        return linear(hidden, heads[-1].logits)


def linear(x, weights):
    return F.linear(x, weights.weight, weights._parameters.get("bias"))


def norm(x, weights):
    """LayerNorm if there is a bias, else RMSNorm."""
    if "bias" in weights:
        return F.layer_norm(x, x.shape[-1:], weights.weight, weights.bias, 1e-12)
    return F.rms_norm(x, x.shape[-1:], weights.weight, 1e-6)


def places(positions, weights):
    """The position embeddings `[length, width]`: the sum of one table entry for each column of `positions` `[length, 5]`."""
    columns = enumerate(("flat", "matrix", "row", "column", "field"))
    return sum(F.embedding(positions[:, i], getattr(weights, name)) for i, name in columns if name in weights)


def self_attention(x, weights, heads, mask=None, past=None):
    """Returns the attention's output, and keys and values `[2, batch, heads, length, d]`, appended to those of `past`. With `past`,
    attention is causal."""
    query, *new = linear(x, weights.qkv).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    new = torch.stack(new)
    if past is not None:
        new = torch.cat([past, new], 3)
        mask = torch.ones(query.size(2), new.size(3), dtype=torch.bool, device=x.device).tril(past.size(3))
    y = F.scaled_dot_product_attention(query, new[0], new[1], mask)
    return linear(y.transpose(1, 2).flatten(2), weights.out), new


def cross_attention(x, weights, cross, mask):
    query = linear(x, weights.query).unflatten(-1, (cross.size(2), -1)).transpose(1, 2)
    return linear(F.scaled_dot_product_attention(query, cross[0], cross[1], mask).transpose(1, 2).flatten(2), weights.out)


def waves(x, weights):
    """The features `[.., 22]` of numbers: the number, its sign, its logarithm, a signed logarithm, sines and cosines."""
    x = x.unsqueeze(-1)
    scaled, angle = x * weights.scale, x * weights.frequencies
    logarithm = lambda least: (10 * scaled.abs()).clamp(min=least).log10()
    return torch.cat([scaled, x.sign(), logarithm(1e-3), x.sign() * (1 + logarithm(1e-2) / 2), angle.sin(), angle.cos()], -1)


def digits(x, weights):
    """The features of numbers: the sign, then each digit and the exponent as one-hot vectors."""
    count = (weights.mix.weight.size(1) - 1 - len(EXPONENTS)) // 10

    def written(number):
        mantissa, exponent = f"{abs(number):.{count - 1}e}".replace(".", "").split("e")
        hot = [float(int(digit) == i) for digit in mantissa for i in range(10)]
        return [float((number > 0) - (number < 0)), *hot, *(float(max(int(exponent), EXPONENTS[0]) == i) for i in EXPONENTS)]

    return torch.tensor([written(number) for number in x.flatten().tolist()], device=x.device).view(*x.shape, -1)
