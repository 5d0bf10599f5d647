"""Our widgets in a real JupyterLab without a network, and a training that outlives its kernel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import small_survey as small
from conftest import PATIENCE_MS, serve, start_visit
from jupyter_lab import Lab, Notebook, start_lab, write_notebook
from training_survey import make_training_survey

from galam_explorer.train.folder import RunFolder

pytestmark = pytest.mark.flaky(reruns=1, reruns_delay=2)
pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")

MONITOR = """
from galam_explorer.config import NetworkConfig, TrainConfig

network = NetworkConfig(width=0.25, heads=2, queries=4)
train = TrainConfig(
    stages=("m1",), epochs=900, batch_size=8, threads=1, target="truth", precision="32",
    fractions=(0.6, 0.2, 0.2),
)
monitor = ge.TrainingMonitor("train", run_dir="runs/mine", network=network, train=train)
monitor
"""
QUICK = """
from galam_explorer.config import NetworkConfig, TrainConfig

ge.TrainingMonitor(
    "train", "others/quick", NetworkConfig(width=0.25, heads=2, queries=4),
    TrainConfig(
        stages=("m1",), epochs=1, batch_size=8, threads=1, target="truth", precision="32",
        fractions=(0.6, 0.2, 0.2),
    ),
).start()
"""
MODELS = """([name, layer, column]) => {
  for (const doc of Bokeh.documents) {
    const model = doc.get_model_by_name(name)
    if (!model || !Bokeh.index.find_one_by_id(model.id)) { continue }
    const source = model.renderers.filter((one) => one.data_source)[layer].data_source
    return Array.from(source.data[column] ?? source.data.get(column))
  }
  return []
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    small.make_survey(folder / "small")
    make_training_survey(folder / "train")
    write_notebook(
        folder / "mine.ipynb",
        "import galam_explorer as ge\nge.notebook()",
        "explorer = ge.Explorer('small', height=700)\nexplorer",
        MONITOR,
        "import pandas as pd\n"
        "from galam_explorer.evaluate.figures.training_curves import loss_figure\n"
        "loss_figure(pd.DataFrame(monitor.job.metrics()), 'm1')",
        QUICK,
    )
    with start_lab(folder, GALAM_RUNS=str(folder / "runs")) as lab:
        yield lab


@pytest.fixture(scope="module")
def opened(browser: Any, lab: Lab) -> Iterator[Notebook]:
    book = Notebook(browser, lab, "mine.ipynb")
    book.run(0)
    yield book
    book.close()


@pytest.fixture
def book(opened: Notebook) -> Iterator[Notebook]:
    """The open notebook; fails the test if its page asked another machine for anything."""
    yield opened
    outside = opened.visit.outside[:]
    opened.visit.outside.clear()
    assert outside == []


def until(condition: Callable[[], Any], what: str) -> None:
    for _ in range(2 * PATIENCE_MS // 200):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(f"it never came: {what}")


def epochs_drawn(book: Notebook) -> int:
    return len(book.page.evaluate(MODELS, ["monitor-loss", 2, "value"]))


def press(book: Notebook, name: str) -> None:
    book.page.get_by_role("button", name=name, exact=True).click()


def paper(book: Notebook) -> str:
    """The background that the galaxy view's text is made for."""
    code = "(el) => getComputedStyle(el).getPropertyValue('--paper').trim()"
    return str(book.page.locator("[data-galaxy]").first.evaluate(code))


def test_explorer_draws_and_a_click_on_the_map_moves_every_view(book: Notebook) -> None:
    book.run(1)
    page, visit = book.page, book.visit
    visit.galaxy(small.WITH_BOTH)
    # Icons are letters without their font.
    assert page.evaluate("document.fonts.load('24px \"Material Icons\"').then((f) => f.length)")
    x, y = (visit.columns("sky", 5)[axis] for axis in "xy")
    row = 9
    page.mouse.click(*visit.at("sky", x[row], y[row]))
    visit.ring([x[row]])
    until(lambda: visit.shown() != small.WITH_BOTH, "another galaxy in the view beside the map")


def test_keys_of_the_notebook_are_not_the_dashboards(book: Notebook) -> None:
    before = book.visit.shown()
    book.page.evaluate("window.jupyterapp.shell.currentWidget.content.node.focus()")
    book.page.keyboard.press("j")
    book.page.keyboard.press("k")
    book.page.wait_for_timeout(500)
    assert book.visit.shown() == before
    assert "galaxy=" not in book.page.url


def test_the_dashboard_follows_the_notebooks_theme(book: Notebook) -> None:
    for theme, colour in (("Dark", "#141a22"), ("Light", "#ffffff")):
        book.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {theme}",
        )
        until(lambda colour=colour: paper(book) == colour, f"the {theme} theme")


def test_the_train_button_starts_a_run_whose_curve_grows(book: Notebook, lab: Lab) -> None:
    book.run(2)
    press(book, "Train")
    until(lambda: epochs_drawn(book) > 1, "epochs on the curve")
    before = epochs_drawn(book)
    until(lambda: epochs_drawn(book) > before, "more epochs")


def test_the_training_outlives_its_kernel_and_the_monitor_finds_it(
    book: Notebook, lab: Lab
) -> None:
    folder = RunFolder(lab.folder / "runs" / "mine")
    before = len(folder.metrics())
    book.restart()
    book.run(0)
    book.run(2)
    until(lambda: epochs_drawn(book) > before, "epochs that were trained without a kernel")
    before = epochs_drawn(book)
    until(lambda: epochs_drawn(book) > before, "more epochs")
    press(book, "Cancel")
    until(lambda: folder.status()["state"] == "cancelled", "the end")
    book.page.get_by_role("button", name="Resume", exact=True).wait_for()
    # A figure from the run, as one makes it in a cell.
    book.run(3)
    book.page.locator(".jp-CodeCell").nth(3).locator("canvas").first.wait_for()


def test_the_dashboard_lists_a_run_of_the_notebook_and_adopts_its_model(
    book: Notebook, lab: Lab, browser: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GALAM_RUNS", str(lab.folder / "others"))
    process, address = serve(str(lab.folder / "small"), tmp_path / "log")
    try:
        visit = start_visit(browser, address)
        visit.open("?tab=training")
        book.run(4)
        visit.page.wait_for_selector("[data-view=training]:has-text('quick')", timeout=PATIENCE_MS)
        adopt = visit.page.get_by_role("button", name="Use its model", exact=True)
        adopt.click(timeout=3 * PATIENCE_MS)
        visit.page.wait_for_selector("text=The dashboard now uses the model of quick")
        assert visit.outside == []
        visit.page.context.close()
    finally:
        process.terminate()
        process.wait(timeout=30)
