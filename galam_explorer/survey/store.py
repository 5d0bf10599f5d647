"""The survey store: one folder of Parquet shards, written atomically, read lazily.

::

    SURVEY/survey.json                 name, kind, schema version, provenance, units
    SURVEY/shards/part-00000.parquet   about 500 galaxies each, zstd

A survey is readable after any crash: a shard either is there whole or not at
all; one that was cut short by other means is reported in `Survey.problems` and
left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq

from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy
from galam_explorer.survey.header import read_header
from galam_explorer.survey.schema import (
    ARRAY_COLUMNS,
    galaxies_from_table,
    table_from_galaxies,
)

__all__ = ["Shard", "Survey", "iter_shard", "open_shard"]

_CACHED_GROUPS = 32


@dataclass(frozen=True)
class Shard:
    """One readable Parquet file of a survey: its path and its number of galaxies."""

    path: Path
    rows: int
    metadata: Any

    @property
    def name(self) -> str:
        """File name without extension, ``part-00000``."""
        return self.path.stem


def open_shard(path: Path) -> Shard:
    """Read the footer of a shard.

    Raises
    ------
    GalamError
        If the file is missing, cut short or not Parquet.
    """
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise GalamError(
            f"this shard cannot be read ({str(error).splitlines()[0]})",
            path,
            "write it again with the command that made the survey",
        ) from error
    return Shard(path, metadata.num_rows, metadata)


def _read(shard: Shard, **what: Any) -> pa.Table:
    try:
        with pq.ParquetFile(
            shard.path, metadata=shard.metadata, page_checksum_verification=True
        ) as file:
            if "group" in what:
                return file.read_row_group(what["group"])
            return file.read(columns=what["columns"])
    except (pa.ArrowException, OSError) as error:
        raise GalamError(
            f"this shard cannot be read any more ({str(error).splitlines()[0]})",
            shard.path,
            "it was changed or removed: open the survey again",
        ) from error


def iter_shard(path: Path) -> Iterator[list[Galaxy]]:
    """Read a shard one row group (at most 32 galaxies) at a time."""
    shard = open_shard(Path(path))
    for group in range(shard.metadata.num_row_groups):
        yield galaxies_from_table(_read(shard, group=group))


class Survey:
    """A catalogue table, and each galaxy's spectrum and cutout on demand.

    Opening reads the catalogue columns only; arrays are read when a galaxy is
    asked for, one row group at a time.

    Parameters
    ----------
    path : Path
        The survey folder.
    extra : sequence of Galaxy
        Galaxies that are not in the folder (the demo's real spectra).

    Raises
    ------
    GalamError
        If `path` is not a survey, or was written by a newer version.
    """

    def __init__(self, path: str | Path, extra: Sequence[Galaxy] = ()) -> None:
        self.path = Path(path)
        header = read_header(self.path)
        self.name: str = header["name"]
        self.kind: str = header["kind"]
        self.provenance: dict[str, Any] = header.get("provenance", {})
        self.problems: list[str] = []
        self.shards: list[Shard] = []
        self.extra = list(extra)
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._open()

    def __repr__(self) -> str:
        return f"<Survey {self.name!r} ({self.kind}), {len(self)} galaxies>"

    def __len__(self) -> int:
        return len(self.catalog)

    def __contains__(self, galaxy_id: object) -> bool:
        return galaxy_id in self._rows

    def __getitem__(self, galaxy_id: str) -> Galaxy:
        row = self.row(galaxy_id)
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        inside = row - int(self._starts[shard])
        if shard == len(self.shards):
            return self.extra[int(self._extra_rows[inside])]
        first = self._group_starts[shard]
        group = int(np.searchsorted(first, self._kept[shard][inside], side="right")) - 1
        table = self._group(shard, group)
        offset = int(self._kept[shard][inside] - first[group])
        return galaxies_from_table(table.slice(offset, 1))[0]

    @property
    def ids(self) -> list[str]:
        """Every galaxy id, in catalogue order."""
        return self.catalog["id"].tolist()

    def row(self, galaxy_id: str) -> int:
        """Catalogue row of a galaxy.

        Raises
        ------
        GalamError
            If there is no such id.
        """
        try:
            return self._rows[galaxy_id]
        except (KeyError, TypeError):
            raise GalamError(
                f"no galaxy {galaxy_id!r} in survey {self.name!r}", self.path, "see `survey.ids`"
            ) from None

    def column(self, name: str) -> np.ndarray:
        """One catalogue column, shape (len(survey),), in catalogue order."""
        if name not in self.catalog:
            raise GalamError(
                f"no column {name!r}", self.path, f"columns: {', '.join(self.catalog.columns)}"
            )
        return self.catalog[name].to_numpy()

    def select(self, **limits: Any) -> list[str]:
        """Ids of the galaxies within all limits.

        Parameters
        ----------
        **limits
            Column name = value to equal, or ``(low, high)`` with None for no
            limit; both ends are included.

        Examples
        --------
        >>> survey.select(z=(0.05, 0.1), sn_r=(20, None), has_spectrum=True)  # doctest: +SKIP
        """
        keep = np.ones(len(self), dtype=bool)
        for name, limit in limits.items():
            values = self.column(name)
            if isinstance(limit, tuple):
                low, high = limit
                keep &= (low is None) | (values >= (low if low is not None else 0))
                keep &= (high is None) | (values <= (high if high is not None else 0))
            else:
                keep &= values == limit
        return self.catalog["id"][keep].tolist()

    def iter_batches(
        self, batch_size: int = 32, ids: Iterable[str] | None = None
    ) -> Iterator[list[Galaxy]]:
        """Galaxies in lists of `batch_size`, without holding more than that in memory."""
        batch: list[Galaxy] = []
        for galaxy_id in self.ids if ids is None else ids:
            batch.append(self[galaxy_id])
            if len(batch) == batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def __iter__(self) -> Iterator[Galaxy]:
        for batch in self.iter_batches():
            yield from batch

    @property
    def fingerprint(self) -> str:
        """Changes when a shard is added, removed or replaced; names caches."""
        text = json.dumps([self.shard_key(shard) for shard in self.shards])
        text += json.dumps([galaxy.id for galaxy in self.extra])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def shard_key(self, shard: Shard) -> list[Any]:
        """Name, rows, size and modification time of a shard, to notice a change."""
        stat = shard.path.stat()
        return [shard.name, shard.rows, stat.st_size, stat.st_mtime_ns]

    @property
    def cache_dir(self) -> Path:
        """Where derived files go: the survey folder, or a user cache if it is read-only."""
        if os.access(self.path, os.W_OK) and "galam_explorer" not in self.path.parts:
            return self.path
        digest = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:12]
        return Path(platformdirs.user_cache_dir("galam_explorer")) / f"{self.path.name}-{digest}"

    def _open(self) -> None:
        frames, seen = [], set()
        self._kept: list[np.ndarray] = []
        self._group_starts: list[np.ndarray] = []
        for path in sorted((self.path / "shards").glob("part-*.parquet")):
            try:
                shard = open_shard(path)
                names = shard.metadata.schema.to_arrow_schema().names
                columns = [name for name in names if name not in ARRAY_COLUMNS]
                frame = _read(shard, columns=columns).to_pandas()
            except GalamError as error:
                self.problems.append(str(error))
                continue
            kept = self._keep_new(frame, seen, path)
            sizes = [
                shard.metadata.row_group(i).num_rows for i in range(shard.metadata.num_row_groups)
            ]
            self.shards.append(shard)
            self._kept.append(kept)
            self._group_starts.append(np.concatenate([[0], np.cumsum(sizes)[:-1]]))
            frames.append(frame.iloc[kept])
        extra_frame = table_from_galaxies(self.extra).drop(list(ARRAY_COLUMNS)).to_pandas()
        self._extra_rows = self._keep_new(extra_frame, seen, "extra galaxies")
        frames.append(extra_frame.iloc[self._extra_rows])
        self.catalog = _concatenate(frames)
        counts = [len(kept) for kept in self._kept]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
        self._rows = {galaxy_id: row for row, galaxy_id in enumerate(self.catalog["id"].tolist())}

    def _keep_new(self, frame: pd.DataFrame, seen: set[str], where: object) -> np.ndarray:
        """Row numbers whose ids were not seen before; the others become problems."""
        ids = frame["id"].tolist()  # strings of Python: Arrow's are slow one by one
        fresh = np.array([one not in seen for one in ids], dtype=bool)
        fresh &= ~frame["id"].duplicated().to_numpy(dtype=bool)
        for repeated in frame["id"][~fresh]:
            self.problems.append(f"{where}: id {repeated!r} occurs again; the first one is used.")
        seen.update(ids)
        return np.flatnonzero(fresh)

    def _group(self, shard: int, group: int) -> pa.Table:
        with self._lock:
            if (shard, group) in self._groups:
                self._groups.move_to_end((shard, group))
                return self._groups[shard, group]
        table = _read(self.shards[shard], group=group)
        with self._lock:
            self._groups[shard, group] = table
            while len(self._groups) > _CACHED_GROUPS:
                self._groups.popitem(last=False)
        return table


def _concatenate(frames: list[pd.DataFrame]) -> pd.DataFrame:
    full = [frame for frame in frames if len(frame)] or frames[:1]
    catalog = pd.concat(full, ignore_index=True)
    first = [name for name in catalog.columns if not name.startswith("true_")]
    return catalog[first + sorted(set(catalog.columns) - set(first))]
