"""The inference engine without TorchScript: runs the files of `inference` as ordinary Python, with a `Network` as the model."""

import functools
import importlib
import json
import pathlib
import tomllib
import types

import torch
from torch import nn

from .network import Network

FILES = {path.stem for path in pathlib.Path(__file__).with_name("inference").glob("*.py")}
# The methods that are traced in TorchScript modules. Here a `Network` provides them.
TRACED = ("encode_source", "query", "field_logits", "start", "decode_step")


class Engine(nn.Module):
    """The Python counterpart of laformer's TorchScript modules. Methods, attributes and buffers have the same names."""

    def __init__(self, recipe, attributes, tensors):
        super().__init__()
        self.recipe, self.attributes = recipe, attributes
        self.network = Network(recipe["model"], {name: tensor for name, tensor in tensors.items() if "." in name}, attributes["field_names"])
        for name in TRACED:
            setattr(self, name, getattr(self.network, name))
        for name, value in attributes.items():
            if hasattr(self, name):
                raise ValueError(f"{name} is no name of a table")
            setattr(self, name, value)
        for name, tensor in tensors.items():
            if "." not in name:
                self.register_buffer(name, tensor)

    def __reduce__(self):
        tables = dict(self.named_buffers(recurse=False))
        return build, (self.recipe, self.attributes, self.network.state_dict() | tables)

    def probe(self):
        """Answers one problem, so that missing tensors and wrong shapes raise an error."""
        rows, cols = self.min_rows, self.min_cols
        operands = [torch.zeros(1, *shape, dtype=torch.float64) for shape in self.operand_shapes(0, rows, cols)]
        with torch.no_grad():
            self.proposed(operands, 0, rows, cols, 1)


@functools.cache
def engine_of(files):
    """A subclass of `Engine` with the functions of these files as its methods."""
    if unknown := set(files) - FILES:
        raise ValueError(f"it asks for {', '.join(sorted(unknown))}, which this version of the package does not have")
    sources = [vars(importlib.import_module(f"{__package__}.inference.{name}")) for name in files]
    methods = {name: value for source in sources for name, value in source.items() if isinstance(value, types.FunctionType)}
    return type("Engine", (Engine,), methods)


def build(recipe, attributes, tensors):
    return engine_of(tuple(attributes["files"]))(recipe, attributes, tensors)


def parse(tensors, text):
    """Builds the engine from tensors and metadata of a file that `laformer export` wrote. Raises an error if the engine cannot run."""
    if "recipe" not in text:
        raise ValueError("it has no recipe: it was not written by laformer")
    if "tables" not in text:
        raise ValueError("it is of laformer 0.2 or older: write it anew by `laformer export RUN --output FILE.safetensors`")
    engine = build(tomllib.loads(text["recipe"]), json.loads(text["tables"]), tensors)
    engine.probe()
    return engine.eval()
