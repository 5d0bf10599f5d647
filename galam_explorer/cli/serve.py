"""``galam serve``."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption
from galam_explorer.cli.plugin import PluginOption
from galam_explorer.errors import GalamError
from galam_explorer.plugins import load_named_plugins

__all__ = ["serve_arguments", "serve_command", "serve_environment"]

_MEMORY = {
    "PYTHONMALLOC": "malloc",
    # Arrays stay apart from small objects: without this, glibc raises the limit at the
    # first large one that is freed.
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


def serve_arguments(port: int, address: str, origins: list[str]) -> list[str]:
    """The `panel serve` command line for the dashboard.

    One process that imports and opens everything before the first visitor
    comes. Without Panel's threads, because with them two events of one session
    (the text of the search field, then the Enter key) may be handled in the
    wrong order; long work runs in processes of its own instead.
    """
    folder = Path(__file__).resolve().parents[1] / "app"
    arguments = [sys.executable, "-m", "panel", "serve", str(folder / "served.py")]
    arguments += ["--index", "served", "--port", str(port), "--address", address]
    arguments += ["--setup", str(folder / "warm.py")]
    for origin in origins:
        arguments += ["--allow-websocket-origin", origin]
    return arguments


def serve_environment() -> dict[str, str]:
    """The environment for `serve_arguments`: ours, with memory that can be given back.

    Python's own allocator keeps what many visitors needed at once for as long as it
    runs. The C library returns it (see `galam_explorer.app.tidy`), and takes some tenth
    more of the processor's time to build a page. A setting that is there already stays.
    """
    if platform.libc_ver()[0] != "glibc":
        return dict(os.environ)
    return _MEMORY | os.environ


def serve_command(
    survey: Annotated[
        list[str] | None,
        typer.Option("--survey", "-s", help="A survey folder, or 'demo'. May be given twice."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="'demo', a model folder or a run. May be given twice."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5006,
    address: Annotated[
        str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine only.")
    ] = "127.0.0.1",
    allow_origin: Annotated[
        list[str] | None,
        typer.Option("--allow-origin", help="HOST:PORT a browser may use, behind a proxy."),
    ] = None,
    plugin: PluginOption = None,
    show: Annotated[bool, typer.Option("--show", help="Open it in your browser.")] = False,
    debug: DebugOption = False,
) -> None:
    """Serve the dashboard on any survey and model (the embedded ones by default)."""
    with ui.user_errors(debug):
        sources = survey or ["demo"]
        for source in sources:
            if os.pathsep in source:
                raise GalamError(f"the path contains {os.pathsep!r}", source, "rename the folder")
            opened = ui.open_survey(source)
            ui.say(f"{opened.name}: {len(opened):,} galaxies")
        arguments = serve_arguments(port, address, allow_origin or [])
        environment = serve_environment() | {
            "GALAM_SURVEY": os.pathsep.join(map(_absolute, sources))
        }
        if plugins := load_named_plugins(plugin or []):
            environment["GALAM_PLUGINS"] = os.pathsep.join(plugins)
        if model:
            environment["GALAM_MODEL"] = os.pathsep.join(map(_checked_model, model))
        _check_port(address, port)
        ui.say(f"Open http://{address}:{port} (Ctrl-C stops)")
        _become([*arguments, *(["--show"] if show else [])], environment)


def _check_port(address: str, port: int) -> None:
    """Say now that the port is taken, rather than in a log after some seconds."""
    try:
        with socket.create_server((address, port)):
            return
    except OSError as error:
        raise GalamError(
            f"cannot listen here ({error.strerror or error})",
            f"{address}:{port}",
            "if the port is in use, choose another with --port",
        ) from error


def _become(arguments: list[str], environment: dict[str, str]) -> None:
    """Replace this process by the server, so that a signal to one stops both."""
    if os.name == "posix":
        os.execve(arguments[0], arguments, environment)
    raise typer.Exit(subprocess.call(arguments, env=environment))


def _checked_model(source: str) -> str:
    """Where a model is; it is loaded by the server, when someone looks at it.

    Raises
    ------
    GalamError
        If there is none.
    """
    from galam_explorer.app.sources import find_model

    if os.pathsep in source:
        raise GalamError(f"the path contains {os.pathsep!r}", source, "rename the folder")
    folder = find_model(source)
    if folder is None:
        raise GalamError(
            "there is no model here (no model.json)",
            source,
            "give 'demo', a model folder, or a run that `galam train` has finished",
        )
    ui.say(f"model {source}")
    return source if source == "demo" else str(folder.resolve())


def _absolute(source: str) -> str:
    return source if source == "demo" else str(Path(source).expanduser().resolve())
