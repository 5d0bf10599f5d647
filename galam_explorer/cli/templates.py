"""``galam templates``."""

from __future__ import annotations

from typing import Annotated

import typer

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption

__all__ = ["templates_app"]

templates_app = typer.Typer(help="Template libraries for `galam label`.", no_args_is_help=True)


@templates_app.command("get")
def get_command(
    name: Annotated[str, typer.Argument(help="'emiles', 'fsps', 'galaxev' or 'xsl'.")],
    sha256: Annotated[str | None, typer.Option(help="What the file must hash to.")] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Download a library from pPXF's data repository, for `galam label --templates NAME`.

    Nothing else downloads templates. Each library has its own conditions, which are
    printed first.
    """
    from galam_explorer.labels.download import LICENCES, get_templates

    with ui.user_errors(debug):
        if name in LICENCES:
            ui.say(f"Licence: {LICENCES[name]}.")
        with ui.progress_bar(f"Downloading {name}") as report:
            path, found = get_templates(name, sha256, report)
        ui.say(f"{path}\nsha256 {found}")
        ui.finish({"path": str(path), "sha256": found}, as_json)


@templates_app.callback()
def _group() -> None:
    pass
