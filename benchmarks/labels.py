"""Speed of the batched labels against pPXF, in one run and on the same threads.

Run: python benchmarks/labels.py [SURVEY] [--threads 1] [--singles 48] [--referee 8] [--drawn 8]

pPXF is timed with its own convergence criterion (1e-4) and with the one that labels
are made with, with and without preparing the templates; the batched engine always
includes everything it does, and fits on one thread whatever is allowed. On a GPU, if
there is one, the batched engine is timed again. The targets at the end are judged
against pPXF with its own criterion, by processor time, so that a busy machine changes
little; its wall times mean something on an idle machine only.
"""

from __future__ import annotations

import argparse
import os
import sys


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("survey", nargs="?", default="demo")
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


def many(reference: dict[str, tuple[float, float]], prepared: float) -> dict[str, float]:
    """What the draws cost with pPXF: the templates once, the fit once more than draws."""
    return {
        f"{DRAWS + 1} pPXF {name}": prepared + (DRAWS + 1) * (cpu - prepared)
        for name, (_, cpu) in reference.items()
    }


def on_gpu(galaxies: list[Galaxy], config: LabelConfig, against: list[dict[str, float]]) -> None:
    """The batched engine again, where there is a GPU."""
    if not torch.cuda.is_available():
        say("  no GPU here")
        return
    single = batched(galaxies, config, "cuda")
    full = batched(galaxies, config.replace(draws=DRAWS), "cuda")
    show("batched on the GPU", single, against[0])
    show(f"batched on the GPU, {DRAWS} draws", full, against[1])
    say(f"  GPU: {1 / single[0]:.0f} spectra a second; 50 000 spectra with {DRAWS} draws "
        f"in {50_000 * full[0] / 3600:.2f} h")  # fmt: skip


def case(title: str, config: LabelConfig, galaxies: list[Galaxy]) -> list[tuple[str, float, float]]:
    """Time one kind of polynomials; (what, times as fast or ratio, target) of each target."""
    say(f"\n{title}, per spectrum:")
    reference = referee(galaxies[: OPTIONS.referee], config.replace(engine="ppxf"))
    prepared = reference.pop("templates")
    for name, pair in reference.items():
        show(f"pPXF, {name}", pair)
    show("of which preparing templates", prepared)
    bare = {f"pPXF {name}": cpu for name, (_, cpu) in reference.items()}
    bare["pPXF 1e-4 without templates"] = reference["ftol 1e-4"][1] - prepared[1]
    hundred = many(reference, prepared[1])
    per_spectrum = []
    for count in (OPTIONS.singles // 2, OPTIONS.singles, 2 * OPTIONS.singles):
        pair = batched(galaxies[:count], config, "cpu")
        show(f"batched, {count} spectra", pair, bare)
        per_spectrum.append(pair[1])
    drawn = batched(galaxies[: OPTIONS.drawn], config.replace(draws=DRAWS), "cpu")
    show(f"batched, {DRAWS} draws", drawn, hundred)
    on_gpu(galaxies, config, [bare, hundred])
    own = "pPXF ftol 1e-4"
    return [
        (f"{title}: single fits", bare[own] / per_spectrum[1], 10.0),
        (f"{title}: {DRAWS} draws", hundred[f"{DRAWS + 1} {own}"] / drawn[1], 100.0),
        (f"{title}: cost of one of {2 * OPTIONS.singles} over one of {OPTIONS.singles // 2}",
         per_spectrum[-1] / per_spectrum[0], 1.2),
    ]  # fmt: skip


def main() -> None:
    torch.set_num_threads(OPTIONS.threads)
    survey = load_survey(OPTIONS.survey)
    have = survey.catalog["has_spectrum"].to_numpy(dtype=bool)
    chosen = [one for one, there in zip(survey.ids, have, strict=True) if there]
    galaxies = [survey[one] for one in chosen[: 2 * OPTIONS.singles]]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    say(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores{load}; "
        f"{OPTIONS.threads} threads; torch {torch.__version__}")  # fmt: skip
    results = []
    for title, changes in CASES.items():
        results += case(title, LabelConfig(**changes), galaxies)
    say("\nTargets:")
    for what, found, target in results:
        reached = found <= target if "cost" in what else found >= target
        sign = "at most" if "cost" in what else "at least"
        say(f"  {'reached' if reached else 'MISSED '}  {what}: {found:.2f}× ({sign} {target:g}×)")


main()
