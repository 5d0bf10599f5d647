"""The what-if tab in a browser: sliders move predictions, a sweep traces a path, nothing is cut."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_survey as small
from conftest import Visit

LOADED_MS = 240_000
"""The first prediction of a server loads PyTorch and the model."""

pytestmark = pytest.mark.flaky(reruns=2, reruns_delay=2)


def open_tab(visit: Visit, galaxy: str, more: str = "") -> Any:
    page = visit.open(f"?survey=small&galaxy={galaxy}&tab=whatif{more}")
    page.wait_for_selector(f'[data-view="whatif"][data-shown="{galaxy}"]', timeout=LOADED_MS)
    return page


def slider(page: Any, label: str) -> Any:
    return page.get_by_role("slider", name=label).first


def asked(page: Any, start: str) -> str:
    """Wait until the page shows the answer to a question that begins so."""
    found = page.wait_for_selector(f'[data-view="whatif"][data-what^="{start}"]', timeout=LOADED_MS)
    return str(found.get_attribute("data-what"))


def ages(visit: Visit) -> list[float]:
    """Log ages after the change, by predictor from the top: M1, M3, M4, M4 real."""
    return [float(one) for one in visit.columns("whatif-log_age", 6)["x"]]


def wait_for(page: Any, condition: Any) -> None:
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never happened")


def settled(visit: Visit) -> list[float]:
    """Ages once they have not changed for a while: moves between may be answered too."""
    last, since = ages(visit), 0
    for _ in range(1200):
        visit.page.wait_for_timeout(100)
        now = ages(visit)
        since = since + 1 if now == last else 0
        if since == 20:
            return now
        last = now
    raise AssertionError("the answers never come to rest")


def test_noise_moves_the_predictions_and_a_sweep_traces_their_path(fresh: Visit) -> None:
    page = open_tab(fresh, small.WITH_BOTH)
    assert "Nothing is changed" in page.locator("text=Nothing is changed").first.inner_text()
    before = ages(fresh)
    knob = slider(page, "S/N in r")
    knob.focus()
    for _ in range(25):  # quick moves are joined
        knob.press("ArrowLeft")
    asked(page, "WhatIf(sn=")
    page.wait_for_selector("text=Simulated noise added")
    wait_for(page, lambda: ages(fresh)[0] != before[0])
    after = settled(fresh)
    np.testing.assert_allclose(after[1:3], before[1:3], atol=1e-5)
    assert after[3] != before[3]

    page.get_by_role("button", name="Sweep").click()
    page.wait_for_selector('[data-path="swept"]', timeout=LOADED_MS)
    wait_for(page, lambda: len(fresh.columns("whatif-path", 6)["x"]) == 8)
    path = fresh.columns("whatif-path", 6)
    assert path["x"][-1] == pytest.approx(min(5.0, path["x"][0] / 2))
    assert np.isfinite(path["y"]).all()

    page.get_by_role("button", name="Export").last.click()
    with page.expect_download() as found:
        page.get_by_role("menuitem", name="CSV table", exact=True).click()
    table = pd.read_csv(io.BytesIO(Path(found.value.path()).read_bytes()))
    altered = table[(table["part"] == "altered") & (table["predictor"] == "m1")]
    assert altered["log_age"].iloc[0] == pytest.approx(after[0], abs=1e-5)
    page.get_by_role("button", name="Export").last.click()
    page.get_by_role("menuitem", name="Python code", exact=True).click()
    text = page.locator("#code-text").inner_text()
    names: dict[str, Any] = {}
    exec(compile(text.replace("\nfigure\n", "\n"), "page", "exec"), names)
    assert names["after"].predictions["m1"].log_age == pytest.approx(after[0], abs=1e-4)
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_selector('[data-view="whatif"][data-what="WhatIf()"]')
    wait_for(page, lambda: np.allclose(ages(fresh), before, atol=1e-5))


def test_bands_and_what_a_galaxy_lacks(fresh: Visit) -> None:
    page = open_tab(fresh, small.WITH_BOTH)
    before = ages(fresh)
    page.get_by_role("checkbox", name="g", exact=True).click()
    assert "missing=('g',)" in asked(page, "WhatIf(missing")
    wait_for(page, lambda: not np.allclose(ages(fresh)[1:], before[1:], atol=1e-4))
    assert ages(fresh)[0] == pytest.approx(before[0], abs=1e-5)
    for galaxy, text in (
        (small.IMAGE_ONLY, "No spectrum: there is nothing"),
        (small.SPECTRUM_ONLY, "No image: size, bands and mask"),
        (small.REJECTED, "Image not used"),
    ):
        fresh.go(galaxy)
        page.wait_for_selector(f'[data-view="whatif"][data-shown="{galaxy}"]', timeout=LOADED_MS)
        page.wait_for_selector(f"text={text}")
    fresh.go(small.IMAGE_ONLY)
    page.wait_for_selector(f'[data-shown="{small.IMAGE_ONLY}"]')
    assert slider(page, "S/N in r").is_disabled()


def test_nothing_is_cut_off(fresh: Visit) -> None:
    page = open_tab(fresh, small.WITH_BOTH, "&theme=dark")
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1500)
        names = ("spectrum", "before", "after", "log_age", "m_h", "path")
        frames = {name: fresh.frame(f"whatif-{name}") for name in names}
        for name, frame in frames.items():
            assert frame["left"] + frame["width"] <= width, name
            assert frame["top"] + frame["height"] <= height, name
            assert frame["height"] >= 40, (name, json.dumps(frame))
        for label in ("Reset", "Sweep"):
            button = page.get_by_role("button", name=label, exact=True).bounding_box()
            assert button["x"] + button["width"] <= width
            assert button["y"] + button["height"] <= height
