"""How quick the dashboard is, measured in a browser.

``python benchmarks/dashboard.py [SURVEY] [--selections 200] [--tab galaxy]``
``python benchmarks/dashboard.py --by map`` (clicks anywhere on the map, not the next by key)
``python benchmarks/dashboard.py --galaxies 36000`` (a big survey is made first)
``python benchmarks/dashboard.py --galaxies 1000000 --sky`` (pan and zoom of the map)

Prints the time from the server's start to the first page, and the time from a
key press or click to all visible views painted (facts, cutout, spectrum or filmstrip,
predictions, ring on the map, row of the table), median and 95th percentile. The clock is
the browser's; every selection is checked to show the right galaxy everywhere. With
``--sky``: the time from each wheel turn or drag to the map shaded anew for what is
seen, painted. Also prints how many websocket messages a selection takes, and
``machine_ms``, the time of a fixed piece of Python, by which runs on machines of
different speed can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from big_survey import make_big_survey

from galam_explorer.cli.serve import serve_arguments, serve_environment

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run",
         "--disable-quic"]  # fmt: skip
READY = """() => window.Bokeh && Bokeh.index && Bokeh.index.roots.length > 0
  && document.documentElement.dataset.galam === 'ready'
  && document.getElementById('loader')?.style.display === 'none'
  && Bokeh.index.roots[0].is_idle"""
PREPARE = """(mark) => {
  const find = (root, wanted) => {
    for (const el of root.querySelectorAll('*')) {
      if (el.matches(wanted)) { return el }
      const inner = el.shadowRoot && find(el.shadowRoot, wanted)
      if (inner) { return inner }
    }
    return null
  }
  const model = (name) => Bokeh.documents.map((d) => d.get_model_by_name(name)).find((m) => m)
  const box = find(document, mark).closest('.markup')
  // The predictions come last, from the background.
  const strip = find(document, '[data-strip]')?.closest('.markup')
  const predicted = (id) => {
    const now = strip?.querySelector('[data-strip]')
    return !now || (now.dataset.strip === id && !now.textContent.includes('predicting'))
  }
  const sky = model('sky')
  const ring = sky.renderers.filter((r) => r.data_source)[7].data_source
  const table = Bokeh.documents.flatMap((d) => [...d._all_models.values()])
    .find((m) => m.type.includes('DataTabulator'))
  const shown = () => ({
    text: box.textContent, ring: ring.data.x[0],
    row: table.source.data.id[table.source.selected.indices[0]],
  })
  const idle = () => Bokeh.index.roots.every((view) => view.is_idle)
  // Twenty pages that draw a frame for each look would measure these frames.
  const later = (look) => window.galam_pause
    ? setTimeout(look, window.galam_pause) : requestAnimationFrame(look)
  const shown_after = (id, x, begun) => new Promise((resolve) => {
    const check = () => {
      const now = shown(), started = begun()
      if (started === null) { later(check); return }
      const took = performance.now() - started
      const right = now.text.includes(id) && now.row === id && predicted(id)
        && (x === null ? now.ring === undefined : Math.abs(now.ring - x) < 1e-9)
      if (right && idle()) {
        // One more frame, so that what was drawn is on the screen.
        requestAnimationFrame(() => resolve({took: performance.now() - started, now}))
      } else if (took > 20000) {
        resolve({took: NaN, now})
      } else {
        later(check)
      }
    }
    check()
  })
  window.galam_select = (key, id, x) => {
    const started = performance.now()
    window.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, composed: true}))
    return shown_after(id, x, () => started)
  }
  // The click itself comes from outside, after this.
  window.galam_expect = (id, x) => {
    let started = null
    const act = () => { started = performance.now() }
    window.addEventListener('pointerup', act, {once: true, capture: true})
    window.galam_awaited = shown_after(id, x, () => started)
  }
  const view = Bokeh.index.find_one_by_id(sky.id), frame = view.frame
  const corner = view.canvas_view.el.getBoundingClientRect()
  const map = (scale, value) => frame[scale].compute(value)
  window.galam_point = ([x, y]) =>
    [Math.round(corner.left + map('x_scale', x)), Math.round(corner.top + map('y_scale', y))]
  window.galam_place = ([px, py]) =>
    [frame.x_scale.invert(px - corner.left), frame.y_scale.invert(py - corner.top)]
}"""


SKY = """() => {
  const sky = Bokeh.documents.map((d) => d.get_model_by_name('sky')).find((m) => m)
  const shaded = sky.renderers.filter((r) => r.data_source)[4].data_source
  let started = 0
  const act = () => { started = performance.now() }
  window.addEventListener('wheel', act, true)
  window.addEventListener('pointermove', (e) => { if (e.buttons) { act() } }, true)
  window.galam_shaded = () => new Promise((resolve) => {
    const check = () => {
      const {start, end} = sky.x_range, {data} = shaded
      const fits = Math.abs(data.x[0] - start) < 1e-9 && Math.abs(data.dw[0] - (end - start)) < 1e-9
      if (started && fits && Bokeh.index.roots.every((view) => view.is_idle)) {
        requestAnimationFrame(() => resolve(performance.now() - started))
      } else if (started && performance.now() - started > 20000) {
        resolve(NaN)
      } else {
        requestAnimationFrame(check)
      }
    }
    check()
  })
  const view = Bokeh.index.find_one_by_id(sky.id)
  const box = view.canvas_view.el.getBoundingClientRect(), {bbox} = view.frame
  return [box.left + bbox.left + bbox.width / 2, box.top + bbox.top + bbox.height / 2]
}"""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/favicon.ico", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit("the server ended")


@contextmanager
def served(survey: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The dashboard's server on a survey, ready to answer, and its address."""
    port = free_port()
    server = subprocess.Popen(
        serve_arguments(port, "127.0.0.1", []),
        env=serve_environment() | {"GALAM_SURVEY": survey},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", server)
        yield server, f"http://127.0.0.1:{port}/served"
    finally:
        server.terminate()
        server.wait()


def measure(page: Any, survey: Any, tab: str, count: int) -> list[float]:
    """Milliseconds of each of `count` selections by key."""
    from galam_explorer.evaluate.figures.sky import SkyView

    catalog = survey.catalog
    x, _ = SkyView().project(catalog["ra"].to_numpy(float), catalog["dec"].to_numpy(float))
    mark = "[data-galaxy]" if tab == "galaxy" else "[data-verdict]"
    page.evaluate(PREPARE, mark)
    ids = catalog["id"].tolist()
    first = page.evaluate("new URLSearchParams(location.search).get('galaxy')")
    row, took = (ids.index(first) if first else 0), []
    for _ in range(count):
        row = (row + 1) % len(ids)
        ring = float(x[row]) if np.isfinite(x[row]) else None
        answer = page.evaluate("([key, id, x]) => galam_select(key, id, x)", ["j", ids[row], ring])
        if not np.isfinite(answer["took"]):
            raise SystemExit(f"{ids[row]} was not shown everywhere: {answer['now']}")
        took.append(answer["took"])
        page.wait_for_timeout(120)
    return took


def measure_map(page: Any, survey: Any, tab: str, count: int) -> list[float]:
    """Milliseconds of each of `count` clicks on galaxies anywhere on the map."""
    from galam_explorer.evaluate.figures.sky import SkyView

    catalog = survey.catalog
    place = SkyView().project(catalog["ra"].to_numpy(float), catalog["dec"].to_numpy(float))
    x, y = place
    page.evaluate(PREPARE, "[data-galaxy]" if tab == "galaxy" else "[data-verdict]")
    rows = np.random.default_rng(1).permutation(np.flatnonzero(np.isfinite(x)))
    took, before = [], -1
    for row in rows:
        point = page.evaluate("(at) => galam_point(at)", [float(x[row]), float(y[row])])
        at = page.evaluate("(at) => galam_place(at)", point)
        # A pixel may hold several: the nearest is chosen.
        nearest = int(np.nanargmin((x - at[0]) ** 2 + (y - at[1]) ** 2))
        if nearest == before:
            continue
        before, wanted = nearest, str(catalog["id"].iat[nearest])
        page.evaluate("([id, x]) => { galam_expect(id, x) }", [wanted, float(x[nearest])])
        page.mouse.move(*point)
        page.wait_for_timeout(150)
        page.mouse.click(*point)
        answer = page.evaluate("() => galam_awaited")
        if not np.isfinite(answer["took"]):
            raise SystemExit(f"{wanted} was not shown everywhere: {answer['now']}")
        took.append(answer["took"])
        if len(took) == count:
            break
        page.wait_for_timeout(120)
    return took


def machine_ms() -> float:
    """Milliseconds of a fixed piece of Python, the best of three."""
    best = float("inf")
    for _ in range(3):
        started, total = time.perf_counter(), 0
        for number in range(2_000_000):
            total += number
        best = min(best, time.perf_counter() - started)
    return round(1000 * best, 1)


def measure_sky(page: Any, count: int) -> dict[str, list[float]]:
    """Milliseconds from each wheel turn and drag to the map shaded anew."""
    x, y = page.evaluate(SKY)
    took: dict[str, list[float]] = {"zoom": [], "pan": []}
    for index in range(count):
        page.mouse.move(x, y)
        page.mouse.wheel(0, -240 if index % 8 < 4 else 240)
        took["zoom"].append(page.evaluate("galam_shaded()"))
        page.mouse.down()
        page.mouse.move(x + (40 if index % 2 else -40), y + 10, steps=3)
        page.mouse.up()
        took["pan"].append(page.evaluate("galam_shaded()"))
        page.wait_for_timeout(150)
    if not all(np.isfinite(value).all() for value in took.values()):
        raise SystemExit(f"the map was not shaded anew: {took}")
    return took


def percentiles(took: list[float], what: str = "") -> dict[str, float]:
    """Median, 95th percentile and maximum, ms."""
    names = {f"{what}p50_ms": 50, f"{what}p95_ms": 95, f"{what}max_ms": 100}
    return {name: round(float(np.percentile(took, level)), 1) for name, level in names.items()}


def main() -> None:
    """Run the benchmark and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("survey", nargs="?", default="demo")
    parser.add_argument("--selections", type=int, default=200)
    parser.add_argument("--tab", choices=["galaxy", "preprocessing"], default="galaxy")
    parser.add_argument("--by", choices=["key", "map"], default="key")
    parser.add_argument("--galaxies", type=int, help="make a survey of so many first")
    parser.add_argument("--sky", action="store_true", help="pan and zoom the map instead")
    options = parser.parse_args()
    if options.galaxies:
        folder = Path(tempfile.gettempdir()) / f"galam-big-{options.galaxies}"
        options.survey = str(make_big_survey(folder, options.galaxies))
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, ["chromium", "google-chrome"])), None)
    started = time.perf_counter()
    with served(options.survey) as (_, address):
        up = time.perf_counter()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=browser_path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(180_000)
            frames: list[int] = []
            page.on(
                "websocket",
                lambda s: s.on("framereceived", lambda frame: frames.append(len(frame))),
            )
            asked = time.perf_counter()
            page.goto(f"{address}?tab={options.tab}")
            page.wait_for_function(READY, timeout=180_000)
            shown = time.perf_counter()
            page.wait_for_timeout(4000)
            from galam_explorer.survey import load_survey

            survey = load_survey(options.survey)
            first = str(survey.ids[0])
            page.goto(f"{address}?galaxy={first}&tab={options.tab}")
            page.wait_for_function(READY, timeout=180_000)
            page.wait_for_timeout(4000)
            frames.clear()
            if options.sky:
                sky = measure_sky(page, max(options.selections // 2, 1))
                figures = percentiles(sky["zoom"], "zoom_") | percentiles(sky["pan"], "pan_")
            else:
                way = measure if options.by == "key" else measure_map
                took = way(page, survey, options.tab, options.selections)
                figures = percentiles(took)
            sent = {
                "frames_per_action": round(len(frames) / options.selections, 1),
                "kilobytes_per_action": round(sum(frames) / options.selections / 1024, 1),
            }
            browser.close()
    summary = {
        "survey": options.survey,
        "galaxies": len(survey),
        "tab": options.tab,
        "by": options.by,
        "server_start_s": round(up - started, 2),
        "first_page_s": round(shown - asked, 2),
        "actions": options.selections,
        **figures,
        **sent,
        "load_average": round(os.getloadavg()[0], 2),
        "machine_ms": machine_ms(),
    }
    sys.stdout.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
