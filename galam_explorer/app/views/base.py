"""What every view has: a life cycle, a title row, export, and code."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any, ClassVar, Self

import holoviews as hv
import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param

from galam_explorer.app.background import compute
from galam_explorer.app.bridge import Bridge
from galam_explorer.app.export import figure_html, table_bytes
from galam_explorer.app.live import LiveFigure
from galam_explorer.app.markup import Markup
from galam_explorer.app.state import ExplorerState
from galam_explorer.app.theme import CSS
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy

__all__ = ["View", "bar", "empty_card", "escape", "html_pane", "icon_button"]


_TABLES = {
    "csv": ("csv", "text/csv"),
    "ecsv": ("ecsv", "text/plain"),
    "fits": ("fits", "application/fits"),
    "votable": ("vot", "application/x-votable+xml"),
}
"""Ending and media type of exported tables."""


def escape(value: object) -> str:
    """Text that may stand in HTML."""
    return html.escape(str(value), quote=True)


def html_pane(text: str = "", **options: Any) -> Markup:
    """HTML with our style sheet; `text` is trusted markup."""
    options.setdefault("sizing_mode", "stretch_width")
    options.setdefault("margin", 0)
    return Markup(object=text, stylesheets=[CSS], **options)


def empty_card(title: str, text: str) -> str:
    """Markup that says why there is nothing to see; `text` may have commands in backticks."""
    said = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return (
        f'<div class="g" style="height:100%"><div class="empty"><b>{escape(title)}</b>'
        f"<span>{said}</span></div></div>"
    )


def bar(*items: Any, **options: Any) -> pn.Row:
    """A row of controls, centred on one line."""
    for item in items:
        item.align = "center"
        if "width" not in (item.sizing_mode or ""):
            # What does not stretch must not shrink below its content either.
            item.styles = {"flex": "0 0 auto", **item.styles}
    styles = {
        "align-items": "center",
        "gap": "8px",
        "flex": "0 0 auto",
        **options.pop("styles", {}),
    }
    return pn.Row(*items, sizing_mode="stretch_width", styles=styles, **options)


def icon_button(icon: str, tip: str, on_click: Callable[[Any], None], **options: Any) -> Any:
    """A small round button; its description is its accessible name too."""
    options = {"size": "small", "margin": 0, "color": "default", "align": "center", **options}
    return pmui.IconButton(icon=icon, description=tip, label=tip, on_click=on_click, **options)


class View(pn.viewable.Viewer):
    """One view: gets the galaxy from the workspace, offers export and code.

    The contract of subclasses is in `galam_explorer.app.views.registry`.

    Parameters
    ----------
    state : ExplorerState
    bridge : Bridge, optional
        The page's; without it the view stands alone (in a notebook) and follows
        the state by itself.
    """

    title = "View"
    slug = "view"
    columns = 1
    """Figures side by side in an exported picture."""
    follows: ClassVar[tuple[str, ...]] = ()
    """Parameters of the state that call for `show`, besides galaxy and model."""
    _layout: pn.viewable.Viewable

    def __init__(self, state: ExplorerState, bridge: Bridge | None = None) -> None:
        super().__init__()
        self._alone: pn.viewable.Viewable | None = None
        self._stands_alone = bridge is None
        self.state = state
        self.bridge = bridge or Bridge(width=0, height=0, margin=0)
        self.stale = True
        self._watchers: list[param.parameterized.Watcher] = []

    @classmethod
    def from_survey(
        cls, survey: Any = "demo", galaxy: str = "", model: Any = None, **state: Any
    ) -> Self:
        """The view alone, for a notebook cell.

        Parameters
        ----------
        survey : Survey, str or Path
        galaxy : str
            Id; by default the first with spectrum and image.
        model : str, Path or Model, optional
        **state
            Parameters of `ExplorerState`, for example ``rest_frame=True``.

        Raises
        ------
        GalamError
            If the survey, the model or the galaxy is not there.
        """
        from galam_explorer.app.standalone import make_state

        return cls(make_state(survey, galaxy, model, **state))

    def __panel__(self) -> pn.viewable.Viewable:
        if not self._stands_alone:
            return self._layout
        if self._alone is None:
            from galam_explorer.app.standalone import stand_alone

            self._alone = stand_alone(self, self._layout)
        return self._alone

    # -- for the workspace -------------------------------------------------------

    def watch(self, function: Callable[..., None], *names: str) -> None:
        """Call `function` when one of the state's parameters changes, until `close`."""
        self._watchers.append(self.state.param.watch(function, list(names)))

    def close(self) -> None:
        """Stop watching the state."""
        for watcher in self._watchers:
            self.state.param.unwatch(watcher)
        self._watchers.clear()

    def begin(self, galaxy: Galaxy | None) -> None:
        """Begin in the background what `show` will need; called before any view is drawn."""

    def show(self, galaxy: Galaxy | None) -> None:
        """Show a galaxy (None: there is none, or it cannot be read)."""
        raise NotImplementedError

    def recolour(self) -> None:
        """Follow a change of the page's theme."""

    @classmethod
    def blanks(cls, dark: bool) -> dict[str, Callable[[], hv.Overlay]]:
        """What makes each figure before there is anything to show, for `live`."""
        return {}

    def live(self, name: str, prepare: Callable[[Any], None] | None = None) -> LiveFigure:
        """One of `blanks`, drawn once for all sessions, to be filled by ``update``."""
        dark = self.state.dark
        make, called = self.blanks(dark)[name], f"{self.slug}-{name}"
        return LiveFigure(make, called, prepare, like=(self.slug, name, dark))

    # -- export and code ---------------------------------------------------------

    def figure_names(self) -> list[str]:
        """Names of the Bokeh figures that an exported picture shows."""
        return []

    def element(self) -> hv.Dimensioned:
        """The figure as a HoloViews object."""
        raise NotImplementedError

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        """The figure's data, and (unit, definition) by column."""
        raise NotImplementedError

    def code(self) -> str:
        """Python that makes the same figure."""
        raise NotImplementedError

    def file_stem(self) -> str:
        """Beginning of exported file names."""
        return f"{self.slug}-{self.state.galaxy_id}".strip("-").replace("/", "_")

    def menu(self) -> pmui.MenuButton:
        """The button with export and code."""
        items = [
            {"label": "PNG image", "icon": "image"},
            {"label": "SVG drawing", "icon": "polyline"},
            {"label": "HTML page", "icon": "html"},
            {"label": "CSV table", "icon": "table_rows"},
            {"label": "ECSV table", "icon": "table_chart"},
            {"label": "FITS table", "icon": "table_chart"},
            {"label": "VOTable", "icon": "table_chart"},
            {"label": "SAMP: to TOPCAT, Aladin", "icon": "cell_tower"},
            {"label": "Python code", "icon": "code"},
        ]
        if not self.figure_names():
            items = items[3:]
        button = pmui.MenuButton(
            label="Export",
            icon="download",
            items=items,
            size="small",
            variant="text",
            color="primary",
            margin=0,
        )
        button.on_click(self._export)
        return button

    def _export(self, item: dict[str, Any]) -> None:
        form = str(item["label"]).split()[0].lower().strip(":")
        try:
            self.export(form)
        except GalamError as error:
            self.state.notify("error", error)

    def export(self, form: str) -> None:
        """Save as a picture, page or table, send the table by SAMP, or show the python."""
        name = self.file_stem()
        if form == "python":
            self.bridge.handlers["code"]({"title": self.title, "text": self.code()})
        elif form in ("png", "svg"):
            self.bridge.export(
                self.figure_names(),
                form,
                columns=self.columns,
                filename=f"{name}.{form}",
                background="#141a22" if self.state.dark else "#ffffff",
            )
        elif form == "html":
            self.bridge.save(figure_html(self.element(), name), f"{name}.html", "text/html")
        elif form == "samp":
            self._send_samp()
        else:
            ending, mime = _TABLES[form]
            frame, about = self.table()
            self.bridge.save(table_bytes(frame, about, form), f"{name}.{ending}", mime)

    def _send_samp(self) -> None:
        from galam_explorer.app.samp import send_table

        frame, about = self.table()
        name = self.file_stem()

        def sent(clients: int) -> None:
            if clients:
                self.state.notify("success", f"{name}: sent to {clients} program(s) by SAMP.")
            else:
                self.state.notify("warning", "A SAMP hub runs, but no program there takes tables.")

        compute(self.state, "samp", lambda: send_table(frame, about, name), sent)
