"""Compare simulated cutouts with real SDSS ones, in one figure and one table.

The real ones are JPEGs of Galaxy Zoo 2's kind: 424 x 424 pixels of 0.02
Petrosian R90, so 8.5 R90 across, of galaxies with r < 17 and R90 > 3 arcsec.
The simulated ones are drawn, or cut out of a survey, at the same relative scale
and with the same selection (noise-free petro_mag_r < 17, petro_r90_r > 3).

For every image: colours of the target, its half-light radius, concentration and
axis ratio, the background's rms in each channel, and the number of other
sources. For every quantity: the two-sample Kolmogorov-Smirnov statistic, and the
Wasserstein distance in units of the real images' standard deviation.

    python tools/compare_cutouts.py REAL_FOLDER --n 240 --figure compare.png
    python tools/compare_cutouts.py REAL_FOLDER --survey SURVEY --figure compare.png
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.stats import sigma_clipped_stats
from PIL import Image, UnidentifiedImageError
from scipy import ndimage, stats

from galam_explorer.errors import GalamError
from galam_explorer.survey import load_survey
from galam_explorer.survey.simulation.camera import Seeing
from galam_explorer.survey.simulation.photometry import measure_target
from galam_explorer.survey.simulation.render import render_cutout

SIZE = 424
R90_PER_PIXEL = 0.02
FAINTEST_R, SMALLEST_R90 = 17.0, 3.0
QUANTITIES = {
    "colour R/G": "log10 of JPEG flux ratio",
    "colour G/B": "log10 of JPEG flux ratio",
    "half-light radius": "fraction of the image's width",
    "concentration": "5 log10(r80 / r20)",
    "axis ratio": "from second moments",
    "peak": "grey level of the central pixels",
    "background rms R": "grey levels",
    "background rms G": "grey levels",
    "background rms B": "grey levels",
    "other sources": "count in the image",
}


def segment(grey: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Label what stands out of the background.

    Parameters
    ----------
    grey : ndarray, shape (n, n)

    Returns
    -------
    labels : ndarray of int, shape (n, n)
    target : int
        Label at the centre; 0 if nothing is there.
    others : int
        Number of other sources of at least a star's size.
    """
    smooth = ndimage.gaussian_filter(grey, 2.0)
    _, median, rms = sigma_clipped_stats(smooth, sigma=3)
    labels, count = ndimage.label(smooth > median + max(6.0, 5 * rms))
    half = len(grey) // 2
    centre = labels[half - 4 : half + 4, half - 4 : half + 4]
    target = int(np.bincount(centre.ravel()).argmax()) if centre.any() else 0
    target = target or int(centre.max())
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return labels, target, int((areas >= 20).sum()) - (target > 0)


def growth_radii(flux: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """Radii around the image's centre, px, that hold given shares of a flux."""
    offsets = np.arange(len(flux)) - (len(flux) - 1) / 2
    radius = np.hypot(offsets[:, None], offsets).ravel()
    order = np.argsort(radius, kind="stable")
    grown = np.cumsum(flux.ravel()[order])
    return np.interp(shares, grown / grown[-1], radius[order])


def measure(rgb: np.ndarray) -> dict[str, float] | None:
    """All `QUANTITIES` of one image; None where there is nothing in its centre.

    Parameters
    ----------
    rgb : ndarray, shape (n, n, 3), uint8
    """
    planes = rgb.astype(float)
    grey = planes.mean(axis=2)
    labels, target, others = segment(grey)
    if target == 0:
        return None
    sky = planes[labels == 0]
    background = [sigma_clipped_stats(channel, sigma=3) for channel in sky.T]
    own = labels == target
    light = np.where(own[..., None], planes - [level for _, level, _ in background], 0.0)
    red, green, blue = np.maximum(light.sum(axis=(0, 1)), 1.0)
    flux = np.maximum(light.mean(axis=2), 0.0)
    r20, r50, r80 = growth_radii(flux, (0.2, 0.5, 0.8))
    rows, columns = np.nonzero(own)
    values = np.linalg.eigvalsh(np.cov(np.vstack([rows, columns]), aweights=flux[own] + 1e-6))
    half = len(grey) // 2
    numbers = [
        np.log10(red / green),
        np.log10(green / blue),
        r50 / len(grey),
        5 * np.log10(max(r80, 1.0) / max(r20, 0.5)),
        np.sqrt(max(values[0], 0.0) / values[1]),
        grey[half - 2 : half + 2, half - 2 : half + 2].mean(),
        *(rms for _, _, rms in background),
        others,
    ]
    return dict(zip(QUANTITIES, map(float, numbers), strict=True))


def real_images(folder: Path) -> Iterator[np.ndarray]:
    """Decode every JPEG of a folder; unreadable ones are named and skipped."""
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        raise GalamError("no JPEG files", folder)
    for path in paths:
        try:
            with Image.open(path) as image:
                yield np.asarray(image.convert("RGB"))
        except (OSError, UnidentifiedImageError) as error:
            print(f"{path}: skipped, {error}", file=sys.stderr)


def drawn_images(n: int, seed: int) -> Iterator[np.ndarray]:
    """Draw galaxies of the simulation's population until `n` pass the selection."""
    from galam_explorer.survey.simulation.populations import draw_galaxy

    rng = np.random.default_rng(seed)
    while n:
        model = draw_galaxy(rng)
        seen = measure_target(model.components, Seeing())
        if seen.petro_mag_r >= FAINTEST_R or seen.petro_r90_r <= SMALLEST_R90:
            continue
        scale = R90_PER_PIXEL * seen.petro_r90_r
        drawn = render_cutout(model.components, rng, z=model.z, size=SIZE, scale=scale)
        yield np.asarray(Image.open(io.BytesIO(drawn.jpeg)))
        n -= 1


def survey_images(path: str) -> Iterator[np.ndarray]:
    """Central 8.5 R90 of a survey's cutouts, where they are as wide as that."""
    for galaxy in load_survey(path):
        if not (galaxy.petro_mag_r < FAINTEST_R and galaxy.petro_r90_r > SMALLEST_R90):
            continue
        if galaxy.cutout is None:
            continue
        image = Image.open(io.BytesIO(galaxy.cutout.encoded)).convert("RGB")
        width = SIZE * R90_PER_PIXEL * galaxy.petro_r90_r / galaxy.cutout.scale
        if width > image.width:
            continue
        edge = (image.width - width) / 2
        box = (edge, edge, edge + width, edge + width)
        yield np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box))


def table_of(images: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    """Measure all images; columns of `QUANTITIES`."""
    rows = [row for row in map(measure, images) if row is not None]
    if len(rows) < 2:
        raise GalamError("fewer than two images with a galaxy in the centre", "comparison")
    return {name: np.array([row[name] for row in rows]) for name in QUANTITIES}


def compare(real: dict[str, np.ndarray], simulated: dict[str, np.ndarray]) -> list[dict]:
    """Distances between the two samples, one entry a quantity."""
    found = []
    for name in QUANTITIES:
        a, b = real[name], simulated[name]
        spread = float(a.std()) or 1.0
        found.append(
            {
                "quantity": name,
                "real_median": float(np.median(a)),
                "simulated_median": float(np.median(b)),
                "real_sd": float(a.std()),
                "simulated_sd": float(b.std()),
                "ks": float(stats.ks_2samp(a, b).statistic),
                "wasserstein_sd": float(stats.wasserstein_distance(a, b) / spread),
            }
        )
    return found


def draw_figure(
    path: Path, real: dict[str, np.ndarray], simulated: dict[str, np.ndarray], rows: list[dict]
) -> None:
    """Histograms of every quantity, real against simulated."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = 4
    lines = -(-len(QUANTITIES) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(14, 3.1 * lines), layout="constrained")
    for axis, row in zip(axes.flat, rows, strict=False):
        name = row["quantity"]
        low, high = np.percentile(np.concatenate([real[name], simulated[name]]), [0.5, 99.5])
        bins = np.linspace(low, high, 26)
        axis.hist(real[name], bins, density=True, color="0.7", label="real")
        axis.hist(simulated[name], bins, density=True, histtype="step", color="C3", lw=1.8)
        axis.set_title(f"{name}: KS {row['ks']:.2f}, W {row['wasserstein_sd']:.2f} SD", size=10)
        axis.set_xlabel(QUANTITIES[name], size=9)
        axis.set_yticks([])
    for axis in axes.flat[len(rows) :]:
        axis.set_axis_off()
    counts = f"grey: {len(real['peak'])} real; red: {len(simulated['peak'])} simulated"
    figure.suptitle(f"Cutouts of r < 17 galaxies, 8.5 R90 across. {counts}", size=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path, help="folder of real JPEG cutouts, 8.5 R90 across")
    parser.add_argument("--survey", help="simulated survey; without it galaxies are drawn")
    parser.add_argument("--n", type=int, default=240, help="galaxies to draw (default 240)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="write the distributions to this PNG")
    parser.add_argument("--json", type=Path, help="write the table to this file")
    options = parser.parse_args()
    try:
        real = table_of(real_images(options.real))
        source = survey_images(options.survey) if options.survey else None
        simulated = table_of(source or drawn_images(options.n, options.seed))
    except GalamError as error:
        print(error, file=sys.stderr)
        return 1
    rows = compare(real, simulated)
    print(f"{'quantity':18} {'real':>16} {'simulated':>16} {'KS':>6} {'W/SD':>6}")
    for row in rows:
        print(
            f"{row['quantity']:18} {row['real_median']:8.3f} ±{row['real_sd']:6.3f}"
            f" {row['simulated_median']:8.3f} ±{row['simulated_sd']:6.3f}"
            f" {row['ks']:6.2f} {row['wasserstein_sd']:6.2f}"
        )
    if options.figure:
        draw_figure(options.figure, real, simulated, rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
