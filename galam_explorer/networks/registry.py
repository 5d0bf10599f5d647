"""Networks from outside the package: a plugin registers them as a preset.

A plugin is a module that the user names (``--plugin``, GALAM_PLUGINS or
`galam_explorer.load_plugin`); model folders never import one by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from galam_explorer.config import NetworkConfig
from galam_explorer.config.presets import Preset, add_preset, plugin_preset
from galam_explorer.networks.blocks import Network
from galam_explorer.networks.output import N_FEATURES, N_PIXELS, Output
from galam_explorer.networks.presets import BUILDERS, Builder, build_network, count_parameters

__all__ = ["check_networks", "register_preset"]

_ROWS = 2
_TOKENS = 64


def register_preset(
    name: str, networks: Mapping[str, Builder], *, plugin: str, base: str = "compact"
) -> None:
    """Make networks of your own a preset, for ``--preset NAME`` and `NetworkConfig`.

    Parameters
    ----------
    name : str
        Small letters, digits, hyphens.
    networks : mapping of str to callable
        By stage (``m1``, ``m2``, ``m3``, ``m4``, ``m4_real``, ``image_only``), what takes
        a `NetworkConfig` and gives a `Network`; a class will do. The other stages are
        those of `base`. What each takes and gives is in `check_networks`.
    plugin : str
        The module that registers it: ``__name__``. Model folders say that they need it.
    base : {"compact", "paper"}
        Also decides how it is trained.

    Raises
    ------
    GalamError
        On a name that is taken or not allowed, an unknown stage, or in ``__main__``,
        which other processes cannot import.
    """
    preset = Preset(name, base, tuple(networks), plugin)
    for stage, builder in networks.items():
        if not callable(builder):
            preset.refuse(stage, f"is a {type(builder).__name__} and cannot be called")
    add_preset(preset)
    BUILDERS[name] = dict(networks)


def check_networks(config: NetworkConfig) -> dict[str, int]:
    """Run a plugin's networks on two black galaxies and check what they give.

    ========== ================================ =============================================
    stage      takes                            gives (`Output`)
    ========== ================================ =============================================
    m1         spectra (B, 4171)                ``mean`` (B, 2), ``features`` (B, 1024)
    m2         images (B, C, R, R)              ``features`` (B, 1024)
    m3         images                           ``mean``, ``features``, ``tokens`` (B, T, D)
    m4,        features (B, 1024) in [0, 1],    ``mean``, ``attention`` (B, heads, queries, T)
    m4_real    tokens (B, T, D)
    image_only images                           ``mean``, ``features``
    ========== ================================ =============================================

    T is 64 (the 8×8 places, row by row), or 1 for ``attention="single"``. Networks with
    a ``mean`` give ``log_sigma`` (B, 2) too if their preset is based on ``compact``, and
    none if it is based on ``paper``.

    Parameters
    ----------
    config : NetworkConfig

    Returns
    -------
    dict of str to int
        Parameters of the stages that the plugin brings; empty for the package's presets.

    Raises
    ------
    GalamError
        If one of them is no `Network` or gives something else.
    """
    preset = plugin_preset(config.preset)
    if preset is None:
        return {}
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        return {stage: _check(stage, config, preset) for stage in preset.stages}


def _check(stage: str, config: NetworkConfig, preset: Preset) -> int:
    try:
        network = build_network(stage, config)
        if not isinstance(network, Network):
            preset.refuse(stage, f"is a {type(network).__name__} and no Network")
        given = network.eval()(*_inputs(stage, config))
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        preset.refuse(stage, f"cannot be run ({error})", error)
    if not isinstance(given, Output):
        preset.refuse(stage, f"gives a {type(given).__name__} and no Output")
    for name, shape in _expected(stage, config).items():
        found = getattr(given, name)
        if found is None or not _fits(found, shape):
            found = None if found is None else tuple(found.shape)
            preset.refuse(stage, f"gives {name} {found} where {shape} is expected")
    wanted = config.base == "compact" and stage != "m2"
    if (given.log_sigma is not None) != wanted:
        preset.refuse(stage, f"must give {'a' if wanted else 'no'} log_sigma")
    return count_parameters(network)


def _fits(found: Tensor, shape: tuple[int | None, ...]) -> bool:
    same = found.ndim == len(shape)
    return same and all(b in (None, a) for a, b in zip(found.shape, shape, strict=True))


def _inputs(stage: str, config: NetworkConfig) -> tuple[Tensor, ...]:
    images = torch.zeros(_ROWS, len(config.channels), config.resolution, config.resolution)
    if stage == "m1":
        return (torch.zeros(_ROWS, N_PIXELS),)
    if stage not in ("m4", "m4_real"):
        return (images,)
    tokens = build_network("m3", config).eval()(images).tokens
    return torch.zeros(_ROWS, N_FEATURES), tokens


def _expected(stage: str, config: NetworkConfig) -> dict[str, Any]:
    """Shapes by field of the output; None for a size that is free."""
    count = 1 if config.attention == "single" else _TOKENS
    label, features = (_ROWS, 2), (_ROWS, N_FEATURES)
    return {
        "m1": {"mean": label, "features": features},
        "m2": {"features": features},
        "m3": {"mean": label, "features": features, "tokens": (_ROWS, count, None)},
        "m4": {"mean": label, "attention": (_ROWS, None, None, count)},
        "m4_real": {"mean": label, "attention": (_ROWS, None, None, count)},
        "image_only": {"mean": label, "features": features},
    }[stage]
