"""Where training runs, in which precision, and how it runs out of memory."""

from __future__ import annotations

import os

import torch

from galam_explorer.config import TrainConfig
from galam_explorer.errors import GalamError

__all__ = [
    "bf16_is_fast",
    "is_out_of_memory",
    "process_rank",
    "resolve_device",
    "use_bf16",
    "wait_for_all",
]


_OUT_OF_MEMORY = ("not enough memory", "out of memory", "can't allocate memory")


def resolve_device(config: TrainConfig) -> str:
    """``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    GalamError
        If the device that was asked for, or as many of them, are not there.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    device = config.device
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[device]:
        found = ", ".join(name for name, present in there.items() if present)
        raise GalamError(f"this machine has no {device} device", "--device", f"use one of: {found}")
    if device == "cuda" and config.devices > torch.cuda.device_count():
        text = f"{config.devices} GPUs were asked for, {torch.cuda.device_count()} are here"
        raise GalamError(text, "--devices")
    if device == "mps" and config.devices > 1:
        raise GalamError("MPS has one device", "--devices")
    return device


def bf16_is_fast(device: str) -> bool:
    """Whether a device multiplies bfloat16 in hardware.

    Measured with ``compact`` on a CPU with AVX512-BF16: 2 to 3 times as fast as
    float32; CPUs without it emulate bfloat16 and are slower.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        can = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return bool(can.get("avx512_bf16") or can.get("amx_bf16"))
    return False


def use_bf16(config: TrainConfig, device: str) -> bool:
    """Whether to train in mixed bfloat16 (the weights stay float32)."""
    return config.precision == "bf16" or (config.precision == "auto" and bf16_is_fast(device))


def process_rank(config: TrainConfig) -> int:
    """Number of this process among those of a distributed run; 0 is the one that writes.

    Known before Lightning has connected them: from torchrun, SLURM, or Lightning's
    own launcher.
    """
    if config.devices * config.num_nodes == 1:
        return 0
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return int(os.environ[name])
    node, local = (int(os.environ.get(name, "0")) for name in ("NODE_RANK", "LOCAL_RANK"))
    return node * config.devices + local


def wait_for_all() -> None:
    """Wait until all processes of a distributed run are here."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on whichever device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and (
        any(words in str(error) for words in _OUT_OF_MEMORY)
    )
