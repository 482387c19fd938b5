# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm core explain``."""

from __future__ import annotations

import click

from bpfvm.cli.options import echo_json, json_option


@click.group("core")
def group() -> None:
    """Explain CO-RE relocations."""


@group.command()
@click.argument("obj", type=click.Path())
@click.argument("prog", required=False)
@click.option("--btf", "btf_path", type=click.Path(), help="Another kernel's BTF, for example /sys/kernel/btf/vmlinux.")
@json_option
def explain(obj: str, prog: str | None, btf_path: str | None, as_json: bool) -> int:
    """For each CO-RE relocation of OBJ's programs, or of PROG: what it asks for, the kernel's candidates, the verdict,
    the patched instruction. Ends with exit code 1 when one fails, so that the program couldn't be loaded."""
    from bpfvm.report.console import make_console, print_styled
    from bpfvm.report.core_explain import explain_data, explain_programs, explain_text
    from bpfvm.report.source import kernel_btf, open_named, read_btf

    spec = open_named(obj)
    explained = explain_programs(spec, prog, read_btf(btf_path) if btf_path else kernel_btf())
    if as_json:
        echo_json([explain_data(each) for each in explained])
    else:
        print_styled(make_console(), explain_text(explained))
    return int(any(not each.ok for each in explained))
