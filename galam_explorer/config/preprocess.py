"""Choices of the preprocessing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

from galam_explorer.config.base import Config
from galam_explorer.errors import GalamError

__all__ = ["PreprocessConfig"]

_PAPER: dict[str, Any] = {
    "clean_spectrum": False,
    "smoothing": 0.0,
    "clip_to_centre": False,
    "tolerance": 36.0,
    "ellipse_choice": "last",
    "ellipse_scale": 1.5,
    "whole_pixels": True,
    "jpeg_round_trip": "crop",
    "background_from": "masked",
    "background_box": 50,
    "kernel_fwhm": 3.0,
    "n_pixels": 10,
    "n_levels": 90,
    "contrast": 1e-6,
    "blended_rule": "any",
    "crop_shape": "stretched",
    "stretch_levels": True,
}


@dataclass(frozen=True)
class PreprocessConfig(Config):
    """How spectra and cutouts become network inputs.

    The defaults are the ``robust`` configuration; `paper` gives the published
    one (paper Sect. 2.2 and its released code). Lengths are pixels of the
    working image, grey levels run from 0 to 255.

    Parameters
    ----------
    size : int
        Side of the working image and of the network's input, px. Larger
        cutouts are averaged down to it first, smaller ones interpolated up.
    clean_spectrum : bool
        Interpolate over masked, zero-ivar and sky-residual pixels before the
        min-max normalisation, and keep lone spikes from setting its bounds.
    smoothing : float
        Standard deviation of the Gaussian that smooths the grey image before
        thresholding; 0 does not smooth.
    clip_to_centre : bool
        Clip the grey image at the brightest level near its centre before
        thresholding, so that a brighter star elsewhere does not set the threshold.
    tolerance : float
        The threshold iteration stops when it changes by less, grey levels.
    ellipse_choice : {"last", "central"}
        Which fitted ellipse is the galaxy: the last that contains the image
        centre, or the one of the region at the centre.
    ellipse_scale : float
        Factor on the axes of the chosen ellipse.
    whole_pixels : bool
        Round thresholds and ellipses to integers and ignore the rotation when
        asking whether an ellipse contains the centre, as released.
    jpeg_round_trip : {"none", "crop", "all"}
        Save and reopen the masked image as JPEG before cropping, or before
        deblending and cropping.
    background_from : {"masked", "original"}
        Whether background and rms are measured on the masked image (its black
        surroundings included) or on the original outside the mask.
    background_box : int
        Box of the background mesh.
    n_sigma : float
        Detection threshold in units of the background rms.
    kernel_fwhm : float
        Full width at half maximum of the smoothing kernel of the detection.
    n_pixels : int
        Fewest connected pixels of a source, in detection and deblending.
    n_levels : int
        Number of deblending levels.
    contrast : float
        Smallest share of a source's flux that a deblended part must have.
    blended_rule : {"any", "central"}
        ``any``: more than one label anywhere is blended. ``central``: only a
        second source that overlaps the central one counts (see the next three).
    min_flux_ratio : float
        ``central`` rule: smallest flux of the other source, in units of the target's.
    min_raised_flux : float
        ``central`` rule: smallest light of the other source above the saddle
        towards the target, in units of the target's light.
    min_prominence : float
        ``central`` rule: smallest height of the other source's peak above that
        saddle, as a share of the peak.
    crop_shape : {"square", "stretched"}
        ``square`` keeps the axis ratio; ``stretched`` maps the bounding box of
        the masked galaxy to a square, whatever its shape.
    stretch_levels : bool
        Stretch the crop so that its brightest value is 255, as released.

    Raises
    ------
    GalamError
        On a value outside its range; the message names the field.
    """

    size: int = 128
    clean_spectrum: bool = True
    smoothing: float = 0.7
    clip_to_centre: bool = True
    tolerance: float = 0.5
    ellipse_choice: str = "central"
    ellipse_scale: float = 1.75
    whole_pixels: bool = False
    jpeg_round_trip: str = "none"
    background_from: str = "original"
    background_box: int = 32
    n_sigma: float = 1.5
    kernel_fwhm: float = 1.5
    n_pixels: int = 5
    n_levels: int = 32
    contrast: float = 1e-4
    blended_rule: str = "central"
    min_flux_ratio: float = 0.05
    min_raised_flux: float = 0.002
    min_prominence: float = 0.05
    crop_shape: str = "square"
    stretch_levels: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            whole = isinstance(low, int)
            good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            rule = f"{'an integer' if whole else 'a number'} from {low} to {high}"
            self.require(good and math.isfinite(value) and low <= value <= high, name, rule)
            if not whole:  # 1 and 1.0 are one choice, so they must give one hash.
                object.__setattr__(self, name, float(value))
        for name, choices in _CHOICES.items():
            self.require(getattr(self, name) in choices, name, f"one of {', '.join(choices)}")
        for name in ("clean_spectrum", "clip_to_centre", "whole_pixels", "stretch_levels"):
            self.require(isinstance(getattr(self, name), bool), name, "true or false")

    @classmethod
    def paper(cls) -> Self:
        """The published preprocessing (paper Sect. 2.2, parameters as released)."""
        return cls(**_PAPER)

    @classmethod
    def robust(cls) -> Self:
        """The default: the same steps without the published flaws."""
        return cls()

    @classmethod
    def named(cls, name: str) -> Self:
        """The configuration called `name`, ``"paper"`` or ``"robust"``.

        Raises
        ------
        GalamError
            On any other name.
        """
        makers = {"paper": cls.paper, "robust": cls.robust}
        if name not in makers:
            raise GalamError(
                f"no preprocessing is called {name!r}", "PreprocessConfig", "use paper or robust"
            )
        return makers[name]()


_RANGES: dict[str, tuple[float, float]] = {
    "size": (32, 512),
    "smoothing": (0.0, 5.0),
    "tolerance": (0.01, 128.0),
    "ellipse_scale": (0.5, 4.0),
    "background_box": (8, 512),
    "n_sigma": (0.5, 20.0),
    "kernel_fwhm": (1.0, 10.0),
    "n_pixels": (1, 500),
    "n_levels": (1, 200),
    "contrast": (0.0, 1.0),
    "min_flux_ratio": (0.0, 1.0),
    "min_raised_flux": (0.0, 1.0),
    "min_prominence": (0.0, 1.0),
}
_CHOICES = {
    "ellipse_choice": ("last", "central"),
    "jpeg_round_trip": ("none", "crop", "all"),
    "background_from": ("masked", "original"),
    "blended_rule": ("any", "central"),
    "crop_shape": ("square", "stretched"),
}
