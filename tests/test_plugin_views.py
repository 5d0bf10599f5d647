"""A tab from outside the package, by the example of the documentation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import small_survey as small

pn = pytest.importorskip("panel")

import galam_explorer as ge  # noqa: E402
from galam_explorer import plugins  # noqa: E402
from galam_explorer.app.dashboard import Dashboard  # noqa: E402
from galam_explorer.app.layout import build_app  # noqa: E402
from galam_explorer.app.state import ExplorerState  # noqa: E402
from galam_explorer.app.views import registry  # noqa: E402
from galam_explorer.app.views.registry import TabSpec, register_view  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "colour_profile.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make_survey(tmp_path_factory.mktemp("plugin") / "small", n=12)


@pytest.fixture
def own_tabs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tabs as they were, afterwards."""
    titles = dict(registry.tab_titles())
    monkeypatch.setattr(registry, "TABS", registry.TABS)
    monkeypatch.setattr(ExplorerState.param.tab, "objects", list(titles))
    monkeypatch.setattr(plugins, "_SOURCES", {})
    monkeypatch.delitem(sys.modules, EXAMPLE.stem, raising=False)
    yield
    registry.tab_titles().clear()
    registry.tab_titles().update(titles)
    sys.modules.pop(EXAMPLE.stem, None)


@pytest.fixture
def plugin(own_tabs: None) -> ModuleType:
    pn.config.respect_explicit_sizing = True
    pn.extension("tabulator")
    return ge.load_plugin(EXAMPLE)


@pytest.fixture
def dashboard(plugin: ModuleType, folder: Path) -> Dashboard:
    return Dashboard({"small": str(folder)}, {"tab": "colour-profile"})


def test_profile_is_that_of_the_picture(plugin: ModuleType) -> None:
    y, x = np.indices((64, 64)) - 31.5
    image = np.zeros((64, 64, 3), np.uint8)
    image[np.hypot(x, y) < 16] = (200, 100, 50)
    table = plugin.colour_profile(image, 0.4)
    assert table["radius"].iloc[-1] == pytest.approx(0.4 * 32, rel=0.03)
    inner, outer = table["radius"] < 0.4 * 14.5, table["radius"] > 0.4 * 17.5
    assert (table.loc[inner, ["i", "r", "g"]] == (200, 100, 50)).all(axis=None)
    assert (table.loc[outer, ["i", "r", "g"]] == 0).all(axis=None)
    tiny = plugin.colour_profile(image[:3, :3], 0.4)
    assert 1 <= len(tiny) <= 24


def test_tab_is_there_and_follows_the_galaxy(dashboard: Dashboard) -> None:
    state = dashboard.state
    assert list(dashboard.workspace.specs)[:2] == ["galaxy", "colour-profile"]
    assert state.tab == "colour-profile"  # the link named it
    view = dashboard.workspace.tabs["colour-profile"]
    first, seen = state.galaxy_id, view.profile
    assert first in view._head.object
    with_image = np.flatnonzero(state.data.catalog["has_cutout"])
    other = next(one for one in state.data.ids[with_image] if one != first)
    state.select(other)
    assert other in view._head.object
    assert not view.profile.equals(seen)
    drawn = view._figure._sources[0].data["level"]
    assert np.allclose(drawn, view.profile["i"])
    state.theme = "dark"
    assert view._figure.figure.name == "colour-profile"


def test_tab_exports_and_shows_its_code(dashboard: Dashboard) -> None:
    view, saved = dashboard.workspace.tabs["colour-profile"], {}
    view.bridge.save = lambda data, name, mime: saved.update({name: data})
    for form in ("csv", "ecsv", "fits", "votable", "html"):
        view.export(form)
    stem = f"colour-profile-{dashboard.state.galaxy_id}"
    assert {Path(name).stem for name in saved} == {stem}
    assert b"arcsec" in saved[f"{stem}.ecsv"]
    assert b"radius" in saved[f"{stem}.csv"]
    names: dict[str, Any] = {}
    exec(view.code(), names)
    curve = names["figure"].get(0)
    assert np.allclose(curve.dimension_values("level"), view.profile["i"])


def test_galaxy_without_an_image_is_no_blank_tab(dashboard: Dashboard) -> None:
    view = dashboard.workspace.tabs["colour-profile"]
    view.show(None)
    assert "No galaxy is chosen" in view._head.object
    with pytest.raises(GalamError, match="no profile to export"):
        view.table()


def test_page_loads_what_the_environment_names(
    own_tabs: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALAM_PLUGINS", str(EXAMPLE))
    build_app(str(folder))
    assert "colour-profile" in registry.tab_titles()
    monkeypatch.setenv("GALAM_PLUGINS", "nowhere.py")
    build_app(str(folder))  # says so, and is a page all the same


def test_tabs_are_checked_when_they_are_registered(own_tabs: None) -> None:
    here = f"{__name__}:Anything"
    for spec, after, words in (
        (TabSpec("Big Slug", "A", here), "", "small letters"),
        (TabSpec("mine", " ", here), "", "title"),
        (TabSpec("mine", "A", __name__), "", "MODULE:CLASS"),
        (TabSpec("galaxy", "A", here), "", "a tab of this slug already"),
        (TabSpec("mine", "A", "no_such_module_at_all:View"), "", "no such module"),
        (TabSpec("mine", "A", here), "nowhere", "no tab 'nowhere'"),
    ):
        with pytest.raises(GalamError, match=words):
            register_view(spec, after)
    before = [tab.slug for tab in registry.TABS]
    register_view(TabSpec("mine", "Mine", here), after="fit")
    register_view(TabSpec("mine", "Mine, again", here))
    assert [tab.slug for tab in registry.TABS] == [*before, "mine"]
    assert list(registry.tab_titles().values())[-1] == "Mine, again"
    assert ExplorerState.param.tab.objects[-1] == "mine"
