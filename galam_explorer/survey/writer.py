"""Writing a survey folder: shards appear whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy
from galam_explorer.survey.header import KINDS, SCHEMA_VERSION, UNITS, read_header, write_header
from galam_explorer.survey.schema import write_shard_file
from galam_explorer.survey.store import open_shard

__all__ = ["SHARD_SIZE", "SurveyWriter"]

SHARD_SIZE = 500


class SurveyWriter:
    """Creates a survey folder, or opens one to add to it.

    Parameters
    ----------
    path : str or Path
        The survey folder.
    name : str
        Shown in the dashboard.
    kind : {"simulated", "sdss", "local"}
        What the galaxies are.
    provenance : dict, optional
        JSON values that say how the survey was made. A survey that is there
        must have the same kind and provenance.

    Raises
    ------
    GalamError
        If the folder holds something else, or cannot be written.
    """

    def __init__(
        self, path: str | Path, name: str, kind: str, provenance: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(path)
        if kind not in KINDS:
            raise GalamError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}", path)
        header = {
            "name": name,
            "kind": kind,
            "schema_version": SCHEMA_VERSION,
            "provenance": json.loads(json.dumps(provenance or {})),
            "units": UNITS,
        }
        if self.path.exists() and not self.path.is_dir():
            raise GalamError("this is a file, not a folder", path, "choose another --out")
        if (self.path / "survey.json").exists():
            self._check_same(read_header(self.path), header)
            return
        if self.path.is_dir() and any(self.path.iterdir()):
            raise GalamError("the folder is not empty and not a survey", path, "choose another")
        write_header(self.path, header)

    def _check_same(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        for key in ("kind", "provenance"):
            if old.get(key) != new[key]:
                raise GalamError(
                    f"a survey with another {key} is here already", self.path, "choose another"
                )

    def shard_path(self, index: int) -> Path:
        """Path of shard number `index`."""
        return self.path / "shards" / f"part-{index:05d}.parquet"

    def has_shard(self, index: int) -> bool:
        """Whether shard `index` is there and whole, so that it can be skipped."""
        try:
            open_shard(self.shard_path(index))
        except GalamError:
            return False
        return True

    def write_shard(self, index: int, galaxies: Sequence[Galaxy]) -> Path:
        """Write shard `index` atomically, replacing it if it is there.

        Raises
        ------
        GalamError
            On repeated or empty ids, or if the disk is full.
        """
        write_shard_file(self.shard_path(index), galaxies)
        return self.shard_path(index)

    def append(self, galaxies: Iterable[Galaxy]) -> int:
        """Add galaxies in new shards of `SHARD_SIZE`; the number written."""
        numbers = [int(p.stem[5:]) for p in (self.path / "shards").glob("part-*.parquet")]
        index, batch, written = max(numbers, default=-1) + 1, [], 0
        for galaxy in galaxies:
            batch.append(galaxy)
            if len(batch) == SHARD_SIZE:
                self.write_shard(index, batch)
                index, written, batch = index + 1, written + len(batch), []
        if batch:
            self.write_shard(index, batch)
        return written + len(batch)
