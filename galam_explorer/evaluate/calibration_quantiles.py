"""Calibrated quantiles as records: how many spreads an interval reaches to either side.

They are fitted by `galam_explorer.evaluate.calibration` and kept in a model's ``model.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from galam_explorer.errors import GalamError

__all__ = ["LEVELS", "TARGETS", "WITH_SN", "Calibration", "Quantile", "Term"]

LEVELS = (0.68, 0.90)
TARGETS = ("log_age", "m_h")
WITH_SN = "{} with sn_r"
"""Key of a network's quantiles for galaxies whose S/N is known."""


@dataclass(frozen=True)
class Term:
    """One piecewise linear part of the logarithm of a quantile.

    Parameters
    ----------
    variable : str
        ``sn_r``, or a predicted ``log_age`` or ``m_h``.
    nodes : tuple of float
        Where it bends, ascending; constant beyond the ends.
    logs : tuple of float
        Its values there; 0 stands for "unknown".
    """

    variable: str
    nodes: tuple[float, ...]
    logs: tuple[float, ...]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Value for each galaxy; 0, the mean over the validation galaxies, where unknown."""
        found = np.interp(values, self.nodes, self.logs)
        return np.where(np.isfinite(values), found, 0.0)


@dataclass(frozen=True)
class Quantile:
    """How many spreads an interval reaches to either side.

    Parameters
    ----------
    level : float
    constant : float
    terms : tuple of Term
    """

    level: float
    constant: float
    terms: tuple[Term, ...] = ()

    def __call__(self, variables: Mapping[str, np.ndarray]) -> np.ndarray:
        """Half-width in units of the spread, shape (n,)."""
        size = len(next(iter(variables.values())))
        logs = np.zeros(size)
        for term in self.terms:
            logs = logs + term(variables[term.variable])
        return self.constant * np.exp(logs)


@dataclass(frozen=True)
class Calibration:
    """The quantiles of every network and target.

    Parameters
    ----------
    target : {"label", "truth"}
        What the intervals cover: pPXF-style labels or the simulated truth.
    galaxies : mapping of str to int
        Validation galaxies by network.
    quantiles : mapping of (network, target, level) to Quantile
    notes : tuple of str
    """

    target: str
    galaxies: Mapping[str, int]
    quantiles: Mapping[tuple[str, str, float], Quantile]
    notes: tuple[str, ...] = ()

    def half_widths(
        self, network: str, target: str, spread: np.ndarray, variables: Mapping[str, np.ndarray]
    ) -> list[np.ndarray]:
        """Half-widths at each of `LEVELS`, dex, each (n,); NaN where not calibrated.

        Parameters
        ----------
        network, target : str
        spread : ndarray, shape (n,)
            Learned spread, dex.
        variables : mapping
            ``sn_r`` and the predicted ``log_age`` and ``m_h``, each (n,).
        """
        widths: list[np.ndarray] = []
        for level in LEVELS:
            quantile = self.quantiles.get((network, target, level))
            if quantile is None:
                widths.append(np.full(len(spread), np.nan))
                continue
            width = quantile(variables) * spread
            better = self.quantiles.get((WITH_SN.format(network), target, level))
            if better is not None:
                known = np.isfinite(variables["sn_r"])
                width = np.where(known, better(variables) * spread, width)
            # The wider interval holds the narrower one, also where few galaxies are.
            widths.append(np.maximum(width, widths[-1]) if widths else width)
        return widths

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        networks: dict[str, Any] = {}
        for (network, target, level), quantile in self.quantiles.items():
            entry = networks.setdefault(network, {}).setdefault(target, {})
            entry[f"{100 * level:.0f}"] = asdict(quantile)
        return {
            "target": self.target,
            "levels": list(LEVELS),
            "split": "validation",
            "galaxies": dict(self.galaxies),
            "notes": list(self.notes),
            "networks": networks,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], where: object = "") -> Calibration:
        """Read back `to_json`.

        Raises
        ------
        GalamError
            If a part is missing or is not a number.
        """
        try:
            quantiles = {
                (network, target, float(one["level"])): _quantile(one)
                for network, targets in fields["networks"].items()
                for target, levels in targets.items()
                for one in levels.values()
            }
            return cls(
                fields["target"], fields["galaxies"], quantiles, tuple(fields.get("notes", ()))
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GalamError(f"the calibration cannot be read ({error!r})", where) from error


def _quantile(fields: Mapping[str, Any]) -> Quantile:
    terms = tuple(
        Term(
            one["variable"],
            tuple(float(node) for node in one["nodes"]),
            tuple(float(value) for value in one["logs"]),
        )
        for one in fields["terms"]
    )
    return Quantile(float(fields["level"]), float(fields["constant"]), terms)
