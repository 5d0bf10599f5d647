"""Names of the networks and of their presets, also of those that plugins bring."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from galam_explorer.config.base import Config
from galam_explorer.errors import GalamError

__all__ = [
    "NETWORKS",
    "PRESETS",
    "Preset",
    "add_preset",
    "base_of",
    "plugin_preset",
    "preset_names",
]

PRESETS = ("compact", "paper")
NETWORKS = ("m1", "m2", "m3", "m4", "m4_real", "image_only")
"""M1 to M4; M4 trained on M1's features; one image network as large as M2, M3 and M4."""

_ADDED: dict[str, Preset] = {}


@dataclass(frozen=True)
class Preset(Config):
    """A set of networks that a plugin brings.

    Parameters
    ----------
    name : str
        What ``--preset`` and `NetworkConfig.preset` call it: small letters, digits, hyphens.
    base : {"compact", "paper"}
        Whose networks it takes for stages that it does not bring, and whose training
        it goes by: networks of ``compact`` give a spread and get clipped gradients.
    stages : tuple of str
        Those that it brings, of `NETWORKS`.
    plugin : str
        Module that registers it.
    """

    name: str
    base: str
    stages: tuple[str, ...]
    plugin: str

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and re.fullmatch(r"[a-z][a-z0-9-]*", self.name)
        self.require(bool(named), "name", "small letters, digits and hyphens")
        self.require(self.name not in PRESETS, "name", "another name than the package's own")
        self.require(self.base in PRESETS, "base", f"one of {', '.join(PRESETS)}")
        known = len(self.stages) > 0 and set(self.stages) <= set(NETWORKS)
        self.require(known, "stages", f"one or more of {', '.join(NETWORKS)}")
        # Other processes import it by its name, and __main__ is another module there.
        self.require(
            bool(self.plugin) and self.plugin != "__main__",
            "plugin",
            "a module in a file of its own (plugin=__name__ there)",
        )

    def refuse(self, stage: str, what: str, cause: Exception | None = None) -> NoReturn:
        """Raise `GalamError` about one of its networks."""
        where = f"{stage} of the preset {self.name!r} (plugin {self.plugin})"
        remedy = "what it has to give: galam_explorer.networks.check_networks"
        raise GalamError(what, where, remedy) from cause


def add_preset(preset: Preset) -> None:
    """Let configurations name a preset; a plugin may replace its own.

    Raises
    ------
    GalamError
        If another plugin has a preset of this name.
    """
    known = _ADDED.get(preset.name, preset)
    taken = f"another name: the plugin {known.plugin} has it"
    preset.require(known.plugin == preset.plugin, "name", taken)
    _ADDED[preset.name] = preset


def plugin_preset(name: str) -> Preset | None:
    """What a plugin registered under this name; None for the package's own and unknown ones."""
    return _ADDED.get(name)


def preset_names() -> tuple[str, ...]:
    """Every preset that can be asked for now."""
    return (*PRESETS, *_ADDED)


def base_of(name: str) -> str:
    """``compact`` or ``paper``, itself or what a plugin's preset is based on."""
    return _ADDED[name].base if name in _ADDED else name
