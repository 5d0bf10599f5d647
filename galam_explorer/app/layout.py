"""Entry points: the page for a server, and the dashboard in a notebook."""

from __future__ import annotations

import weakref
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document
from panel.io.resources import get_dist_path, patch_model_css

from galam_explorer.app.cell import in_cell, paint, top_bar
from galam_explorer.app.dashboard import Dashboard
from galam_explorer.app.preload import first_page_shown, hold_preload, preload_soon, preloaded
from galam_explorer.app.quick_models import quicken_models
from galam_explorer.app.sources import model_sources, survey_sources
from galam_explorer.app.surroundings import follow_page, kernel_schedule
from galam_explorer.app.tidy import release, tidy_soon
from galam_explorer.app.views.base import escape, html_pane
from galam_explorer.app.views.dropper import calm_dropper
from galam_explorer.errors import GalamError
from galam_explorer.plugins import load_named_plugins

__all__ = ["Dashboard", "Explorer", "build_app", "localise", "serve_app", "survey_sources"]

PAINTING = (
    "data:text/javascript;base64,"
    + b64encode(b"{" + Path(__file__).with_name("painting.js").read_bytes() + b"}").decode()
)

_GONE = (
    "The server does not answer any more: nothing on this page will change. When it runs again, "
    "reload the page; the link in the address bar leads back to this view."
)


def build_app(survey: str | Path | None = None, model: str | Path | None = None) -> pmui.Page:
    """One session's page, for ``.servable()``.

    Parameters
    ----------
    survey : str or Path, optional
        ``"demo"`` or a survey folder; by default what GALAM_SURVEY names, or
        the demo.
    model : str or Path, optional
        ``"demo"`` or a folder with a model or a run; by default what
        GALAM_MODEL names, or the released demo model.
    """
    pn.extension("tabulator", "filedropper", notifications=True, disconnect_notification=_GONE)
    pn.config.respect_explicit_sizing = True
    pn.config.js_files = {"painting": PAINTING}
    calm_dropper()
    hold_preload()
    preload_soon()
    quicken_models()
    problem = _load_plugins()
    location = pn.state.location
    query = dict(parse_qsl((location.search or "").lstrip("?"))) if location else {}
    dashboard = Dashboard(
        survey_sources(None if survey is None else str(survey)),
        query,
        model_sources(None if model is None else str(model)),
    )
    if problem is not None:
        dashboard.state.notify("error", problem)
    # A strong reference would keep every session that ever was.
    alive = weakref.ref(dashboard)
    pn.config.exception_handler = lambda error: _report(alive(), error)
    page = dashboard.page()
    pn.state.onload(dashboard.flush_messages)
    pn.state.onload(lambda: _warm(dashboard))
    doc = pn.state.curdoc
    pn.state.on_session_destroyed(lambda _context: _end(dashboard, page, doc))
    return page


def _end(dashboard: Dashboard, page: pmui.Page, doc: Document | None) -> None:
    dashboard.close()
    release(page, doc)
    tidy_soon()


def _load_plugins() -> GalamError | None:
    """Load what GALAM_PLUGINS names; what is wrong with one does not spoil the page."""
    try:
        load_named_plugins()
    except GalamError as error:
        return error
    return None


def localise(doc: Document) -> None:
    """Take Panel's style sheets from this server and not from its CDN.

    Panel does so for pages that it renders; a session that is made for a page that
    is open already (it was away for long, the server was started again) gets none.
    """
    for root in doc.roots:
        patch_model_css(root, dist_url=get_dist_path())


def serve_app() -> None:
    """What ``app.py`` and ``galam serve`` run for each session."""
    build_app().servable()
    if pn.state.curdoc is not None:
        localise(pn.state.curdoc)


def _report(dashboard: Dashboard | None, error: Exception) -> None:
    if dashboard is not None:
        dashboard.report(error)


def _warm(dashboard: Dashboard) -> None:
    """Get the next tab ready while the user looks at the first one."""
    first_page_shown()
    if dashboard.workspace is not None and pn.state.curdoc is not None:
        pn.state.curdoc.add_timeout_callback(dashboard.workspace.table.reveal, 600)
        _prebuild(dashboard, pn.state.curdoc)
        pn.state.curdoc.add_timeout_callback(dashboard.state.want_model, 300)


def _prebuild(dashboard: Dashboard, doc: Document) -> None:
    def build() -> None:
        if not preloaded():
            doc.add_timeout_callback(build, 500)
        elif dashboard.workspace is not None:
            dashboard.workspace.prebuild()

    doc.add_timeout_callback(build, 1500)


class Explorer(pn.viewable.Viewer):
    """The dashboard in a notebook cell.

    Parameters
    ----------
    survey : Survey, str or Path
        An open survey, ``"demo"``, or a survey folder.
    model : Model, str or Path, optional
        A loaded model, or what `galam_explorer.load_model` takes; by default the
        released demo model, if it is there.
    height : int
        Height of the cell's output, px.

    Examples
    --------
    >>> from galam_explorer.app import Explorer
    >>> Explorer("demo")  # doctest: +SKIP
    """

    def __init__(self, survey: Any = "demo", model: Any = None, height: int = 820) -> None:
        super().__init__()
        preload_soon()
        source = str(getattr(survey, "path", survey))
        named = model is None or isinstance(model, str | Path)
        models = model_sources(None if model is None else str(model)) if named else {}
        self.dashboard = Dashboard(survey_sources(source), {}, models)
        self.state = self.dashboard.state
        self.state.schedule = kernel_schedule()
        if named:
            self.state.want_model()
        else:
            self.state.use_model(model)
        # There are no toasts in a cell.
        self._said = html_pane(styles={"background": "var(--paper)"})
        self.state.param.watch(self._tell, "message")
        self._tell()
        layout = pn.Column(
            top_bar(self.dashboard.bar.items),
            self._said,
            self.dashboard.body({"height": f"{height - 52}px"}),
            follow_page(self.state),
            sizing_mode="stretch_width",
            height=height,
        )
        self._layout = in_cell(layout)
        self.state.param.watch(lambda _e: paint(self._layout, self.state.dark), "theme")

    def _tell(self, *_events: Any) -> None:
        message = self.state.message
        kind = "bad" if message and message.kind in ("error", "warning") else "soft"
        style = "padding:5px 14px"
        self._said.object = (
            f'<div class="g"><div class="{kind}" style="{style}">{escape(message.text)}</div></div>'
            if message
            else ""
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
