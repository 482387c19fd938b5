# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``bpfvm prog list``, ``dump``, ``verify`` and ``run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from bpfvm.cli.options import echo_json, json_option, kconfig_option, kernel_option, parse_settings, set_option
from bpfvm.errors import UsageError

if TYPE_CHECKING:
    from bpfvm.engine.jit.effort import Tier
    from bpfvm.obj.model import ObjectSpec


@click.group("prog")
def group() -> None:
    """List, print, verify and run the programs of an object."""


@group.command("list")
@click.argument("obj", type=click.Path())
@click.option("--relocs", is_flag=True, help="Also every relocation of an instruction (--json always has them).")
@kconfig_option
@json_option
def list_(obj: str, relocs: bool, kconfig: str | None, as_json: bool) -> None:
    """Show what OBJ declares: programs, maps, globals, struct_ops instances, externs, relocations."""
    from bpfvm.report.console import make_console
    from bpfvm.report.listing import object_data, print_object
    from bpfvm.report.source import open_named

    data = object_data(open_named(obj, kconfig))
    if as_json:
        echo_json(data)
    else:
        print_object(data, make_console(), relocs=relocs)


class DumpGroup(click.Group):
    """`dump OBJ` is `dump xlated OBJ`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        word = next((each for each in args if not each.startswith("-")), "")
        if word and word not in self.commands:
            args = ["xlated", *args]
        return super().parse_args(ctx, args)


@group.group(cls=DumpGroup)
def dump() -> None:
    """Print instructions: `dump OBJ [PROG]` BPF's, `dump jited OBJ PROG` the native ones they become."""


@dump.command()
@click.argument("obj", type=click.Path())
@click.argument("prog", required=False)
@click.option("--opcodes", is_flag=True, help="Also the bytes of each instruction.")
@click.option("--linked", is_flag=True, help="Linked and relocated against the emulated kernel, with CO-RE notes.")
@click.option("--btf", "btf_path", type=click.Path(), help="--linked against another kernel's BTF.")
@kconfig_option
@json_option
def xlated(
    obj: str,
    prog: str | None,
    opcodes: bool,
    linked: bool,
    btf_path: str | None,
    kconfig: str | None,
    as_json: bool,
) -> None:
    """Print the instructions of OBJ, of all programs or of PROG (subprograms too, unless linked)."""
    from bpfvm.report.console import make_console, print_styled
    from bpfvm.report.disassembly import as_compiled, as_linked, listing_data, listing_text
    from bpfvm.report.source import kernel_btf, open_named, read_btf

    spec = open_named(obj, kconfig)
    if linked or btf_path:
        names = [prog] if prog else list(spec.programs)
        kernel = read_btf(btf_path) if btf_path else kernel_btf()
        listings = [as_linked(spec, name, kernel) for name in names]
    else:
        names = [prog] if prog else [*spec.programs, *spec.subprogs]
        listings = [as_compiled(spec, name) for name in names]
    if as_json:
        data = [listing_data(each, opcodes=opcodes) for each in listings]
        echo_json(data[0] if prog else data)
        return
    console = make_console()
    for number, each in enumerate(listings):
        if number:
            click.echo()
        print_styled(console, listing_text(each, opcodes=opcodes))


@dump.command()
@click.argument("obj", type=click.Path())
@click.argument("prog")
@click.option("--opcodes", is_flag=True, help="Also the bytes of each instruction.")
@click.option("--arch", type=click.Choice(["x86_64", "aarch64"]), help="Compile for this one; default: this machine.")
@click.option("--tier", type=click.Choice(["quick", "best"]), default="best", show_default=True, help="How well.")
@click.option(
    "--checker",
    type=click.Choice(["off", "list", "kasan"]),
    default="off",
    show_default=True,
    help="With the checks of this level.",
)
@kernel_option
@json_option
def jited(
    obj: str, prog: str, opcodes: bool, arch: str | None, tier: Tier, checker: str, kernel: str, as_json: bool
) -> None:
    """Load OBJ's PROG and print its native code, BPF instructions and source lines in between."""
    from bpfvm.report.console import make_console, print_styled
    from bpfvm.report.native import as_native, native_data, native_text
    from bpfvm.report.source import open_named
    from bpfvm.session import Session

    spec = open_named(obj)
    with Session(kernel=kernel, engine="jit", checker=checker) as session:
        listings = as_native(session, spec, prog, tier=tier, arch=arch or "")
    if as_json:
        echo_json([native_data(each, opcodes=opcodes) for each in listings])
        return
    console = make_console()
    for number, each in enumerate(listings):
        if number:
            click.echo()
        print_styled(console, native_text(each, opcodes=opcodes))


@group.command()
@click.argument("obj", type=click.Path())
@click.argument("prog", required=False)
@kernel_option
@click.option(
    "--log-level",
    type=click.IntRange(1, 7),
    help="Print the log of accepted programs too, in bits as the kernel's: 1, 2 (every path), 4 (stack depths alone).",
)
@click.option("--btf", "btf_path", type=click.Path(), help="Another kernel's BTF, for example /sys/kernel/btf/vmlinux.")
@kconfig_option
@click.option(
    "--caps",
    metavar="NAMES",
    default="all",
    show_default=True,
    help="Capabilities of who loads: bpf, perfmon, net_admin, with commas; empty for none.",
)
@click.option(
    "--target", metavar="OBJ:PROG", help='The program of which extensions (SEC "freplace/…") replace a function.'
)
@click.option("--function", metavar="NAME", help="Which function of the target, if the section doesn't say.")
@click.option("--unpriv", is_flag=True, help="Load without any capability (--caps '').")
@json_option
def verify(
    obj: str,
    prog: str | None,
    kernel: str,
    log_level: int | None,
    btf_path: str | None,
    kconfig: str | None,
    caps: str,
    target: str | None,
    function: str | None,
    unpriv: bool,
    as_json: bool,
) -> int:
    """Verify OBJ's programs, or PROG; a refused one shows the log in the kernel's format and ends with exit code 1."""
    from bpfvm.obj.edit import set_attach_target
    from bpfvm.report.console import make_console
    from bpfvm.report.source import open_named, read_btf
    from bpfvm.report.verdicts import print_verdicts, verdict_data, verify_programs
    from verifier import parse_caps

    spec = open_named(obj, kconfig)
    if function:
        spec = set_attach_target(spec, function)
    foreign = read_btf(btf_path) if btf_path else None
    verdicts = verify_programs(
        spec,
        prog,
        kernel=kernel,
        log_level=log_level or 1,
        btf=foreign,
        caps=parse_caps("" if unpriv else caps),
        target=_target(target) if target else None,
    )
    if as_json:
        echo_json([verdict_data(each) for each in verdicts])
    else:
        print_verdicts(verdicts, make_console(), logs=log_level is not None)
    if target is None and any(each.prog_type == "ext" for each in verdicts):
        click.echo("extensions replace a function of another program: name it with --target OBJ:PROG", err=True)
    return max((each.exit_code for each in verdicts), default=0)


@group.command()
@click.argument("obj", type=click.Path())
@click.argument("prog")
@click.option(
    "--arg",
    "args",
    multiple=True,
    metavar="N",
    help="An argument (`data`: points to --data); if missing 0, or an object of zeros where a struct is pointed to.",
)
@click.option(
    "--ctx",
    metavar="HEX",
    help="The context's bytes: what BPF_PROG_TEST_RUN takes as ctx_in; zeros if not given.",
)
@click.option("--data", metavar="HEX", help="A frame, for programs that read packets (64 zero bytes if not given).")
@set_option
@click.option("--repeat", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Run it so often.")
@click.option("--elapse", type=click.IntRange(0), metavar="NS", help="Then let time pass: timers and work run.")
@click.option("--trace", is_flag=True, help="Print every instruction that is executed.")
@kernel_option
@kconfig_option
@json_option
def run(
    obj: str,
    prog: str,
    args: tuple[str, ...],
    ctx: str | None,
    data: str | None,
    settings: tuple[str, ...],
    repeat: int,
    elapse: int | None,
    trace: bool,
    kernel: str,
    kconfig: str | None,
    as_json: bool,
) -> None:
    """Load OBJ and run PROG once: R0, the packet, what it printed, which globals it changed."""
    from bpfvm.report.console import make_console
    from bpfvm.report.program_run import print_run, run_data, run_program
    from bpfvm.report.run_context import Request
    from bpfvm.report.source import open_named
    from bpfvm.session import Session

    request = Request(
        prog,
        args=tuple(_argument(each) for each in args),
        ctx=_bytes("--ctx", ctx),
        data=_bytes("--data", data),
        repeat=repeat,
        elapse=elapse,
        trace=trace,
    )
    spec = open_named(obj, kconfig)
    arenas = any(each.map_type == "arena" for each in spec.maps.values())
    with Session(kernel=kernel, arenas=arenas) as session:
        result = run_program(session, spec, request, settings=parse_settings(settings))
    if as_json:
        echo_json(run_data(result))
    else:
        print_run(result, make_console())


def _target(written: str) -> tuple[ObjectSpec, str]:
    from bpfvm.report.source import open_named

    path, colon, prog = written.rpartition(":")
    if not colon:
        raise UsageError(f"--target {written}: write OBJ:PROG")
    return open_named(path), prog


def _argument(text: str) -> int | Literal["data"]:
    if text == "data":
        return "data"
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"--arg {text}: write a number, decimal or 0x…, or `data`") from None


def _bytes(option: str, text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise UsageError(f"{option} {text}: write bytes in hex, two digits each") from None
