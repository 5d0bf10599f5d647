"""The tabs of the dashboard: one line each, and the contract of their views.

**To add a tab** write ``app/views/NAME.py`` with a subclass of
`galam_explorer.app.views.base.View` and add one line to `TABS` (a line whose
module is not there is left out of the page). The class is imported and built
when its tab is first opened, so a view may import torch at the top of its
module's functions without slowing the first page.

A view
    - sets the class attributes ``title`` and ``slug`` (the slug is the tab's
      name in links; ``data-view="SLUG"`` on its main markup helps tests);
    - builds its widgets in ``__init__(self, state, bridge=None)``, calling
      ``super().__init__(state, bridge)`` first, and leaves them in
      ``self._layout`` (``__panel__`` of the base class shows it; do not
      override that);
    - implements ``show(galaxy)``: `Galaxy` or None, called for the chosen
      galaxy whenever the tab is open and again when the model, or what the view
      named in ``follows`` (parameters of the state), has changed. It must be
      quick (under 50 ms): what takes longer runs through
      `galam_explorer.app.background.compute` and comes back by callback;
    - watches other parameters of the state with ``self.watch(function,
      "name", ...)``, chooses galaxies with ``state.select(id)`` and sets with
      ``state.set_cohort(ids)``, and tells the user things with
      ``state.notify(kind, text)``; it never keeps a row number;
    - draws with pure functions of ``galam_explorer.evaluate.figures`` through
      `galam_explorer.app.live.LiveFigure` (new data: ``update``; other colours:
      ``redraw`` in ``recolour()``); figure names must be unique on the page;
    - offers ``figure_names()``, ``element()``, ``table()`` and ``code()`` for
      export, and puts ``self.menu()`` into its title row;
    - with ``needs_model``, is built only once ``state.model`` is there; the
      page shows why it is not.

Whatever a view raises while it is built or drawn becomes a card with the
message in its place, and a toast: never a blank tab.

**In a notebook** every view stands alone: ``GalaxyView.from_survey("demo",
galaxy="sim-000123", model="demo")`` as the last line of a cell shows it, and
``view.state.select(...)`` drives it. ``GalaxyView(state)`` does the same with a
state that other views share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["PLANNED", "TABS", "TabSpec", "tab_titles"]

_VIEWS = "galam_explorer.app.views"


@dataclass(frozen=True)
class TabSpec:
    """One tab.

    Parameters
    ----------
    slug : str
        Its name in links.
    title : str
        Its heading.
    where : str
        ``module:Class`` of its view.
    needs_model : bool
        Whether the view can be built only with a model.
    early : bool
        Built in the background soon after the page is up.
    """

    slug: str
    title: str
    where: str
    needs_model: bool = False
    early: bool = False

    def load(self) -> type[Any]:
        """Import the view's class."""
        module, name = self.where.split(":")
        return getattr(import_module(module), name)

    @property
    def exists(self) -> bool:
        """Whether the view's module is installed (it is not imported)."""
        return find_spec(self.where.split(":")[0]) is not None


PLANNED: tuple[TabSpec, ...] = (
    TabSpec("galaxy", "Galaxy", f"{_VIEWS}.galaxy:GalaxyView", early=True),
    TabSpec("preprocessing", "Preprocessing", f"{_VIEWS}.filmstrip:Filmstrip", early=True),
    TabSpec("fit", "Fit", f"{_VIEWS}.fit:FitView"),
    TabSpec("features", "Features", f"{_VIEWS}.features:FeaturesView", needs_model=True),
    TabSpec("attention", "Attention", f"{_VIEWS}.attention:AttentionView", needs_model=True),
    TabSpec("population", "Population", f"{_VIEWS}.population:PopulationView"),
    TabSpec("tables", "Tables", f"{_VIEWS}.tables:TablesView"),
    TabSpec("training", "Training", f"{_VIEWS}.training:TrainingView"),
    TabSpec("yours", "Your galaxy", f"{_VIEWS}.yours:YoursView"),
    TabSpec("learn", "Learn", f"{_VIEWS}.learn:LearnView"),
)

TABS: tuple[TabSpec, ...] = tuple(tab for tab in PLANNED if tab.exists)


@cache
def tab_titles() -> dict[str, str]:
    """Slug to heading."""
    return {tab.slug: tab.title for tab in TABS}
