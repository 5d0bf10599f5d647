"""Make the embedded demo survey (seed 0, which no training survey uses).

Run ``make demo``. It replaces ``galam_explorer/survey/data/demo`` and takes some
minutes. The result depends on this file, the code of `galam_explorer.survey` and
the versions in constraints.txt only.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from galam_explorer.config import SimulationConfig
from galam_explorer.survey.demo import DEMO_PATH
from galam_explorer.survey.simulation.run import simulate_survey

CONFIG = SimulationConfig(n=2400, seed=0, spectrum_fraction=0.32)
LIMIT_MB = 25


def main() -> None:
    """Build beside the old survey, check its size, then replace it."""
    with tempfile.TemporaryDirectory(dir=DEMO_PATH.parent) as folder:
        fresh = Path(folder) / "demo"
        survey = simulate_survey(CONFIG, fresh, name="Demo", progress=_show)
        megabytes = sum(file.stat().st_size for file in fresh.rglob("*.*")) / 1e6
        spectra = int(survey.column("has_spectrum").sum())
        sys.stdout.write(f"\n{len(survey)} galaxies, {spectra} spectra, {megabytes:.1f} MB\n")
        if megabytes > LIMIT_MB or spectra < 600:
            sys.exit("not a demo survey: too large, or too few spectra")
        shutil.rmtree(DEMO_PATH, ignore_errors=True)
        fresh.rename(DEMO_PATH)


def _show(done: int, total: int) -> None:
    sys.stdout.write(f"\r{done}/{total}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
