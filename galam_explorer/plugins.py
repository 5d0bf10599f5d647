"""Plugins: modules of yours that add networks or views, imported only when you name them.

Named by ``--plugin`` of a command, by GALAM_PLUGINS (several separated like PATH) or by
`load_plugin`. A model folder or a survey never causes an import: a model that needs a
plugin says which, and is refused until it is there.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from galam_explorer.config.presets import plugin_preset
from galam_explorer.errors import GalamError

__all__ = ["load_named_plugins", "load_plugin", "plugin_of", "plugin_sources", "require_plugin"]

VARIABLE = "GALAM_PLUGINS"
_SOURCES: dict[str, str] = {}


def load_plugin(source: str | Path) -> ModuleType:
    """Import a plugin, which registers what it brings.

    Parameters
    ----------
    source : str or Path
        A ``.py`` file, or the dotted name of a module that Python finds. One that
        is loaded already is not run again.

    Returns
    -------
    module

    Raises
    ------
    GalamError
        If it is not there, fails, registers a name that is taken, or has the name of
        another module.
    """
    text = str(source)
    file = Path(text).expanduser().resolve() if text.endswith(".py") else None
    name = text if file is None else file.stem
    if file is not None:
        _check_file(file, text)
    try:
        module = importlib.import_module(name) if file is None else _run_file(name, file)
    except GalamError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name == name
        text = "there is no such module" if missing else f"needs {error.name}, which is not here"
        remedy = "give the path of its .py file, or install it" if missing else ""
        raise GalamError(text, f"plugin {name}", remedy) from error
    except Exception as error:
        what = f"cannot be loaded ({type(error).__name__}: {error})"
        raise GalamError(what, f"plugin {name}") from error
    _SOURCES[module.__name__] = text if file is None else str(file)
    return module


def _check_file(file: Path, text: str) -> None:
    if not file.is_file():
        raise GalamError("there is no such plugin", text)
    if not file.stem.isidentifier():
        raise GalamError("this name cannot be a module's", text, "use letters, digits and _")
    loaded = sys.modules.get(file.stem)
    known = getattr(loaded, "__file__", None)
    if loaded is not None and (known is None or Path(known).resolve() != file):
        raise GalamError(f"there is another module {file.stem!r}", text, "rename the file")


def _run_file(name: str, file: Path) -> ModuleType:
    """Import a file under a name, unless it is."""
    if name in sys.modules:
        return sys.modules[name]
    if importlib.util.find_spec(name) is not None and not _finds(name, file):
        raise GalamError(f"there is another module {name!r}", file, "rename the file")
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _finds(name: str, file: Path) -> bool:
    origin = importlib.util.find_spec(name).origin
    return origin is not None and Path(origin).resolve() == file


def load_named_plugins(named: Iterable[str] = ()) -> list[str]:
    """Load what GALAM_PLUGINS and `named` name; their sources, for another process.

    Raises
    ------
    GalamError
        As `load_plugin`, for the first one that fails.
    """
    listed = [one for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]
    return [_SOURCES[load_plugin(one).__name__] for one in dict.fromkeys([*listed, *named])]


def plugin_of(preset: str) -> str | None:
    """Name of the plugin that brought a preset; None for the package's own."""
    found = plugin_preset(preset)
    return None if found is None else found.plugin


def plugin_sources(preset: str) -> list[str]:
    """What another process has to load to know a preset: at most one source."""
    name = plugin_of(preset)
    return [] if name is None else [_SOURCES.get(name, name)]


def require_plugin(info: Mapping[str, Any], where: object) -> None:
    """Raise `GalamError` unless the plugin that a run or a model names is loaded.

    Parameters
    ----------
    info : mapping
        Contents of ``run.json`` or ``model.json``: ``plugin`` and ``network``.
    where : object
        The folder.
    """
    name = info.get("plugin")
    preset = (info.get("network") or {}).get("preset", "")
    if name and plugin_of(str(preset)) != name:
        raise GalamError(
            f"its networks (preset {preset!r}) come from the plugin {name!r}, which is not loaded",
            where,
            f"name it: --plugin {name}.py (its file), {VARIABLE}, or galam_explorer.load_plugin",
        )
