"""Many browsers at once, and what the server's memory does.

``python benchmarks/sessions.py [SURVEY] [--sessions 20] [--selections 50]``

Opens the dashboard in so many separate browser contexts; each one then steps through
its own part of the survey at the same time as all others. Every selection is checked
to show the right galaxy in the facts, on the map and in the table. Prints the time
from key press to paint (median, 95th percentile), the failures, and the memory of the
server: after one visitor has come and gone who looked at enough galaxies to fill the
caches, at its peak, and after all have left.
Browsers and server share the machine's cores, so the times are those of both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shutil
import sys
import threading
import time
from typing import Any

import numpy as np
import psutil
from dashboard import FLAGS, PREPARE, READY, percentiles, served

from galam_explorer.evaluate.figures.sky import SkyView
from galam_explorer.survey import load_survey

PATIENCE_MS = 600_000
_LOOK_MS = 50
"""From one look at a page to the next: so much the times may be too long."""
_FILLED = 100
"""Galaxies after which the caches of images, stages and fits are full."""
_SETTLE_S = 75
"""Panel looks for sessions without a browser every 17 s and ends those older than 15 s."""


def memory(server: psutil.Process) -> float:
    """Resident memory of the server and its children, MiB."""
    processes = [server, *server.children(recursive=True)]
    return sum(one.memory_info().rss for one in processes) / 2**20


class Watch:
    """The largest memory seen while it runs."""

    def __init__(self, server: psutil.Process) -> None:
        self.peak = 0.0
        self._server, self._stop = server, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            self.peak = max(self.peak, memory(self._server))

    def stop(self) -> float:
        """End it; the peak in MiB."""
        self._stop.set()
        self._thread.join()
        return self.peak


async def visit(browser: Any, address: str, galaxy: str) -> Any:
    """A new context with the dashboard ready."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.problems, page.failed = [], []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
    await page.goto(f"{address}?galaxy={galaxy}&tab=galaxy")
    await page.wait_for_function(READY)
    return page


async def step(page: Any, ids: list[str], x: np.ndarray, start: int, count: int) -> list[float]:
    """Milliseconds of each selection; NaN where the right galaxy did not come in 20 s."""
    await page.evaluate(PREPARE, "[data-galaxy]")
    await page.evaluate(f"window.galam_pause = {_LOOK_MS}")
    took = []
    for row in range(start + 1, start + 1 + count):
        row %= len(ids)
        ring = float(x[row]) if math.isfinite(x[row]) else None
        answer = await page.evaluate(
            "([key, id, x]) => galam_select(key, id, x)", ["j", ids[row], ring]
        )
        if answer["took"] is None or math.isnan(answer["took"]):
            shown = answer["now"]
            right = [ids[row] in shown["text"], shown["row"], shown.get("ring") == ring]
            page.failed.append(f"{ids[row]}: facts, table, ring are {right}")
        took.append(float("nan") if answer["took"] is None else answer["took"])
        await page.wait_for_timeout(250)
    return took


async def run(options: argparse.Namespace, address: str, server: psutil.Process) -> dict[str, Any]:
    """All visits, and memory before, during and after."""
    from playwright.async_api import async_playwright

    survey = load_survey(options.survey)
    ids, catalog = [str(one) for one in survey.ids], survey.catalog
    x, _ = SkyView().project(catalog["ra"].to_numpy(float), catalog["dec"].to_numpy(float))
    stride = max(len(ids) // options.sessions, 1)
    starts = [number * stride for number in range(options.sessions)]
    path = next(filter(None, map(shutil.which, ["chromium", "google-chrome"])), None)
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=path, args=FLAGS)
        first = await visit(browser, address, ids[0])
        await step(first, ids, x, 0, _FILLED)
        await first.context.close()
        await asyncio.sleep(_SETTLE_S)
        before, watch = memory(server), Watch(server)
        began = time.perf_counter()
        pages = [await visit(browser, address, ids[start]) for start in starts]
        opened = time.perf_counter() - began
        took = await asyncio.gather(
            *(
                step(page, ids, x, start, options.selections)
                for page, start in zip(pages, starts, strict=True)
            )
        )
        problems = [text for page in pages for text in page.problems]
        failed = [text for page in pages for text in page.failed]
        await browser.close()
    peak = watch.stop()
    await asyncio.sleep(_SETTLE_S)
    flat = np.concatenate(took)
    return {
        "sessions": options.sessions,
        "selections": int(flat.size),
        "failures": int(np.isnan(flat).sum()),
        "failed": failed[:5],
        "page_errors": problems[:5],
        "opened_s": round(opened, 1),
        **percentiles(flat[~np.isnan(flat)].tolist()),
        "before_mib": round(before),
        "peak_mib": round(peak),
        "after_mib": round(memory(server)),
        "load_average": round(os.getloadavg()[0], 2),
    }


def main() -> int:
    """Run it and print one JSON line; 1 if a selection failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("survey", nargs="?", default="demo")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--selections", type=int, default=50)
    options = parser.parse_args()
    with served(options.survey) as (server, address):
        found = asyncio.run(run(options, address, psutil.Process(server.pid)))
    ratio = found["after_mib"] / found["before_mib"]
    sys.stdout.write(json.dumps({**found, "after_over_before": round(ratio, 3)}) + "\n")
    return int(bool(found["failures"] or found["page_errors"]))


if __name__ == "__main__":
    sys.exit(main())
