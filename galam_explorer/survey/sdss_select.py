"""Choosing the sample: the catalogue rows of n random galaxies, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_answers import parse_table, spec_rows
from galam_explorer.survey.sdss_folder import FetchFolder
from galam_explorer.survey.sdss_queries import (
    COLUMNS,
    KEY_PRIME,
    SpecRow,
    count_sql,
    sample_key,
    selection_sql,
)
from galam_explorer.survey.sdss_retry import ServiceError, Throttle

__all__ = ["PAPER_TOTAL", "Client", "Requests", "chunk_width", "count_matches", "select_rows"]

T = TypeVar("T")
PAPER_TOTAL = 800_000
"""Spectra that match the paper's selection, about (paper Sect. 2.1.1)."""
_SPLITS = 4
_HALVES = 2


class Requests(Protocol):
    """One service, asked politely."""

    throttle: Throttle

    def get(self, url: str, use: Callable[[bytes], T]) -> tuple[T, int]:
        """What `use` makes of the body at `url`, and the number of attempts."""


class Client(Protocol):
    """What fetching needs of the network; `galam_explorer.survey.sdss` has it."""

    skyserver: Requests
    archive: Requests

    def table(self, sql: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        """Rows of a SkyServer query."""


def count_matches(client: Client, config: FetchConfig, folder: FetchFolder) -> int:
    """Number of spectra that match, asked once and then kept.

    Raises
    ------
    GalamError
        If there are none.
    """
    kept = folder.read_json("selection") or {}
    if kept.get("sql") == count_sql(config) and isinstance(kept.get("total"), int):
        return kept["total"]
    rows = client.table(count_sql(config), ("n",))
    try:
        total = int(rows[0]["n"])
    except (IndexError, ValueError) as error:
        raise ServiceError("the count is not a number", "SkyServer") from error
    if total == 0:
        text = "no galaxy in SDSS matches this selection"
        raise GalamError(text, config.release, "widen the limits")
    value: dict[str, Any] = {"total": total, "sql": count_sql(config)}
    folder.write_json("selection", value | {"release": config.release})
    return total


def chunk_width(config: FetchConfig, total: int, have: int = 0) -> int:
    """Width of a range of keys that holds about as many rows as one query should give."""
    rows = min(config.chunk_rows, 1.1 * (config.n - have) + 20)
    return max(1, min(KEY_PRIME, round(KEY_PRIME * rows / total)))


def select_rows(client: Client, config: FetchConfig, folder: FetchFolder) -> list[SpecRow]:
    """The catalogue rows of the sample, the smallest key first.

    What was asked before is read from the folder. A query that the service
    cannot finish is asked again for half the range, four times at most.

    Returns
    -------
    list of SpecRow
        `config.n` of them, or all that match if these are fewer.

    Raises
    ------
    ServiceError
        If SkyServer does not answer, or answers another question.
    """
    total = count_matches(client, config, folder)
    rows: list[SpecRow] = []
    low = 0
    for _, high, path in folder.chunks():
        text = path.read_text(encoding="utf-8")
        rows += spec_rows(parse_table(text, COLUMNS, path.name), path.name)
        low = high
    splits, width = 0, chunk_width(config, total, len(rows))
    while len(rows) < config.n and low < KEY_PRIME:
        high = min(low + width, KEY_PRIME)
        try:
            chunk = _ask(client, config, low, high)
        except ServiceError as error:
            splits += 1
            if splits > _SPLITS or error.offline:
                raise
            width = max(1, width // _HALVES)
            continue
        folder.write_chunk(low, high, chunk)
        rows += chunk
        low = high
    keyed = sorted((sample_key(*row[:3], config.seed), row) for row in rows)
    return [row for _, row in keyed[: config.n]]


def _ask(client: Client, config: FetchConfig, low: int, high: int) -> list[SpecRow]:
    table = client.table(selection_sql(config, low, high), COLUMNS)
    rows = spec_rows(table, "SkyServer")
    for row in rows:
        inside = low <= sample_key(*row[:3], config.seed) < high
        # What the server computed must be what we meant.
        if not inside or row.spec_class != config.spec_class:
            raise ServiceError(f"{row.id} was not asked for", "SkyServer")
    return rows
