"""Predicting a whole survey: shard by shard, kept, and resumed after a stop.

::

    CACHE/predictions/<model hash>.parquet             one row a galaxy, in catalogue order
    CACHE/predictions/<model hash>-<kind>.parquet      coordinates in feature space
    CACHE/predictions/<model hash>-<version>.parts/    one file a finished shard
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.predict_inputs import known_sn, sample_batches
from galam_explorer.preprocess import PreparedSample, load_prepared, prepare_survey
from galam_explorer.preprocess.work import Unit, plan_units
from galam_explorer.survey.atomic import atomic_path, storage_error
from galam_explorer.survey.store import Survey

if TYPE_CHECKING:
    from galam_explorer.evaluate.model import Model

__all__ = ["embeddings", "known_noise", "predict_survey", "prediction_path", "saved_predictions"]

Progress = Callable[[int, int], None]
ALGORITHM = 1
"""Raised when the same model gives other columns: old predictions are then made again."""
KINDS = ("spectrum", "image")
_KEY = b"galam_predictions"


def prediction_path(model: Model, survey: Survey) -> Path:
    """Where the predictions of a survey are kept."""
    return survey.cache_dir / "predictions" / f"{model.hash}.parquet"


def predict_survey(
    model: Model,
    survey: Survey,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Predictions of every galaxy of a survey, from where they are kept or made now.

    See `galam_explorer.evaluate.model.Model.predict`. Memory does not grow with
    the survey but for the table itself.

    Raises
    ------
    GalamError
        If the results cannot be written. Finished shards stay.
    """
    known = saved_predictions(model, survey)
    if known is not None:
        return known
    with _lock(prediction_path(model, survey)):
        # Another thread may have made them meanwhile.
        known = saved_predictions(model, survey)
        return _predict(model, survey, workers, progress) if known is None else known


_LOCKS: dict[Path, threading.Lock] = {}
_LOCKS_LOCK = threading.Lock()


def _lock(path: Path) -> threading.Lock:
    with _LOCKS_LOCK:
        return _LOCKS.setdefault(path, threading.Lock())


def _predict(
    model: Model, survey: Survey, workers: int | None, progress: Progress | None
) -> pd.DataFrame:
    report = progress or (lambda done, total: None)
    sample = _prepared(model, survey, workers, report)
    path = prediction_path(model, survey)
    parts = _parts(model, path)
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, parts) from error
    units = plan_units(survey)
    missing = [unit for unit in units if not _readable(_part(parts, unit))]
    total, done = len(survey), len(survey) - sum(len(unit.ids) for unit in missing)
    report(done, total)
    for unit in missing:

        def tell(count: int, before: int = done) -> None:
            report(before + count, total)

        _write(_part(parts, unit), _predict_unit(model, survey, sample, unit, tell))
        done += len(unit.ids)
    _join(model, survey, path, [_part(parts, unit) for unit in units])
    report(total, total)
    found = saved_predictions(model, survey)
    if found is None:
        raise GalamError("the predictions were removed while they were made", path)
    return found


def saved_predictions(model: Model, survey: Survey) -> pd.DataFrame | None:
    """Predictions that were made before; None without any, or if the survey has changed."""
    path = prediction_path(model, survey)
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        return None
    if (table.schema.metadata or {}).get(_KEY) != _mark(model, survey):
        return None
    frame = table.to_pandas()
    frame.insert(1, "split", model.splits_of(survey))
    return frame


def embeddings(model: Model, survey: Survey, kind: str) -> np.ndarray:
    """Coordinates of every galaxy in feature space, made by `predict_survey`.

    Parameters
    ----------
    kind : {"spectrum", "image"}

    Returns
    -------
    ndarray, float32 (n, k)
        Whitened principal components; NaN where the galaxy lacks that input.

    Raises
    ------
    GalamError
        If the model has no statistics of that kind, or the predictions are gone.
    """
    if kind not in model.domains:
        raise GalamError(
            f"this model has no statistics of {kind} features",
            model.path,
            "train it with enough galaxies, or finish it with `galam train --resume`",
        )
    path = _embedding_path(prediction_path(model, survey), kind)
    try:
        column = pq.read_table(path)["embedding"]
    except (OSError, pa.ArrowException) as error:
        raise GalamError(f"cannot be read ({error})", path, "predict the survey again") from error
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32).reshape(len(column), -1)


def known_noise(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Signal-to-noise of some galaxies: the catalogue's, else measured; NaN where unknown."""
    noise = survey.column("sn_r")[rows].astype(float)
    unknown = np.flatnonzero(~np.isfinite(noise) & survey.column("has_spectrum")[rows])
    for index in unknown:
        try:
            noise[index] = known_sn(survey[str(survey.catalog["id"].iloc[rows[index]])])
        except GalamError:
            continue  # a damaged shard: its galaxies have no inputs either
    return noise


def _prepared(
    model: Model, survey: Survey, workers: int | None, report: Progress
) -> PreparedSample:
    try:
        return load_prepared(survey, model.preprocess)
    except GalamError:
        return prepare_survey(survey, model.preprocess, workers, report)


def _mark(model: Model, survey: Survey) -> bytes:
    """What the table was made of; statistics are not part of the model's hash."""
    return f"{ALGORITHM} {survey.fingerprint} {_statistics(model)}".encode()


def _statistics(model: Model) -> str:
    return str((model.info.get("statistics") or {}).get("sha256", ""))[:12]


def _parts(model: Model, path: Path) -> Path:
    """The folder of finished shards."""
    return path.with_name(f"{path.stem}-{ALGORITHM}{_statistics(model)[:8]}.parts")


def _part(folder: Path, unit: Unit) -> Path:
    return folder / f"{unit.name}-{unit.key}.parquet"


def _readable(path: Path) -> bool:
    try:
        return "id" in pq.read_schema(path).names
    except (OSError, pa.ArrowException):
        return False


def _predict_unit(
    model: Model,
    survey: Survey,
    sample: PreparedSample,
    unit: Unit,
    tell: Callable[[int], None],
) -> pa.Table:
    from galam_explorer.evaluate.model import BATCH

    rows = np.arange(unit.start, unit.stop)
    noise = np.full(len(sample), np.nan)
    noise[rows] = known_noise(survey, rows)
    frames, coordinates = [], {kind: [] for kind in model.domains}
    done = 0
    for inputs in sample_batches(sample, noise, rows, BATCH):
        raw = model.raw(inputs)
        frames.append(pd.DataFrame(model.columns(inputs, raw)))
        for kind, features in (("spectrum", raw.real), ("image", raw.image)):
            if kind in coordinates:
                domain = model.domains[kind]
                empty = np.full((len(inputs), len(domain.scales)), np.nan, np.float32)
                coordinates[kind].append(empty if features is None else domain.embed(features))
        done += len(inputs)
        tell(done)
    table = pa.Table.from_pandas(pd.concat(frames, ignore_index=True), preserve_index=False)
    for kind, found in coordinates.items():
        table = table.append_column(f"embedding_{kind}", _vectors(np.concatenate(found)))
    return table


def _vectors(rows: np.ndarray) -> pa.FixedSizeListArray:
    flat = pa.array(rows.astype(np.float16).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])


def _write(path: Path, table: pa.Table) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _embedding_path(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.stem}-{kind}.parquet")


def _join(model: Model, survey: Survey, path: Path, parts: list[Path]) -> None:
    """Join the parts in catalogue order; the table itself, written last, says that all is there."""
    tables = [pq.read_table(part) for part in parts]
    if not tables:
        raise GalamError("the survey has no galaxies", survey.path)
    for kind in model.domains:
        columns = [table.select([f"embedding_{kind}"]) for table in tables]
        _write(_embedding_path(path, kind), pa.concat_tables(columns).rename_columns(["embedding"]))
    names = [name for name in tables[0].column_names if not name.startswith("embedding_")]
    # A part whose galaxies all lack an input may have narrower numbers.
    joined = pa.concat_tables(
        [table.select(names) for table in tables], promote_options="permissive"
    )
    _write(path, joined.replace_schema_metadata({_KEY: _mark(model, survey)}))
