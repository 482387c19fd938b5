# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where text goes: the terminal's width and colours on a terminal, lines of their natural width in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 20_000
"""columns where there is no terminal: nothing is ever wrapped or cut there"""

PATIENCE = 1.0
"""seconds before a sign of work appears"""

Advance = Callable[[str], None]
"""called with the name of what is worked on next"""


def make_console(*, err: bool = False) -> Console:
    """A console on standard output (or error). Colours only on a terminal, and not with NO_COLOR."""
    console = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def print_table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A titled table; nothing when there are no rows. Columns whose name starts with ``#`` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        number = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if not table.row_count:
        return
    console.print(Text(title, style="bold"))
    print_trimmed(console, table)


def print_trimmed(console: Console, table: Table) -> None:
    """A table and an empty line; in a pipe without the padding after the last column."""
    if console.is_terminal:
        console.print(table)
        console.print()
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().split("\n"):
        console.print(Text(line.rstrip()), soft_wrap=True)


@contextmanager
def _after_a_second(start: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    """Show something only while work takes longer than a second."""
    timer = Timer(PATIENCE, start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        stop()


@contextmanager
def working(what: str) -> Iterator[None]:
    """A moving sign on standard error while one long piece of work goes on, if a terminal is there."""
    console = make_console(err=True)
    if not console.is_terminal:
        yield
        return
    status = console.status(what)
    with _after_a_second(status.start, status.stop):
        yield


@contextmanager
def progress(total: int, what: str) -> Iterator[Advance]:
    """A progress bar on standard error while ``total`` pieces of work go on, if a terminal is there."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = make_console(err=True)
    if not console.is_terminal:
        yield lambda name: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(what, total=total)
    done = iter(range(total + 1))

    def advance(name: str) -> None:
        bar.update(task, description=f"{what} {name}", completed=next(done))

    with _after_a_second(bar.start, bar.stop):
        yield advance


def print_styled(console: Console, lines: Iterable[tuple[str, str]]) -> None:
    """Lines with a style each, never wrapped."""
    for text, style in lines:
        console.print(Text(text, style=style), soft_wrap=True)
