"""Speed of the batched labels against pPXF, in one run and on the same threads.

Run: python benchmarks/labels.py SURVEY [--threads 1] [--singles 48] [--referee 8] [--drawn 8]

pPXF is timed with its own convergence criterion (1e-4) and with the one that labels
are made with, with and without preparing the templates; the batched engine always
includes everything it does, and fits on one thread whatever is allowed. On a GPU, if
there is one, the batched engine is timed again.
"""

from __future__ import annotations

import argparse
import os
import sys


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("survey")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--singles", type=int, default=48, help="spectra for the batched engine")
    parser.add_argument("--referee", type=int, default=8, help="spectra for pPXF")
    parser.add_argument("--drawn", type=int, default=8, help="spectra with 100 draws each")
    return parser.parse_args()


OPTIONS = arguments()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(OPTIONS.threads)  # before numpy and torch are imported

import platform  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402

from galam_explorer.config import LabelConfig  # noqa: E402
from galam_explorer.labels import BatchedFitter, fit_ppxf, load_templates  # noqa: E402
from galam_explorer.labels.fit_input import fit_input  # noqa: E402
from galam_explorer.labels.ppxf_fit import matched_templates  # noqa: E402
from galam_explorer.records import Galaxy  # noqa: E402
from galam_explorer.survey import load_survey  # noqa: E402

CASES = {
    "multiplicative polynomials of degree 10": {},
    "additive polynomials of degree 10": {"mdegree": 0, "degree": 10},
}
DRAWS = 100


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds. On a busy machine only the latter can be compared."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def referee(galaxies: list[Galaxy], config: LabelConfig) -> dict[str, tuple[float, float]]:
    library = load_templates(config)
    loose = config.replace(ftol=1e-4)
    inputs = [fit_input(one, config, library) for one in galaxies]
    fit_ppxf(galaxies[0], loose, library)  # imports, caches
    found = {
        "ftol 1e-4": timed(lambda: [fit_ppxf(one, loose, library) for one in galaxies]),
        "ftol 1e-6": timed(lambda: [fit_ppxf(one, config, library) for one in galaxies]),
        "templates": timed(lambda: [matched_templates(one, config, library) for one in inputs]),
    }
    return {
        name: (wall / len(galaxies), cpu / len(galaxies)) for name, (wall, cpu) in found.items()
    }


def batched(galaxies: list[Galaxy], config: LabelConfig, device: str) -> tuple[float, float]:
    fitter = BatchedFitter(config, device=device)
    fitter.fit(galaxies[:1], keep_fit=False)  # tables, compiled kernels
    wall, cpu = timed(lambda: fitter.fit(galaxies, keep_fit=False))
    return wall / len(galaxies), cpu / len(galaxies)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(title: str, pair: tuple[float, float], against: dict[str, float] | None = None) -> None:
    ratios = [f"{value / pair[1]:.0f}× {name}" for name, value in (against or {}).items()]
    times = f"{1e3 * pair[0]:9.1f} ms wall {1e3 * pair[1]:9.1f} ms cpu"
    say(f"  {title:38s}{times}  {', '.join(ratios)}")


def main() -> None:
    torch.set_num_threads(OPTIONS.threads)
    survey = load_survey(OPTIONS.survey)
    galaxies = [survey[one] for one in survey.ids[: 2 * OPTIONS.singles]]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    say(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores{load}; "
        f"{OPTIONS.threads} threads; torch {torch.__version__}")  # fmt: skip
    for title, changes in CASES.items():
        config = LabelConfig(**changes)
        say(f"\n{title}, per spectrum:")
        reference = referee(galaxies[: OPTIONS.referee], config.replace(engine="ppxf"))
        prepared = reference.pop("templates")
        for name, pair in reference.items():
            show(f"pPXF, {name}", pair)
        show("of which preparing templates", prepared)
        bare = {f"pPXF {name}": cpu for name, (_, cpu) in reference.items()}
        bare["pPXF 1e-4 without templates"] = reference["ftol 1e-4"][1] - prepared[1]
        # What 100 draws cost with pPXF: the templates once, the fit 101 times.
        many = {
            f"{DRAWS + 1} pPXF {name}": prepared[1] + (DRAWS + 1) * (cpu - prepared[1])
            for name, (_, cpu) in reference.items()
        }
        drawn = config.replace(draws=DRAWS)
        for count in (OPTIONS.singles // 2, OPTIONS.singles, 2 * OPTIONS.singles):
            show(f"batched, {count} spectra", batched(galaxies[:count], config, "cpu"), bare)
        show(f"batched, {DRAWS} draws", batched(galaxies[: OPTIONS.drawn], drawn, "cpu"), many)
        if torch.cuda.is_available():
            single = batched(galaxies, config, "cuda")
            full = batched(galaxies, drawn, "cuda")
            show("batched on the GPU", single, bare)
            show(f"batched on the GPU, {DRAWS} draws", full, many)
            say(f"  GPU: {1 / single[0]:.0f} spectra a second; 50 000 spectra with {DRAWS} draws "
                f"in {50_000 * full[0] / 3600:.2f} h")  # fmt: skip


main()
