"""Figures that are drawn once: a copy is equal, independent, and has its own ids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import pytest
import small_survey as small
from bokeh.model import Model
from bokeh.models import CustomJS

pn = pytest.importorskip("panel")

from galam_explorer.app import live  # noqa: E402
from galam_explorer.app.drawing import draw, draw_like  # noqa: E402
from galam_explorer.app.live import LiveFigure  # noqa: E402
from galam_explorer.app.state import ExplorerState  # noqa: E402
from galam_explorer.app.views import whatif_figures  # noqa: E402
from galam_explorer.app.views.attention import AttentionView  # noqa: E402
from galam_explorer.app.views.features import FeaturesView  # noqa: E402
from galam_explorer.app.views.filmstrip import Filmstrip  # noqa: E402
from galam_explorer.app.views.fit import FitView  # noqa: E402
from galam_explorer.app.views.galaxy import GalaxyView  # noqa: E402
from galam_explorer.app.views.training import TrainingView  # noqa: E402
from galam_explorer.app.views.whatif_figures import QUANTITIES, WhatIfFigures  # noqa: E402
from galam_explorer.evaluate.figures.cutout import cutout_figure  # noqa: E402
from galam_explorer.evaluate.figures.sky import sky_figure  # noqa: E402
from galam_explorer.evaluate.figures.whatif import Against  # noqa: E402

hv.extension("bokeh")


def sky() -> hv.Overlay:
    place = np.linspace(10, 350, 40)
    return sky_figure(place, place / 10, place, "z", current=None, cohort=np.array([], dtype=int))


def image() -> hv.Overlay:
    return cutout_figure(np.zeros((32, 32, 3), np.uint8), oriented=True)


def contents(figure: Any) -> list[str]:
    """All models of a figure with what they say, but for their ids."""
    return sorted(
        f"{type(one).__name__} {described(properties(one))}" for one in figure.references()
    )


def properties(model: Model) -> dict[str, Any]:
    return model.properties_with_values(include_defaults=True)


def described(value: Any) -> str:
    if isinstance(value, Model):
        return f"<{type(value).__name__}>"
    if isinstance(value, np.ndarray):
        return described(value.tolist())
    if isinstance(value, dict):
        return str(sorted((str(name), described(one)) for name, one in value.items()))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(described, value))}]"
    return re.sub(r"id='p\d+'", "id", repr(value))


@pytest.mark.parametrize("make", [sky, image])
def test_a_copy_is_as_the_first_and_has_ids_of_its_own(make: Any) -> None:
    key = ("test", make.__name__)
    first, second = draw_like(key, make), draw_like(key, lambda: pytest.fail("drawn again"))
    assert contents(first.figure) == contents(second.figure)
    assert contents(first.figure) == contents(draw(make()).figure)
    ids = [{model.id for model in one.figure.references()} for one in (first, second)]
    assert len(ids[0]) == len(ids[1]) > 40
    assert ids[0].isdisjoint(ids[1])


def test_layers_keep_their_order_and_are_changed_alone() -> None:
    first, second = (draw_like("test layers", sky) for _ in range(2))
    plain = draw(sky())
    assert [sorted(one.data) for one in first.sources] == [
        sorted(one.data) for one in plain.sources
    ]
    assert all(one in first.figure.references() for one in first.sources)
    before = [dict(one.data) for one in second.sources]
    for source in first.sources:
        source.data = {name: [] for name in source.data}
    first.figure.x_range.start = -99
    assert [list(one.data) for one in second.sources] == [list(one) for one in before]
    assert sum(len(next(iter(one.data.values()))) for one in second.sources) > 40
    assert second.figure.x_range.start != -99


def test_what_a_page_adds_to_its_figure_is_its_own() -> None:
    def prepare(figure: Any) -> None:
        figure.on_event("tap", lambda _event: None)
        figure.js_on_event("mousemove", CustomJS(args={"fig": figure}, code="fig"))

    with_events = LiveFigure(sky, "a", prepare, like="test events")
    without = LiveFigure(sky, "b", like="test events")
    assert with_events.handlers
    assert not without.handlers
    assert not without.figure.js_event_callbacks
    assert (with_events.figure.name, without.figure.name) == ("a", "b")
    # A later drawing in other colours is not shared.
    with_events.redraw(image())
    assert len(without._sources) == len(draw(sky()).sources)


class Queue:
    """A document that is locked by somebody else until `open`."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.closed = False

    def __call__(self, change: Any) -> None:
        if self.closed:
            self.waiting.append(change)
        else:
            change()

    def open(self) -> None:
        self.closed = False
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    queue = Queue()
    monkeypatch.setattr(live, "when_locked", queue)
    return queue


def ring(x: float) -> dict[str, Any]:
    return {"x": [x], "y": [0.0]}


def test_what_was_asked_for_later_stays_even_if_it_came_first(queue: Queue) -> None:
    figure = LiveFigure(sky, "late")
    count = len(figure._sources)
    queue.closed = True
    figure.update([None] * (count - 2) + [ring(1.0), ring(1.0)], {"limits": (0, 1, 0, 1)})
    figure.update_layer(count - 2, ring(2.0))
    queue.closed = False
    figure.update([None] * (count - 1) + [ring(3.0)], {"limits": (0, 3, 0, 3)})
    queue.open()
    # Of the first call only what nobody has changed since.
    assert [one.data["x"] for one in figure._sources[-2:]] == [[2.0], [3.0]]
    assert figure.figure.tags == [[0, 3, 0, 3]]


def test_what_waits_for_a_figure_that_was_drawn_anew_is_dropped(queue: Queue) -> None:
    figure = LiveFigure(sky, "anew")
    sources = [None] * (len(figure._sources) - 1) + [ring(1.0)]
    queue.closed = True
    figure.update(sources, {"limits": (0, 1, 0, 1)})
    queue.closed = False
    figure.redraw(image())
    before = [dict(one.data) for one in figure._sources]
    queue.open()
    assert [dict(one.data) for one in figure._sources] == before


def test_options_do_not_bring_back_the_galaxy_before(tmp_path: Path) -> None:
    pn.extension("tabulator")
    folder = small.make_survey(tmp_path / "small", n=6)
    state = ExplorerState({"small": str(folder)})
    state.restore({})
    view = GalaxyView(state)
    first, second = small.WITH_BOTH, small.SPECTRUM_ONLY
    view.show(state.data.galaxy(first))
    state.galaxy_id = first
    flux = view._spectrum._sources[2].data
    # Chosen, not drawn yet: the drawing comes, with the new option.
    state.galaxy_id = second
    state.rest_frame = True
    assert view._spectrum._sources[2].data is flux
    view.show(state.data.galaxy(second))
    assert view._spectrum._sources[2].data is not flux
    drawn = view._spectrum.figure.x_range.end
    state.rest_frame = False
    assert view._spectrum.figure.x_range.end > drawn


@pytest.mark.parametrize("view", [AttentionView, FeaturesView, Filmstrip, FitView, TrainingView])
@pytest.mark.parametrize("dark", [False, True])
def test_what_one_session_has_drawn_is_not_drawn_again(view: Any, dark: bool) -> None:
    names = list(view.blanks(dark))
    makers = view.blanks(dark)
    first = [LiveFigure(makers[name], name, like=(view.slug, name, dark)) for name in names]
    again = [LiveFigure(never, name, like=(view.slug, name, dark)) for name in names]
    assert len(names) > 1
    assert len({one.figure.id for one in [*first, *again]}) == 2 * len(names)
    for one, other in zip(first, again, strict=True):
        assert contents(one.figure) == contents(other.figure)


def never(*_: Any) -> hv.Overlay:
    raise AssertionError("it is drawn again")


def test_the_figures_of_what_if_are_shared_by_models_that_predict_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    WhatIfFigures(("m1", "m4"), dark=False)
    monkeypatch.setattr(whatif_figures, "_blank", never)
    figures = WhatIfFigures(("m1", "m4"), dark=False)
    assert figures["log_age"].figure.id != figures["m_h"].figure.id
    with pytest.raises(AssertionError, match="drawn again"):
        figures.show(None, None, dict.fromkeys(QUANTITIES, Against()), ("m1",))
