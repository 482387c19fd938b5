# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm struct_ops list``, ``register`` and ``dump``."""

from __future__ import annotations

import click

from bpfvm.cli.options import echo_json, json_option, kernel_option, machine_options, parse_settings, set_option


@click.group("struct_ops")
def group() -> None:
    """List, register and dump struct_ops maps."""


@group.command("list")
@click.argument("obj", required=False, type=click.Path())
@json_option
def list_(obj: str | None, as_json: bool) -> None:
    """Show the struct_ops types of the emulated kernel, or with OBJ the instances it declares."""
    from bpfvm.report.console import make_console
    from bpfvm.report.kernel_types import kernel_types, print_types
    from bpfvm.report.listing import instances, print_instances
    from bpfvm.report.source import open_named
    from bpfvm.session import Session

    if obj is not None:
        found = instances(open_named(obj))
    else:
        with Session(checker="off") as session:
            found = kernel_types(session)
    if as_json:
        echo_json(found)
    elif obj is not None:
        print_instances(found, make_console())
    else:
        print_types(found, make_console())


@group.command()
@click.argument("obj", type=click.Path())
@click.argument("link_dir", required=False)
@set_option
@kernel_option
@machine_options
@json_option
def register(
    obj: str,
    link_dir: str | None,
    settings: tuple[str, ...],
    kernel: str,
    profile: str | None,
    checker: str | None,
    seed: int,
    as_json: bool,
) -> int:
    """Load OBJ and attach its struct_ops maps, as ``bpftool struct_ops register OBJ [LINK_DIR]`` does.

    LINK_DIR is a folder below the emulated /sys/fs/bpf that holds the links; without it they die with the command.
    """
    from bpfvm.report.source import open_named
    from bpfvm.session import Session
    from bpfvm.struct_ops.show import register_maps

    spec = open_named(obj)
    with Session(kernel, profile or "v11", checker=checker or "kasan", seed=seed) as session:
        loaded = session.load(spec, set=parse_settings(settings))
        done = register_maps(list(loaded.struct_ops.values()), path=obj, link_dir=link_dir)
        console = list(session.console)
    if as_json:
        echo_json({"ok": not done.failed, "messages": done.err.splitlines(), "console": console})
    else:
        click.echo(done.out + done.err, nl=False, err=done.failed)
        for line in console:
            click.echo(line, err=True)
    return int(done.failed)


@group.command()
@click.argument("obj", type=click.Path())
@click.argument("name", required=False)
@set_option
@kernel_option
@json_option
def dump(obj: str, name: str | None, settings: tuple[str, ...], kernel: str, as_json: bool) -> int:
    """Load OBJ, populate its struct_ops maps (or map NAME) and print their values as bpftool does."""
    from bpfvm.errors import SyscallError, UsageError
    from bpfvm.report.source import open_named
    from bpfvm.session import Session
    from bpfvm.struct_ops.show import dump_maps

    spec = open_named(obj)
    known = ", ".join(spec.struct_ops) or "none"
    if not spec.struct_ops or (name is not None and name not in spec.struct_ops):
        raise UsageError(f"no struct_ops found for {name or obj} (the object has: {known})")
    with Session(kernel) as session:
        loaded = session.load(spec, set=parse_settings(settings))
        try:
            for each in [name] if name is not None else list(loaded.struct_ops):
                loaded.populate(each)
        except SyscallError:
            for line in session.console:
                click.echo(line, err=True)
            raise
        done = dump_maps(session.kernel, name=name, as_json=as_json, pretty=as_json)
    click.echo(done.out, nl=False)
    click.echo(done.err, nl=False, err=True)
    return int(done.failed)
