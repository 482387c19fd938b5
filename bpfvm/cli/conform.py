# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm conform``: a suite of programs with known verdicts, put to our verifier or to any other."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bpfvm.cli.options import echo_json, json_option, kernel_option
from bpfvm.errors import UsageError

if TYPE_CHECKING:
    from bpfvm.conform.ours import OurVerifier
    from bpfvm.conform.suite import Case


@click.command("conform")
@click.argument("objects", nargs=-1, type=click.Path())
@click.option("--suite", metavar="DIR", type=click.Path(), help="A folder of objects instead of the shipped suite.")
@click.option(
    "--command",
    "template",
    metavar="COMMAND",
    help="Ask this instead of our verifier: exit code 0 accepts, 77 can't say, others refuse. "
    "{object}, {section}, {program}, {flags} and {privilege} are filled in.",
)
@click.option("--messages", is_flag=True, help="Look for the expected messages in what the command prints, too.")
@click.option("--only", default="", metavar="REGEX", help="Cases whose name (object:program) matches.")
@click.option("--seconds", type=click.FloatRange(0.1), default=60, show_default=True, help="Time limit of a case.")
@click.option("--jobs", type=click.IntRange(1, 256), default=os.cpu_count() or 1, help="Cases at a time.")
@click.option("--list", "listed", is_flag=True, help="Print the cases, ask nobody.")
@click.option("--btf", "btf_path", type=click.Path(), help="Our verifier: another kernel's BTF.")
@kernel_option
@json_option
def group(
    objects: tuple[str, ...],
    suite: str | None,
    template: str | None,
    messages: bool,
    only: str,
    seconds: float,
    jobs: int,
    listed: bool,
    btf_path: str | None,
    kernel: str,
    as_json: bool,
) -> int:
    """Put a conformance suite to a verifier and show where it disagrees.

    The programs of OBJECTS (or of the suite that comes with bpfvm) carry the expected verdict, messages and result as
    BTF declaration tags in the vocabulary of the kernel tree's tests (__success, __failure, __msg, __retval).
    Exit code 0: the verifier agrees with all of them; 1: it doesn't.
    """
    from bpfvm.conform.answer import DISAGREE
    from bpfvm.conform.command import Command
    from bpfvm.conform.run import ask_command, ask_ours
    from bpfvm.conform.suite import find_objects, read_suite, shipped_suite
    from bpfvm.conform.table import outcomes_data, print_outcomes
    from bpfvm.report.console import make_console, progress

    if messages and template is None:
        raise UsageError("--messages is about what a --command prints")
    cases = read_suite(find_objects(objects or [suite or shipped_suite()]), only)
    if not cases:
        raise UsageError(f"--only {only}: no case matches" if only else "no program has an expectation")
    if listed:
        _list(cases, as_json)
        return 0
    if template is not None:
        asked = ask_command(Command(template, seconds=seconds, messages=messages), cases, jobs=jobs)
    else:
        asked = ask_ours(_ours(kernel, btf_path), cases, jobs=jobs, seconds=seconds)
    outcomes = []
    with progress(len(cases), "asking") as advance:
        for outcome in asked:
            outcomes.append(outcome)
            advance(outcome.case.name)
    if as_json:
        echo_json(outcomes_data(outcomes))
    else:
        print_outcomes(outcomes, make_console())
    return int(any(each.state == DISAGREE for each in outcomes))


def _list(cases: list[Case], as_json: bool) -> None:
    if as_json:
        echo_json([asdict(each) for each in cases])
        return
    from bpfvm.report.console import make_console, print_table

    rows = [(each.name, each.section, each.expected, "; ".join(each.messages)) for each in cases]
    print_table(make_console(), f"{len(cases)} cases", ("case", "section", "expected", "messages"), rows)


def _ours(kernel: str, btf_path: str | None) -> OurVerifier:
    import verifier
    from bpfvm.conform.ours import our_verifier
    from bpfvm.report.source import kernel_btf, read_btf

    return our_verifier(read_btf(btf_path) if btf_path else kernel_btf(), verifier.profile(kernel))
