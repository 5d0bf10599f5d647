"""The two forms for a user's own galaxies: files, and SDSS."""

from __future__ import annotations

import math
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.arrivals import Arrivals
from galam_explorer.app.inbox import MAX_UPLOAD_MB, SDSS_SCALE
from galam_explorer.app.position import parse_position
from galam_explorer.app.views.base import bar, escape, html_pane
from galam_explorer.app.views.dropper import Dropper
from galam_explorer.app.views.yours_text import (
    CANDIDATE_HEADS,
    candidate_html,
    files_html,
    said_html,
)
from galam_explorer.errors import GalamError

__all__ = ["SMALL", "FilesForm", "SdssForm"]

SMALL = {"size": "small", "margin": 0}
_HEIGHT = 136
"""Of the dropper, px: room for two files."""
_MOST = 12
_ID_WIDTH = 196
_DROP_HERE = {"border": "1.5px dashed var(--soft)", "border-radius": "8px"}
_PLAIN = """
.filepond--root, .filepond--drop-label { background: transparent !important;
  box-shadow: none !important; }
"""
"""The dropper's own ground and shadow would lie over the border."""


class FilesForm:
    """A dropper, and what the files may not say.

    Parameters
    ----------
    state : ExplorerState
    arrivals : Arrivals
        Gets the files, and says what came of them.
    """

    def __init__(self, state: Any, arrivals: Arrivals) -> None:
        self.state, self.arrivals = state, arrivals
        self.dropper = Dropper(
            multiple=True, max_files=2, max_file_size=f"{MAX_UPLOAD_MB}MB", chunk_size=4_000_000,
            max_bytes=MAX_UPLOAD_MB * 2**20, height=_HEIGHT, sizing_mode="stretch_width", margin=0,
            previews=[], styles=_DROP_HERE, stylesheets=[_PLAIN],
        )  # fmt: skip
        self.dropper.param.watch(self._arrived, ["value", "coming", "refused"])
        self.scale = pmui.FloatInput(
            label="Image scale, ″/px", value=SDSS_SCALE, start=0.01, end=60, width=128, **SMALL
        )
        self.redshift = pmui.TextInput(label="Redshift, if known", value="", width=160, **SMALL)
        self.position = pmui.TextInput(
            label="Position, if known", placeholder="146.714 -1.041", width=160, **SMALL
        )
        self._add = pmui.Button(label="Add", icon="add", on_click=lambda _e: self.add(), **SMALL)
        self._here = html_pane()
        self.said = html_pane()
        fields = bar(
            self.scale, self.redshift, self.position, self._add, styles={"flex-wrap": "wrap"}
        )
        self.column = _part(
            "From your files",
            f"An SDSS FITS spectrum, a JPEG or PNG image (gri, 128×128 px is best), or one of each "
            f"of the same galaxy. At most {MAX_UPLOAD_MB} MB a file. They stay in this session.",
            self.dropper,
            self._here,
            fields,
            self.said,
        )

    def add(self) -> None:
        """Add what was dropped."""
        files = {name: _as_bytes(content) for name, content in self.dropper.value.items()}
        try:
            if not files:
                raise GalamError("drop a spectrum or an image first", "upload")
            z, position = _redshift(self.redshift.value), _position(self.position.value)
        except GalamError as error:
            self.state.notify("error", error)
            return
        self.arrivals.add_files(files, float(self.scale.value or SDSS_SCALE), z, position)

    def tell(self) -> None:
        """Show what the arrivals say."""
        arrivals = self.arrivals
        mine = arrivals.about == "files"
        self.said.object = said_html(arrivals.problem, arrivals.notes) if mine else ""
        self._arrived()

    def _arrived(self, *_events: Any) -> None:
        here = self.dropper
        self._here.object = files_html(here.value, here.coming, here.refused, MAX_UPLOAD_MB)
        # Half of a pair would become a galaxy of its own.
        self._add.disabled = bool(self.arrivals.busy or here.coming or not here.value)


class SdssForm:
    """A line for a position, id or name, and candidates to choose from.

    Parameters
    ----------
    state : ExplorerState
    arrivals : Arrivals
        Asks SDSS, and says what came of it.
    """

    def __init__(self, state: Any, arrivals: Arrivals) -> None:
        self.state, self.arrivals = state, arrivals
        self.target = pmui.TextInput(
            label="Position, plate-mjd-fiber, or name", sizing_mode="stretch_width",
            placeholder="146.714 -1.041 · 0266-51602-0001 · NGC 3522", **SMALL,
        )  # fmt: skip
        self.target.param.watch(lambda e: self.fetch() if e.new else None, "enter_pressed")
        self.radius = pmui.FloatInput(
            label="Within, ″", value=5.0, start=0.5, end=180, width=96, **SMALL
        )
        self._fetch = pmui.Button(
            label="Get it from SDSS", icon="cloud_download", on_click=lambda _e: self.fetch(),
            variant="outlined", **SMALL,
        )  # fmt: skip
        self.said = html_pane()
        self.demo = pmui.Button(
            label="Open the demo survey instead", icon="auto_stories", variant="outlined",
            visible=False, on_click=lambda _e: self._open_demo(), **SMALL,
        )  # fmt: skip
        self.choices = pn.Column(sizing_mode="stretch_width", styles={"gap": "4px"})
        self.column = _part(
            "From SDSS",
            "Spectrum and image of any galaxy that SDSS observed. This asks SkyServer over the "
            "network, and Sesame for names; nothing else in the dashboard does.",
            bar(self.target, self.radius, self._fetch),
            self.said,
            self.demo,
            self.choices,
        )

    def fetch(self) -> None:
        """Get a galaxy from SDSS."""
        target = (self.target.value_input or self.target.value or "").strip()
        if not target:
            self.state.notify("error", GalamError("give a position, an id or a name", "SDSS"))
            return
        self.arrivals.fetch(target, float(self.radius.value or 5.0))

    def tell(self) -> None:
        """Show what the arrivals say."""
        arrivals = self.arrivals
        mine = arrivals.about == "sdss" and not arrivals.candidates
        self.said.object = said_html(arrivals.problem, arrivals.notes) if mine else ""
        self.demo.visible = arrivals.offline
        self.choices[:] = self._candidates() if arrivals.candidates else []
        self._fetch.disabled = bool(arrivals.busy)

    def _candidates(self) -> list[Any]:
        found = self.arrivals.candidates
        text = f"SDSS has {len(found)} objects there: choose one."
        if len(found) > _MOST:
            text += f" These are the {_MOST} nearest."
        head = html_pane(f'<div class="g" data-candidates="{len(found)}"><b>{text}</b></div>')
        rows = [
            bar(
                pmui.Button(
                    label=one.id, width=_ID_WIDTH, variant="outlined",
                    on_click=lambda _e, one=one: self.arrivals.pick(one), **SMALL,
                ),
                html_pane(candidate_html(one)),
            )
            for one in found[:_MOST]
        ]  # fmt: skip
        blank = pn.Spacer(width=_ID_WIDTH, height=1)
        return [head, bar(blank, html_pane(CANDIDATE_HEADS)), *rows]

    def _open_demo(self) -> None:
        state = self.state
        state.sources = {**state.sources, "demo": "demo"}
        state.open("demo")


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
