"""Fits of single galaxies: one worker for all sessions, results remembered.

The worker is a thread of its own: noise draws by pPXF take half a minute, in which
shorter work (predictions) must not wait. It imports torch when the first fit asks for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import panel as pn

from galam_explorer.app.data import Cache, SurveyData
from galam_explorer.app.live import hold
from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy, StellarPopulation

__all__ = [
    "FitRequest",
    "Fitted",
    "fit_code",
    "is_loaded",
    "known_fit",
    "load",
    "load_then",
    "make_fit",
    "once_loaded",
    "saved_fit",
    "with_curve",
]

_POOL = ThreadPoolExecutor(1, thread_name_prefix="galam-fit")
_FITS = Cache(64)
_TELL_SECONDS = 0.5
_LOADED = threading.Event()


def load() -> None:
    """Import what reads saved labels, and the default templates: a second or more."""
    from galam_explorer.labels import load_templates

    load_templates(LabelConfig())
    _LOADED.set()


def is_loaded() -> bool:
    """Whether saved labels can be read without a wait."""
    return _LOADED.is_set()


def load_then(state: Any, change: Callable[[], None], wanted: Callable[[], bool]) -> None:
    """Load in the background, then `change` the page if that is still `wanted`."""

    def work() -> None:
        load()
        if wanted():
            state.schedule(change)

    _POOL.submit(work)


def once_loaded(change: Callable[..., None]) -> Callable[..., None]:
    """`change`, but not before the page is loaded.

    Between the moment when a browser asks for the page and when it has drawn it,
    Panel takes changes for seen that the browser never gets.
    """

    def change_then(*found: Any) -> None:
        if pn.state.loaded:
            change(*found)
        else:
            pn.state.onload(lambda: hold(lambda: change(*found)))

    return change_then


class _Cancelled(Exception):
    """Nobody waits for this fit any more."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fit and what it needs to be shown.

    Parameters
    ----------
    galaxy_id : str
    config : LabelConfig
    population : StellarPopulation
    log_age, m_h : ndarray
        Grid of the templates, log10 yr and dex; empty if they are not on this machine.
    error : ndarray, shape (n,), optional
        1 sigma of the fitted flux.
    saved : bool
        The numbers are the survey's saved labels.
    seconds : float
        What the fit took.
    """

    galaxy_id: str
    config: LabelConfig
    population: StellarPopulation
    log_age: np.ndarray
    m_h: np.ndarray
    error: np.ndarray | None = None
    saved: bool = False
    seconds: float = 0.0


def _key(data: SurveyData, galaxy_id: str, config: LabelConfig) -> tuple[str, ...]:
    return data.source, data.survey.fingerprint, galaxy_id, config.hash


def known_fit(data: SurveyData, galaxy_id: str, config: LabelConfig) -> Fitted | None:
    """The fit of a galaxy with a configuration, if it was made before."""

    def missing() -> Fitted:
        raise KeyError(galaxy_id)

    try:
        return _FITS.get(_key(data, galaxy_id, config), missing)
    except KeyError:
        return None


def make_fit(
    galaxy: Galaxy, config: LabelConfig, tell: Callable[[int, int], None] | None = None
) -> Fitted:
    """Fit one galaxy; takes from a tenth of a second to minutes.

    Raises
    ------
    GalamError
        If the templates cannot be used, or are not those of `config`.
    """
    from galam_explorer.labels import fit_galaxy, load_templates
    from galam_explorer.labels.fit_input import FitInput, fit_input

    library = load_templates(config)
    if config.template_digest and config.template_digest != library.digest:
        raise GalamError(
            "these templates are not those of the saved labels", config.templates, "label again"
        )
    started = time.perf_counter()
    population = fit_galaxy(galaxy, config, tell)
    seconds = time.perf_counter() - started
    data = fit_input(galaxy, config, library)
    error = data.error if isinstance(data, FitInput) else None
    log_age = np.log10(library.age_gyr) + 9
    return Fitted(galaxy.id, config, population, log_age, library.m_h, error, seconds=seconds)


def saved_fit(data: SurveyData, name: str, config: LabelConfig, galaxy_id: str) -> Fitted | None:
    """A saved label of the survey; without the curve, which is not saved.

    Raises
    ------
    GalamError
        If the labels cannot be read.
    """
    from galam_explorer.labels import load_label, load_templates

    population = load_label(data.survey, name, galaxy_id)
    if population is None:
        return None
    try:
        library = load_templates(config)
    except GalamError:
        nothing = np.empty(0)
        population = replace(population, weights=None)
        return Fitted(galaxy_id, config, population, nothing, nothing, saved=True)
    if population.weights is not None:
        population = replace(population, weights=population.weights.reshape(library.shape))
    log_age = np.log10(library.age_gyr) + 9
    return Fitted(galaxy_id, config, population, log_age, library.m_h, saved=True)


def with_curve(saved: Fitted, made: Fitted) -> Fitted:
    """Saved labels with the curve of a fit that was made again for it."""
    names = ("wavelength", "flux", "best_fit", "good")
    curve = {name: getattr(made.population, name) for name in names}
    return replace(saved, population=replace(saved.population, **curve), error=made.error)


class FitRequest:
    """A fit that someone waits for.

    Parameters
    ----------
    state : ExplorerState
        The session, for its survey and its ``schedule``.
    galaxy : Galaxy
    config : LabelConfig
    done, failed : callable
        Called with the `Fitted`, or the `GalamError`, where the page may change; not
        after `cancel`.
    tell : callable, optional
        Called as ``tell(done, total)`` while draws are made.
    """

    def __init__(
        self,
        state: Any,
        galaxy: Galaxy,
        config: LabelConfig,
        done: Callable[[Fitted], None],
        failed: Callable[[GalamError], None],
        tell: Callable[[int, int], None] | None = None,
    ) -> None:
        self.galaxy, self.config = galaxy, config
        self._schedule, self._data = state.schedule, state.data
        self._done, self._failed, self._tell = done, failed, tell
        self._wanted = True
        self._told = 0.0
        _POOL.submit(self._run)

    def cancel(self) -> None:
        """Let nothing arrive any more; a fit by pPXF ends at its next draw."""
        self._wanted = False
        self._done = self._failed = self._tell = lambda *_found: None

    def _deliver(self, report: str, *found: Any) -> None:
        def arrive() -> None:
            if self._wanted:
                getattr(self, report)(*found)

        if self._wanted:
            self._schedule(arrive)

    def _on_draw(self, done: int, total: int) -> None:
        if not self._wanted:
            raise _Cancelled
        now = time.monotonic()
        if self._tell is not None and now - self._told > _TELL_SECONDS:
            self._told = now
            self._deliver("_tell", done, total)

    def _run(self) -> None:
        if not self._wanted:
            return
        key = _key(self._data, self.galaxy.id, self.config)
        try:
            fitted = _FITS.get(key, lambda: make_fit(self.galaxy, self.config, self._on_draw))
        except _Cancelled:
            return
        except GalamError as error:
            self._deliver("_failed", error)
        except Exception as error:  # a fault of ours must not leave the page waiting
            wrapped = GalamError(f"{type(error).__name__}: {error}", self.galaxy.id)
            self._deliver("_failed", wrapped)
            raise
        else:
            self._deliver("_done", fitted)


def fit_code(source: str, fitted: Fitted, truth: tuple[float, float] | None) -> str:
    """Python that makes the fit and its figure in a notebook."""
    base, config = LabelConfig(), fitted.config
    changed = {
        name: getattr(config, name)
        for name in config.__dataclass_fields__
        if getattr(config, name) != getattr(base, name) and name != "template_digest"
    }
    chosen = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    known = ""
    if truth is not None:
        known = f"    truth=({truth[0]:.4f}, {truth[1]:.4f}),  # put in by the simulation\n"
    return (
        "import holoviews as hv\nimport numpy as np\n"
        "from galam_explorer.config import LabelConfig\n"
        "from galam_explorer.evaluate.figures.fit import population_figure\n"
        "from galam_explorer.labels import fit_galaxy, load_templates\n"
        "from galam_explorer.labels.fit_input import fit_input\n"
        "from galam_explorer.survey import load_survey\n\n"
        'hv.extension("bokeh")\n'
        f"survey = load_survey({source!r})\n"
        f"galaxy = survey[{fitted.galaxy_id!r}]\n"
        f"config = LabelConfig({chosen})\n"
        "library = load_templates(config)\n"
        "fit = fit_galaxy(galaxy, config)\n"
        "print(fit)\n"
        "figure = population_figure(\n    fit,\n    np.log10(library.age_gyr) + 9,\n"
        "    library.m_h,\n    error=fit_input(galaxy, config, library).error,\n"
        f"{known})\nfigure\n"
    )
