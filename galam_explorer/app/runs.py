"""The run folders that the dashboard watches; no panel and no torch here."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RunView", "find_runs", "read_run", "runs_folder"]

ACTIVE = ("queued", "running", "paused")


def runs_folder() -> Path:
    """Where runs are looked for: GALAM_RUNS, or ``runs`` in the working folder."""
    return Path(os.environ.get("GALAM_RUNS") or "runs").expanduser()


@dataclass(frozen=True)
class RunView:
    """What a run folder says at one moment.

    Parameters
    ----------
    path : Path
    info, status : dict
        ``run.json`` and ``status.json``.
    metrics : tuple of dict
        Lines of ``metrics.jsonl``.
    alive : bool
        Whether a process is at work on it.
    """

    path: Path
    info: dict[str, Any]
    status: dict[str, Any]
    metrics: tuple[dict[str, Any], ...]
    alive: bool

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def state(self) -> str:
        """The state that it claims, or ``stopped`` if nobody is at work any more."""
        claimed = str(self.status.get("state", "unknown"))
        return "stopped" if claimed in ACTIVE and not self.alive else claimed

    @property
    def stages(self) -> list[str]:
        """Stages of the run, in order."""
        named = self.status.get("stages") or self.info.get("train", {}).get("stages") or []
        return [str(one) for one in named]

    @property
    def has_model(self) -> bool:
        """Whether it is finished and its model can be used."""
        return (self.path / "model" / "model.json").is_file()

    def epochs(self, stage: str) -> int:
        """Most epochs of a stage."""
        train = self.info.get("train", {})
        own = {str(name): int(count) for name, count in train.get("stage_epochs") or ()}
        return own.get(stage, int(train.get("epochs", 0)))


def find_runs(folder: Path) -> list[Path]:
    """Run folders inside `folder`, the one that changed last first."""
    try:
        # A job that was only just started has written no more than its choices.
        found = {path.parent for one in ("run", "choices") for path in folder.glob(f"*/{one}.json")}
    except OSError:
        return []
    return sorted(found, key=_changed, reverse=True)


def _changed(path: Path) -> float:
    times = []
    for name in ("status.json", "run.json"):
        try:
            times.append((path / name).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def read_run(path: Path) -> RunView | None:
    """Read a run folder; None if it is gone or damaged."""
    from galam_explorer.errors import GalamError
    from galam_explorer.train.folder import RunFolder

    folder = RunFolder(path)
    alive = folder.alive()
    try:
        info = _choices(path) if alive and not folder.exists else folder.info()
    except (GalamError, OSError, json.JSONDecodeError):
        return None
    return RunView(path, info, folder.status(), tuple(folder.metrics()), alive)


def _choices(path: Path) -> dict[str, Any]:
    """What a job was asked for that has not begun to write its run."""
    read = json.loads((path / "choices.json").read_text(encoding="utf-8"))
    return read if isinstance(read, dict) else {}


def duration(seconds: float) -> str:
    """A time span for people."""
    seconds = max(0, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def headline(run: RunView) -> str:
    """One line that says where a run is."""
    status = run.status
    parts = [run.state]
    if run.state in ("running", "paused") and status.get("stage"):
        parts.append(f"{status['stage']}, epoch {status.get('epoch', 0)} of {status.get('epochs')}")
        if status.get("eta_s") is not None and run.state == "running":
            parts.append(f"{duration(status['eta_s'])} left")
        beat = time.time() - float(status.get("heartbeat", time.time()))
        if beat > 20:
            parts.append(f"last sign of life {duration(beat)} ago")
    if status.get("message"):
        parts.append(str(status["message"]))
    return " · ".join(parts)
