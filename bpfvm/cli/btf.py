# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm btf dump`` and ``check``."""

from __future__ import annotations

import click

from bpfvm.cli.options import echo_json, json_option
from bpfvm.errors import UsageError


@click.group("btf")
def group() -> None:
    """Print BTF: an object's, a file's, the emulated kernel's."""


@group.command()
@click.argument("names", nargs=-1, metavar="[FILE] [NAME]...")
@click.option("--kernel", is_flag=True, help="The emulated kernel's BTF instead of a file's.")
@click.option("--format", "layout", type=click.Choice(["raw", "c", "json"]), default="raw", show_default=True)
@click.option("--base", type=click.Path(), help="What FILE goes on from, if it is split BTF (of a kernel module).")
@json_option
def dump(names: tuple[str, ...], kernel: bool, layout: str, base: str | None, as_json: bool) -> None:
    """Print the types of FILE (an object, or raw BTF), all or those called NAME (a name or a type id).

    ``bpfvm btf dump --kernel --format c`` prints the header that policies compile against.
    """
    from bpfvm.btf.dump_c import dump_c
    from bpfvm.btf.dump_raw import dump_raw
    from bpfvm.report.btf_types import types_data
    from bpfvm.report.console import working
    from bpfvm.report.source import kernel_btf, read_btf, types_named

    if not kernel and not names:
        raise UsageError("name a file, or say --kernel for the emulated kernel's BTF")
    btf = kernel_btf() if kernel else read_btf(names[0], base)
    ids = types_named(btf, names if kernel else names[1:])
    if as_json or layout == "json":
        echo_json(types_data(btf, ids))
    elif layout == "c":
        with working("printing types"):
            header = dump_c(btf, ids)
        click.echo(header, nl=False)
    else:
        click.echo(dump_raw(btf, ids), nl=False)


@group.command()
@click.argument("file", type=click.Path())
@click.option("--log", is_flag=True, help="The kernel's whole log, also of what it would take.")
@json_option
def check(file: str, log: bool, as_json: bool) -> int:
    """What the kernel would say if the BTF of FILE were loaded; exit code 1 when it would be refused.

    Raw BTF is taken as it is; that of an object as loaders complete it: sections have sizes, externs are variables.
    """
    from bpfvm.btf.check import check_btf
    from bpfvm.errors import errno_name
    from bpfvm.report.source import btf_for_kernel

    verdict = check_btf(btf_for_kernel(file))
    if as_json:
        echo_json(
            {
                "errno": errno_name(verdict.errno),
                "complaint": verdict.complaint,
                "offset": verdict.offset,
                "log": verdict.log,
            }
        )
        return int(not verdict.ok)
    if log:
        click.echo(verdict.log)
    place = f"offset {verdict.offset:#x}: " if verdict.offset is not None else ""
    click.echo("taken" if verdict.ok else f"refused: {place}{verdict.complaint} [{errno_name(verdict.errno)}]")
    return int(not verdict.ok)
