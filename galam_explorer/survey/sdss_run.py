"""Fetching a sample: threads bring spectra and cutouts, the main one writes shards.

Nothing here opens a connection; `galam_explorer.survey.sdss` gives the client.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout, Galaxy
from galam_explorer.survey.atomic import atomic_path
from galam_explorer.survey.sdss_answers import check_cutout, check_spectrum
from galam_explorer.survey.sdss_folder import KINDS, FetchFolder, Item
from galam_explorer.survey.sdss_queries import SpecRow, cutout_scale, cutout_url, spectrum_url
from galam_explorer.survey.sdss_retry import (
    BadBodyError,
    FetchStoppedError,
    NotThereError,
    ServiceError,
)
from galam_explorer.survey.sdss_select import Client
from galam_explorer.survey.writer import SHARD_SIZE, SurveyWriter

__all__ = ["Fetcher", "Outcome", "galaxy_from"]

_PASSES = 3
_GIVE_UP = 8
"""Failures in a row after which a service counts as down."""
_LINGER = 2.0

Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """How it went for one galaxy; `pending` has what may come another time."""

    row: SpecRow
    pending: dict[tuple[str, str], str] = field(default_factory=dict)
    error: BaseException | None = None
    offline: bool = False


def galaxy_from(row: SpecRow, spectrum: Galaxy | None, cutout: Cutout | None) -> Galaxy:
    """The record of a galaxy: the catalogue's numbers, the arrays that came."""
    return Galaxy(
        id=row.id,
        origin="sdss",
        ra=row.ra % 360.0,
        dec=row.dec,
        z=row.z,
        z_warning=row.z_warning,
        sn_r=row.sn_r,
        petro_mag_r=row.petro_mag_r,
        petro_r90_r=row.petro_r90_r,
        spec_class=row.spec_class,
        spectrum=None if spectrum is None else spectrum.spectrum,
        cutout=cutout,
    )


class Fetcher:
    """Brings the galaxies of a sample into a survey folder.

    Parameters
    ----------
    client : Client
    config : FetchConfig
    folder : FetchFolder
        Locked by the caller.
    writer : SurveyWriter
    stop : threading.Event
        Set it to stop at once; what is finished stays.
    """

    def __init__(
        self,
        client: Client,
        config: FetchConfig,
        folder: FetchFolder,
        writer: SurveyWriter,
        stop: threading.Event,
    ) -> None:
        self.client, self.config, self.folder = client, config, folder
        self.writer, self.stop = writer, stop
        self.kinds = [kind for kind in KINDS if getattr(config, _OPTION[kind])]
        self.pending: dict[tuple[str, str], str] = {}
        self.written = 0
        self._ready: list[SpecRow] = []

    def run(self, rows: list[SpecRow], progress: Progress, done: int = 0) -> None:
        """Fetch `rows` and write them; those with trouble are tried again later.

        Raises
        ------
        ServiceError
            If a service seems to be down. What came is in the survey.
        GalamError
            If the disk is full.
        """
        total = done + len(rows)
        try:
            for number in range(_PASSES):
                self.pending = {}
                limit = _GIVE_UP if number == 0 else len(rows) + 1
                rows = self._pass(rows, lambda count: progress(count, total), done, limit)
                done = total - len(rows)
                if not rows:
                    break
        finally:
            self.flush()

    def _pass(
        self, rows: list[SpecRow], progress: Callable[[int], None], done: int, limit: int
    ) -> list[SpecRow]:
        """Fetch every row once, unless `limit` fail in a row; those that are not complete."""
        later, failures = [], 0
        progress(done)
        with closing(self._outcomes(rows)) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                if outcome.pending:
                    later.append(outcome.row)
                    failures += 1
                    self._note(outcome, failures >= limit)
                    continue
                failures = 0
                done += 1
                self._ready.append(outcome.row)
                if len(self._ready) >= SHARD_SIZE:
                    self.flush()
                progress(done)
        return later

    def _note(self, outcome: Outcome, too_much: bool) -> None:
        """Remember trouble; raise `ServiceError` if there is too much of it."""
        self.pending |= outcome.pending
        if too_much or outcome.offline:
            reason = next(iter(outcome.pending.values()))
            text = f"SDSS's services do not answer ({reason})"
            remedy = "what came is kept: start again later"
            raise ServiceError(text, self.folder.survey, remedy)

    def flush(self) -> None:
        """Write what is complete into a shard."""
        ready, self._ready = self._ready, []
        if ready:
            self.writer.append(self._galaxy(row) for row in ready)
            self.written += len(ready)
            self.folder.discard(row.id for row in ready)

    def _outcomes(self, rows: list[SpecRow]) -> Iterator[Outcome]:
        """Outcomes in the order in which they are reached."""
        todo: queue.SimpleQueue[SpecRow] = queue.SimpleQueue()
        for row in rows:
            todo.put(row)
        reached: queue.Queue[Outcome] = queue.Queue(maxsize=64)
        ended = threading.Event()
        # Daemons: Ctrl-C need not wait for a slow answer, and no write can be cut.
        workers = [
            threading.Thread(target=self._work, args=(todo, reached, ended), daemon=True)
            for _ in range(min(self.config.workers, len(rows)))
        ]
        for worker in workers:
            worker.start()
        try:
            for _ in rows:
                yield reached.get()
        except BaseException:
            self.stop.set()
            raise
        finally:
            ended.set()
            end = time.monotonic() + _LINGER
            for worker in workers:
                worker.join(max(0.0, end - time.monotonic()))

    def _work(
        self,
        todo: queue.SimpleQueue[SpecRow],
        reached: queue.Queue[Outcome],
        ended: threading.Event,
    ) -> None:
        while not ended.is_set() and not self.stop.is_set():
            try:
                row = todo.get_nowait()
            except queue.Empty:
                return
            outcome = Outcome(row, error=RuntimeError(f"the fetch of {row.id} died"))
            try:
                outcome = self.fetch(row)
            finally:
                _put(reached, outcome, ended)

    def fetch(self, row: SpecRow) -> Outcome:
        """Bring what is missing of one galaxy into the fetch folder."""
        outcome = Outcome(row)
        try:
            for kind in self.kinds:
                self._fetch_kind(row, kind, outcome)
        except (GalamError, OSError, MemoryError) as error:
            outcome.error = error
        return outcome

    def _fetch_kind(self, row: SpecRow, kind: str, outcome: Outcome) -> None:
        if self.folder.settled(row.id, kind):
            return
        path = self.folder.file(row.id, kind)
        if self._adopt(path, row, kind):
            return
        url = ""
        try:
            url = self._url(row, kind)
            service = self.client.archive if kind == "spectrum" else self.client.skyserver
            sha256, attempts = service.get(url, partial(self._keep, path, row, kind))
        except ServiceError as error:
            outcome.pending[row.id, kind] = error.what
            outcome.offline |= error.offline
        except FetchStoppedError:
            raise
        except (NotThereError, BadBodyError) as error:
            self.folder.record(Item(row.id, kind, "missing", url, error.what))
        except GalamError as error:
            if url:
                raise
            self.folder.record(Item(row.id, kind, "missing", url, error.what))
        else:
            size = path.stat().st_size
            self.folder.record(Item(row.id, kind, "ok", url, "", sha256, size, attempts))

    def _url(self, row: SpecRow, kind: str) -> str:
        if kind == "spectrum":
            return spectrum_url(self.config, row)
        return cutout_url(self.config, row.ra, row.dec, row.petro_r90_r)

    def _keep(self, path: Path, row: SpecRow, kind: str, body: bytes) -> str:
        """Check a body and keep it; its sha256."""
        with atomic_path(path) as temporary:
            temporary.write_bytes(body)
            self._check(temporary, row, kind, body)
        return hashlib.sha256(body).hexdigest()

    def _check(self, path: Path, row: SpecRow, kind: str, body: bytes) -> None:
        if kind == "spectrum":
            check_spectrum(path, row.id)
        else:
            check_cutout(body, self.config.cutout_size, row.id)

    def _adopt(self, path: Path, row: SpecRow, kind: str) -> bool:
        """Use a file that is there already, if it is good."""
        try:
            body = path.read_bytes()
            self._check(path, row, kind, body)
        except FileNotFoundError:
            return False
        except (GalamError, OSError):
            path.unlink(missing_ok=True)
            return False
        sha256 = hashlib.sha256(body).hexdigest()
        self.folder.record(Item(row.id, kind, "ok", path.name, "", sha256, len(body)))
        return True

    def _galaxy(self, row: SpecRow) -> Galaxy:
        spectrum = cutout = None
        path = self.folder.file(row.id, "spectrum")
        if path.is_file():
            spectrum = check_spectrum(path, row.id)
        path = self.folder.file(row.id, "cutout")
        if path.is_file():
            cutout = Cutout(path.read_bytes(), cutout_scale(self.config, row.petro_r90_r))
        return galaxy_from(row, spectrum, cutout)


_OPTION = {"spectrum": "spectra", "cutout": "cutouts"}


def _put(reached: queue.Queue[Outcome], outcome: Outcome, ended: threading.Event) -> None:
    """Hand over an outcome, unless nobody takes it any more."""
    while not ended.is_set():
        with suppress(queue.Full):
            reached.put(outcome, timeout=0.5)
            return
