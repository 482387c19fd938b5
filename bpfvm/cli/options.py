# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Options that several commands share, and the Session they ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from bpfvm.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
kernel_option = click.option(
    "--kernel",
    type=click.Choice(["6.12", "6.18", "6.18+mm-trust"]),
    default="6.18",
    show_default=True,
    help="Kernel profile: helpers, allow-lists, message texts.",
)


def machine_options(function: F) -> F:
    """Options that make up the emulated machine; None means: the story's or the session's default."""
    for option in (
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of time, randomness, scheduling."),
        click.option(
            "--checker", type=click.Choice(["off", "list", "kasan"]), help="Memory checks of the emulated kernel."
        ),
        click.option("--profile", type=click.Choice(["v11", "v12", "fixed"]), help="Which BPF-THP revision behaves."),
    ):
        function = option(function)
    return function


set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="MAP.MEMBER=VALUE",
    help="Fill a struct_ops member or a global variable before loading; may be repeated.",
)


kconfig_option = click.option(
    "--kconfig",
    type=click.Path(),
    metavar="FILE",
    help="Values for .kconfig variables: a kernel's configuration file (also compressed, as /proc/config.gz).",
)


def parse_settings(settings: tuple[str, ...]) -> dict[str, int | str]:
    """``("pol_a.pid=5", "limit=0x10")`` → a mapping. Raises UsageError for anything else."""
    parsed: dict[str, int | str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {setting}: write MAP.MEMBER=VALUE or VARIABLE=VALUE")
        try:
            parsed[name] = int(value, 0)
        except ValueError:
            parsed[name] = value
    return parsed


def echo_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))
