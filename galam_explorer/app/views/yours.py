"""View 10: bring your own galaxy, from files or (online) from SDSS; every view shows it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.arrivals import SURVEY, arrivals_of
from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.inbox import inbox_of
from galam_explorer.app.predicting import Judgement, judge, known_judgement
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.app.views.domain import domain_state
from galam_explorer.app.views.yours_forms import SMALL, FilesForm, SdssForm
from galam_explorer.app.views.yours_text import list_html, outcome_html
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


class YoursView(View):
    """A form for files, a line for coordinates or a name, and what came of it."""

    title = "Your galaxy"
    slug = "yours"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self.arrivals = arrivals_of(state)
        self._galaxy: Galaxy | None = None
        self.files = FilesForm(state, self.arrivals)
        self.sdss = SdssForm(state, self.arrivals)
        self._build_outcome()
        self._layout = self._arrange()
        self._watching = self.arrivals.param.watch(
            self._tell, ["busy", "problem", "notes", "candidates"]
        )
        self._tell()

    def close(self) -> None:
        self.arrivals.param.unwatch(self._watching)
        super().close()

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
            **SMALL,
        )
        self._working = pn.Column(
            self._progress, bar(self._busy, cancel), visible=False, sizing_mode="stretch_width"
        )
        self._outcome = html_pane()
        buttons = [
            pmui.Button(
                label=title, variant="outlined", on_click=lambda _e, slug=slug: self._go(slug),
                **SMALL,
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
        title = html_pane('<div class="g" data-view="yours"><h2>Your galaxy</h2></div>')
        return pn.Column(
            bar(title, self.menu()),
            self._working,
            self._result,
            self.files.column,
            self.sdss.column,
            self._list,
            sizing_mode="stretch_both",
            styles={"padding": "10px 14px 8px", "min-height": "0", "overflow": "auto"},
        )

    # -- what users do ------------------------------------------------------------------

    def cancel(self) -> None:
        """Wait no longer."""
        self.arrivals.cancel()
        self.state.notify("info", "Stopped. Nothing was added.")

    def _go(self, tab: str) -> None:
        self.state.tab = tab

    # -- what came ----------------------------------------------------------------------

    def _tell(self, *_events: Any) -> None:
        """Follow what the session brings."""
        arrivals = self.arrivals
        self._busy.object = f'<div class="g soft">{escape(arrivals.busy)}…</div>'
        self.files.tell()
        self.sdss.tell()
        self._working.visible = bool(arrivals.busy)

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
            self._describe()
            self._outcome.object = outcome_html(self._galaxy, found)

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


_CARD = {
    "border": "1px solid var(--line)",
    "border-radius": "8px",
    "padding": "8px 12px",
    "gap": "8px",
    "margin-top": "6px",
    "background": "var(--ground)",
    "flex": "0 0 auto",
}
