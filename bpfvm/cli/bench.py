# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`bpfvm bench`: measures the engines. The programs are in the source checkout, not in the installed package."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from bpfvm.errors import UsageError


@click.group("bench")
def group() -> None:
    """Measure how fast the engines are."""


@group.command("engines")
@click.argument("programs", nargs=-1)
@click.option("--rounds", default=9, show_default=True, help="Timings of which the median counts.")
@click.option("--out", default="build/bench.json", show_default=True, type=click.Path(path_type=Path))
@click.option("-j", "--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def engines(programs: tuple[str, ...], rounds: int, out: Path, as_json: bool) -> None:
    """Seven programs (or PROGRAMS) on every engine, in the kernel and natively."""
    try:
        bench = importlib.import_module("bench.__main__")
    except ModuleNotFoundError as missing:
        raise UsageError(f"no module {missing.name}: run this in the source checkout") from missing
    unknown = sorted(set(programs) - set(bench.NAMES))
    if unknown or rounds < 1:
        raise UsageError(f"programs: {', '.join(bench.NAMES)}; rounds: 1 or more")
    bench.run(rounds, out, list(programs), as_json)
