"""Reads safetensors files: eight bytes with the length of the header, a JSON header, and the bytes of the tensors."""

import json
import math
import zlib

import torch

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "BOOL": torch.bool,
}


# Key of the checksum in the metadata.
CHECKSUM = "checksum"


def read(path):
    """Returns the tensors of a file by name, and its metadata. Raises `ValueError` if the file is damaged."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        return parsed(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from None


def parsed(content):
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise ValueError("its header is cut off")
    header, data = json.loads(content[8 : 8 + length]), memoryview(content)[8 + length :]
    text, tensors, end = header.pop("__metadata__", {}), {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        (start, stop), shape = entry["data_offsets"], entry["shape"]
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{name} has elements of type {entry['dtype']}, which are not used here")
        dtype = DTYPES[entry["dtype"]]
        if any(type(size) is not int or size < 0 for size in shape) or stop - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} has {stop - start} bytes, which are no {entry['dtype']} of shape {shape}")
        # Tensors must follow each other without gaps or overlaps.
        if start != end or stop > len(data):
            raise ValueError(f"{name} has the bytes {start} to {stop} of {len(data)}, where {end} was expected to be the first")
        end = stop
        # `frombuffer` does not accept empty buffers.
        tensors[name] = torch.frombuffer(bytearray(data[start:stop]), dtype=dtype).view(shape) if stop > start else torch.empty(shape, dtype=dtype)
    if end != len(data):
        raise ValueError(f"it has {len(data)} bytes of tensors, but its header tells of {end}")
    if CHECKSUM in text and text[CHECKSUM] != (found := checksum(header, data, text)):
        raise ValueError(f"its checksum is {found}, but it says {text[CHECKSUM]}")
    return tensors, text


def checksum(header, data, text):
    """The CRC-32 of metadata and tensors that laformer writes as checksum (docs/commands.md, "A run folder")."""
    found = zlib.crc32("".join(f"{key} {text[key]}\n" for key in sorted(text) if key != CHECKSUM).encode())
    for name, entry in sorted(header.items()):
        found = zlib.crc32(f"{name} {entry['dtype']} {entry['shape']}\n".encode(), found)
        found = zlib.crc32(data[slice(*entry["data_offsets"])], found)
    return f"{found:08x}"
