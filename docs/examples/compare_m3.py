"""Train M3 of ``compact`` and of ``turned`` on one survey, and compare them in one protocol.

    python docs/examples/compare_m3.py surveys/small runs

The survey is prepared and simulated; both learn its truth with the same split and seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import galam_explorer as ge
from galam_explorer.evaluate.finish import finish_model
from galam_explorer.evaluate.metrics_bootstrap import Interval, bootstrap_difference
from galam_explorer.evaluate.protocol import measure
from galam_explorer.survey import Survey

PLUGIN = Path(__file__).with_name("turned_m3.py")


def compare(
    survey: Survey, runs: Path, train: ge.TrainConfig, width: float = 1.0
) -> dict[str, Interval]:
    """RMSE of ``turned`` minus that of ``compact`` on the same test galaxies, dex."""
    ge.load_plugin(PLUGIN)
    measured = {}
    for preset in ("compact", "turned"):
        network = ge.NetworkConfig.named(preset, width=width)
        folder = ge.train_run(survey, network, train, run_dir=runs / preset)
        finish_model(folder.path, survey)
        measured[preset] = measure([folder.path], survey, photometry=False)
    ours, theirs = measured["turned"], measured["compact"]
    if list(ours.ids) != list(theirs.ids):
        raise ValueError("these are not the same test galaxies")
    return {
        name: bootstrap_difference(
            ours.residuals("m3", "truth", column),
            theirs.residuals("m3", "truth", column),
            ours.references["truth"][:, column],
        )
        for column, name in enumerate(("log_age", "m_h"))
    }


if __name__ == "__main__":
    opened = ge.load_survey(sys.argv[1])
    choices = ge.TrainConfig(stages=("m3",), target="truth")
    for quantity, found in compare(opened, Path(sys.argv[2]), choices).items():
        print(f"{quantity}: {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}] dex")
