# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The five outcomes, and that none of them is mistaken for another."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from bpfvm.cli import main
from bpfvm.errors import InternalError
from tests.cli.conftest import Bpfvm


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("prog dump whitelist.bpf.o nope", "no program `nope` in"),
        ("prog verify whitelist.bpf.o nope", "no program `nope` in"),
        ("core explain whitelist.bpf.o nope", "no program 'nope' in"),
        ("prog run whitelist.bpf.o nope", "no program `nope` in"),
        ("prog run whitelist.bpf.o ask_whitelist --arg one", "--arg one: write a number, decimal or 0x…"),
        ("prog run whitelist.bpf.o ask_whitelist --ctx 00", "--ctx: programs of type struct_ops take arguments"),
        ("prog run whitelist.bpf.o ask_whitelist --ctx 0g", "--ctx 0g: write bytes in hex, two digits each"),
        ("prog run whitelist.bpf.o ask_whitelist --data 00", "--data: programs of type struct_ops read no packet"),
        ("prog run whitelist.bpf.o ask_whitelist --arg 1 --arg 2 --arg 3 --arg 4", "--arg was given 4 times"),
        ("prog run two_orders.bpf.o get_order_a --set nothing=1", "no global variable 'nothing' in"),
        ("prog run two_orders.bpf.o get_order_a --set nothing", "--set nothing: write MAP.MEMBER=VALUE"),
        ("btf dump", "name a file, or say --kernel"),
        ("btf dump --kernel no_such_type", "no type `no_such_type`"),
        ("btf dump whitelist.bpf.o 99999", "no type `99999`"),
        ("struct_ops dump two_orders.bpf.o nope", "no struct_ops found for nope"),
    ],
)
def test_usage_is_2(bpfvm: Bpfvm, command: str, message: str) -> None:
    done = bpfvm(*command.split())
    assert message in done.error_line()
    assert done.code == 2


@pytest.mark.parametrize(
    "command", ["nope", "prog", "prog nope", "prog list", "prog list a b", "prog verify a --kernel 1"]
)
def test_wrong_command_lines_are_2(bpfvm: Bpfvm, command: str) -> None:
    done = bpfvm(*command.split())
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "command", ["--help", "-h", "prog --help", "prog verify --help", "btf dump --help", "--version"]
)
def test_asking_for_help_is_0(bpfvm: Bpfvm, command: str) -> None:
    done = bpfvm(*command.split())
    assert (done.code, done.err) == (0, "")
    assert done.out


@pytest.mark.parametrize("command", ["prog list nope.o", "btf dump nope.o", "prog verify nope.o", "thp run nope.o"])
def test_a_missing_file_is_3(bpfvm: Bpfvm, command: str) -> None:
    done = bpfvm(*command.split())
    assert done.code == 3
    assert "nope.o: no such object file (looked in " in done.error_line()


def test_refused_is_1(bpfvm: Bpfvm) -> None:
    done = bpfvm("prog", "verify", "n09_no_return_value.bpf.o")
    assert done.code == 1
    assert "R0 !read_ok" in done.out


@pytest.mark.parametrize(
    ("options", "missing"),
    [(("--caps", "bpf"), "CAP_PERFMON"), (("--unpriv",), "CAP_BPF"), (("--caps", ""), "CAP_BPF")],
)
def test_refused_for_a_missing_capability_is_1(bpfvm: Bpfvm, options: tuple[str, ...], missing: str) -> None:
    done = bpfvm("prog", "verify", "two_orders.bpf.o", *options)
    assert done.code == 1
    assert f"EPERM: a program of type struct_ops needs {missing}" in done.out


def test_a_capability_that_is_none_is_2(bpfvm: Bpfvm) -> None:
    done = bpfvm("prog", "verify", "two_orders.bpf.o", "--caps", "bpf,root")
    assert done.code == 2
    assert "no capability 'root'" in done.error_line()


def test_a_refused_program_stops_the_run_with_its_log(bpfvm: Bpfvm) -> None:
    done = bpfvm("prog", "run", "n09_no_return_value.bpf.o", "n09")
    assert done.code == 1
    assert "R0 !read_ok" in done.err
    assert done.out == ""


def test_an_error_is_json_when_json_was_asked_for(bpfvm: Bpfvm) -> None:
    done = bpfvm("prog", "run", "n09_no_return_value.bpf.o", "n09", "-j")
    assert (done.code, done.err) == (1, "")
    assert done.json["error"] == "Rejected"
    assert done.json["errno"] == "EACCES"
    assert "R0 !read_ok" in done.json["log"]


@pytest.mark.parametrize("error", [InternalError("broken"), RuntimeError("broken")], ids=lambda e: type(e).__name__)
def test_our_own_bug_is_70(bpfvm: Bpfvm, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(main.cli, "main", fail)
    done = bpfvm("prog", "list", "whitelist.bpf.o")
    assert done.code == 70
    assert ("Traceback" in done.err) == isinstance(error, RuntimeError)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_is_quiet(bpfvm: Bpfvm, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]) -> None:
    def fail(**_: object) -> None:
        raise interruption

    monkeypatch.setattr(main.cli, "main", fail)
    done = bpfvm("prog", "list", "whitelist.bpf.o")
    assert (done.code, done.err) == (130, "interrupted\n")


def test_a_configuration_is_read(bpfvm: Bpfvm, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("CONFIG_HZ=250\n")
    done = bpfvm("prog", "list", "whitelist.bpf.o", "--kconfig", config)
    assert done.code == 0
    config.write_text("CONFIG_HZ\n")
    done = bpfvm("prog", "verify", "whitelist.bpf.o", "--kconfig", config)
    assert "line 1 is not NAME=VALUE" in done.error_line()
    assert done.code == 3
