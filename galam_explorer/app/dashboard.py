"""One session of the dashboard: frame, map and table on the left, tabs on the right."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly
from tornado.ioloop import IOLoop

from galam_explorer.app.arrivals import leave
from galam_explorer.app.background import forget
from galam_explorer.app.bridge import Bridge
from galam_explorer.app.live import hold, when_locked
from galam_explorer.app.state import ExplorerState
from galam_explorer.app.theme import PAGE_CSS, THEME, variables
from galam_explorer.app.views.base import empty_card, html_pane
from galam_explorer.app.views.frame import Dialogs, StatusLine, TopBar
from galam_explorer.app.views.review import ReviewDialog
from galam_explorer.app.workspace import Workspace
from galam_explorer.errors import GalamError

__all__ = ["Dashboard"]

logger = logging.getLogger(__name__)

_QUIET_S = 0.08
"""Selections closer together than this are joined; only the last one is drawn."""


class Dashboard:
    """One session: state, frame, workspace, and the link in the address bar.

    Parameters
    ----------
    sources : dict of str to str
        Surveys on offer.
    query : dict of str to str
        What the link said.
    models : dict of str to str, optional
        Models on offer.
    """

    def __init__(
        self, sources: dict[str, str], query: dict[str, str], models: dict[str, str] | None = None
    ) -> None:
        self.state = ExplorerState(sources, models=models or {})
        self._doc = pn.state.curdoc
        self._loop = IOLoop.current(instance=False)
        self.state.schedule = self._schedule
        self.bridge = Bridge(width=0, height=0, margin=0)
        self._messages: list[Any] = []
        self.state.param.watch(self._toast, "message")
        self.state.restore(query)
        if query.get("theme") in ("dark", "light"):
            self.state.theme = query["theme"]
        self.bar = TopBar(self.state, self.bridge)
        self.status = StatusLine(self.state)
        self.dialogs = Dialogs(self.bridge)
        self.review = ReviewDialog(self.state, self.bridge)
        self.left = pn.Column(sizing_mode="stretch_both", styles=_LEFT_PANEL)
        self.right = pn.Column(sizing_mode="stretch_both", styles=_RIGHT_PANEL)
        self.workspace: Workspace | None = None
        self._pending: Any = None
        self._last = 0.0
        self._rebuild()
        self._connect()

    def _connect(self) -> None:
        state, handlers = self.state, self.bridge.handlers
        handlers["step"] = lambda message: self._step(int(message.get("count", 0)))
        handlers["blink"] = lambda _m: state.param.update(show_mask=not state.show_mask)
        handlers["mark"] = lambda _m: self.review.toggle()
        handlers["note"] = lambda _m: self.review.open()
        handlers["copied"] = lambda message: state.notify("success", message.get("text", "Copied"))
        handlers["failed"] = lambda message: state.notify("error", message.get("text", "Failed"))
        self.bridge.param.watch(self._painted, "latency")
        state.param.watch(lambda *_e: self._rebuild(), "data")
        state.param.watch(self._selected, "galaxy_id")
        state.param.watch(self._relink, list(self.state.linked))

    def _schedule(self, change: Callable[[], None]) -> None:
        """Change the page from a background thread."""
        if self._loop is None or self._doc is None or self._doc.session_context is None:
            change()
            return
        # By way of the server's own thread: what is registered from another one, while
        # the page is drawn and its events are held back, can be lost.
        self._loop.add_callback(self._soon, change)

    def _soon(self, change: Callable[[], None]) -> None:
        if self._doc is not None and self._doc.session_context is not None:
            self._doc.add_next_tick_callback(lambda: self._once_loaded(change))

    @staticmethod
    def _once_loaded(change: Callable[[], None]) -> None:
        """Between a browser's asking for the page and its drawing it changes would be lost."""
        if pn.state.loaded:
            hold(change)
        else:
            pn.state.onload(lambda: hold(change))

    def report(self, error: Exception) -> None:
        """Tell the user what no view expected; the log has the traceback."""
        if isinstance(error, GalamError):
            self.state.notify("error", error)
        else:
            logger.error("unexpected", exc_info=error)
            text = f"Something went wrong ({type(error).__name__}: {error}). Reload the page."
            self.state.notify("error", text)

    # -- reactions -----------------------------------------------------------------

    def _painted(self, event: Any) -> None:
        self.state.latency_ms = event.new
        if self.workspace is not None:
            self.workspace.look_ahead()

    def _step(self, count: int) -> None:
        before = self.state.galaxy_id
        self.state.step(count)
        if self.state.galaxy_id == before:
            # Nothing will be drawn, but the browser waits for the answer.
            self.bridge.done()

    def _rebuild(self) -> None:
        if self.workspace is not None:
            self.workspace.close()
        if self.state.data is None:
            text = "Start it with `galam serve --survey FOLDER`, or make one with `galam simulate`."
            card = html_pane(empty_card("No survey is open", text), sizing_mode="stretch_both")
            self.left[:], self.right[:] = [], [card]
            return
        self.workspace = Workspace(self.state, self.bridge)
        self.left[:] = [self.workspace.left]
        self.right[:] = [self.workspace.right]

    def _selected(self, *_events: Any) -> None:
        """Draw at once, or, in a burst of selections, only the last."""
        doc = pn.state.curdoc
        quiet = time.perf_counter() - self._last > _QUIET_S
        self._last = time.perf_counter()
        if self.workspace is None:
            return
        if quiet or doc is None or doc.session_context is None:
            when_locked(self._draw)
        elif self._pending is None:
            late = int(1000 * _QUIET_S)
            self._pending = doc.add_timeout_callback(lambda: hold(self._draw), late)

    def _draw(self) -> None:
        self._pending = None
        if self.workspace is not None:
            self.workspace.show()
            self._link()
        self._last = time.perf_counter()

    def close(self) -> None:
        """Let go of everything, when the session ends."""
        forget(self.state)
        leave(self.state)
        self._doc = None
        self.review.close()
        if self.workspace is not None:
            self.workspace.close()
            self.workspace = None
        self.left[:], self.right[:] = [], []

    def _toast(self, *_events: Any) -> None:
        message = self.state.message
        if message is None:
            return
        if pn.state.notifications is None:
            self._messages.append(message)
            return
        self._send_toast(message)

    @staticmethod
    def _send_toast(message: Any) -> None:
        duration = 9000 if message.kind in ("error", "warning") else 5000
        pn.state.notifications.send(message.text, duration=duration, type=message.kind)

    def flush_messages(self) -> None:
        """Show what was said before the page could show it."""
        while self._messages and pn.state.notifications is not None:
            self._send_toast(self._messages.pop(0))

    def _relink(self, *events: Any) -> None:
        # With another galaxy the address goes in the same message as all that is drawn.
        if self.workspace is None or all(event.name != "galaxy_id" for event in events):
            self._link()

    def _link(self) -> None:
        # Panel's own location adds an entry to the browser's history at each change.
        if pn.state.location:
            self.bridge.search = "?" + urlencode(self.state.link())

    # -- page ------------------------------------------------------------------------

    def body(self, size: dict[str, str]) -> pn.Column:
        """Everything below the top bar, with styles that give its size."""
        row = pn.Row(self.left, self.right, sizing_mode="stretch_both", styles=_BODY)
        self._body = pn.Column(
            row,
            self.status.pane,
            self.bridge,
            self.dialogs.help,
            self.dialogs.code,
            self.review.dialog,
            sizing_mode="stretch_both",
            styles={**size, "overflow": "hidden", "background": "var(--ground)"},
            stylesheets=[variables(self.state.dark)],
        )
        self.state.param.watch(self._repaint, "theme")
        return self._body

    def _repaint(self, *_events: Any) -> None:
        self._body.stylesheets = [variables(self.state.dark)]

    def page(self) -> pmui.Page:
        """The whole page for a server."""
        page = pmui.Page(
            title="GalAM Explorer",
            header=self.bar.items,
            main=[self.body({"flex": "1 1 0", "min-height": "0"})],
            theme_config=THEME,
            dark_theme=self.state.dark,
            theme_toggle=True,
            busy_indicator=None,
            stylesheets=[PAGE_CSS],
        )
        # Else every event draws the page's whole frame twice, for an indicator.
        with edit_readonly(page):
            page.busy = False
        page.param.watch(
            lambda e: self.state.param.update(theme="dark" if e.new else "light"), "dark_theme"
        )
        return page


_BODY = {"gap": "10px", "padding": "10px 10px 6px", "min-height": "0"}
_PANEL = {
    "background": "var(--paper)",
    "border": "1px solid var(--line)",
    "border-radius": "10px",
    "overflow": "hidden",
    "min-height": "0",
}
_LEFT_PANEL = {**_PANEL, "flex": "0 0 41%", "min-width": "0"}
_RIGHT_PANEL = {**_PANEL, "flex": "1 1 0", "min-width": "0"}
