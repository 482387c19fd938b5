# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm thp run`` and ``bpfvm thp scenario``: policies in the emulated mm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from bpfvm.cli.options import echo_json, json_option, kernel_option, machine_options, parse_settings, set_option
from bpfvm.errors import UsageError


@click.group("thp")
def group() -> None:
    """Run BPF-THP policies in the emulated mm."""


@group.command()
@click.argument("policy", type=click.Path())
@set_option
@click.option("--sysfs", "knobs", multiple=True, metavar="KNOB=VALUE", help="Set a transparent_hugepage knob first.")
@kernel_option
@machine_options
@json_option
def run(
    policy: str,
    settings: tuple[str, ...],
    knobs: tuple[str, ...],
    kernel: str,
    profile: str | None,
    checker: str | None,
    seed: int,
    as_json: bool,
) -> int:
    """Attach POLICY to a process and follow it through faults, fork, exec, posix_spawn, update, exit and detach."""
    from bpfvm.obj.open import open_object
    from bpfvm.paths import find_object
    from bpfvm.scenario.default_story import default_story
    from bpfvm.scenario.runner import tell

    story = default_story(
        open_object(find_object(policy)),
        settings=parse_settings(settings),
        sysfs=_knobs(knobs),
        profile=profile or "v11",
        checker=checker or "kasan",
        kernel=kernel,
    )
    return _show([tell(story, seed=seed)], as_json)


@group.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@machine_options
@json_option
@click.option("-q", "--quiet", is_flag=True, help="One line a story instead of a table.")
def scenario(
    files: tuple[str, ...], profile: str | None, checker: str | None, seed: int, as_json: bool, quiet: bool
) -> int:
    """Tell each story FILE and hold it against its expectations."""
    from bpfvm.scenario.parse import read_scenario
    from bpfvm.scenario.runner import tell

    results = []
    for path in files:
        story = read_scenario(path)
        story = replace(story, profile=profile or story.profile, checker=checker or story.checker)
        results.append(tell(story, seed=seed))
    return _show(results, as_json, quiet=quiet)


def _show(results: list[Any], as_json: bool, *, quiet: bool = False) -> int:
    from bpfvm.report.console import make_console
    from bpfvm.report.story import print_story, story_data

    if as_json:
        data = [story_data(result) for result in results]
        echo_json(data[0] if len(data) == 1 else data)
    else:
        console = make_console()
        for result in results:
            if quiet:
                console.print(f"{'ok    ' if result.ok else 'FAILED'} {result.scenario.path}: {result.scenario.name}")
            else:
                print_story(result, console)
    return max((_exit_code(result) for result in results), default=0)


def _exit_code(result: Any) -> int:
    if result.oopsed:
        return 4
    return 0 if result.ok else 1


def _knobs(knobs: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for knob in knobs:
        name, equals, value = knob.partition("=")
        if not equals:
            raise UsageError(f"--sysfs {knob}: write KNOB=VALUE, for example enabled=madvise")
        parsed[name] = value
    return parsed
