"""A dashboard on a small survey, and a browser that may not leave this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import small_survey as small

from galam_explorer.app.state import TABS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
READY = """() => window.Bokeh && Bokeh.index && Bokeh.index.roots.length > 0
  && Bokeh.documents.some((doc) => doc.get_model_by_name('sky') || window.galam_no_map)
  && document.documentElement.dataset.galam === 'ready'
  && document.getElementById('loader')?.style.display === 'none'
  && Bokeh.index.roots[0].is_idle"""


PATIENCE_MS = int(os.environ.get("GALAM_TEST_PATIENCE_MS", "180000"))
"""How long anything may take on a loaded machine; what is wrong never comes."""
FIND = """(name) => {
  const found = Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])
    .filter((model) => model.name === name)
  const shown = found.filter((model) => Bokeh.index.find_one_by_id(model.id))
  return [found, shown].find((some) => some.length === 1)?.[0] ?? null
}"""
"""The figure of a name; on a slow connection an old one can be there for a moment, too."""
_MARKS = {
    "Galaxy": "[data-galaxy]",
    "Preprocessing": "[data-verdict]",
    "Learn": "[data-view=learn]",
}


def find_browser() -> str | None:
    """A Chromium that is installed on this machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(surveys: str, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start ``panel serve app.py``; the process and the page's address."""
    port = free_port()
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "app.py")]
    command += ["--port", str(port), "--address", "127.0.0.1"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=os.environ | {"GALAM_SURVEY": surveys}, cwd=ROOT, stdout=stream,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    wait_until_served(process, port, log)
    return process, f"http://127.0.0.1:{port}/app"


def wait_until_served(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when a server answers; raise with its log if it ends or never does."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/favicon.ico", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    process.terminate()
    raise RuntimeError(f"the server did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("surveys")
    return {
        "small": small.make_survey(folder / "small"),
        "nowhere": small.make_survey(folder / "nowhere", n=12, positions=False),
    }


@pytest.fixture(scope="session")
def server(
    surveys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    process, address = serve(os.pathsep.join(map(str, surveys.values())), log)
    yield address, log
    process.terminate()
    process.wait(timeout=PATIENCE_MS / 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = find_browser()
    if found is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page with what it asked for and complained about."""

    page: Any
    address: str
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> Any:
        self.page.goto(self.address + query, timeout=2 * PATIENCE_MS)
        self.page.wait_for_function(READY, timeout=2 * PATIENCE_MS)
        return self.page

    def go(self, galaxy: str) -> None:
        """Search for a galaxy by its id."""
        box = self.page.locator(".galam-search input")
        box.fill(galaxy)
        box.press("Enter")
        self.page.wait_for_selector(
            f".tabulator-selected:has-text('{galaxy}')", timeout=PATIENCE_MS
        )
        box.blur()

    def tab(self, title: str) -> None:
        """Open a tab."""
        heading = self.page.get_by_role("tab", name=title, exact=True)
        if heading.get_attribute("aria-selected") != "true":
            heading.click()
        slug = next(slug for slug, name in TABS.items() if name == title)
        self.page.wait_for_function(
            f"!location.search || location.search.includes('tab={slug}')", timeout=PATIENCE_MS
        )
        if title in _MARKS:
            self.page.wait_for_selector(_MARKS[title], timeout=PATIENCE_MS)

    def galaxy(self, expected: str) -> None:
        """Wait until the galaxy view shows this id."""
        self.page.wait_for_selector(f'[data-galaxy="{expected}"]', timeout=PATIENCE_MS)

    def shown(self) -> str:
        return str(self.page.locator("[data-galaxy]").first.get_attribute("data-galaxy"))

    def columns(self, figure: str, index: int) -> dict[str, list[Any]]:
        """Columns of one layer of a figure, as the browser has them."""
        code = f"""([name, index]) => {{
          const model = ({FIND})(name)
          if (!model) {{ return null }}
          const glyphs = model.renderers.filter((r) => r.data_source)
          const {{data}} = glyphs[index].data_source
          return Object.fromEntries([...Object.entries(data)].map(([k, v]) => [k, Array.from(v)]))
        }}"""
        end = time.monotonic() + PATIENCE_MS / 1000
        while (found := self.page.evaluate(code, [figure, index])) is None:
            if time.monotonic() > end:
                raise AssertionError(f"there is no figure {figure}")
            self.page.wait_for_timeout(50)
        return dict(found)

    def ring(self, expected: list[float]) -> None:
        """Wait until the ring on the map is where it should be."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < end:
            if self.columns("sky", 7)["x"] == pytest.approx(expected, abs=1e-9):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{self.columns('sky', 7)['x']} is not {expected}")

    def frame(self, figure: str) -> dict[str, float]:
        """Position of a figure's frame on the page, and its ranges, once it stays where it is."""
        code = f"""(name) => {{
          const model = ({FIND})(name), view = model && Bokeh.index.find_one_by_id(model.id)
          if (!view?.canvas_view) {{ return {{}} }}
          const box = view.canvas_view.el.getBoundingClientRect(), {{bbox}} = view.frame
          return {{left: box.left + bbox.left, top: box.top + bbox.top, width: bbox.width,
            height: bbox.height, x0: model.x_range.start, x1: model.x_range.end,
            y0: model.y_range.start, y1: model.y_range.end}}
        }}"""
        before: dict[str, float] = {}
        end = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < end:
            found = dict(self.page.evaluate(code, figure))
            if found and found == before:
                return found
            before = found
            self.page.wait_for_timeout(200)
        raise AssertionError(f"{figure} does not come to rest: {before}")

    def at(self, figure: str, x: float, y: float) -> tuple[float, float]:
        """Page coordinates of a point of a figure."""
        f = self.frame(figure)
        across = (x - f["x0"]) / (f["x1"] - f["x0"])
        up = (y - f["y0"]) / (f["y1"] - f["y0"])
        return f["left"] + across * f["width"], f["top"] + (1 - up) * f["height"]


def start_visit(browser: Any, address: str) -> Visit:
    """A visit that remembers where the page wanted to go and what went wrong."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(context.new_page(), address)

    def guard(route: Any) -> None:
        url = route.request.url
        if url.startswith(("http://127.0.0.1", "data:", "blob:", "file:")):
            route.continue_()
        else:
            visit.outside.append(url)
            route.abort()

    def listen(message: Any) -> None:
        if message.type == "error":
            visit.errors.append(message.text)

    context.route("**/*", guard)
    visit.page.on("console", listen)
    visit.page.on("pageerror", lambda error: visit.errors.append(f"{error} {error.stack}"))
    return visit


@pytest.fixture(scope="module")
def shared(browser: Any, server: tuple[str, Path]) -> Iterator[Visit]:
    """One open page for many tests: loading it takes longer than they do."""
    visit = start_visit(browser, server[0])
    visit.open()
    yield visit
    visit.page.context.close()


@pytest.fixture
def visit(shared: Visit) -> Iterator[Visit]:
    """The open page, on its Galaxy tab; fails the test on any error or request outside."""
    shared.page.keyboard.press("Escape")
    shared.page.mouse.move(720, 20)
    clear = shared.page.get_by_role("button", name="Clear the chosen set")
    if clear.is_visible():
        clear.click()
    shared.tab("Galaxy")
    yield shared
    errors, outside = shared.errors[:], shared.outside[:]
    shared.errors.clear()
    shared.outside.clear()
    assert outside == []
    assert errors == []


@pytest.fixture
def fresh(browser: Any, server: tuple[str, Path]) -> Iterator[Visit]:
    """A new page, for links and sizes."""
    visit = start_visit(browser, server[0])
    yield visit
    visit.page.context.close()
    assert visit.outside == []
    assert visit.errors == []
