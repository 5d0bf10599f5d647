"""Weights of finished stages, and the state of the one in the making.

Finished stages are safetensors with a JSON file beside them. The state of a
stage in the making is a torch file led by its SHA-256; it is read with
``weights_only=True``, which runs no code from the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import atomic_path, write_text

__all__ = [
    "drop_state",
    "read_checked",
    "read_stage",
    "read_tensors",
    "read_state",
    "sha256",
    "tensors_to_bytes",
    "write_bytes",
    "write_stage",
    "write_state",
]

Weights = dict[str, Tensor]


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def tensors_to_bytes(tensors: Weights) -> bytes:
    """Named tensors in the safetensors format."""
    return save_safetensors(
        {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
    )


def read_checked(path: Path, wanted: str) -> bytes:
    """The bytes of a file whose SHA-256 is known.

    Raises
    ------
    GalamError
        If it is missing, or a byte of it has changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GalamError(f"cannot be read ({error.strerror})", path) from error
    if sha256(content) != wanted:
        raise GalamError("this file has changed since it was written", path, "train it again")
    return content


def read_tensors(path: Path, wanted: str) -> Weights:
    """Named tensors of a safetensors file whose SHA-256 is known."""
    try:
        return load_safetensors(read_checked(path, wanted))
    except SafetensorError as error:
        raise GalamError(f"not a safetensors file ({error})", path) from error


def write_stage(folder: Path, stage: str, weights: Weights, info: dict[str, Any]) -> None:
    """Write the weights of a finished stage; the JSON file, written last, says it is finished."""
    content = tensors_to_bytes(weights)
    write_bytes(folder / f"{stage}.safetensors", content)
    write_text(folder / f"{stage}.json", json.dumps({**info, "sha256": sha256(content)}) + "\n")


def read_stage(folder: Path, stage: str) -> tuple[Weights, dict[str, Any]] | None:
    """Weights and facts of a finished stage; None if it is not finished.

    Raises
    ------
    GalamError
        If the files have changed since.
    """
    path = folder / f"{stage}.json"
    if not path.is_file():
        return None
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        wanted = info["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalamError(f"is damaged ({error})", path, "train it again") from error
    return read_tensors(folder / f"{stage}.safetensors", wanted), info


def write_state(folder: Path, stage: str, state: dict[str, Any]) -> None:
    """Write the state of a stage in the making, led by its digest: one file, one rename."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    write_bytes(folder / f"{stage}.state", sha256(content).encode() + b"\n" + content)


def read_state(folder: Path, stage: str) -> dict[str, Any] | None:
    """State of a stage in the making; None if there is none.

    Raises
    ------
    GalamError
        If a byte of it has changed.
    """
    path = folder / f"{stage}.state"
    if not path.is_file():
        return None
    digest, _, content = path.read_bytes().partition(b"\n")
    if sha256(content).encode() != digest:
        raise GalamError("this checkpoint has changed since it was written", path, "remove it")
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise GalamError(f"this checkpoint cannot be read ({error})", path, "remove it") from error


def drop_state(folder: Path, stage: str) -> None:
    """Remove the state of a stage that is finished."""
    (folder / f"{stage}.state").unlink(missing_ok=True)
