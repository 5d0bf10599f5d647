"""Changes of a galaxy: noise on its spectrum, a smaller image, a missing band, another mask.

Nothing here can make an observation better than it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass

import cv2
import numpy as np

from galam_explorer.config import PreprocessConfig
from galam_explorer.config.base import Config
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.predict_inputs import known_sn
from galam_explorer.preprocess import prepare_cutout
from galam_explorer.preprocess.crop import IMAGE_SIZE, crop, stretch_levels
from galam_explorer.preprocess.mask import jpeg_round_trip, to_working_size
from galam_explorer.records import CutoutStages, Galaxy, Spectrum
from galam_explorer.survey.images import MIN_SIDE, decode_cutout

__all__ = [
    "BANDS",
    "MASKS",
    "WhatIf",
    "altered_image",
    "altered_spectrum",
    "altered_stages",
    "decoded",
    "feasible",
    "observed_sn",
    "smallest_scale",
]

BANDS = {"i": 0, "r": 1, "g": 2}
"""Bands of SDSS's colour images and the channel that each is in (red, green, blue)."""
MASKS = {
    "ellipse": "everything outside the fitted ellipse is black, as in the training",
    "crop": "the same crop with nothing blacked out",
    "whole": "the whole cutout: nothing is masked, cropped or refused",
}
_PRESETS = ("", "robust", "paper")
_LOWEST_SN, _SMALLEST = 0.5, 0.05


@dataclass(frozen=True)
class WhatIf(Config):
    """What is changed about a galaxy; the defaults change nothing.

    Parameters
    ----------
    sn : float, optional
        Median signal-to-noise in r that the spectrum shall have; None leaves it. It can
        only fall.
    seed : int
        Of the added noise. The same seed draws the same pattern at every S/N, scaled.
    image_scale : float
        Side of the cutout in units of its own: 0.5 averages 2 × 2 pixels, as if the galaxy
        were twice as far from the same camera. Averaging lowers the noise of a pixel too.
    missing : tuple of str
        Bands of `BANDS` whose channel is black.
    preset : {"", "robust", "paper"}
        Preprocessing of spectrum and cutout; "" is that of the model's training.
    tolerance, ellipse_scale : float, optional
        Other values of these parameters of `PreprocessConfig`.
    mask : {"ellipse", "crop", "whole"}
        See `MASKS`.

    Raises
    ------
    GalamError
        On a value outside its range; the message names the field.
    """

    sn: float | None = None
    seed: int = 0
    image_scale: float = 1.0
    missing: tuple[str, ...] = ()
    preset: str = ""
    tolerance: float | None = None
    ellipse_scale: float | None = None
    mask: str = "ellipse"

    def __post_init__(self) -> None:
        good = self.sn is None or (_is_number(self.sn) and self.sn >= _LOWEST_SN)
        self.require(good, "sn", f"a number from {_LOWEST_SN}, or None")
        whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        self.require(whole and self.seed >= 0, "seed", "an integer from 0")
        good = _is_number(self.image_scale) and _SMALLEST <= self.image_scale <= 1
        self.require(good, "image_scale", f"a number from {_SMALLEST} to 1")
        good = isinstance(self.missing, tuple) and set(self.missing) <= set(BANDS)
        self.require(good, "missing", f"a tuple of {', '.join(BANDS)}")
        self.require(self.preset in _PRESETS, "preset", "robust, paper or empty")
        self.require(self.mask in MASKS, "mask", f"one of {', '.join(MASKS)}")
        # One question must have one hash, whatever order the bands came in.
        object.__setattr__(self, "missing", tuple(one for one in BANDS if one in self.missing))
        for name in ("sn", "image_scale", "tolerance", "ellipse_scale"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else float(value))
        self.config(PreprocessConfig())  # tolerance and ellipse_scale are checked there

    def config(self, own: PreprocessConfig) -> PreprocessConfig:
        """The preprocessing, where `own` is that of the model's training."""
        base = PreprocessConfig.named(self.preset) if self.preset else own
        changes = {"tolerance": self.tolerance, "ellipse_scale": self.ellipse_scale}
        return base.replace(**{k: v for k, v in changes.items() if v is not None})

    @property
    def of_image(self) -> WhatIf:
        """The part that changes the image: names what can be remembered about it."""
        return dataclasses.replace(self, sn=None, seed=0)

    @property
    def changes(self) -> tuple[str, ...]:
        """Names of the fields that differ from their defaults; the seed alone changes nothing."""
        fields = dataclasses.fields(self)
        found = [one.name for one in fields if getattr(self, one.name) != one.default]
        return tuple(name for name in found if name != "seed" or self.sn is not None)

    @property
    def python(self) -> str:
        """Text that makes this object."""
        return f"WhatIf({', '.join(f'{name}={getattr(self, name)!r}' for name in self.changes)})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# -- what can be asked -----------------------------------------------------------------


def observed_sn(galaxy: Galaxy) -> float:
    """Signal-to-noise in r, the catalogue's or else measured; NaN without spectrum or signal."""
    if galaxy.spectrum is None:
        return float("nan")
    value = known_sn(galaxy)
    return value if np.isfinite(value) and value > 0 else float("nan")


def smallest_scale(image: np.ndarray | None) -> float:
    """The smallest ``image_scale`` of a cutout, whose sides must keep 16 pixels."""
    if image is None:
        return 1.0
    return float(min(1.0, max(_SMALLEST, MIN_SIDE / min(image.shape[:2]))))


def feasible(galaxy: Galaxy, what: WhatIf) -> tuple[WhatIf, tuple[str, ...]]:
    """The nearest question that makes sense for a galaxy, and why it is another.

    Returns
    -------
    WhatIf
    tuple of str
        One sentence for each change.
    """
    notes, changes = [], {}
    own = observed_sn(galaxy)
    if what.sn is not None and not what.sn <= own:
        changes["sn"] = None
        if galaxy.spectrum is None:
            notes.append("There is no spectrum that noise could be added to.")
        elif math.isnan(own):
            notes.append("The spectrum's S/N is unknown: no noise is added.")
        else:
            notes.append(f"Its own S/N is {own:.1f}: noise can be added, not taken away.")
    image = decoded(galaxy)
    if what.image_scale < smallest_scale(image):
        changes["image_scale"] = smallest_scale(image)
        if image is not None:
            notes.append(f"The image keeps at least {MIN_SIDE} pixels a side.")
    return what.replace(**changes), tuple(notes)


# -- what is changed -------------------------------------------------------------------


def altered_spectrum(galaxy: Galaxy, what: WhatIf) -> Spectrum | None:
    """The spectrum with Gaussian noise added, and its ivar lowered to match.

    The noise of every pixel grows by the same factor, observed over wanted S/N: what a
    spectrum with the same, fainter light would look like. Pixels without information
    stay as they are.

    Raises
    ------
    GalamError
        If the S/N would have to rise, or is not known.
    """
    spectrum = galaxy.spectrum
    if spectrum is None or what.sn is None:
        return spectrum
    own = observed_sn(galaxy)
    if not what.sn <= own:
        known = "is unknown" if math.isnan(own) else f"is {own:.1f} already"
        raise GalamError(
            f"the S/N in r {known} and cannot become {what.sn:g}: noise can be added, "
            "not taken away",
            galaxy.id,
            "" if math.isnan(own) else f"give an S/N of up to {own:.1f}",
        )
    factor = own / what.sn
    error = np.nan_to_num(spectrum.error, nan=0.0, posinf=0.0)
    noise = _pattern(galaxy.id, what.seed, len(spectrum)) * error * math.sqrt(factor**2 - 1)
    return dataclasses.replace(
        spectrum,
        flux=(np.asarray(spectrum.flux, float) + noise).astype(np.float32),
        ivar=(np.asarray(spectrum.ivar, float) / factor**2).astype(np.float32),
    )


def _pattern(galaxy_id: str, seed: int, count: int) -> np.ndarray:
    """Standard normal numbers that depend on galaxy and seed alone, shape (count,)."""
    digest = hashlib.sha256(f"{seed}:{galaxy_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little")).standard_normal(count)


def altered_image(image: np.ndarray, what: WhatIf) -> np.ndarray:
    """The cutout with fewer pixels and without the missing bands, uint8 (h, w, 3).

    Raises
    ------
    GalamError
        If fewer than 16 pixels a side would be left.
    """
    height, width = image.shape[:2]
    if what.image_scale < 1:
        sides = round(width * what.image_scale), round(height * what.image_scale)
        if min(sides) < MIN_SIDE:
            raise GalamError(
                f"the image would have {min(sides)} px a side; {MIN_SIDE} are needed",
                "image_scale",
                f"give at least {smallest_scale(image):.3f}",
            )
        image = cv2.resize(image, sides, interpolation=cv2.INTER_AREA)
    if what.missing:
        image = image.copy()
        image[..., [BANDS[one] for one in what.missing]] = 0
    return image


def altered_stages(
    image: np.ndarray | None, what: WhatIf, own: PreprocessConfig, where: str = ""
) -> CutoutStages:
    """Every step from an altered cutout to the network's input.

    Parameters
    ----------
    image : ndarray, uint8 (h, w, 3), optional
        As `altered_image` gives it.
    what : WhatIf
    own : PreprocessConfig
        Of the model's training.
    where : str
        Galaxy id for messages.
    """
    config = what.config(own)
    stages = prepare_cutout(image, config, where)
    if what.mask == "ellipse" or stages.original is None:
        return stages
    if what.mask == "whole":
        side = stages.original.shape[0]
        return CutoutStages(
            "ok",
            original=stages.original,
            grey=stages.grey,
            masked=stages.original,
            crop_box=(0, side, 0, side),
            cropped=_finished(to_working_size(stages.original, IMAGE_SIZE), config),
        )
    if stages.crop_box is None:
        return stages
    cut = _finished(crop(stages.original, stages.crop_box), config)
    return dataclasses.replace(stages, masked=stages.original, cropped=cut)


def _finished(cut: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """What the preprocessing does to a crop at the end."""
    if config.stretch_levels:
        cut = stretch_levels(cut)
    return jpeg_round_trip(cut) if config.jpeg_round_trip != "none" else cut


def decoded(galaxy: Galaxy) -> np.ndarray | None:
    """The cutout, uint8 (h, w, 3); None without a readable one."""
    if galaxy.cutout is None:
        return None
    try:
        return decode_cutout(galaxy.cutout, galaxy.id)
    except GalamError:
        return None  # prepare_cutout says why
