"""One unit of preparing a survey: the galaxies of one shard into their tensor rows."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess.images import prepare_cutout
from galam_explorer.preprocess.spectra import prepare_spectrum
from galam_explorer.records import CutoutStages, Galaxy, PreparedSpectrum
from galam_explorer.survey.atomic import atomic_path, storage_error
from galam_explorer.survey.store import Survey, iter_shard

__all__ = ["STATUS_COLUMNS", "TENSORS", "Unit", "plan_units", "run_unit", "start_worker"]

TENSORS = {"images": ((128, 128, 3), np.uint8), "spectra": ((4171,), np.float32)}
"""File stem → shape and type of one row."""
STATUS_COLUMNS = ["id", "status", "reason", "spectrum_status", "image_status"]

# What a galaxy that no one foresaw can make the libraries under us raise.
_UNFORESEEN = (ValueError, ArithmeticError, LookupError, TypeError, cv2.error)


@dataclass(frozen=True)
class Unit:
    """Galaxies that are prepared together, and the rows they go to.

    Parameters
    ----------
    name : str
        Shard name, or ``extra``.
    key : str
        Changes when the shard or the choice of its galaxies does.
    start : int
        First row.
    ids : tuple of str
        The galaxies, in row order.
    source : Path or tuple of Galaxy
        The shard, or the galaxies themselves.
    """

    name: str
    key: str
    start: int
    ids: tuple[str, ...]
    source: Path | tuple[Galaxy, ...]

    @property
    def stop(self) -> int:
        """One past the last row."""
        return self.start + len(self.ids)


def plan_units(survey: Survey) -> list[Unit]:
    """One unit per shard, and one for galaxies that are in no shard; rows as in the catalogue."""
    ids, units, row = survey.ids, [], 0
    for shard in survey.shards:
        kept = []
        # A repeated id has a row only where it occurs first.
        for name in pq.read_table(shard.path, columns=["id"])["id"].to_pylist():
            if row + len(kept) < len(ids) and ids[row + len(kept)] == name:
                kept.append(name)
        units.append(_unit(shard.name, survey.shard_key(shard), row, kept, shard.path))
        row += len(kept)
    if row < len(ids):
        extra = tuple(survey[one] for one in ids[row:])
        units.append(_unit("extra", _content(extra), row, ids[row:], extra))
    return [unit for unit in units if unit.ids]


def _content(galaxies: Iterable[Galaxy]) -> list[str]:
    """A digest of each galaxy's arrays: extra galaxies have no file to look at."""
    digests = []
    for galaxy in galaxies:
        digest = hashlib.sha256(galaxy.cutout.encoded if galaxy.cutout else b"")
        if galaxy.spectrum is not None:
            digest.update(np.ascontiguousarray(galaxy.spectrum.flux).tobytes())
        digests.append(digest.hexdigest())
    return digests


def _unit(name: str, key: Any, start: int, ids: list[str], source: Any) -> Unit:
    digest = hashlib.sha256(json.dumps([name, key, ids]).encode()).hexdigest()[:16]
    return Unit(name, digest, start, tuple(ids), source)


def start_worker(stop: Any, counter: Any) -> None:
    """Set up a worker process: one thread, deaf to Ctrl-C, gone when its parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    _shared.update(stop=stop, counter=counter)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


_shared: dict[str, Any] = {"stop": None, "counter": None}


def _die_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _tell(count: int) -> None:
    if _shared["counter"] is not None:
        with _shared["counter"].get_lock():
            _shared["counter"].value += count


def run_unit(
    unit: Unit,
    folder: Path,
    config: PreprocessConfig,
    tell: Callable[[int], None] = _tell,
) -> bool:
    """Prepare the galaxies of `unit`, write their rows, then their status part.

    The part file is written last and atomically: where it is, the rows are
    whole. A shard that turns out to be damaged gives its remaining galaxies
    the status ``unreadable``.

    Parameters
    ----------
    unit : Unit
    folder : Path
        Where the tensors and ``parts/`` are.
    config : PreprocessConfig
    tell : callable
        Called with the number of galaxies done since the last call.

    Returns
    -------
    bool
        False if it was asked to stop half-way.

    Raises
    ------
    GalamError
        If the results cannot be written.
    """
    status: list[tuple[str, ...]] = []
    try:
        for batch in _galaxies(unit):
            if _shared["stop"] is not None and _shared["stop"].is_set():
                return False
            rows, images, spectra = _prepare(batch, config)
            write_rows(folder / "images.npy", unit.start + len(status), images)
            write_rows(folder / "spectra.npy", unit.start + len(status), spectra)
            status += rows
            tell(len(rows))
    except _Damaged as error:
        for galaxy_id in unit.ids[len(status) :]:
            status.append((galaxy_id, "unreadable", str(error), "unreadable", "unreadable"))
    path = folder / "parts" / f"{unit.name}.parquet"
    with atomic_path(path) as temporary:
        pd.DataFrame(status, columns=STATUS_COLUMNS, dtype="str").to_parquet(temporary)
    return True


class _Damaged(Exception):
    """A shard whose arrays cannot be read."""


def _galaxies(unit: Unit) -> Iterator[list[Galaxy]]:
    """The unit's galaxies, at most one row group in memory."""
    if not isinstance(unit.source, Path):
        yield list(unit.source)
        return
    wanted = iter(unit.ids)
    expected = next(wanted, None)
    try:
        for group in iter_shard(unit.source):
            kept = []
            for galaxy in group:
                if galaxy.id == expected:
                    kept.append(galaxy)
                    expected = next(wanted, None)
            yield kept
    except GalamError as error:
        raise _Damaged(str(error)) from error
    if expected is not None:
        raise _Damaged(f"{unit.source}: galaxy {expected!r} is not there any more")


def _prepare(
    batch: list[Galaxy], config: PreprocessConfig
) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """Status rows, images and spectra of some galaxies; zeros where there is nothing."""
    images, spectra = (
        np.zeros((len(batch), *shape), dtype=dtype) for shape, dtype in TENSORS.values()
    )
    rows = []
    for index, galaxy in enumerate(batch):
        spectrum, image = _spectrum(galaxy, config), _image(galaxy, config)
        if spectrum.values is not None:
            spectra[index] = spectrum.values
        if image.cropped is not None:
            images[index] = image.cropped
        first = next((one for one in (spectrum, image) if one.status != "ok"), image)
        rows.append((galaxy.id, first.status, first.reason, spectrum.status, image.status))
    return rows, images, spectra


def _spectrum(galaxy: Galaxy, config: PreprocessConfig) -> PreparedSpectrum:
    try:
        return prepare_spectrum(galaxy.spectrum, config)
    except _UNFORESEEN as error:
        return PreparedSpectrum("bad_spectrum", f"{type(error).__name__}: {error}")


def _image(galaxy: Galaxy, config: PreprocessConfig) -> CutoutStages:
    try:
        return prepare_cutout(galaxy.cutout, config, galaxy.id)
    except _UNFORESEEN as error:
        return CutoutStages("bad_cutout", f"{type(error).__name__}: {error}")


def write_rows(path: Path, first: int, rows: np.ndarray) -> None:
    """Write rows into a ``.npy`` file at row `first`, by file, not through a map.

    A full disk is then an error with a name; through a memory map it would be
    a signal that kills the process.

    Raises
    ------
    GalamError
        If the disk is full or the file not writable.
    """
    try:
        with open(path, "r+b") as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            read(stream)
            stream.seek(stream.tell() + first * rows[:1].nbytes)
            stream.write(rows.tobytes())
    except OSError as error:
        raise storage_error(error, path) from error
