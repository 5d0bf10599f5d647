"""What the dashboard shows, as plain parameters: no panel here.

Views watch these parameters. Every change by a user goes through a method, so
that a wrong id or a broken link ends in a message and never in a blank view.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import param

from galam_explorer.app.colours import RESIDUALS
from galam_explorer.app.data import SurveyData, open_survey_data
from galam_explorer.app.first import first_galaxy
from galam_explorer.app.models import ModelChoice
from galam_explorer.app.names import catalogue_name, find_name
from galam_explorer.app.position import parse_position
from galam_explorer.app.views.registry import tab_titles
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError

__all__ = ["TABS", "ExplorerState", "Message", "parse_position"]

TABS = tab_titles()
"""Slug in the link to title on the page, from the registry of views."""
_SAME_PLACE = 1 / 60
"""A galaxy farther from a name's position than this is not the one that is meant, deg."""


def _distance_text(distance: float) -> str:
    return f"{distance:.2f}°" if distance >= 0.1 else f"{3600 * distance:.1f}″"


class Message(NamedTuple):
    """A note to the user: ``kind`` is info, success, warning or error.

    The running number makes every note a new one, even if it says the same.
    """

    kind: str
    text: str
    number: int = 0


class ExplorerState(ModelChoice):
    """The state of one session.

    Parameters
    ----------
    sources : mapping of str to str
        Surveys on offer: short name (in links) to what `load_survey` takes.
    models : mapping of str to str, optional
        Models on offer: short name to what `load_model` takes; the first is chosen.
    """

    survey_id = param.String(default="", doc="Short name of the open survey.")
    galaxy_id = param.String(default="", doc="The chosen galaxy; empty in an empty survey.")
    cohort: list[str] = param.List(default=[], item_type=str, doc="The chosen set of ids.")
    tab = param.Selector(
        per_instance=False, default="galaxy", objects=list(TABS), doc="The open tab."
    )
    color_by = param.String(default="z", doc="What the sky map is coloured by.")
    rest_frame = param.Boolean(default=False, doc="Wavelengths in the galaxy's frame.")
    show_mask = param.Boolean(default=False, doc="Show what the mask keeps.")
    zoomed = param.Boolean(default=False, doc="Tangent view about the galaxy.")
    centre = param.Number(default=180.0, bounds=(0.0, 360.0), doc="RA in the map's middle, °.")
    theme = param.Selector(
        per_instance=False, default="light", objects=["light", "dark"], doc="Page colours."
    )
    config = param.ClassSelector(class_=PreprocessConfig, doc="Preprocessing parameters.")
    lesson = param.String(default="", doc="Slug of the running lesson; empty for none.")
    lesson_step = param.Integer(default=0, bounds=(0, None), doc="Its step, from 0.")
    fates = param.Integer(default=0, doc="Raised when statuses of the whole survey come in.")
    status = param.String(default="", doc="What was computed last.")
    latency_ms = param.Number(default=math.nan, doc="Last selection to all views, ms.")
    message = param.Parameter(default=None, doc="The latest `Message` to the user.")
    data = param.ClassSelector(class_=SurveyData, default=None, doc="The open survey.")

    _linked: ClassVar[dict[str, str]] = {
        "survey": "survey_id",
        "galaxy": "galaxy_id",
        "tab": "tab",
        "color": "color_by",
        "model": "model_id",
    }

    def __init__(self, sources: Mapping[str, str], **params: Any) -> None:
        params.setdefault("config", PreprocessConfig())
        super().__init__(**params)
        self.sources = dict(sources)
        self._order: np.ndarray | None = None
        self._random = np.random.default_rng()
        self.open_model(next(iter(self.models), ""), load=False)

    @property
    def dark(self) -> bool:
        """Whether the page is dark."""
        return self.theme == "dark"

    def notify(self, kind: str, text: object) -> None:
        """Tell the user something, even if it was said before."""
        number = self.message.number + 1 if self.message else 1
        self.message = Message(kind, str(text), number)

    # -- surveys ---------------------------------------------------------------

    def open(self, survey_id: str) -> bool:
        """Open a survey on offer and choose its first galaxy; False (and a message) if not."""
        if survey_id not in self.sources:
            offered = ", ".join(self.sources) or "none"
            self.notify("error", GalamError("no such survey", survey_id, f"on offer: {offered}"))
            return False
        try:
            data = open_survey_data(self.sources[survey_id])
        except (GalamError, OSError) as error:
            self.notify("error", error)
            return False
        colours = [*data.column_choices().values(), *RESIDUALS]
        self._order = None
        self.param.update(
            data=data,
            survey_id=survey_id,
            cohort=[],
            zoomed=False,
            color_by=self.color_by if self.color_by in colours else next(iter(colours)),
            galaxy_id=first_galaxy(data, self.config),
        )
        if problems := data.survey.problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            self.notify("warning", f"Left out of the survey: {problems[0]}{more}")
        return True

    # -- choosing --------------------------------------------------------------

    @property
    def row(self) -> int | None:
        """Catalogue row of the chosen galaxy."""
        if self.data is None or self.galaxy_id not in self.data.survey:
            return None
        return self.data.survey.row(self.galaxy_id)

    def select(self, galaxy_id: str) -> bool:
        """Choose a galaxy by its id; False (and a message) if there is none."""
        if self.data is None or galaxy_id not in self.data.survey:
            name = self.data.survey.name if self.data else "no survey"
            self.notify(
                "error",
                GalamError(f"no galaxy {galaxy_id!r}", name, "search by id, name or position"),
            )
            return False
        self.galaxy_id = galaxy_id
        return True

    def set_order(self, rows: np.ndarray | None) -> None:
        """Rows in the order of next and previous (the table's); None is the catalogue's."""
        self._order = None if rows is None else np.asarray(rows, dtype=int)

    @property
    def order(self) -> np.ndarray:
        """Catalogue rows in the order of next and previous."""
        if self._order is not None:
            return self._order
        return np.arange(0 if self.data is None else len(self.data))

    def step(self, count: int) -> bool:
        """Move `count` galaxies on in the table's order, round the end."""
        if self.data is None or not len(self.data):
            return False
        order = self.order
        if not len(order):
            self.notify("info", "No galaxy passes the table's filters: clear one of them.")
            return False
        here = np.flatnonzero(order == self.row)
        # From outside the filtered table, "next" is its first row.
        start = int(here[0]) if len(here) else (-1 if count > 0 else 0)
        return self.select(str(self.data.ids[order[(start + count) % len(order)]]))

    def next(self) -> bool:
        """Choose the next galaxy."""
        return self.step(1)

    def previous(self) -> bool:
        """Choose the previous galaxy."""
        return self.step(-1)

    def random(self) -> bool:
        """Choose any galaxy of the table."""
        if self.data is None or not len(self.data):
            return False
        size = len(self.data) if self._order is None else len(self._order)
        return self.step(int(self._random.integers(1, max(size, 2))))

    def search(self, text: str) -> bool:
        """Choose by id, part of one, name, or position (the nearest galaxy to these two)."""
        text = text.strip()
        if not text or self.data is None:
            return False
        if text in self.data.survey:
            return self.select(text)
        if name := catalogue_name(text):
            return self._search_name(name, text)
        if position := parse_position(text):
            return self._search_position(*position)
        return self._search_part(text)

    def _rows_with(self, text: str) -> list[int]:
        """Rows whose ids begin with `text`; those that have it anywhere, if none does."""
        wanted = text.lower()
        ids = [str(one).lower() for one in self.data.ids]
        found = [i for i, one in enumerate(ids) if one.startswith(wanted)]
        return found or [i for i, one in enumerate(ids) if wanted in one]

    def _search_part(self, text: str, trouble: object = "") -> bool:
        found = self._rows_with(text)
        if not found:
            self.notify(
                "error",
                trouble
                or f"Nothing found for {text!r}. Give an id, part of one, a name such as "
                "'NGC 3073' or 'M 31', or a position such as '146.714 -1.041' or "
                "'09:46:51.4 -01:02:28'.",
            )
            return False
        if len(found) > 1:
            self.notify("info", f"{len(found):,} ids match {text!r}; this is the first.")
        return self.select(str(self.data.ids[found[0]]))

    def _search_name(self, name: str, text: str) -> bool:
        ids = map(str, self.data.ids)
        # An imported catalogue's names are its ids, spelled in its own way.
        if same := next((one for one in ids if catalogue_name(one) == name), None):
            return self.select(same)
        try:
            known = find_name(name)
            galaxy_id, distance = self.data.nearest(known.ra, known.dec)
        except GalamError as error:
            return self._search_part(text, error)
        far = _distance_text(distance)
        if distance <= _SAME_PLACE:
            self.notify("info", f"{galaxy_id} is nearest to {known.title}: {far} away.")
        elif self._rows_with(text):
            return self._search_part(text)
        else:
            self.notify(
                "warning",
                f"{known.title} is not in this survey. {galaxy_id} is nearest to it: {far} away.",
            )
        return self.select(galaxy_id)

    def _search_position(self, ra: float, dec: float) -> bool:
        try:
            galaxy_id, distance = self.data.nearest(ra, dec)
        except GalamError as error:
            self.notify("error", error)
            return False
        far = _distance_text(distance)
        self.notify("info", f"{galaxy_id} is nearest to {ra:.5f} {dec:+.5f}: {far} away.")
        return self.select(galaxy_id)

    def set_cohort(self, ids: Iterable[str]) -> None:
        """Choose a set; unknown ids are dropped, an empty one clears it."""
        known = [str(one) for one in ids if one in self.data.survey] if self.data else []
        if not known:
            self.notify("info", "No galaxy inside: the set is empty.")
        self.cohort = known

    def clear_cohort(self) -> None:
        """Forget the chosen set."""
        self.cohort = []

    # -- links -----------------------------------------------------------------

    @property
    def linked(self) -> list[str]:
        """Parameters that a link carries."""
        return list(self._linked.values())

    def link(self) -> dict[str, str]:
        """What a link to this view carries; always strings."""
        found = {key: str(getattr(self, name)) for key, name in self._linked.items()}
        return {key: text for key, text in found.items() if text or key != "model"}

    def restore(self, query: Mapping[str, str]) -> None:
        """Follow a link; whatever in it is wrong becomes a message, the rest is used."""
        wanted = query.get("survey", "")
        if (wanted and wanted != self.survey_id) or self.data is None:
            first = next(iter(self.sources), "")
            if not self.open(wanted or first) and self.data is None:
                self._open_any()
        if (tab := query.get("tab")) is not None:
            if tab in TABS:
                self.tab = tab
            else:
                self.notify("warning", f"The link names no known tab: {tab!r}.")
        if (model_id := query.get("model")) is not None and model_id != self.model_id:
            self.open_model(model_id, load=False)
        if self.data is None:
            return
        if (colour := query.get("color")) is not None:
            if colour in self.data.column_choices().values() or colour in RESIDUALS:
                self.color_by = colour
            else:
                self.notify("warning", f"The link's colour {colour!r} is not in this survey.")
        if galaxy_id := query.get("galaxy"):
            self.select(galaxy_id)

    def _open_any(self) -> None:
        for survey_id in self.sources:
            if self.open(survey_id):
                return
