"""Finds and loads the files of checkpoints."""

import difflib
import json
import os
import pathlib
import zipfile

import torch

from . import engine, safetensors

# The environment variable with the folder of named checkpoints.
VARIABLE = "LAFORMER_CHECKPOINTS"
MODULE, WEIGHTS = "model.pt", "model.safetensors"


def load(path_or_name, device, trust):
    """Loads a checkpoint. Returns its module and its recipe."""
    file = find(path_or_name, trust)
    return read_module(file, device) if trust else read_weights(file, device)


def read_module(file, device):
    extra = {"config.json": ""}
    try:
        with zipfile.ZipFile(file) as archive:
            if name := archive.testzip():
                raise ValueError(f"the checksum of {name} is another")
        module = torch.jit.load(str(file), map_location=device, _extra_files=extra)
    except (RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is damaged or no TorchScript module: {first_line(error)}") from None
    if not extra["config.json"] or not hasattr(module, "answers"):
        raise ValueError(f"{file} is a module, but not one of laformer 0.2 or newer: write it anew by `laformer export RUN --output FILE.pt`")
    return module, json.loads(extra["config.json"])


def read_weights(file, device):
    tensors, text = safetensors.read(file)
    try:
        module = engine.parse(tensors, text)
    except Exception as error:
        # An unknown file can raise any exception here; all of them mean that the package cannot run it.
        raise ValueError(f"{file} holds no model that this version of the package can run: {first_line(error)}") from error
    return module.to(device), module.recipe


def find(path_or_name, trust):
    """The file that a path or name stands for: weights, or the TorchScript module if `trust` is true."""
    path = pathlib.Path(path_or_name)
    if path.exists():
        return file_of(path, trust)
    if len(path.parts) != 1 or path.suffix:
        raise FileNotFoundError(f"{path} does not exist: expected a run folder, a .pt or a .safetensors file, or the name of a checkpoint")
    for folder in folders():
        if (folder / path).is_dir():
            return file_of(folder / path, trust)
    known = sorted({found.parent.name for folder in folders() for name in (MODULE, WEIGHTS) for found in folder.glob(f"*/{name}")})
    near = difflib.get_close_matches(path.name, known, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    there = f"there are {', '.join(known)}" if known else "there are none"
    raise FileNotFoundError(
        f"no checkpoint has the name {path}{hint}: in {' and '.join(map(str, folders()))} {there}. Give a path, or set {VARIABLE} to a folder "
        "of checkpoints"
    )


def folders():
    """The folders with named checkpoints: the environment variable's, or else `checkpoints` in the working directory and the repository."""
    if VARIABLE in os.environ:
        return [pathlib.Path(os.environ[VARIABLE])]
    here, repository = pathlib.Path("checkpoints").absolute(), pathlib.Path(__file__).resolve().parents[2] / "checkpoints"
    return [here, repository] if repository.is_dir() and repository != here else [here]


def file_of(path, trust):
    if path.is_dir():
        module, weights = path / MODULE, path / WEIGHTS
        file = module if trust or not weights.is_file() else weights
        if not file.is_file():
            raise FileNotFoundError(f"{path} holds no model: expected {MODULE if trust else WEIGHTS} in it")
    elif path.suffix in (".pt", ".safetensors"):
        file = path
    else:
        raise ValueError(f"{path} is no checkpoint: expected a run folder, a .pt or a .safetensors file")
    if file.suffix == ".pt" and not trust:
        raise ValueError(
            f"{file} is TorchScript, a program that runs as soon as it is loaded: name its run folder or {WEIGHTS}, or pass trust=True if you "
            "trust whoever made it"
        )
    if file.suffix != ".pt" and trust:
        raise ValueError(f"{file} has no code to trust: leave out trust=True, or name a .pt file")
    return file


def first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
