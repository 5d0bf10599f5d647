"""What every command shares: options, errors in one line, progress bars, a JSON last line."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from galam_explorer.errors import GalamError

if TYPE_CHECKING:
    from galam_explorer.survey import Survey

__all__ = [
    "DebugOption",
    "JsonOption",
    "console",
    "finish",
    "list_lines",
    "make_table",
    "next_step",
    "open_survey",
    "option",
    "progress_bar",
    "say",
    "user_errors",
]

console = Console(stderr=True)


def option(about: str = "", **more: Any) -> Any:
    """An option with its help text; `more` goes to `typer.Option`."""
    return typer.Option(help=about or None, **more)


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
        say(error, "Error", "bold red")
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        say("Stopped. What is finished stays; the same command resumes.")
        raise typer.Exit(130) from error


def next_step(*commands: str) -> None:
    """Say what a newcomer would do with what a command made."""
    listed = " or ".join(f"[bold]{escape(command)}[/]" for command in commands)
    console.print(f"Next: {listed}", soft_wrap=True)


def say(text: object, title: str = "", style: str = "") -> None:
    """Print one line as it is: nothing in it is markup, and it is not wrapped.

    Parameters
    ----------
    text : object
    title : str
        A word before it.
    style : str
        Rich's style of the title.
    """
    head = f"[{style}]{title}[/] " if title else ""
    console.print(f"{head}{escape(str(text))}", highlight=False, soft_wrap=True)


def list_lines(
    title: str, style: str, lines: Sequence[object], most: int = 0, rest: str = ""
) -> None:
    """One line each, at most `most` (0: all) and then how many more there are.

    Parameters
    ----------
    title, style : str
        As of `say`.
    lines : sequence
    most : int
    rest : str
        Where the others are.
    """
    shown = lines[:most] if most else lines
    for line in shown:
        say(line, title, style)
    if left := len(lines) - len(shown):
        say(f"… and {left} more{f' ({rest})' if rest else ''}", title, style)


def make_table(title: str, names: Iterable[str], numbers: Iterable[str]) -> Table:
    """A table whose columns `names` are words and `numbers` are to the right."""
    table = Table(title=title)
    for name in names:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def open_survey(source: str) -> Survey:
    """Open a survey and say what of it cannot be read.

    Raises
    ------
    GalamError
        If there is none.
    """
    from galam_explorer.survey import load_survey

    survey = load_survey(source)
    list_lines("left out", "yellow", survey.problems)
    return survey


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
