"""View 10: bring your own galaxy, from files or (online) from SDSS; every view shows it."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.arrivals import SURVEY, arrivals_of
from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.inbox import MAX_UPLOAD_MB, SDSS_SCALE, inbox_of
from galam_explorer.app.position import parse_position
from galam_explorer.app.predicting import Judgement, judge, known_judgement
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.app.views.domain import domain_state
from galam_explorer.app.views.dropper import Dropper
from galam_explorer.app.views.yours_text import (
    CANDIDATE_HEADS,
    candidate_html,
    files_html,
    list_html,
    outcome_html,
    said_html,
)
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy

__all__ = ["YoursView"]

_SHOWN = ("id", "has_spectrum", "has_cutout", "z", "sn_r", "ra", "dec")
_TABS = {
    "galaxy": "Galaxy",
    "preprocessing": "Preprocessing",
    "fit": "Fit",
    "features": "Features",
    "attention": "Attention",
}
_SMALL = {"size": "small", "margin": 0}


class YoursView(View):
    """A form for files, a line for coordinates or a name, and what came of it."""

    title = "Your galaxy"
    slug = "yours"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self.arrivals = arrivals_of(state)
        self._galaxy: Galaxy | None = None
        self._build_files()
        self._build_sdss()
        self._build_outcome()
        self._layout = self._arrange()
        self._watching = self.arrivals.param.watch(
            self._tell, ["busy", "problem", "notes", "candidates"]
        )
        self._tell()

    def close(self) -> None:
        self.arrivals.param.unwatch(self._watching)
        super().close()

    # -- the form ----------------------------------------------------------------------

    def _build_files(self) -> None:
        self.files = Dropper(
            multiple=True, max_files=2, max_file_size=f"{MAX_UPLOAD_MB}MB", chunk_size=4_000_000,
            max_bytes=MAX_UPLOAD_MB * 2**20, height=104, sizing_mode="stretch_width", margin=0,
            previews=[],
        )  # fmt: skip
        self.files.param.watch(self._arrived, ["value", "coming", "refused"])
        self.scale = pmui.FloatInput(
            label="Image scale, ″/px", value=SDSS_SCALE, start=0.01, end=60, width=140, **_SMALL
        )
        self.redshift = pmui.TextInput(label="Redshift, if known", value="", width=150, **_SMALL)
        self.position = pmui.TextInput(
            label="Position, if known", placeholder="146.714 -1.041", width=190, **_SMALL
        )
        self._add = pmui.Button(label="Add", icon="add", on_click=lambda _e: self.add(), **_SMALL)
        self._here = html_pane()
        self._files_said = html_pane()

    def _build_sdss(self) -> None:
        self.target = pmui.TextInput(
            label="Position, plate-mjd-fiber, or name", sizing_mode="stretch_width",
            placeholder="146.714 -1.041 · 0266-51602-0001 · NGC 3522", **_SMALL,
        )  # fmt: skip
        self.target.param.watch(lambda e: self.fetch() if e.new else None, "enter_pressed")
        self.radius = pmui.FloatInput(
            label="Within, ″", value=5.0, start=0.5, end=180, width=96, **_SMALL
        )
        self._fetch = pmui.Button(
            label="Get it from SDSS", icon="cloud_download", on_click=lambda _e: self.fetch(),
            variant="outlined", **_SMALL,
        )  # fmt: skip
        self._sdss_said = html_pane()
        self._demo = pmui.Button(
            label="Open the demo survey instead", icon="auto_stories", variant="outlined",
            visible=False, on_click=lambda _e: self._open_demo(), **_SMALL,
        )  # fmt: skip
        self._choices = pn.Column(sizing_mode="stretch_width", styles={"gap": "4px"})

    def _build_outcome(self) -> None:
        self._busy = html_pane()
        self._progress = pmui.LinearProgress(
            variant="indeterminate", margin=0, sizing_mode="stretch_width"
        )
        cancel = pmui.Button(
            label="Cancel",
            icon="close",
            variant="text",
            on_click=lambda _e: self.cancel(),
            **_SMALL,
        )
        self._working = pn.Column(
            self._progress, bar(self._busy, cancel), visible=False, sizing_mode="stretch_width"
        )
        self._outcome = html_pane()
        buttons = [
            pmui.Button(
                label=title, variant="outlined", on_click=lambda _e, slug=slug: self._go(slug),
                **_SMALL,
            )
            for slug, title in _TABS.items()
        ]  # fmt: skip
        look = html_pane('<div class="g soft">See it in</div>', sizing_mode=None)
        self._result = pn.Column(
            self._outcome, bar(look, *buttons), visible=False, sizing_mode="stretch_width",
            styles=_CARD,
        )  # fmt: skip
        self._list = html_pane(styles={"flex": "0 0 auto", "overflow-x": "auto"})

    def _arrange(self) -> pn.Column:
        from_files = _part(
            "From your files",
            f"An SDSS FITS spectrum, a JPEG or PNG image (gri, 128×128 px is best), or one of each "
            f"of the same galaxy. At most {MAX_UPLOAD_MB} MB a file. They stay in this session.",
            self.files,
            self._here,
            bar(self.scale, self.redshift, self.position, self._add, styles={"flex-wrap": "wrap"}),
            self._files_said,
        )
        from_sdss = _part(
            "From SDSS",
            "Spectrum and image of any galaxy that SDSS observed. This asks SkyServer over the "
            "network, and Sesame for names; nothing else in the dashboard does.",
            bar(self.target, self.radius, self._fetch),
            self._sdss_said,
            self._demo,
            self._choices,
        )
        title = html_pane('<div class="g" data-view="yours"><h2>Your galaxy</h2></div>')
        return pn.Column(
            bar(title, self.menu()), self._working, self._result, from_files, from_sdss, self._list,
            sizing_mode="stretch_both",
            styles={"padding": "10px 14px 8px", "min-height": "0", "overflow": "auto"},
        )  # fmt: skip

    # -- what users do ------------------------------------------------------------------

    def add(self) -> None:
        """Add what was dropped."""
        files = {name: _as_bytes(content) for name, content in self.files.value.items()}
        try:
            if not files:
                raise GalamError("drop a spectrum or an image first", "upload")
            z, position = _redshift(self.redshift.value), _position(self.position.value)
        except GalamError as error:
            self.state.notify("error", error)
            return
        self.arrivals.add_files(files, float(self.scale.value or SDSS_SCALE), z, position)

    def fetch(self) -> None:
        """Get a galaxy from SDSS."""
        target = (self.target.value_input or self.target.value or "").strip()
        if not target:
            self.state.notify("error", GalamError("give a position, an id or a name", "SDSS"))
            return
        self.arrivals.fetch(target, float(self.radius.value or 5.0))

    def cancel(self) -> None:
        """Wait no longer."""
        self.arrivals.cancel()
        self.state.notify("info", "Stopped. Nothing was added.")

    def _go(self, tab: str) -> None:
        self.state.tab = tab

    def _open_demo(self) -> None:
        state = self.state
        state.sources = {**state.sources, "demo": "demo"}
        state.open("demo")

    # -- what came ----------------------------------------------------------------------

    def _arrived(self, *_events: Any) -> None:
        files = self.files
        self._here.object = files_html(files.value, files.coming, files.refused, MAX_UPLOAD_MB)
        self._add.disabled = bool(self.arrivals.busy or files.coming or not files.value)

    def _tell(self, *_events: Any) -> None:
        """Follow what the session brings."""
        arrivals = self.arrivals
        self._working.visible = bool(arrivals.busy)
        self._busy.object = f'<div class="g soft">{escape(arrivals.busy)}…</div>'
        self._fetch.disabled = bool(arrivals.busy)
        choices = arrivals.candidates
        problem = None if choices else arrivals.problem
        said = said_html(problem, arrivals.notes)
        self._files_said.object = said if arrivals.about == "files" else ""
        self._sdss_said.object = said if arrivals.about == "sdss" else ""
        self._demo.visible = arrivals.offline
        self._choices[:] = self._candidates() if choices else []
        self._arrived()

    def _candidates(self) -> list[Any]:
        found = self.arrivals.candidates
        text = f"SDSS has {len(found)} objects there: choose one."
        head = html_pane(f'<div class="g" data-candidates="{len(found)}"><b>{text}</b></div>')
        blank = pn.Spacer(width=_ID_WIDTH, height=1)
        rows = [
            bar(
                pmui.Button(
                    label=one.id, width=_ID_WIDTH, variant="outlined",
                    on_click=lambda _e, one=one: self.arrivals.pick(one), **_SMALL,
                ),
                html_pane(candidate_html(one)),
            )
            for one in found[:_MOST]
        ]  # fmt: skip
        return [head, bar(blank, html_pane(CANDIDATE_HEADS)), *rows]

    def show(self, galaxy: Galaxy | None) -> None:
        """Say of a galaxy of the session whether it is like the training's, then what it has."""
        state = self.state
        self._galaxy = galaxy if state.survey_id == SURVEY else None
        self._result.visible = self._galaxy is not None
        self._describe()
        if self._galaxy is None:
            return
        found = known_judgement(state.data, galaxy.id, state.model)
        waiting = state.model_state in ("waiting", "loading")
        if found is None and not waiting:
            judge(state, galaxy, self._judged)
        text = "The model is being loaded…" if waiting else "Comparing with the training galaxies…"
        self._outcome.object = outcome_html(galaxy, None if waiting else found, text)

    def _judged(self, found: Judgement) -> None:
        if self._galaxy is not None and found.galaxy_id == self._galaxy.id:
            self._outcome.object = outcome_html(self._galaxy, found)
            self._describe()

    def _describe(self) -> None:
        frame, _ = self.table()
        if frame.empty:
            self._list.object = ""
            return
        state, domains = self.state, {}
        if state.survey_id == SURVEY:
            for galaxy_id in frame["id"]:
                found = known_judgement(state.data, galaxy_id, state.model)
                if found is not None:
                    domains[galaxy_id] = domain_state(found.predictions)
        self._list.object = list_html(frame, domains)

    # -- export ------------------------------------------------------------------------

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        from galam_explorer.survey.store import Survey

        inbox = inbox_of(self.state)
        if not len(inbox):
            return pd.DataFrame(columns=list(_SHOWN)), {}
        catalog = Survey(inbox.path).catalog
        frame = catalog[[name for name in _SHOWN if name in catalog]]
        known = {name: COLUMNS[name] for name in frame.columns if name in COLUMNS}
        return frame, {name: (column.unit, column.definition) for name, column in known.items()}

    def file_stem(self) -> str:
        return "your-galaxies"

    def code(self) -> str:
        return (
            "from galam_explorer.app.inbox import Inbox\n"
            "from galam_explorer.survey import load_survey\n\n"
            "inbox = Inbox()\n"
            "files = {}  # file name to contents, for example Path('a.fits').read_bytes()\n"
            "ids = inbox.add_files(files)[0] if files else []\n"
            "survey = load_survey(inbox.path) if ids else None\n"
        )


_MOST = 12
_ID_WIDTH = 250
_CARD = {
    "border": "1px solid var(--line)",
    "border-radius": "8px",
    "padding": "8px 12px",
    "gap": "8px",
    "margin-top": "6px",
    "background": "var(--ground)",
    "flex": "0 0 auto",
}


def _part(title: str, text: str, *items: Any) -> pn.Column:
    head = html_pane(
        f'<div class="g"><h2>{escape(title)}</h2><div class="soft">{escape(text)}</div></div>'
    )
    return pn.Column(
        head, *items, sizing_mode="stretch_width",
        styles={"gap": "8px", "padding": "6px 0 12px", "flex": "0 0 auto"},
    )  # fmt: skip


def _as_bytes(content: Any) -> bytes:
    # Panel decodes what the browser calls text.
    return content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content


def _redshift(text: str) -> float:
    if not text.strip():
        return math.nan
    try:
        z = float(text)
    except ValueError:
        z = math.nan
    if not -0.01 < z < 10:
        raise GalamError(f"not a redshift: {text!r}", "Redshift", "for example 0.08, or nothing")
    return z


def _position(text: str) -> tuple[float, float] | None:
    if not text.strip():
        return None
    found = parse_position(text)
    if found is None:
        raise GalamError(f"not a position: {text!r}", "Position", "for example 146.714 -1.041")
    return found
