"""View 10: bring your own galaxy, from files or (online) from SDSS; every view shows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.background import compute
from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.inbox import MAX_UPLOAD_MB, SDSS_SCALE, inbox_of
from galam_explorer.app.position import parse_position
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy

__all__ = ["YoursView"]

_NAME = "yours"
_SHOWN = ("id", "z", "sn_r", "ra", "dec", "has_spectrum", "has_cutout")


class YoursView(View):
    """A form for files, a line for coordinates or a name, and what came of it."""

    title = "Your galaxy"
    slug = "yours"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._notes: list[str] = []
        self._build()
        self._layout = self._arrange()

    def _build(self) -> None:
        small = {"size": "small", "margin": 0}
        self._files = pn.widgets.FileDropper(
            multiple=True, max_files=2, max_file_size=f"{MAX_UPLOAD_MB}MB", chunk_size=5_000_000,
            height=120, sizing_mode="stretch_width", margin=0, previews=[],
        )  # fmt: skip
        self._scale = pmui.FloatInput(
            label="Image scale, ″/px", value=SDSS_SCALE, start=0.01, end=60, width=140, **small
        )
        self._redshift = pmui.TextInput(label="Redshift, if known", value="", width=150, **small)
        self._position = pmui.TextInput(
            label="Position, if known", placeholder="146.714 -1.041", width=190, **small
        )
        self._add = pmui.Button(label="Add", icon="add", on_click=lambda _e: self.add(), **small)
        self._target = pmui.TextInput(
            label="Position, plate-mjd-fiber, or name", sizing_mode="stretch_width",
            placeholder="146.714 -1.041 · 0266-51602-0001 · NGC 3522", **small,
        )  # fmt: skip
        self._target.param.watch(lambda e: self.fetch() if e.new else None, "enter_pressed")
        self._fetch = pmui.Button(
            label="Get it from SDSS", icon="cloud_download", on_click=lambda _e: self.fetch(),
            variant="outlined", **small,
        )  # fmt: skip
        self._progress = pmui.LinearProgress(
            variant="indeterminate", visible=False, margin=0, sizing_mode="stretch_width"
        )
        self._said = html_pane(styles={"flex": "0 0 auto"})
        self._list = html_pane(styles={"overflow": "auto"})

    def _arrange(self) -> pn.Column:
        from_files = _part(
            "From your files",
            f"An SDSS FITS spectrum, a JPEG or PNG image (gri, 128×128 px is best), or one of each "
            f"of the same galaxy. At most {MAX_UPLOAD_MB} MB a file. They stay in this session.",
            self._files,
            bar(self._scale, self._redshift, self._position, self._add),
        )
        from_sdss = _part(
            "From SDSS",
            "Spectrum and image of any galaxy that SDSS observed. This asks SkyServer over the "
            "network, and Sesame for names; nothing else in the dashboard does.",
            bar(self._target, self._fetch),
        )
        title = html_pane('<div class="g" data-view="yours"><h2>Your galaxy</h2></div>')
        return pn.Column(
            bar(title, self.menu()),
            self._progress,
            from_files,
            from_sdss,
            self._said,
            self._list,
            sizing_mode="stretch_both",
            styles={"padding": "10px 14px 8px", "min-height": "0", "overflow": "auto"},
        )

    # -- life ------------------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        """Nothing here depends on the chosen galaxy but the mark in the list."""
        self._describe()

    # -- what users do ------------------------------------------------------------------

    def add(self) -> None:
        """Add what was dropped."""
        files = {name: _as_bytes(content) for name, content in self._files.value.items()}
        try:
            if not files:
                raise GalamError("drop a spectrum or an image first", "upload")
            z, position = _redshift(self._redshift.value), _position(self._position.value)
        except GalamError as error:
            self.state.notify("error", error)
            return
        scale = float(self._scale.value or SDSS_SCALE)
        inbox = inbox_of(self.state)
        self._work(lambda: inbox.add_files(files, scale, z, position))

    def fetch(self) -> None:
        """Get a galaxy from SDSS."""
        target = (self._target.value_input or self._target.value or "").strip()
        if not target:
            self.state.notify("error", GalamError("give a position, an id or a name", "SDSS"))
            return
        notes: list[str] = []
        inbox = inbox_of(self.state)
        self._work(lambda: ([inbox.fetch(target, notes.append)], notes))

    def _work(self, job: Callable[[], tuple[list[str], list[str]]]) -> None:
        self._progress.visible = True
        self._add.disabled = self._fetch.disabled = True
        compute(self.state, "yours", job, self._came, self._failed)

    def _rest(self) -> None:
        self._progress.visible = False
        self._add.disabled = self._fetch.disabled = False

    def _failed(self, error: GalamError) -> None:
        self._notes = [str(error)]
        self.state.notify("error", error)
        self._describe()
        self._rest()

    def _came(self, result: tuple[list[str], list[str]]) -> None:
        ids, self._notes = result
        self._files.value = {}
        state = self.state
        state.sources = {**state.sources, _NAME: str(inbox_of(self.state).path)}
        if state.open(_NAME) and state.select(ids[0]):
            state.notify("success", f"{ids[0]} is open: every tab shows it now.")
        for note in self._notes:
            state.notify("warning", note)
        self._describe()
        self._rest()

    def _describe(self) -> None:
        said = "".join(f"<li>{escape(note)}</li>" for note in self._notes)
        self._said.object = f'<div class="g"><ul>{said}</ul></div>' if said else ""
        frame, _ = self.table()
        if frame.empty:
            self._list.object = '<div class="g soft">Nothing yet.</div>'
            return
        heads = "".join(f"<th style='text-align:left'>{escape(one)}</th>" for one in frame.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_text(cell))}</td>" for cell in row) + "</tr>"
            for row in frame.itertuples(index=False)
        )
        self._list.object = (
            f'<div class="g" data-yours="{len(frame)}" style="font-size:12px"><h2>So far</h2>'
            f'<table style="width:100%"><tr>{heads}</tr>{rows}</table></div>'
        )

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


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return "unknown" if math.isnan(cell) else f"{cell:.5g}"
    return str(cell)
