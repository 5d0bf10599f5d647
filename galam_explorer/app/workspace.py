"""The views of one open survey, and which of them are on the page."""

from __future__ import annotations

import logging
import time
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.ahead import look_ahead, neighbours
from galam_explorer.app.bridge import Bridge
from galam_explorer.app.live import when_locked
from galam_explorer.app.preload import preload
from galam_explorer.app.standalone import chosen_galaxy
from galam_explorer.app.state import ExplorerState
from galam_explorer.app.views import registry
from galam_explorer.app.views.base import View, empty_card, html_pane
from galam_explorer.app.views.learn import LessonBar
from galam_explorer.app.views.sky import SkyMap
from galam_explorer.app.views.table import GalaxyTable
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy

__all__ = ["Workspace"]

logger = logging.getLogger(__name__)


class Workspace:
    """The views of one open survey; made anew when another survey is opened."""

    def __init__(self, state: ExplorerState, bridge: Bridge) -> None:
        self.state, self.bridge = state, bridge
        self.specs = {spec.slug: spec for spec in registry.TABS}
        self.sky, self.table = SkyMap(state, bridge), GalaxyTable(state, bridge)
        # Whoever points at a galaxy is likely to choose it.
        self.sky.pointed = lambda galaxy_id: self._prepare([galaxy_id])
        self.tabs: dict[str, View] = {}
        self._placed: View | None = None
        # Only the headings: a view must have its data before it comes to the page,
        # because Bokeh cannot lay out figures that change while they are built.
        self._headings = pmui.Tabs(
            *[(spec.title, pn.Spacer(height=0)) for spec in self.specs.values()],
            active=list(self.specs).index(state.tab),
            sizing_mode="stretch_width",
            margin=0,
        )
        self._headings.param.watch(self._switched, "active")
        self._content = pn.Column(
            sizing_mode="stretch_both", styles={"min-height": "0", "min-width": "0"}
        )
        self.lesson = LessonBar(state)
        self.right = pn.Column(
            self._headings, self.lesson, self._content, sizing_mode="stretch_both",
            styles={"min-width": "0"},
        )  # fmt: skip
        self._watchers = [
            state.param.watch(self._tab_changed, "tab"),
            state.param.watch(self._recolour, "theme"),
            state.param.watch(self._model_changed, ["model", "model_state"]),
        ]
        self.left = pn.Column(self.sky, self.table, sizing_mode="stretch_both", styles=_LEFT)
        self.show()

    def close(self) -> None:
        """Stop watching the state."""
        for watcher in self._watchers:
            self.state.param.unwatch(watcher)
        self.lesson.close()
        for view in [*self.tabs.values(), self.sky, self.table]:
            view.close()

    # -- tabs ------------------------------------------------------------------------

    def visible(self) -> list[View]:
        """The views on the page now; the open tab's last, for it waits for the networks."""
        opened = self.tabs.get(self.state.tab)
        return [self.sky, self.table, *([opened] if opened is not None else [])]

    def _open_tab(self, slug: str = "") -> None:
        """Build the view of a tab (the open one's), if it is not there and can be."""
        slug = slug or self.state.tab
        spec, state = self.specs[slug], self.state
        if slug in self.tabs:
            return
        if spec.needs_model and state.model is None:
            state.want_model()
            return
        try:
            if spec is not registry.TABS[0]:
                preload()
            view = spec.load()(state, self.bridge)
        except GalamError as error:
            self.tabs[slug] = self._broken(slug, error)
        except Exception as error:
            logger.exception("the view %s cannot be built", slug)
            self.tabs[slug] = self._broken(slug, error)
        else:
            if view.follows:
                view.watch(lambda *_e: self._outdated(slug), *view.follows)
            self.tabs[slug] = view

    def _broken(self, slug: str, error: Exception) -> View:
        self.state.notify("error", f"{self.specs[slug].title}: {_words(error)}")
        return _BrokenView(self.state, self.bridge, self.specs[slug].title, _words(error))

    def _place(self) -> None:
        """Put the open tab's view on the page, or a card that says why there is none."""
        view = self.tabs.get(self.state.tab)
        if view is None:
            self._content[:] = [self._waiting_card()]
        elif view is not self._placed:
            self._content[:] = [view]
        self._placed = view

    def _waiting_card(self) -> Any:
        state = self.state
        title, text = {
            "none": ("This view needs a model", _NO_MODEL),
            "failed": ("The model cannot be used", state.model_problem),
        }.get(state.model_state, ("The model is being loaded", f"{state.model_id}, a few seconds."))
        return html_pane(empty_card(title, text), sizing_mode="stretch_both")

    def prebuild(self) -> None:
        """Make the views that are wanted soonest before they are asked for."""
        for slug, spec in self.specs.items():
            if spec.early:
                self._open_tab(slug)

    def _switched(self, event: Any) -> None:
        self.state.tab = list(self.specs)[event.new]

    def _retry(self) -> None:
        """Forget the views that could not be drawn: another galaxy may do."""
        for slug, view in list(self.tabs.items()):
            if isinstance(view, _BrokenView):
                del self.tabs[slug]

    def _tab_changed(self, *_events: Any) -> None:
        self._retry()
        slug = self.state.tab
        if slug in self.tabs:
            self._show_tab()
            return
        # To build one takes a while; until then the heading must not lie.
        card = empty_card(f"Opening {self.specs[slug].title}…", "")
        self._content[:] = [html_pane(card, sizing_mode="stretch_both")]
        self._placed = None
        when_locked(self._show_tab)

    def _show_tab(self) -> None:
        self._open_tab()
        view = self.tabs.get(self.state.tab)
        if view is not None and view.stale:
            self._draw(view, self.galaxy())
        self._headings.active = list(self.specs).index(self.state.tab)
        self._place()

    def _outdated(self, slug: str) -> None:
        """What a view follows has changed: draw it now if it is open, else later."""
        view = self.tabs.get(slug)
        if view is None:
            return
        view.stale = True
        if slug == self.state.tab:
            with pn.io.hold():
                self._draw(view, self.galaxy())

    def _model_changed(self, *_events: Any) -> None:
        for slug, view in list(self.tabs.items()):
            if self.state.model is None and self.specs[slug].needs_model:
                view.close()
                del self.tabs[slug]
        for view in self.tabs.values():
            view.stale = True
        # It may begin to load the model, which may be there at once: then all is done.
        self._open_tab()
        view = self.tabs.get(self.state.tab)
        if view is not None and view.stale:
            self._outdated(self.state.tab)
        self._place()

    # -- drawing ---------------------------------------------------------------------

    def _recolour(self, *_events: Any) -> None:
        for view in [*self.tabs.values(), self.sky, self.table]:
            self._guard(view, view.recolour)

    def galaxy(self) -> Galaxy | None:
        """The chosen galaxy; None, and a message, if it cannot be read."""
        return chosen_galaxy(self.state)

    def _draw(self, view: View, galaxy: Galaxy | None) -> None:
        view.stale = False
        self._guard(view, lambda: view.show(galaxy))

    def _guard(self, view: View, change: Any) -> None:
        """What a view raises becomes a message and, in a tab, a card in its place."""
        try:
            change()
        except GalamError as error:
            self._give_up(view, error)
        except Exception as error:
            logger.exception("the view %s cannot be drawn", view.slug)
            self._give_up(view, error)

    def _give_up(self, view: View, error: Exception) -> None:
        slug = next((slug for slug, one in self.tabs.items() if one is view), "")
        if not slug:
            self.state.notify("error", f"{view.title}: {_words(error)}")
            return
        view.close()
        self.tabs[slug] = self._broken(slug, error)
        if slug == self.state.tab:
            self._place()

    def show(self) -> None:
        """Bring every visible view to the chosen galaxy."""
        started = time.perf_counter()
        self._retry()
        for view in self.tabs.values():
            view.stale = True
        self._open_tab()
        galaxy = self.galaxy()
        with pn.io.hold():
            views = self.visible()
            for view in views:
                self._guard(view, lambda view=view: view.begin(galaxy))
            for view in views:
                self._draw(view, galaxy)
            self._place()
            took = 1000 * (time.perf_counter() - started)
            self.state.status = f"{self.state.galaxy_id}: {len(views)} views in {took:.0f} ms"
            self.bridge.done()

    def look_ahead(self) -> None:
        """The page rests: prepare the galaxies before and after the chosen one."""
        self._prepare(neighbours(self.state))

    def _prepare(self, galaxy_ids: list[str]) -> None:
        table = self.table
        pages = dict.fromkeys(one for galaxy_id in galaxy_ids for one in table.beside(galaxy_id))
        look_ahead(self.state, galaxy_ids, lambda: table.prepare(pages))


class _BrokenView(View):
    """In the place of a view that raised."""

    def __init__(self, state: ExplorerState, bridge: Bridge, title: str, text: str) -> None:
        super().__init__(state, bridge)
        advice = f"{text} Choose another galaxy or tab; this view is tried again then."
        self._layout = html_pane(
            empty_card(f"{title} cannot be shown", advice), sizing_mode="stretch_both"
        )

    def show(self, galaxy: Galaxy | None) -> None:
        """There is nothing to follow."""


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, GalamError) else f"{type(error).__name__}: {error}."


_NO_MODEL = "Start the dashboard with `galam serve --model NAME`, or train one with `galam train`."
_LEFT = {"min-height": "0"}
