"""What every command shares: errors in one line, progress bars, a JSON last line."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from galam_explorer.errors import GalamError

__all__ = ["DebugOption", "JsonOption", "console", "finish", "progress_bar", "user_errors"]

console = Console(stderr=True)

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print a machine-readable summary as the last line.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextlib.contextmanager
def user_errors(debug: bool = False) -> Iterator[None]:
    """Print a `GalamError` as one line and exit with status 1; Ctrl-C exits with 130."""
    try:
        yield
    except GalamError as error:
        if debug:
            traceback.print_exc()
        console.print(f"[bold red]Error[/] {_escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        console.print("Stopped. What is finished stays; the same command resumes.")
        raise typer.Exit(130) from error


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with time left on a terminal, silence elsewhere.

    Yields
    ------
    callable
        ``report(done, total)``.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


def finish(summary: dict[str, Any], as_json: bool) -> None:
    """Print `summary` as one JSON line on standard output if asked for."""
    if as_json:
        sys.stdout.write(json.dumps(summary, default=str) + "\n")
