"""The training domain of images: features of M3, and the pixels themselves.

Features are trained to ignore what does not bear on age, so that an image of
another camera can have quite ordinary ones. Its colours and brightness tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from galam_explorer.evaluate.domain import Domain, fit_domain

__all__ = ["ImageDomain", "fit_image_domain", "pixel_statistics"]

N_STATISTICS = 7
_FEWEST_PIXELS = 50
_OFFSET = 2.0  # grey levels: keeps logarithms of black finite
_MOST_QUANTILES = 2001


def pixel_statistics(images: np.ndarray) -> np.ndarray:
    """Colours, brightness and extent of what the mask kept.

    Parameters
    ----------
    images : ndarray, uint8 (n, 128, 128, 3)
        Prepared images.

    Returns
    -------
    ndarray, float32 (n, 7)
        log R/G and log G/B of the brightest fifth of the pixels and of the faintest
        two fifths, logarithms of their mean levels, share of pixels that are not
        black; NaN for (nearly) black images.
    """
    found = np.full((len(images), N_STATISTICS), np.nan, np.float32)
    for row, image in enumerate(images):
        total = image.sum(axis=2, dtype=np.int32)
        inside = total > 0
        if inside.sum() < _FEWEST_PIXELS:
            continue
        levels, light = image[inside].astype(np.float32), total[inside]
        bright = levels[light >= np.quantile(light, 0.8)]
        faint = levels[light <= np.quantile(light, 0.4)]
        colours = [np.log(part.mean(axis=0) + _OFFSET) for part in (bright, faint)]
        found[row] = (
            *(one[0] - one[1] for one in colours),
            *(one[1] - one[2] for one in colours),
            *(np.log(part.mean() + _OFFSET) for part in (bright, faint)),
            inside.mean(),
        )
    return found


@dataclass(frozen=True, eq=False)
class ImageDomain:
    """Two views of the same question; a galaxy is as strange as the stranger of them.

    Parameters
    ----------
    features : Domain
        Of M3's features.
    pixels : Domain, optional
        Of `pixel_statistics`; models of older versions have none.
    joint : ndarray, shape (q,), optional
        Quantiles of the larger of both scores over validation galaxies, so that the
        joint score is a share of them again.
    """

    features: Domain
    pixels: Domain | None = None
    joint: np.ndarray | None = None

    @property
    def scales(self) -> np.ndarray:
        """One for each coordinate of `embed`."""
        return self.features.scales

    def embed(self, features: np.ndarray) -> np.ndarray:
        """See `Domain.embed`."""
        return self.features.embed(features)

    def distance(self, features: np.ndarray) -> np.ndarray:
        """See `Domain.distance`."""
        return self.features.distance(features)

    def score(self, features: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Share of validation galaxies that are less strange, 0 to 1, shape (n,).

        Parameters
        ----------
        features : ndarray, shape (n, d)
            NaN rows give NaN.
        images : ndarray, uint8 (n, 128, 128, 3)
        """
        found = self.features.score(features)
        if self.pixels is None or self.joint is None:
            return found
        both = np.fmax(found, self.pixels.score(pixel_statistics(images)))
        shares = np.linspace(0.0, 1.0, len(self.joint))
        return np.where(np.isfinite(found), np.interp(both, self.joint, shares), np.nan)

    def tensors(self) -> dict[str, np.ndarray]:
        """Arrays to store."""
        stored = self.features.tensors("image")
        if self.pixels is not None and self.joint is not None:
            stored |= self.pixels.tensors("pixels") | {"pixels.joint": self.joint}
        return stored

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> ImageDomain | None:
        """Read back `tensors`; None if there are none."""
        features = Domain.from_tensors("image", tensors)
        if features is None:
            return None
        return cls(features, Domain.from_tensors("pixels", tensors), tensors.get("pixels.joint"))


def fit_image_domain(
    training: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray]
) -> ImageDomain | None:
    """Describe training images; None where there are too few.

    Parameters
    ----------
    training, validation : tuple of ndarray
        Features (n, d) and `pixel_statistics` (n, 7) of the same galaxies; rows with
        NaN are left out.
    """
    rows = [np.isfinite(one[0]).all(axis=1) & np.isfinite(one[1]).all(axis=1)
            for one in (training, validation)]  # fmt: skip
    train, valid = (
        [part[keep] for part in one] for one, keep in zip((training, validation), rows, strict=True)
    )
    features, pixels = (fit_domain(a, b) for a, b in zip(train, valid, strict=True))
    if features is None or pixels is None:
        return None
    both = np.maximum(features.score(valid[0]), pixels.score(valid[1]))
    count = min(len(both), _MOST_QUANTILES)
    joint = np.quantile(both, np.linspace(0, 1, count)).astype(np.float32)
    return ImageDomain(features, pixels, joint)
