"""Speed of prediction: JPEG to age and metallicity, compact against paper, in one run.

::

    python benchmarks/predict.py [--n 2000] [--threads 2] [--model demo]

Two things are timed. **Whole**: a survey of N galaxies with images alone is written,
then `Model.predict(survey)` decodes, masks, deblends, crops and predicts every one,
with its caches and files, starting from nothing. **Networks**: the forward passes
alone on prepared inputs, images alone (M2, M3, M4) and with spectra (M1 too), for
both presets. Weights do not change the speed, so a preset without a trained model
runs with random ones. The paper takes 1.5 s an image.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from galam_explorer.config import NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.model import BATCH, Model
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.predict_inputs import array_inputs
from galam_explorer.networks import N_PIXELS, build_network
from galam_explorer.survey import Survey, SurveyWriter, load_survey

PAPER_SECONDS = 1.5
"""Of one image, as published."""
STAGES = ("m1", "m2", "m3", "m4")


def random_model(network: NetworkConfig) -> Model:
    """A model of a preset with first weights."""
    torch.manual_seed(0)
    networks = {stage: build_network(stage, network) for stage in STAGES}
    info = {
        "name": f"random {network.preset}",
        "network": dataclasses.asdict(network),
        "train": dataclasses.asdict(TrainConfig()),
        "preprocess": dataclasses.asdict(PreprocessConfig()),
        "label_scaling": {"low": [8.5, -1.5], "high": [10.1, 0.3]},
    }
    return Model(Path(), info, networks, {}, f"benchmark-{network.preset}")


def image_survey(path: Path, n: int) -> Survey:
    """`n` galaxies of the demo with their JPEGs alone, repeated under new ids."""
    demo = load_survey("demo")
    endless = itertools.chain.from_iterable(itertools.repeat(demo))
    galaxies = (one for one in endless if one.cutout is not None)
    copies = (
        dataclasses.replace(one, id=f"copy-{number:06d}", spectrum=None)
        for number, one in enumerate(itertools.islice(galaxies, n))
    )
    SurveyWriter(path, "benchmark", demo.kind, {}).append(copies)
    return load_survey(path)


def time_whole(model: Model, n: int, workers: int) -> dict[str, float]:
    """JPEG files to predictions, everything included."""
    with tempfile.TemporaryDirectory() as folder:
        survey = image_survey(Path(folder) / "survey", n)
        started = time.perf_counter()
        table = model.predict(survey, workers=workers)
        seconds = time.perf_counter() - started
        predicted = int(np.isfinite(table["m4_log_age"]).sum())
    return {"galaxies": n, "predicted": predicted, "seconds": seconds, "per_second": n / seconds}


def time_networks(model: Model, n: int, spectra: bool, repeats: int = 3) -> float:
    """Galaxies a second through the networks alone; the median of some repeats."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (n, 128, 128, 3), dtype=np.uint8)
    values = rng.random((n, N_PIXELS), dtype=np.float32) if spectra else None
    rates = []
    for turn in range(repeats + 1):
        started = time.perf_counter()
        for part in array_inputs(images, values).parts(BATCH):
            model.raw(part)
        if turn:  # the first one warms up
            rates.append(n / (time.perf_counter() - started))
    return statistics.median(rates)


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Everything, in one process."""
    torch.set_num_threads(options.threads)
    try:
        compact = load_model(options.model)
    except GalamError as error:
        sys.stdout.write(f"{error} Random weights instead: they are as fast.\n")
        compact = random_model(NetworkConfig())
    paper = random_model(NetworkConfig.paper())
    found: dict[str, object] = {"threads": options.threads, "model": compact.name}
    found["whole"] = time_whole(compact, options.n, options.threads)
    for name, model, count in (("compact", compact, 512), ("paper", paper, 64)):
        parameters = sum(w.numel() for one in model.networks.values() for w in one.parameters())
        found[name] = {
            "parameters": parameters,
            "images_per_second": time_networks(model, count, spectra=False),
            "images_and_spectra_per_second": time_networks(model, count, spectra=True),
        }
    return found


def main() -> int:
    """Print a table, and the numbers as JSON last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="demo")
    found = measure(parser.parse_args())
    whole, compact, paper = (found[name] for name in ("whole", "compact", "paper"))
    ratio = compact["images_per_second"] / paper["images_per_second"]
    both = compact["images_and_spectra_per_second"] / paper["images_and_spectra_per_second"]
    found |= {
        "compact_over_paper_images": ratio,
        "compact_over_paper_with_spectra": both,
        "whole_over_published": whole["per_second"] * PAPER_SECONDS,
    }
    sys.stdout.write(
        f"JPEG to prediction: {whole['per_second']:.0f} galaxies/s on {found['threads']} threads, "
        f"{found['whole_over_published']:.0f} times the published 1.5 s an image\n"
        f"networks alone, images: compact {compact['images_per_second']:.0f}/s, "
        f"paper {paper['images_per_second']:.1f}/s, ratio {ratio:.1f}\n"
        f"with spectra: compact {compact['images_and_spectra_per_second']:.0f}/s, "
        f"paper {paper['images_and_spectra_per_second']:.1f}/s, ratio {both:.1f}\n"
    )
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
