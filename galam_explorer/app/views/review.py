"""The review queue on the page: a dialog with the marked galaxies and their notes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.live import hold
from galam_explorer.app.review import MAX_NOTE, ReviewQueue, review_of
from galam_explorer.app.views.base import View, escape, html_pane
from galam_explorer.app.views.table import PlainDesign
from galam_explorer.errors import GalamError

__all__ = ["ReviewDialog"]

_HINT = (
    "<kbd>m</kbd> marks or unmarks the chosen galaxy, <kbd>n</kbd> opens this. "
    "Marks and notes are saved at once, beside the survey."
)
_SETTLE_MS = 800
"""How long nothing is typed before a note is saved."""


class ReviewDialog(View):
    """Marks of the open survey; shown in a dialog of the page.

    Parameters
    ----------
    state : ExplorerState
    bridge : Bridge
    """

    title = "Review queue"
    slug = "review"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._quiet, self._unsaved, self._pending = False, False, None
        # What the note in the field is about.
        self._about: tuple[ReviewQueue | None, str] = (None, "")
        self._heading = html_pane()
        self._note = pmui.TextAreaInput(
            label="Note on this galaxy", rows=2, max_length=MAX_NOTE, value="",
            placeholder="What is odd about it?", margin=0,
            sizing_mode="stretch_width", size="small",
        )  # fmt: skip
        self._note.param.watch(self._left, "value")
        self._note.param.watch(self._typed, "value_input")
        self._table = pn.widgets.Tabulator(
            pd.DataFrame({"id": [], "note": [], "time": []}, dtype=str), show_index=False,
            disabled=True, pagination="remote", page_size=8, layout="fit_columns", theme="simple",
            margin=0, sizing_mode="stretch_width", design=PlainDesign, selectable=False,
            widths={"id": 150, "time": 170}, stylesheets=[_TABLE],
        )  # fmt: skip
        self._table.on_click(self._clicked)
        small = {"size": "small", "variant": "outlined", "margin": 0}
        self._toggle = pmui.Button(label="Mark", on_click=lambda _e: self.toggle(), **small)
        as_set = pmui.Button(
            label="Choose them as the set", on_click=lambda _e: self._as_set(), **small
        )
        row = pn.Row(self._toggle, as_set, self.menu(), styles={"gap": "8px", "flex-wrap": "wrap"})
        place = pn.Column(sizing_mode="stretch_width")
        self._layout = pn.Column(
            self._heading, self._note, row, place, html_pane(_hint()),
            sizing_mode="stretch_width", styles={"gap": "10px"},
        )  # fmt: skip
        self.dialog = pmui.Dialog(
            self._layout, title=self.title, show_close_button=True, close_on_click=True,
            width_option="sm",
        )  # fmt: skip
        # Panel's table in a dialog that is closed keeps the browser at work, waiting to be drawn.
        self.dialog.param.watch(
            lambda event: setattr(place, "objects", [self._table] if event.new else []), "open"
        )
        self.watch(self._refresh, "galaxy_id", "data")

    @property
    def queue(self) -> ReviewQueue | None:
        """The marks of the open survey."""
        data = self.state.data
        return None if data is None else review_of(data.survey.cache_dir)

    def open(self) -> None:
        """Show the dialog."""
        if self.queue is not None and not self._unsaved:
            # Another page may have changed it.
            self._about = (self.queue, self.state.galaxy_id)
            self._fill(self.queue.note(self.state.galaxy_id))
        # First: what changes while the browser builds the dialog may be lost there.
        self._bring_up_to_date()
        self.dialog.open = True

    def toggle(self) -> None:
        """Mark the chosen galaxy, or take its mark away."""
        queue, galaxy_id = self.queue, self.state.galaxy_id
        if queue is None or not galaxy_id:
            return
        marked = galaxy_id in queue
        self._save()
        if marked:
            self._fill("")
            self._try(lambda: queue.remove([galaxy_id]), f"{galaxy_id} is no longer marked")
        elif galaxy_id not in queue:
            self._try(lambda: queue.put(galaxy_id), f"{galaxy_id} is marked (n: add a note)")

    def _typed(self, _event: Any) -> None:
        """Save what is typed when the typing rests: who writes may never leave the field."""
        doc = pn.state.curdoc
        if self._quiet:
            return
        self._unsaved = True
        if doc is not None and doc.session_context is not None:
            self._forget_pending()
            self._pending = doc.add_timeout_callback(lambda: hold(self._save), _SETTLE_MS)

    def _left(self, _event: Any) -> None:
        if not self._quiet:
            self._unsaved = True
            self._save()

    def _forget_pending(self) -> None:
        doc, pending, self._pending = pn.state.curdoc, self._pending, None
        if pending is not None and doc is not None and pending in doc.session_callbacks:
            doc.remove_timeout_callback(pending)

    def _save(self) -> None:
        """Keep what was typed for the galaxy that the field is about."""
        self._forget_pending()
        (queue, galaxy_id), note = self._about, self._note.value_input or ""
        if not self._unsaved or queue is None or not galaxy_id:
            return
        self._fill(note)
        if note != queue.note(galaxy_id):
            # What could not be written is tried again at the next occasion.
            self._unsaved = not self._try(
                lambda: queue.put(galaxy_id, note), f"Note on {galaxy_id} saved"
            )

    def _fill(self, note: str) -> None:
        self._quiet, self._unsaved = True, False
        self._note.value = note
        self._quiet = False

    def _try(self, change: Any, done: str) -> bool:
        """Change the queue and say so; whether it went well."""
        problem: GalamError | None = None
        try:
            change()
        except GalamError as error:
            problem = error
        self.state.notify("error" if problem else "success", problem or done)
        self._refresh()
        return problem is None

    def _as_set(self) -> None:
        if self.queue is not None:
            self.state.set_cohort([mark.id for mark in self.queue.marks])
            self.dialog.open = False

    def _clicked(self, event: Any) -> None:
        frame = self._table.value
        if 0 <= event.row < len(frame):
            self.state.select(str(frame["id"].iat[event.row]))

    def _refresh(self, *_events: Any) -> None:
        # A dialog that nobody sees must not slow down every selection.
        if self.dialog.open:
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        queue, galaxy_id = self.queue, self.state.galaxy_id
        if queue is None:
            return
        if (queue, galaxy_id) != self._about:
            self._save()
            self._about = (queue, galaxy_id)
            self._fill(queue.note(galaxy_id))
        if queue.problem:
            self.state.notify("warning", f"Review queue: {queue.problem}")
            queue.problem = ""
        marked = galaxy_id in queue
        self._toggle.label = "Unmark" if marked else "Mark"
        self._heading.object = (
            f'<div class="g"><b>{escape(galaxy_id)}</b> '
            f"{'is marked' if marked else 'is not marked'} · {len(queue):,} marked in all</div>"
        )
        # The newest first; one that is seldom opened need not be quick for thousands.
        self._table.value = queue.table().iloc[::-1].reset_index(drop=True)

    def file_stem(self) -> str:
        return f"review-{self.state.survey_id}"

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        if self.queue is None:
            raise GalamError("no survey is open", "export")
        frame = self.queue.table(self.state.data.catalog[["id", "ra", "dec", "z"]])
        return frame, {
            "note": ("", "Note of a person"),
            "time": ("", "When it was last changed, UTC"),
            "ra": ("deg", "J2000"),
            "dec": ("deg", "J2000"),
        }

    def code(self) -> str:
        return (
            "from galam_explorer.app.review import review_of\n"
            "from galam_explorer.survey import load_survey\n\n"
            f"survey = load_survey({self.state.data.source!r})\n"
            "table = review_of(survey.cache_dir).table(survey.catalog)\ntable\n"
        )


def _hint() -> str:
    return f'<div class="g soft" style="font-size:12px">{_HINT}</div>'


_TABLE = """
:host .tabulator, :host .tabulator .tabulator-header, :host .tabulator .tabulator-footer,
:host .tabulator .tabulator-header .tabulator-col, :host .tabulator .tabulator-tableholder,
:host .tabulator .tabulator-table, :host .tabulator-row, :host .tabulator-row.tabulator-row-even {
  background: transparent !important; color: var(--ink) !important; border-color: var(--line);
  font-size: 12px; }
:host .tabulator-row { cursor: pointer; }
:host .tabulator-footer .tabulator-page { background: transparent; color: var(--ink);
  border: 1px solid var(--line); border-radius: 5px; }
:host .tabulator-footer .tabulator-page.active { background: var(--accent);
  color: var(--paper) !important; }
"""
"""The dialog's own ground, light or dark, behind the table."""
