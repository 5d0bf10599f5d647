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
