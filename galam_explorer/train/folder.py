"""The run folder: what a training writes, and what others may read and ask of it.

::

    runs/NAME/run.json        what was asked for, of which survey, with which versions
    runs/NAME/status.json     where it is, rewritten at most once a second
    runs/NAME/metrics.jsonl   one line a finished epoch
    runs/NAME/control         pause | run | cancel, written by anyone
    runs/NAME/split.json
    runs/NAME/checkpoints/    finished stages, and the one in the making
    runs/NAME/model/          the trained model
    runs/NAME/lock            held by the process that trains
    runs/NAME/search.json     losses of a learning-rate search, where there was one
    runs/NAME/choices.json, log.txt   of a training that was started as a job

A watcher needs nothing but this folder.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from galam_explorer.config import NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import storage_error, write_text

__all__ = ["ACTIVE", "ALIVE_SECONDS", "RunFolder", "default_run_dir"]

ALIVE_SECONDS = 120.0
"""A run on another machine whose heartbeat is older than this is taken for dead."""
ACTIVE = ("queued", "running", "paused")
"""States of a run that some process should be at work on."""


def default_run_dir(name: str, network: NetworkConfig, train: TrainConfig) -> Path:
    """``runs/<survey>-<preset>-s<seed>-<UTC time>`` in the working folder."""
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{name}-{network.preset}-s{train.seed}-{now}"


class RunFolder:
    """Reads and writes the files of one run.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"
        self.split = self.path / "split.json"

    def __repr__(self) -> str:
        return f"<RunFolder {str(self.path)!r}>"

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "run.json").is_file()

    def info(self) -> dict[str, Any]:
        """Contents of ``run.json``.

        Raises
        ------
        GalamError
            If this is no run folder.
        """
        path = self.path / "run.json"
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise GalamError("this is not a run folder", self.path) from error
        except ValueError as error:
            raise GalamError(f"is damaged ({error})", path) from error
        if not isinstance(info, dict):
            raise GalamError("is damaged (no JSON object)", path)
        return info

    def write_info(self, info: dict[str, Any]) -> None:
        """Write ``run.json``."""
        write_text(self.path / "run.json", json.dumps(info, indent=1) + "\n")

    def status(self) -> dict[str, Any]:
        """Contents of ``status.json``; empty if there is none yet."""
        try:
            status = json.loads((self.path / "status.json").read_text(encoding="utf-8"))
            return status if isinstance(status, dict) else {}
        except (OSError, ValueError):
            return {}

    def write_status(self, status: dict[str, Any], pid: int | None = None) -> None:
        """Write ``status.json`` with the time and this (or another) process's id."""
        pid = os.getpid() if pid is None else pid
        mark = {"pid": pid, "host": socket.gethostname(), "heartbeat": time.time()}
        write_text(self.path / "status.json", json.dumps({**status, **mark}) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """Every finished epoch, oldest first; a last line cut short is left out."""
        return _read_lines(self.path / "metrics.jsonl")

    def add_metrics(self, line: dict[str, Any]) -> None:
        """Append one epoch."""
        try:
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            raise storage_error(error, self.path / "metrics.jsonl") from error

    def keep_metrics(self, stage: str, epochs: int, later: tuple[str, ...]) -> None:
        """Drop epochs of `stage` from number `epochs` on, and all of `later` stages."""
        lines = self.metrics()
        kept = [
            line
            for line in lines
            if line.get("stage") not in later
            and (line.get("stage") != stage or line.get("epoch", 0) <= epochs)
        ]
        path = self.path / "metrics.jsonl"
        if lines or path.is_file():
            write_text(path, "".join(json.dumps(line) + "\n" for line in kept))

    def control(self) -> str:
        """What was last asked of the run: ``run``, ``pause`` or ``cancel``."""
        try:
            text = (self.path / "control").read_text(encoding="utf-8").strip()
        except OSError:
            return "run"
        return text if text in ("pause", "cancel") else "run"

    def ask(self, what: str) -> None:
        """Ask the run to ``run``, ``pause`` or ``cancel``."""
        if what not in ("run", "pause", "cancel"):
            raise GalamError(f"must be run, pause or cancel, not {what!r}", "control")
        write_text(self.path / "control", what + "\n")

    def alive(self) -> bool:
        """Whether a process is at work on this run."""
        status = self.status()
        if status.get("state") not in ACTIVE:
            return False
        if status.get("host") != socket.gethostname():
            return time.time() - float(status.get("heartbeat", 0)) < ALIVE_SECONDS
        return _process_exists(int(status.get("pid", 0)))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run; the system lets go of it when this process dies.

        Raises
        ------
        GalamError
            If another process holds it, here or (by its heartbeat) elsewhere.
        """
        status = self.status()
        elsewhere = status.get("host") not in (None, socket.gethostname())
        if elsewhere and self.alive():
            raise _in_use(self.path, status.get("pid"), status.get("host"))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise storage_error(error, self.path) from error
        with stream:
            _hold(stream, self.path)
            stream.truncate(0)
            stream.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            stream.flush()
            yield


def _hold(stream: Any, path: Path) -> None:
    """Lock an open file, or say who holds it (POSIX; elsewhere by the process id)."""
    stream.seek(0)
    try:
        holder = json.loads(stream.read() or "{}")
    except ValueError:
        holder = {}
    try:
        import fcntl
    except ImportError:
        if holder.get("pid") not in (None, os.getpid()) and _process_exists(holder["pid"]):
            raise _in_use(path, holder.get("pid"), holder.get("host")) from None
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise _in_use(path, holder.get("pid"), holder.get("host")) from error


def _in_use(path: Path, pid: Any, host: Any) -> GalamError:
    text = f"this run is in use by process {pid or 'of unknown number'} on {host or 'this machine'}"
    return GalamError(text, path, "wait for it, cancel it, or choose another run folder")


def _process_exists(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent (Linux)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[:1] == ["Z"]


def _read_lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return []
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # cut short by a crash; its epoch is trained again
    return lines
