"""A simulated SDSS-like survey: the same galaxies whatever the number of workers.

Every galaxy has its own random generator, seeded by the survey's seed and its
number, so that shards can be made in any order and a run that was killed goes on
where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path

import numpy as np

from galam_explorer.config import SimulationConfig
from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout, Galaxy
from galam_explorer.survey.simulation.footprint import clustered_position
from galam_explorer.survey.simulation.populations import draw_galaxy, truth
from galam_explorer.survey.simulation.render import render_cutout
from galam_explorer.survey.simulation.spectra import fibre_spectrum, median_sn_r
from galam_explorer.survey.ssp import GRID_PATH
from galam_explorer.survey.store import Survey
from galam_explorer.survey.writer import SurveyWriter

__all__ = ["galaxy_id", "simulate_galaxy", "simulate_survey"]

_CHUNK = 20
_MINIMUM_SN = 5.0
Progress = Callable[[int, int], None]


def galaxy_id(config: SimulationConfig, number: int) -> str:
    """``sim-000123`` for seed 0 (the demo), ``sim-SEED-000123`` otherwise.

    Galaxies of different seeds thus never share an id, nor a cached prediction.
    """
    prefix = "sim" if config.seed == 0 else f"sim-{config.seed}"
    return f"{prefix}-{number:06d}"


def simulate_galaxy(config: SimulationConfig, number: int) -> Galaxy:
    """Galaxy `number` of the survey that `config` describes.

    The galaxy passes the paper's selection (Sect. 2.1.1): 0.002 <= z <= 0.3 and
    S/N >= 5. One without a spectrum has no redshift or S/N in the catalogue
    either, as on the real sky; the truth columns keep them.

    Parameters
    ----------
    config : SimulationConfig
    number : int
        From 0 to ``config.n - 1``.

    Returns
    -------
    Galaxy
        With ``origin`` "simulated" and ``true_*`` values.
    """
    rng = np.random.default_rng([config.seed, 1, number])
    while True:
        model = draw_galaxy(rng)
        spectrum = fibre_spectrum(model, rng)
        sn_r = median_sn_r(spectrum)
        if sn_r >= _MINIMUM_SN:
            break
    has_spectrum = np.random.default_rng([config.seed, 2, number]).random()
    observed = has_spectrum < config.spectrum_fraction
    image_rng = np.random.default_rng([config.seed, 3, number])
    image = render_cutout(
        model.components, image_rng, z=model.z, size=config.cutout_size, scale=config.cutout_scale
    )
    place = np.random.default_rng([config.seed, 4, number])
    ra, dec = clustered_position(config.seed, model.z, place)
    return Galaxy(
        id=galaxy_id(config, number),
        origin="simulated",
        ra=ra,
        dec=dec,
        z=model.z if observed else float("nan"),
        z_warning=0 if observed else -1,
        sn_r=sn_r if observed else float("nan"),
        petro_mag_r=image.petro_mag_r,
        petro_r90_r=image.petro_r90_r,
        spec_class="GALAXY" if observed else "",
        spectrum=spectrum if observed else None,
        cutout=Cutout(image.jpeg, image.scale),
        truth={"true_z": model.z, **truth(model), **image.truth},
    )


def simulate_survey(
    config: SimulationConfig,
    out: str | Path,
    *,
    name: str = "",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Make a simulated survey, or finish one that was interrupted.

    Parameters
    ----------
    config : SimulationConfig
    out : str or Path
        The survey folder. If it holds part of this very survey, only what is
        missing is made.
    name : str, optional
        Shown in the dashboard.
    workers : int, optional
        Processes; all cores by default. The result does not depend on it.
    progress : callable, optional
        Called with (galaxies done, galaxies in all).

    Returns
    -------
    Survey

    Raises
    ------
    GalamError
        If `out` holds something else, cannot be written, or a worker dies.
    """
    writer = SurveyWriter(out, name or Path(out).name, "simulated", _provenance(config))
    starts = range(0, config.n, config.shard_size)
    missing = [k for k in range(len(starts)) if not writer.has_shard(k)]
    done = config.n - sum(_shard_length(config, k) for k in missing)
    tasks = (task for k in missing for task in _tasks(config, k))
    held: dict[int, list[Galaxy]] = {k: [] for k in missing}
    for shard, galaxies in _ordered(config, tasks, workers):
        held[shard] += galaxies
        done += len(galaxies)
        if len(held[shard]) == _shard_length(config, shard):
            writer.write_shard(shard, held.pop(shard))
        if progress is not None:
            progress(done, config.n)
    return Survey(writer.path)


def _provenance(config: SimulationConfig) -> dict:
    return {
        "simulation": json.loads(config.to_json()),
        "ssp_grid_sha256": hashlib.sha256(GRID_PATH.read_bytes()).hexdigest(),
        "versions": {name: version(name) for name in ("galam-explorer", "galsim", "numpy")},
    }


def _shard_length(config: SimulationConfig, shard: int) -> int:
    return min(config.shard_size, config.n - shard * config.shard_size)


def _tasks(config: SimulationConfig, shard: int) -> Iterator[tuple[int, int, int]]:
    start = shard * config.shard_size
    stop = start + _shard_length(config, shard)
    for first in range(start, stop, _CHUNK):
        yield shard, first, min(first + _CHUNK, stop)


def _make(config: SimulationConfig, first: int, stop: int) -> list[Galaxy]:
    return [simulate_galaxy(config, number) for number in range(first, stop)]


def _ordered(
    config: SimulationConfig, tasks: Iterator[tuple[int, int, int]], workers: int | None
) -> Iterator[tuple[int, list[Galaxy]]]:
    """Results of `_make` in the order of the tasks, a bounded number in flight."""
    workers = workers or multiprocessing.cpu_count()
    if workers == 1:
        for shard, first, stop in tasks:
            yield shard, _make(config, first, stop)
        return
    context = multiprocessing.get_context("spawn")
    waiting: deque[tuple[int, Future]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for shard, first, stop in tasks:
                waiting.append((shard, pool.submit(_make, config, first, stop)))
                if len(waiting) > 3 * workers:
                    shard, future = waiting.popleft()
                    yield shard, future.result()
            while waiting:
                shard, future = waiting.popleft()
                yield shard, future.result()
        except BrokenProcessPool as error:
            raise GalamError(
                "a worker process died (out of memory?)",
                "simulate",
                "start the same command again, perhaps with fewer --workers: it resumes",
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
