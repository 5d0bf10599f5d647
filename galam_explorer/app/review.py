"""The review queue: marked galaxies with notes, one file beside each survey.

The file is written whole and renamed at every change, so nothing that was noted is
lost by a crash; another process's changes are read before ours are made.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import write_text

__all__ = ["MAX_NOTE", "Mark", "ReviewQueue", "review_of"]

MAX_NOTE = 2000
"""Characters of a note that are kept."""


@dataclass(frozen=True)
class Mark:
    """One marked galaxy.

    Parameters
    ----------
    id : str
    note : str
    time : str
        When it was last changed, ISO 8601, UTC.
    """

    id: str
    note: str
    time: str


class ReviewQueue:
    """The marks of one survey, oldest first.

    Parameters
    ----------
    path : Path
        The JSON file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._lock = threading.RLock()
        self._marks: dict[str, Mark] = {}
        self._stamp: int | None = None
        self._read()

    def __contains__(self, galaxy_id: str) -> bool:
        return galaxy_id in self._marks

    def __len__(self) -> int:
        return len(self._marks)

    @property
    def marks(self) -> list[Mark]:
        """Every mark."""
        with self._lock:
            return list(self._marks.values())

    def note(self, galaxy_id: str) -> str:
        """The note of a galaxy; empty if it has none."""
        mark = self._marks.get(galaxy_id)
        return mark.note if mark else ""

    def put(self, galaxy_id: str, note: str = "") -> None:
        """Mark a galaxy, or change its note.

        Raises
        ------
        GalamError
            If the file cannot be written; the mark is then not kept.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._change(lambda marks: marks.update({galaxy_id: Mark(galaxy_id, note[:MAX_NOTE], now)}))

    def remove(self, ids: Iterable[str]) -> None:
        """Take marks away.

        Raises
        ------
        GalamError
            If the file cannot be written; they are then still there.
        """
        gone = list(ids)
        self._change(lambda marks: [marks.pop(one, None) for one in gone])

    def table(self, catalog: pd.DataFrame | None = None) -> pd.DataFrame:
        """Columns ``id``, ``note``, ``time``, and the catalogue's where it is given."""
        frame = pd.DataFrame([asdict(mark) for mark in self.marks], columns=["id", "note", "time"])
        return frame if catalog is None else frame.merge(catalog, on="id", how="left")

    def _change(self, change: Any) -> None:
        with self._lock:
            if self._found() != self._stamp:
                self._read()
            marks = dict(self._marks)
            change(marks)
            rows = [asdict(mark) for mark in marks.values()]
            write_text(self.path, json.dumps({"version": 1, "marks": rows}, indent=1))
            self._marks, self._stamp = marks, self._found()

    def _found(self) -> int | None:
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return None

    def _read(self) -> None:
        """Read the file; one that cannot be read is put aside, never overwritten."""
        stamp = self._found()
        if stamp is None:
            self._stamp = None
            return
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))["marks"]
            self._marks = {str(r["id"]): Mark(str(r["id"]), r["note"], r["time"]) for r in rows}
            self._stamp = stamp
        except (OSError, ValueError, KeyError, TypeError) as error:
            aside = self.path.with_suffix(f".damaged-{stamp}")
            self.problem = str(GalamError(f"cannot be read ({error})", self.path, f"see {aside}"))
            try:
                os.replace(self.path, aside)
            except OSError as failed:
                raise GalamError(
                    f"cannot be read, nor put aside ({failed})", self.path, "look at the file"
                ) from failed
            self._stamp = None


_QUEUES: dict[Path, ReviewQueue] = {}
_LOCK = threading.Lock()


def review_of(folder: Path) -> ReviewQueue:
    """The queue of a survey's cache folder, shared by all sessions of the process."""
    path = folder / "review" / "marks.json"
    with _LOCK:
        if path not in _QUEUES:
            _QUEUES[path] = ReviewQueue(path)
        return _QUEUES[path]
