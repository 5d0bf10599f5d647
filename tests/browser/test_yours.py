"""A user's own files and SDSS in a browser: added, flagged, and shown by every tab."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ppxf
import pytest
from bad_files import gzip_bomb, huge_png, lying_fits
from conftest import PATIENCE_MS, Visit, serve
from sdss_standin import StandIn, entries, simulated_entry

from galam_explorer.config.fetch import MIRRORS

SPECTRA = Path(ppxf.__file__).parent / "spectra"
NGC3522 = "2488-54149-0001"
FLAG = "outside the training domain"
SDSS_PAIRS = ("0389-51795-0269", "0390-51900-0104", "1291-52735-0285", "1542-53734-0440")
LEGACY_PAIRS = (
    "0266-51630-0215",
    "0266-51630-0486",
    "0267-51608-0413",
    "0268-51633-0074",
    "0268-51633-0251",
)
BLENDED = ("0266-51630-0486", "0267-51608-0413")
"""Those of them whose image the preprocessing rejects: no network sees it."""
UNBLENDED = tuple(name for name in LEGACY_PAIRS if name not in BLENDED)
NUMBER = re.compile(r"[-+−]?\d+\.\d")
"""What is measured or predicted has decimals; ids, counts and labels of steps have none."""
MB = 2**20


@dataclass
class Server:
    """The dashboard on this machine, and the SDSS that it knows."""

    address: str
    pid: int
    sdss: StandIn

    def peak(self) -> int:
        """Most memory that its process ever held, bytes."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s*(\d+) kB", text)[1]) * 1024


@pytest.fixture(scope="module")
def here(surveys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    near = [simulated_entry(40 + k, ra=200.0, dec=30.0 + 4 * k / 3600) for k in range(2)]
    with StandIn(entries(2) + near) as sdss, pytest.MonkeyPatch.context() as patch:
        config = sdss.config()
        for field, name in MIRRORS.items():
            patch.setenv(name, getattr(config, field))
        log = tmp_path_factory.mktemp("log") / "server.log"
        process, address = serve(str(surveys["small"]), log)
        # The first page imports everything: a browser need not wait for that.
        with urllib.request.urlopen(address, timeout=300) as answer:
            answer.read()
        yield Server(address, process.pid, sdss)
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def server(here: Server) -> tuple[str, Path]:
    """In place of the one of all browser tests: it asks the SDSS of this module."""
    return here.address, Path()


@pytest.fixture(autouse=True)
def all_is_well(here: Server) -> None:
    here.sdss.fault = lambda service, key, attempt: None


# Texts of the open tab in reading order, through all shadow roots; what is hidden is left out.
READ = """() => {
  const found = []
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const text = node.textContent.trim(), range = document.createRange()
      range.selectNode(node)
      if (text && range.getClientRects().length > 0) found.push(text)
      return
    }
    if (node.nodeType === Node.ELEMENT_NODE) {
      if (['STYLE', 'SCRIPT', 'CANVAS'].includes(node.tagName)) return
      const style = getComputedStyle(node)
      if (style.display === 'none' || style.visibility === 'hidden') return
      if (node.tagName === 'SLOT') { node.assignedNodes().forEach(walk); return }
      if (node.getAttribute('role') === 'tablist') found.push('@tabs')
    }
    const inside = node.shadowRoot || node
    inside.childNodes.forEach(walk)
  }
  walk(document.body)
  return found
}"""


def read_tab(page: Any) -> str:
    """Text of the open tab, below the tabs' headings and above the status line."""
    found = page.evaluate(READ)
    last = len(found) - 1 - found[::-1].index("@tabs")
    text = "\n".join(found[last:])
    return text[text.index("Learn") :]


def drop(page: Any, files: list[Path]) -> None:
    """Give files to the dropper, and wait until all of them are on the server."""
    page.wait_for_selector('[data-view="yours"]', timeout=PATIENCE_MS)
    entry = page.locator(".filepond--root input[type=file]")
    entry.wait_for(state="attached", timeout=PATIENCE_MS)
    entry.set_input_files([str(one) for one in files])
    page.wait_for_selector(f'[data-here="{len(files)}"]', timeout=PATIENCE_MS)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def added(page: Any, name: str) -> str:
    """Wait until a galaxy is open and compared with the training; how that came out."""
    done = f'[data-mine="{name}"]:not([data-domain="waiting"])'
    page.wait_for_selector(done, timeout=2 * PATIENCE_MS)
    return str(page.locator(done).get_attribute("data-domain"))


def bring(visit: Visit, files: list[Path], name: str) -> str:
    """Drop and add files; whether the galaxy is in the training domain."""
    visit.tab("Your galaxy")
    drop(visit.page, files)
    press(visit.page, "Add")
    return added(visit.page, name)


def show(visit: Visit, title: str, mark: str) -> str:
    """Open a tab, wait until it shows what `mark` selects, and read it."""
    visit.tab(title)
    visit.page.wait_for_selector(mark, timeout=2 * PATIENCE_MS)
    return read_tab(visit.page)


def glance(visit: Visit, name: str) -> str:
    """Open the galaxy and its preprocessing; the verdict."""
    said = show(visit, "Galaxy", f'[data-strip="{name}"]:not(:has-text("predicting"))')
    assert "No spectrum" not in said
    assert "No image" not in said
    show(visit, "Preprocessing", f'[data-verdict]:has-text("{name}")')
    return str(visit.page.locator("[data-verdict]").get_attribute("data-verdict"))


def tour(visit: Visit, name: str, spectrum: bool, image: bool, fit: bool = True) -> dict[str, str]:
    """What every tab says of a galaxy; each must show it or say why it cannot."""
    said = {
        "id": name,
        "Galaxy": show(visit, "Galaxy", f'[data-strip="{name}"]:not(:has-text("predicting"))'),
        "Preprocessing": show(visit, "Preprocessing", f'[data-verdict]:has-text("{name}")'),
    }
    verdict = visit.page.locator("[data-verdict]").get_attribute("data-verdict")
    if fit:
        said["Fit"] = show(visit, "Fit", f'[data-for="{name}"]')
        assert ("need a spectrum" in said["Fit"]) is not spectrum
    mark = f'[data-view="features"][data-galaxy="{name}"]'
    said["Features"] = show(visit, "Features", mark)
    visit.tab("Attention")
    shown = f'[data-view="attention"][data-galaxy="{name}"]'
    visit.page.wait_for_selector(
        f'{shown}, .empty:has-text("No attention to show")', timeout=2 * PATIENCE_MS
    )
    said["Attention"] = read_tab(visit.page)
    assert all(name in text for text in said.values()), said
    assert ("No spectrum" in said["Galaxy"]) is not spectrum
    assert ("No image" in said["Galaxy"]) is not image
    if not image:
        assert "No attention to show" in said["Attention"]
    said["verdict"] = str(verdict)
    return said


def check_flagged(said: dict[str, str]) -> None:
    """The flag stands before the first number wherever a network's number may follow."""
    for tab in {"Your galaxy", "Galaxy", "Preprocessing", "Features", "Attention"} & set(said):
        text = said[tab]
        first = NUMBER.search(text.replace(said["id"], ""))
        assert FLAG in text, tab
        if first:
            assert text.replace(said["id"], "").index(FLAG) < first.start(), f"{tab}: {text}"


@pytest.mark.parametrize("name", SDSS_PAIRS)
def test_a_real_pair_of_sdss(visit: Visit, shared_data: Path, name: str) -> None:
    folder = shared_data / "sdss" / "pairs"
    files = [folder / f"spec-{name}.fits", folder / f"image-{name}.jpg"]
    assert bring(visit, files, name) in ("inside", "outside")
    if name == SDSS_PAIRS[0]:
        tour(visit, name, spectrum=True, image=True)
    else:
        assert glance(visit, name) in ("ok", "blended")


@pytest.mark.parametrize("name", LEGACY_PAIRS)
def test_a_legacy_survey_image_is_flagged_before_any_number(
    visit: Visit, shared_data: Path, name: str
) -> None:
    folder = shared_data / "legacy" / "pairs"
    files = [folder / f"spec-{name}.fits", folder / f"image-{name}.jpg"]
    domain = bring(visit, files, name)
    if name in BLENDED:
        assert glance(visit, name) == "blended"
        return
    said = {"Your galaxy": read_tab(visit.page)}
    if name == UNBLENDED[0]:
        # No network speaks in the fit.
        said |= tour(visit, name, spectrum=True, image=True, fit=False)
        assert said["verdict"] == "ok"
    else:
        assert glance(visit, name) == "ok"
        said |= {"id": name, "Preprocessing": read_tab(visit.page)}
        mark = f'[data-strip="{name}"]:not(:has-text("predicting"))'
        said["Galaxy"] = show(visit, "Galaxy", mark)
    assert domain == "outside"
    check_flagged(said)


def test_a_spectrum_alone(visit: Visit) -> None:
    bring(visit, [SPECTRA / "NGC3522_SDSS_DR18.fits"], NGC3522)
    said = tour(visit, NGC3522, spectrum=True, image=False)
    assert "0.0040" in said["Galaxy"]
    assert re.search(r"[\d,]+ px · .* suspect", said["Galaxy"])


def test_an_image_alone(visit: Visit, shared_data: Path) -> None:
    image = sorted((shared_data / "sdss" / "imgcutout").glob("*.jpg"))[0]
    bring(visit, [image], image.stem)
    tour(visit, image.stem, spectrum=False, image=True)


# -- SDSS ------------------------------------------------------------------------------


def ask(visit: Visit, target: str) -> Any:
    visit.tab("Your galaxy")
    page = visit.page
    page.get_by_label("Position, plate-mjd-fiber, or name").fill(target)
    press(page, "Get it from SDSS")
    return page


def test_a_galaxy_from_sdss_by_its_position(visit: Visit) -> None:
    page = ask(visit, "166.66859 20.085556")
    # Where the same galaxy was brought as a file before, this is the second of its name.
    done = f'[data-mine^="{NGC3522}"]:not([data-domain="waiting"])'
    name = page.wait_for_selector(done, timeout=2 * PATIENCE_MS).get_attribute("data-mine")
    visit.tab("Galaxy")
    visit.galaxy(name)


def test_several_objects_are_a_choice(visit: Visit) -> None:
    page = ask(visit, f"200.0 {30 + 2 / 3600:.6f}")
    page.wait_for_selector('[data-candidates="2"]', timeout=PATIENCE_MS)
    row = page.locator('[data-candidate="3100-55000-0042"]').inner_text()
    assert "2.0″" in row
    assert "mag" in row
    assert row.endswith("yes")
    press(page, "3100-55000-0042")
    added(page, "3100-55000-0042")


def test_a_service_that_is_down_and_one_that_knows_nothing(visit: Visit, here: Server) -> None:
    here.sdss.fault = lambda service, key, attempt: "503"
    page = ask(visit, "9999-59999-0001")
    page.wait_for_selector("[data-problem]:has-text('status 503')", timeout=PATIENCE_MS)
    here.sdss.fault = lambda service, key, attempt: None
    page = ask(visit, "9999-59999-0001")
    page.wait_for_selector("[data-problem]:has-text('no such spectrum')", timeout=PATIENCE_MS)
    page.wait_for_selector("text=check plate, MJD and fibre >> visible=true", timeout=PATIENCE_MS)


# -- bad input ---------------------------------------------------------------------------


def test_bad_files_are_clear_messages_in_bounded_memory(
    visit: Visit, here: Server, tmp_path: Path
) -> None:
    before = here.peak()
    page = visit.page
    for files, says in (
        ({"lying.fits": lying_fits()}, ["lying.fits", "claims"]),
        (
            {"bomb.fits.gz": gzip_bomb(), "huge.png": huge_png()},
            ["bomb.fits.gz: this file is compressed", "huge.png", "900 million pixels"],
        ),
    ):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        visit.tab("Galaxy")
        visit.open("?tab=yours")
        drop(page, [tmp_path / name for name in files])
        press(page, "Add")
        alert = page.locator("[data-problem]")
        alert.wait_for(timeout=PATIENCE_MS)
        text = alert.inner_text()
        assert all(one in text for one in says), text
        assert str(tmp_path) not in text
        assert page.locator("[data-yours]").count() == 0
    assert here.peak() - before < 400 * MB


def test_a_file_of_200_mb_is_refused_by_the_page(visit: Visit, tmp_path: Path) -> None:
    large = tmp_path / "large.fits"
    with large.open("wb") as stream:
        stream.truncate(200 * MB)
    page = visit.open("?tab=yours")
    page.wait_for_selector('[data-view="yours"]', timeout=PATIENCE_MS)
    page.locator(".filepond--root input[type=file]").set_input_files(str(large))
    page.wait_for_selector("text=File is too large", timeout=PATIENCE_MS)
    page.wait_for_selector("text=/Maximum file size is 64/", timeout=PATIENCE_MS)
    assert page.get_by_role("button", name="Add", exact=True).is_disabled()


def test_a_name_with_path_characters_stays_a_name(visit: Visit, tmp_path: Path) -> None:
    odd = tmp_path / "..\\..\\etc\\x <b>&.jpg"
    odd.write_bytes(b"no image")
    page = visit.open("?tab=yours")
    drop(page, [odd])
    press(page, "Add")
    page.wait_for_selector("[data-problem]:has-text('neither JPEG nor PNG')", timeout=PATIENCE_MS)
    text = page.locator("[data-problem]").inner_text()
    assert "\\" not in text
    assert "<b>" not in text
