"""The columns of a shard, and the way between rows and `Galaxy` records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout, Galaxy, Spectrum
from galam_explorer.survey.atomic import atomic_path

__all__ = [
    "ARRAY_COLUMNS",
    "CATALOG_FIELDS",
    "ROW_GROUP",
    "galaxies_from_table",
    "table_from_galaxies",
    "write_shard_file",
]

ROW_GROUP = 32
"""Galaxies per row group: one galaxy reads in a few milliseconds."""

CATALOG_FIELDS = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("origin", pa.string(), nullable=False),
    pa.field("ra", pa.float64()),
    pa.field("dec", pa.float64()),
    pa.field("z", pa.float64()),
    pa.field("z_warning", pa.int32()),
    pa.field("sn_r", pa.float32()),
    pa.field("petro_mag_r", pa.float32()),
    pa.field("petro_r90_r", pa.float32()),
    pa.field("spec_class", pa.string()),
    pa.field("has_spectrum", pa.bool_(), nullable=False),
    pa.field("has_cutout", pa.bool_(), nullable=False),
]

ARRAY_FIELDS = [
    pa.field("cutout_jpeg", pa.binary()),
    pa.field("cutout_scale", pa.float32()),
    pa.field("loglam0", pa.float64()),
    pa.field("flux", pa.list_(pa.float32())),
    pa.field("ivar", pa.list_(pa.float32())),
    pa.field("and_mask", pa.list_(pa.int32())),
    pa.field("wdisp", pa.list_(pa.float32())),
]

ARRAY_COLUMNS = tuple(field.name for field in ARRAY_FIELDS)
_SCALARS = tuple(field.name for field in CATALOG_FIELDS if not field.name.startswith("has_"))
# Splitting floats by byte lets zstd find the repeating exponents; resolution and
# masks take few values, which a dictionary holds better.
_SPLIT = ["flux.list.element", "ivar.list.element"]
_DICTIONARY = ["origin", "spec_class", "and_mask.list.element", "wdisp.list.element"]


def _row(galaxy: Galaxy) -> dict[str, Any]:
    spectrum, cutout = galaxy.spectrum, galaxy.cutout
    row: dict[str, Any] = {name: getattr(galaxy, name) for name in _SCALARS}
    row["has_spectrum"], row["has_cutout"] = spectrum is not None, cutout is not None
    if cutout is not None:
        row["cutout_jpeg"], row["cutout_scale"] = cutout.encoded, cutout.scale
    if spectrum is not None:
        row["loglam0"], row["flux"], row["ivar"] = spectrum.loglam0, spectrum.flux, spectrum.ivar
        row["and_mask"], row["wdisp"] = spectrum.and_mask, spectrum.wdisp
    return row


def table_from_galaxies(galaxies: Sequence[Galaxy]) -> pa.Table:
    """One Arrow row per galaxy; the union of their truth keys become columns.

    Raises
    ------
    GalamError
        On an empty or repeated id, or a truth key without the ``true_`` prefix.
    """
    ids = [galaxy.id for galaxy in galaxies]
    if duplicates := {one for one in ids if ids.count(one) > 1} if len(set(ids)) < len(ids) else ():
        raise GalamError("the id occurs twice in one shard", min(duplicates))
    if not all(ids):
        raise GalamError("a galaxy has an empty id", "survey")
    truths = sorted({key for galaxy in galaxies for key in galaxy.truth})
    if wrong := [key for key in truths if not key.startswith("true_")]:
        raise GalamError("truth columns start with 'true_'", wrong[0])
    rows = [_row(galaxy) for galaxy in galaxies]
    fields = CATALOG_FIELDS + ARRAY_FIELDS
    columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in fields]
    for key in truths:
        fields = [*fields, pa.field(key, pa.float64())]
        columns.append(pa.array([galaxy.truth.get(key) for galaxy in galaxies], pa.float64()))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def write_shard_file(path: Path, galaxies: Sequence[Galaxy]) -> None:
    """Write one shard atomically (zstd, row groups of `ROW_GROUP` galaxies)."""
    table = table_from_galaxies(galaxies)
    with atomic_path(path) as temporary:
        pq.write_table(
            table,
            temporary,
            row_group_size=ROW_GROUP,
            compression="zstd",
            compression_level=9,
            use_dictionary=_DICTIONARY,
            use_byte_stream_split=_SPLIT,
            write_page_checksum=True,
        )


def _array(table: pa.Table, name: str, row: int, dtype: type) -> np.ndarray | None:
    scalar = table[name][row]
    if not scalar.is_valid:
        return None
    return scalar.values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)


def _galaxy(table: pa.Table, row: int) -> Galaxy:
    scalars = {name: table[name][row].as_py() for name in _SCALARS}
    scalars = {name: value for name, value in scalars.items() if value is not None}
    spectrum = cutout = None
    if table["has_spectrum"][row].as_py():
        spectrum = Spectrum(
            flux=_array(table, "flux", row, np.float32),
            ivar=_array(table, "ivar", row, np.float32),
            loglam0=table["loglam0"][row].as_py(),
            and_mask=_array(table, "and_mask", row, np.int32),
            wdisp=_array(table, "wdisp", row, np.float32),
        )
    if table["has_cutout"][row].as_py():
        scale = table["cutout_scale"][row].as_py()
        cutout = Cutout(table["cutout_jpeg"][row].as_py(), float("nan") if scale is None else scale)
    truth = {
        name: table[name][row].as_py()
        for name in table.column_names
        if name.startswith("true_") and table[name][row].is_valid
    }
    return Galaxy(**scalars, spectrum=spectrum, cutout=cutout, truth=truth)


def galaxies_from_table(table: pa.Table) -> list[Galaxy]:
    """The records of every row of `table`."""
    return [_galaxy(table, row) for row in range(len(table))]
