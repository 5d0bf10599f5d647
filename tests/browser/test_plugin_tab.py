"""A tab from outside the package on a served page: the example of the documentation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE_MS, ROOT, free_port, start_visit, wait_until_served

pytestmark = pytest.mark.flaky(reruns=2, reruns_delay=2)


@pytest.fixture(scope="module")
def address(surveys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("plugin") / "log"
    command = [sys.executable, "-m", "galam_explorer", "serve", "--port", str(port)]
    command += ["--survey", str(surveys["small"]), "--plugin", "docs/examples/colour_profile.py"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)
    wait_until_served(process, port, log)
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    process.wait(timeout=PATIENCE_MS / 1000)


def test_tab_follows_the_galaxy_and_exports(browser: Any, address: str) -> None:
    visit = start_visit(browser, address)
    page = visit.open("?tab=colour-profile")
    head = page.locator("[data-view=colour-profile]")
    head.wait_for(timeout=PATIENCE_MS)
    before, levels = head.inner_text(), visit.columns("colour-profile", 0)["level"]
    assert max(levels) > 20
    page.locator(".galam-search input").blur()
    page.keyboard.press("j")
    page.wait_for_function(
        "(old) => document.querySelector('[data-view=colour-profile]')?.innerText !== old",
        arg=before, timeout=PATIENCE_MS,
    )  # fmt: skip
    page.get_by_role("button", name="Export").last.click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="CSV table", exact=True).click()
    assert download.value.suggested_filename.startswith("colour-profile-")
    assert Path(download.value.path()).read_text().startswith("radius,i,r,g")
    assert visit.outside == []
    assert visit.errors == []
    page.context.close()
