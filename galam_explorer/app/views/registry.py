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
      ``redraw`` in ``recolour()``); figure names must be unique on the page. Figures
      that are empty at first can be named in ``blanks`` and made by ``self.live(name)``:
      they are drawn once for all sessions then;
    - offers ``figure_names()``, ``element()``, ``table()`` and ``code()`` for
      export, and puts ``self.menu()`` into its title row;
    - with ``needs_model``, is built only once ``state.model`` is there; the
      page shows why it is not.

**To add a tab from outside** the package do the same in a module of your own, and
call `register_view` there. The module is a plugin: the dashboard shows its tab
when it is named (``galam serve --plugin FILE``, GALAM_PLUGINS, or
`galam_explorer.load_plugin` before `Explorer`); docs/add-a-view.md has an example.

Whatever a view raises while it is built or drawn becomes a card with the
message in its place, and a toast: never a blank tab.

**In a notebook** every view stands alone: ``GalaxyView.from_survey("demo",
galaxy="sim-000123", model="demo")`` as the last line of a cell shows it, and
``view.state.select(...)`` drives it. ``GalaxyView(state)`` does the same with a
state that other views share.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from galam_explorer.errors import GalamError

__all__ = ["PLANNED", "TABS", "TabSpec", "register_view", "tab_titles"]

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
        module = self.where.split(":")[0]
        # A plugin that is a single file is loaded, but cannot be found by its name.
        return module in sys.modules or find_spec(module) is not None


PLANNED: tuple[TabSpec, ...] = (
    TabSpec("galaxy", "Galaxy", f"{_VIEWS}.galaxy:GalaxyView", early=True),
    TabSpec("preprocessing", "Preprocessing", f"{_VIEWS}.filmstrip:Filmstrip", early=True),
    TabSpec("fit", "Fit", f"{_VIEWS}.fit:FitView"),
    TabSpec("features", "Features", f"{_VIEWS}.features:FeaturesView", needs_model=True),
    TabSpec("attention", "Attention", f"{_VIEWS}.attention:AttentionView", needs_model=True),
    TabSpec("whatif", "What if", f"{_VIEWS}.whatif:WhatIfView", needs_model=True),
    TabSpec("population", "Population", f"{_VIEWS}.population:PopulationView"),
    TabSpec("tables", "Tables", f"{_VIEWS}.tables:TablesView"),
    TabSpec("training", "Training", f"{_VIEWS}.training:TrainingView"),
    TabSpec("yours", "Your galaxy", f"{_VIEWS}.yours:YoursView"),
    TabSpec("learn", "Learn", f"{_VIEWS}.learn:LearnView"),
)

TABS: tuple[TabSpec, ...] = tuple(tab for tab in PLANNED if tab.exists)


_TITLES: dict[str, str] = {tab.slug: tab.title for tab in TABS}


def tab_titles() -> dict[str, str]:
    """Slug to heading; always the same mapping, which `register_view` adds to."""
    return _TITLES


def register_view(spec: TabSpec, after: str = "") -> None:
    """Add a tab to pages that are opened from now on.

    Parameters
    ----------
    spec : TabSpec
        ``where`` is usually ``f"{__name__}:MyView"``; the class is looked up when the
        tab is first opened. A plugin may register its own tab again.
    after : str
        Slug of the tab that it stands behind; by default it is the last.

    Raises
    ------
    GalamError
        On a slug that is not allowed or taken, no title, a module that is not there, or
        an unknown `after`.
    """
    global TABS
    _check_spec(spec)
    others = [tab for tab in TABS if tab.slug != spec.slug]
    order = [tab.slug for tab in others]
    if after and after not in order:
        raise GalamError(f"there is no tab {after!r} to stand behind", spec.slug)
    place = order.index(after) + 1 if after else len(others)
    TABS = (*others[:place], spec, *others[place:])
    _TITLES.clear()
    _TITLES.update({tab.slug: tab.title for tab in TABS})
    # The state lists the tabs that a page may open.
    from galam_explorer.app.state import ExplorerState

    ExplorerState.param.tab.objects = list(_TITLES)


def _check_spec(spec: TabSpec) -> None:
    """Raise `GalamError` unless a tab may be added."""
    module, _, name = spec.where.partition(":")
    where = f"the view {spec.slug!r} of {module}"
    if not re.fullmatch(r"[a-z][a-z0-9-]*", spec.slug):
        raise GalamError("its slug has other than small letters, digits, hyphens", where)
    if not spec.title.strip() or not name.isidentifier():
        raise GalamError("it needs a title, and MODULE:CLASS", where)
    known = {tab.slug: tab for tab in (*PLANNED, *TABS)}
    owner = known[spec.slug].where.partition(":")[0] if spec.slug in known else module
    if owner != module:
        raise GalamError(f"there is a tab of this slug already ({owner})", where, "rename it")
    if not spec.exists:
        raise GalamError("there is no such module", where)
