"""The views of one open survey, and which of them are on the page."""

from __future__ import annotations

import time
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.bridge import Bridge
from galam_explorer.app.state import ExplorerState
from galam_explorer.app.views.base import View
from galam_explorer.app.views.filmstrip import Filmstrip
from galam_explorer.app.views.galaxy import GalaxyView
from galam_explorer.app.views.sky import SkyMap
from galam_explorer.app.views.table import GalaxyTable
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy

__all__ = ["TAB_VIEWS", "Workspace"]

TAB_VIEWS: dict[str, type[View]] = {"galaxy": GalaxyView, "preprocessing": Filmstrip}
"""The view of each tab of `galam_explorer.app.state.TABS`."""


class Workspace:
    """The views of one open survey; made anew when another survey is opened."""

    def __init__(self, state: ExplorerState, bridge: Bridge) -> None:
        self.state, self.bridge = state, bridge
        self.sky, self.table = SkyMap(state, bridge), GalaxyTable(state, bridge)
        self.tabs: dict[str, View | None] = dict.fromkeys(TAB_VIEWS)
        # Only the headings: a view must have its data before it comes to the page,
        # because Bokeh cannot lay out figures that change while they are built.
        self._headings = pmui.Tabs(
            *[(TAB_VIEWS[slug].title, pn.Spacer(height=0)) for slug in TAB_VIEWS],
            active=list(TAB_VIEWS).index(state.tab),
            sizing_mode="stretch_width",
            margin=0,
        )
        self._headings.param.watch(self._switched, "active")
        self._content = pn.Column(sizing_mode="stretch_both", styles={"min-height": "0"})
        self.right = pn.Column(self._headings, self._content, sizing_mode="stretch_both")
        self._watchers = [
            state.param.watch(self._tab_changed, "tab"),
            state.param.watch(self._recolour, "theme"),
        ]
        self.left = pn.Column(self.sky, self.table, sizing_mode="stretch_both", styles=_LEFT)
        self._open_tab()
        self.show()
        self._content[:] = [self._open_tab()]

    def close(self) -> None:
        """Stop watching the state."""
        for watcher in self._watchers:
            self.state.param.unwatch(watcher)
        for view in self.visible(everything=True):
            view.close()

    def visible(self, everything: bool = False) -> list[View]:
        """The views on the page now, the open tab's first."""
        tabs = self.tabs.values() if everything else [self.tabs[self.state.tab]]
        return [*[view for view in tabs if view is not None], self.sky, self.table]

    def _open_tab(self) -> View:
        slug = self.state.tab
        view = self.tabs[slug]
        if view is None:
            view = self.tabs[slug] = TAB_VIEWS[slug](self.state, self.bridge)
        return view

    def prebuild(self) -> None:
        """Make the views of the tabs that are not open yet, before they are asked for."""
        for slug, view in self.tabs.items():
            if view is None:
                self.tabs[slug] = TAB_VIEWS[slug](self.state, self.bridge)

    def _switched(self, event: Any) -> None:
        self.state.tab = list(TAB_VIEWS)[event.new]

    def _tab_changed(self, *_events: Any) -> None:
        view = self._open_tab()
        if view.stale:
            view.stale = False
            view.show(self.galaxy())
        self._headings.active = list(TAB_VIEWS).index(self.state.tab)
        self._content[:] = [view]

    def _recolour(self, *_events: Any) -> None:
        for view in self.visible(everything=True):
            view.recolour()

    def galaxy(self) -> Galaxy | None:
        """The chosen galaxy; None, and a message, if it cannot be read."""
        state = self.state
        if state.data is None or not state.galaxy_id:
            return None
        try:
            return state.data.survey[state.galaxy_id]
        except (GalamError, OSError) as error:
            state.notify("error", error)
            return None

    def show(self) -> None:
        """Bring every visible view to the chosen galaxy."""
        started = time.perf_counter()
        galaxy = self.galaxy()
        for view in self.visible(everything=True):
            view.stale = True
        with pn.io.hold():
            for view in self.visible():
                view.stale = False
                view.show(galaxy)
            took = 1000 * (time.perf_counter() - started)
            views = len(self.visible())
            self.state.status = f"{self.state.galaxy_id}: {views} views in {took:.0f} ms"
            self.bridge.done()


_LEFT = {"min-height": "0"}
