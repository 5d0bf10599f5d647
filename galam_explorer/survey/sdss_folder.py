"""What a fetch keeps in the survey folder, so that nothing is ever fetched twice.

::

    SURVEY/fetch/selection.json      the selection's total
    SURVEY/fetch/rows-LOW-HIGH.csv   catalogue rows with sample keys in [LOW, HIGH)
    SURVEY/fetch/spectra/            spec-ID.fits, until its galaxy is in a shard
    SURVEY/fetch/cutouts/            ID.jpg, likewise
    SURVEY/fetch/ledger.jsonl        one line for each finished spectrum or cutout
    SURVEY/fetch/missing.csv         what is missing, and why
    SURVEY/fetch/full-*.json         counts of the full selection (paper Fig. 1)

Files appear whole or not at all; the ledger is only added to, and a line that
was cut by a crash is ignored. A spectrum file that somebody puts there is used
like one that was fetched.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import storage_error, write_text
from galam_explorer.survey.sdss_queries import COLUMNS, SpecRow

__all__ = ["KINDS", "FetchFolder", "Item"]

KINDS = ("spectrum", "cutout")
_CHUNK = re.compile(r"rows-(\d{10})-(\d{10})\.csv")
_HEADER = (*COLUMNS,)


@dataclass(frozen=True)
class Item:
    """One line of the ledger: a spectrum or cutout that came, or never will.

    `status` is ``"ok"`` or ``"missing"``; `reason` says why it is missing.
    """

    id: str
    kind: str
    status: str
    url: str
    reason: str = ""
    sha256: str = ""
    bytes: int = 0
    attempts: int = 0


class FetchFolder:
    """The ``fetch`` folder of a survey; safe to use from several threads.

    Parameters
    ----------
    survey : Path
        The survey folder.

    Raises
    ------
    GalamError
        If it cannot be written.
    """

    def __init__(self, survey: Path) -> None:
        self.survey = survey
        self.path = survey / "fetch"
        self.items: dict[tuple[str, str], Item] = {}
        self._guard = threading.Lock()
        try:
            for name in ("spectra", "cutouts"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, self.path) from error
        self._ledger = self.path / "ledger.jsonl"
        self._read_ledger()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out of this folder, and sweep up after killed ones."""
        try:
            import fcntl
        except ImportError:  # no such locks on Windows
            self._sweep()
            yield
            return
        with open(self.path / "lock", "a", encoding="ascii") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise GalamError(
                    "another fetch is at work here", self.survey, "wait for it or stop it"
                ) from error
            self._sweep()
            yield

    def _sweep(self) -> None:
        for folder in (self.path, *self.path.iterdir(), self.survey / "shards"):
            for left in folder.glob(".*.tmp") if folder.is_dir() else ():
                with suppress(OSError):
                    left.unlink()

    def _read_ledger(self) -> None:
        try:
            text = self._ledger.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(error, self._ledger) from error
        for line in text.splitlines():
            with suppress(ValueError, TypeError):
                item = Item(**json.loads(line))
                self.items[item.id, item.kind] = item
        if text and not text.endswith("\n"):
            self._append("\n")

    def _append(self, line: str) -> None:
        try:
            with open(self._ledger, "a", encoding="utf-8") as stream:
                stream.write(line)
        except OSError as error:
            raise storage_error(error, self._ledger) from error

    def file(self, galaxy_id: str, kind: str) -> Path:
        """Where the spectrum or cutout of a galaxy is kept until it is in a shard."""
        if kind == "spectrum":
            return self.path / "spectra" / f"spec-{galaxy_id}.fits"
        return self.path / "cutouts" / f"{galaxy_id}.jpg"

    def record(self, item: Item) -> None:
        """Add a line to the ledger."""
        with self._guard:
            self._append(json.dumps(vars(item)) + "\n")
            self.items[item.id, item.kind] = item

    def settled(self, galaxy_id: str, kind: str) -> bool:
        """Whether this is missing for good, or here with the bytes that came."""
        item = self.items.get((galaxy_id, kind))
        if item is None or item.status == "missing":
            return item is not None
        try:
            body = self.file(galaxy_id, kind).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(body).hexdigest() == item.sha256

    def discard(self, galaxy_ids: Iterable[str]) -> None:
        """Remove the files of galaxies that are in a shard."""
        for galaxy_id in galaxy_ids:
            for kind in KINDS:
                with suppress(OSError):
                    self.file(galaxy_id, kind).unlink(missing_ok=True)

    def chunks(self) -> list[tuple[int, int, Path]]:
        """The selection's files, as far as they follow on each other from key 0."""
        found = [(_CHUNK.fullmatch(path.name), path) for path in self.path.glob("rows-*.csv")]
        spans = sorted((int(m[1]), int(m[2]), path) for m, path in found if m)
        kept, reached = [], 0
        for low, high, path in spans:
            if low == reached:
                kept.append((low, high, path))
                reached = high
        return kept

    def write_chunk(self, low: int, high: int, rows: Iterable[SpecRow]) -> None:
        """Keep the catalogue rows with sample keys from `low` to below `high`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_HEADER)
        writer.writerows(rows)
        write_text(self.path / f"rows-{low:010d}-{high:010d}.csv", text.getvalue())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write ``fetch/NAME.json``."""
        write_text(self.path / f"{name}.json", json.dumps(value, indent=2) + "\n")

    def read_json(self, name: str) -> dict[str, Any] | None:
        """What `write_json` wrote, None if it is not there or damaged."""
        try:
            value = json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write_missing(self, pending: dict[tuple[str, str], str], ids: set[str]) -> Path:
        """Write ``missing.csv`` for the galaxies `ids`; `pending` may come another time."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("id", "kind", "status", "reason", "url"))
        for item in self.items.values():
            if item.status == "missing" and item.id in ids:
                writer.writerow((item.id, item.kind, "missing", item.reason, item.url))
        for (galaxy_id, kind), reason in pending.items():
            writer.writerow((galaxy_id, kind, "not yet", reason, ""))
        path = self.path / "missing.csv"
        write_text(path, text.getvalue())
        return path
