"""Speed and memory of `galam prepare`: robust against paper, in one run.

::

    python benchmarks/prepare.py SURVEY [--n 10000] [--workers 2]

The survey's galaxies are repeated under new ids until there are N; every one is
decoded, prepared and written like any other. Both configurations run on the same
survey, one after the other; worker start-up is part of the time. Peak memory is
the largest sum over this process and its children of resident set sizes, sampled
every 0.1 s (shared pages count in every process).
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from galam_explorer.errors import GalamError
from galam_explorer.preprocess import prepare_survey
from galam_explorer.records import Galaxy
from galam_explorer.survey import Survey, SurveyWriter, load_survey


class PeakMemory(threading.Thread):
    """Watches the resident memory of this process and its children, MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.done = threading.Event()

    def run(self) -> None:
        """Sample until `done` is set."""
        me = psutil.Process()
        while not self.done.wait(0.1):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total / 2**20)


def repeated(survey: Survey, n: int) -> Iterator[Galaxy]:
    """The survey's galaxies again and again under new ids, `n` in all."""
    endless = itertools.chain.from_iterable(itertools.repeat(survey))
    for number, galaxy in enumerate(itertools.islice(endless, n)):
        yield dataclasses.replace(galaxy, id=f"copy-{number:06d}")


def main() -> int:
    """Print one line per configuration, and the numbers as JSON last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("survey")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    try:
        source = load_survey(options.survey)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "survey"
            SurveyWriter(path, "benchmark", source.kind, {}).append(repeated(source, options.n))
            survey = load_survey(path)
            for name in ("robust", "paper"):
                results[name] = measure(survey, name, options.workers)
                sys.stdout.write(f"{name}: {results[name]}\n")
    except GalamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    ratio = results["robust"]["per_second"] / results["paper"]["per_second"]
    summary = {"n": options.n, "workers": options.workers, **results, "robust_over_paper": ratio}
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0


def measure(survey: Survey, name: str, workers: int) -> dict[str, float]:
    """Prepare the whole survey once."""
    watch = PeakMemory()
    watch.start()
    started = time.perf_counter()
    sample = prepare_survey(survey, name, workers)
    seconds = time.perf_counter() - started
    watch.done.set()
    watch.join()
    return {
        "seconds": round(seconds, 2),
        "per_second": round(len(sample) / seconds, 1),
        "peak_mib": round(watch.peak),
        "images_ok": sample.counts("image_status").get("ok", 0),
    }


if __name__ == "__main__":
    sys.exit(main())
