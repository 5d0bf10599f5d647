"""``galam serve`` on the embedded demo, as `make app` starts it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE_MS, ROOT, free_port, serve, start_visit, wait_until_served

pytestmark = pytest.mark.flaky(reruns=2, reruns_delay=2)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [sys.executable, "-m", "galam_explorer", "serve", "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)
    wait_until_served(process, port, log)
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    process.wait(timeout=PATIENCE_MS / 1000)
    with socket.socket() as probe:  # The server must not outlive the command.
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_no_visit_asks_another_machine(browser: Any, address: str) -> None:
    """Also not the second one, whose style sheets Panel may take from elsewhere."""
    for query in ("", "?galaxy=0945-52652-0470&tab=preprocessing"):
        visit = start_visit(browser, address)
        visit.open(query)
        visit.page.wait_for_selector("[data-view=sky]")
        assert visit.outside == []
        assert visit.errors == []
        visit.page.context.close()


COUNT_WORK = """
window.galam_asked = 0
const count = (owner, name) => {
  const real = owner[name]
  owner[name] = function (...given) { window.galam_asked += 1; return real.apply(this, given) }
}
count(window, 'requestAnimationFrame')
count(window, 'setTimeout')
count(MessagePort.prototype, 'postMessage')
"""
"""All by which a page has the browser call it again at once, or for the next frame."""
MOST_ASKED_IN_2_S = 60
"""FilePond, left alone, asks 120 times; a table that waits without rest, ten thousands."""


@pytest.mark.parametrize("query", ["", "?galaxy=0945-52652-0470&tab=preprocessing"])
def test_a_page_that_nobody_touches_lets_the_browser_rest(
    browser: Any, address: str, query: str
) -> None:
    visit = start_visit(browser, address)
    visit.page.add_init_script(COUNT_WORK)
    visit.open(query)
    asked = []
    for _ in range(PATIENCE_MS // 2000):  # What opens late, opens first.
        before = visit.page.evaluate("window.galam_asked")
        visit.page.wait_for_timeout(2000)
        asked.append(visit.page.evaluate("window.galam_asked") - before)
        if asked[-1] < MOST_ASKED_IN_2_S:
            break
    assert asked[-1] < MOST_ASKED_IN_2_S, asked
    visit.page.context.close()


PATCHES = """() => {
  const view = (name) => Bokeh.Models.get(name).prototype.default_view.prototype
  const inner = (module, name) => Bokeh.require(module)[name].prototype
  return {
    table_waits: view('panel.models.tabulator.DataTabulator').polite,
    table_layout: view('panel.models.tabulator.DataTabulator').calm,
    react_layout: view('panel.models.esm.ReactComponent').calm,
    figure_layout: view('Figure').calm,
    droppers: view('panel.models.file_dropper.FileDropper').calm,
    bands: view('Patch')._paint.in_pieces,
    lines: view('Line')._paint.in_pieces,
    data_once: view('GlyphRenderer').update_once,
    styles_read: inner('core/visuals/visual', 'VisualProperties').calm,
    styles_written: inner('core/dom', 'InlineStyleSheet').calm,
  }
}"""


def test_what_is_mended_in_bokeh_and_panel_is_still_there_to_be_mended(
    browser: Any, address: str
) -> None:
    """Else a new version of them has made the page slow again, and nobody would know."""
    visit = start_visit(browser, address)
    visit.open()
    assert [name for name, held in visit.page.evaluate(PATCHES).items() if not held] == []
    visit.page.context.close()


def test_page_says_that_the_server_is_gone(browser: Any, tmp_path: Path) -> None:
    process, address = serve("demo", tmp_path / "log")
    visit = start_visit(browser, address)
    visit.open()
    process.kill()
    process.wait(timeout=PATIENCE_MS / 1000)
    visit.page.wait_for_selector("text=The server does not answer any more")
    visit.page.context.close()


def test_real_galaxies_of_the_demo_are_not_called_simulated(browser: Any, address: str) -> None:
    visit = start_visit(browser, address)
    visit.open("?galaxy=0945-52652-0470")
    visit.galaxy("0945-52652-0470")
    view = visit.page.locator("[data-galaxy]").first.inner_text()
    assert "SDSS" in view
    assert "simulated" not in view.lower()
    visit.page.context.close()


def test_a_port_in_use_and_a_missing_survey_are_explained(address: str, tmp_path: Path) -> None:
    port = address.rsplit(":", 1)[1].strip("/")
    for arguments, words in (
        (["--port", port], "in use"),
        (["--survey", str(tmp_path / "nowhere")], "no survey here"),
        (["--model", str(tmp_path / "nowhere")], "no model here"),
    ):
        command = [sys.executable, "-m", "galam_explorer", "serve", *arguments]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert run.returncode == 1
        assert words in run.stderr
        assert "Traceback" not in run.stderr
