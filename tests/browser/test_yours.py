"""A user's own files in a browser: dropped, added, and shown by every tab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ppxf
import pytest
from conftest import Visit

WAIT_MS = 60_000
NGC3522 = Path(ppxf.__file__).parent / "spectra" / "NGC3522_SDSS_DR18.fits"

pytestmark = pytest.mark.flaky(reruns=2, reruns_delay=2)


def drop(page: Any, files: list[Path]) -> None:
    page.wait_for_selector('[data-view="yours"]', timeout=WAIT_MS)
    page.wait_for_selector(".filepond--root input[type=file]", state="attached", timeout=WAIT_MS)
    page.locator(".filepond--root input[type=file]").set_input_files([str(one) for one in files])
    for file in files:
        page.wait_for_selector(f".filepond--file-info >> text={file.name}", timeout=WAIT_MS)
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Add", exact=True).click()


def wait_added(page: Any, count: int) -> None:
    page.wait_for_selector(f'[data-yours="{count}"]', timeout=WAIT_MS)


def open_galaxy_tab(page: Any) -> None:
    page.get_by_role("tab", name="Galaxy", exact=True).click()


def test_a_dropped_spectrum_is_shown_by_the_galaxy_tab(fresh: Visit) -> None:
    page = fresh.open("?tab=yours")
    drop(page, [NGC3522])
    wait_added(page, 1)
    open_galaxy_tab(page)
    page.wait_for_selector("text=/0\\.0041|0\\.0040/", timeout=WAIT_MS)
    page.wait_for_selector("text=/[0-9,]+ px · .* suspect/", timeout=WAIT_MS)


@pytest.mark.parametrize("name", ["0390-51900-0104", "1542-53734-0440"])
def test_a_real_pair_becomes_one_galaxy(fresh: Visit, shared_data: Path, name: str) -> None:
    folder = shared_data / "sdss" / "pairs"
    page = fresh.open("?tab=yours")
    drop(page, [folder / f"spec-{name}.fits", folder / f"image-{name}.jpg"])
    wait_added(page, 1)
    open_galaxy_tab(page)
    page.wait_for_selector(f"text={name}", timeout=WAIT_MS)


def test_a_file_that_is_nothing_of_ours_is_one_message(fresh: Visit, tmp_path: Path) -> None:
    bad = tmp_path / "broken.fits"
    bad.write_bytes(b"SIMPLE  =                    T" + bytes(3000))
    page = fresh.open("?tab=yours")
    drop(page, [bad])
    page.wait_for_selector("li:has-text('broken.fits')", timeout=WAIT_MS)
    assert page.locator("[data-yours]").count() == 0
