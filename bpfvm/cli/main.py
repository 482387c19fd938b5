# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The command line. Exit codes: 0 ok, 1 rejected, 2 usage, 3 bad input, 4 trap or kernel report, 70 our bug."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from io import TextIOWrapper
from typing import Any

import click

from bpfvm import __version__
from bpfvm.errors import BpfvmError, InternalError, KernelReport, Rejected, errno_name

_GROUPS = {
    "thp": ("bpfvm.cli.thp", "Run BPF-THP policies in the emulated mm."),
    "prog": ("bpfvm.cli.prog", "List, print, verify and run the programs of an object."),
    "core": ("bpfvm.cli.core", "Explain CO-RE relocations."),
    "link": ("bpfvm.cli.link", "Link several objects statically to one."),
    "btf": ("bpfvm.cli.btf", "Print BTF: an object's, a file's, the emulated kernel's."),
    "conform": ("bpfvm.cli.conform", "Put a suite of programs with known verdicts to a verifier."),
    "bench": ("bpfvm.cli.bench", "Measure how fast the engines are."),
    "struct_ops": ("bpfvm.cli.struct_ops", "List, register and dump struct_ops maps."),
}


class LazyGroup(click.Group):
    """Imports a group's module only when one of its commands is asked for, so that ``bpfvm --help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _GROUPS:
            return None
        module = importlib.import_module(_GROUPS[cmd_name][0])
        command = module.group if hasattr(module, "group") else module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _GROUPS.items()])


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    """With whether the verifier's hot modules are compiled, which is imported only to say so."""
    if not wanted or ctx.resilient_parsing:
        return
    from verifier import COMPILED

    click.echo(f"bpfvm, version {__version__} (verifier {'compiled' if COMPILED else 'not compiled'})")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Load, verify, run and explain compiled BPF objects, struct_ops above all, without a kernel."""


def error_value(error: BpfvmError) -> dict[str, Any]:
    """An error as JSON-able data."""
    value: dict[str, Any] = {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    if isinstance(error, Rejected):
        value |= {"errno": errno_name(error.errno), "prog": error.prog, "insn": error.insn, "log": error.log}
    if isinstance(error, KernelReport):
        value |= {"kind": error.kind, "trace": list(error.trace)}
    return value


def show_error(error: BpfvmError, as_json: bool) -> None:
    """One clear line on stderr (with the log of a rejection, the trace of an oops), or one JSON object on stdout."""
    if as_json:
        click.echo(json.dumps(error_value(error), indent=2))
        return
    if isinstance(error, Rejected) and error.log:
        click.echo(error.log.rstrip("\n"), err=True)
    click.echo(f"bpfvm: {error}", err=True)
    if isinstance(error, KernelReport) and error.trace:
        click.echo("Call Trace:\n" + "\n".join(f" {name}" for name in error.trace), err=True)


def main(argv: list[str] | None = None) -> None:
    """Entry point: never returns, always exits with one of the documented codes."""
    arguments = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; a traceback is printed only for a bug of ours."""
    as_json = any(each in ("-j", "--json") for each in arguments)
    try:
        result = cli.main(args=arguments, prog_name="bpfvm", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except InternalError as error:
        show_error(error, as_json)
        return 70
    except BpfvmError as error:
        show_error(error, as_json)
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001 – the one place where a bug of ours becomes exit code 70
        traceback.print_exc()
        click.echo("bpfvm: this is a bug in bpfvm; please report it with the traceback above", err=True)
        return 70
