"""A page's models are the same, found sooner."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_survey as small
from fake_model import FakeModel, until

pn = pytest.importorskip("panel")

from bokeh.core.has_props import HasProps  # noqa: E402
from bokeh.core.properties import AnyRef, Either, Instance, Int, List, Nullable, Override  # noqa: E402
from bokeh.model import Model, util  # noqa: E402
from bokeh.models import Range1d  # noqa: E402

from galam_explorer.app import quick_models  # noqa: E402
from galam_explorer.app.dashboard import Dashboard  # noqa: E402


class Probe(Model):
    """Every kind of default."""

    nothing = Nullable(Instance(Range1d))
    made = Instance(Range1d, default=lambda: Range1d(0, 1))
    listed = List(Instance(Range1d), default=lambda: [Range1d(1, 2), Range1d(2, 3)])
    some = Either(Int, Instance(Range1d), default=3)
    anything = AnyRef(default=None)


class Changed(Probe):
    """A class that changes a default."""

    nothing = Override(default=lambda: Range1d(5, 6))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        util, "visit_immediate_value_references", util.visit_immediate_value_references
    )
    quick_models.quicken_models()


def found(model: HasProps) -> list[str]:
    return [one.id for one in util.collect_models(model)]


@pytest.mark.parametrize("kind", [Probe, Changed])
def test_defaults_that_are_models_are_found(kind: type[Probe], quick: None) -> None:
    probe = kind()
    assert len(found(probe)) == (4 if kind is Probe else 5)
    probe.some, probe.anything = Range1d(7, 8), {"deep": [Range1d(8, 9)]}
    assert len(found(probe)) == (6 if kind is Probe else 7)


def test_a_page_has_the_same_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pn.extension("tabulator")
    dashboard = Dashboard({"small": str(small.make_survey(tmp_path / "small", n=8))}, {})
    dashboard.state.use_model(FakeModel())
    until(lambda: dashboard.workspace.tabs["galaxy"].strip.found.predictions)
    root = pn.Row(dashboard.left, dashboard.right).get_root()
    before = found(root)
    with monkeypatch.context() as patch:
        patch.setattr(util, "visit_immediate_value_references", quick_models._visit)
        assert found(root) == before
    assert len(before) > 400
