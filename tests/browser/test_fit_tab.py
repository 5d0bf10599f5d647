"""The tab of stellar populations in a browser: fits arrive, cards explain, nothing is cut off."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_survey as small
from conftest import Visit

FITTED_MS = 240_000
"""The first fit of a server loads PyTorch; a loaded machine takes long for it."""

pytestmark = pytest.mark.flaky(reruns=2, reruns_delay=2)


def open_fit(visit: Visit, galaxy: str, more: str = "") -> Any:
    page = visit.open(f"?survey=small&galaxy={galaxy}&tab=fit{more}")
    page.wait_for_selector(f'[data-view="fit"][data-for="{galaxy}"]', timeout=FITTED_MS)
    return page


def wait_fitted(page: Any, galaxy: str) -> None:
    page.wait_for_selector(f'[data-fit="fitted now"][data-fitted="{galaxy}"]', timeout=FITTED_MS)


def test_a_fit_arrives_and_the_next_galaxy_says_why_it_has_none(fresh: Visit) -> None:
    page = open_fit(fresh, small.WITH_BOTH)
    wait_fitted(page, small.WITH_BOTH)
    spectrum = fresh.columns("fit-spectrum", 3)
    assert np.isfinite(np.array(spectrum["y"], float)).all()
    assert len(fresh.columns("fit-draws", 0)["x"]) == 50
    assert sum(fresh.columns("fit-weights", 0)["share"]) == pytest.approx(1)
    assert (
        "simulated truth"
        in page.locator(".badge.simulated", has_text="simulated truth").inner_text()
    )
    page.get_by_role("button", name="Next galaxy").click()
    page.wait_for_selector(f'[data-for="{small.IMAGE_ONLY}"]')
    page.wait_for_selector("text=Image only: age and metallicity")
    page.get_by_role("button", name="Previous galaxy").click()
    wait_fitted(page, small.WITH_BOTH)


def test_fit_now_and_the_table_of_the_fit(fresh: Visit) -> None:
    page = open_fit(fresh, small.WITH_BOTH)
    wait_fitted(page, small.WITH_BOTH)
    page.get_by_role("button", name="Fit now").click()
    wait_fitted(page, small.WITH_BOTH)
    drawn = fresh.columns("fit-spectrum", 3)
    menu = page.get_by_role("button", name="Export")
    menu.last.click()
    with page.expect_download(timeout=FITTED_MS) as found:
        page.get_by_role("menuitem", name="CSV table", exact=True).click()
    table = pd.read_csv(io.BytesIO(Path(found.value.path()).read_bytes()))
    assert found.value.suggested_filename == f"fit-{small.WITH_BOTH}.csv"
    np.testing.assert_allclose(table["best_fit"], drawn["y"], rtol=1e-6)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_off(fresh: Visit, theme: str) -> None:
    page = open_fit(fresh, small.WITH_BOTH, f"&theme={theme}")
    wait_fitted(page, small.WITH_BOTH)
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1500)
        names = ("spectrum", "residual", "weights", "draws")
        frames = {name: fresh.frame(f"fit-{name}") for name in names}
        for name, frame in frames.items():
            assert frame["left"] + frame["width"] <= width, name
            assert frame["top"] + frame["height"] <= height, name
            assert frame["height"] >= 40, name
        upper, lower = frames["spectrum"], frames["residual"]
        assert upper["left"] == pytest.approx(lower["left"], abs=2)
        assert upper["top"] + upper["height"] < lower["top"]
        button = page.get_by_role("button", name="Fit now").bounding_box()
        assert button["x"] + button["width"] <= width
