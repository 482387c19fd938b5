# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that aren't struct_ops: run, refused by name, verified against another kernel's BTF."""

from __future__ import annotations

import os
from errno import EINVAL
from pathlib import Path

import pytest

from bpf_progs.compiler import CompilerMissing, find_compiler
from bpfvm.cli.main import run
from bpfvm.errors import SyscallError, UsageError
from bpfvm.obj.open import open_object
from bpfvm.report.program_run import run_program
from bpfvm.report.run_context import Request
from bpfvm.report.source import read_btf
from bpfvm.report.verdicts import verify_programs
from bpfvm.session import Session

HOST_BTF = "/sys/kernel/btf/vmlinux"
SOURCE = Path(__file__).parent / "other_types.bpf.c"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        compiler = find_compiler()
    except CompilerMissing as error:
        pytest.skip(str(error).splitlines()[0])
    path = tmp_path_factory.mktemp("other") / "other_types.bpf.o"
    path.write_bytes(compiler.compile(SOURCE.name, SOURCE.parent))
    return path


def test_a_syscall_program_reads_and_writes_its_context(other: Path) -> None:
    context = (5).to_bytes(8, "little") + bytes(8)
    with Session() as session:
        result = run_program(session, open_object(other), Request("add_one", ctx=context, repeat=2))
    assert result.returned == [7, 7]
    assert result.changed == {"runs": (0, 2)}
    assert result.ctx == context[:8] + (6).to_bytes(8, "little")


def test_without_a_context_there_are_zeros_as_many_as_it_looks_at(other: Path) -> None:
    with Session() as session:
        assert run_program(session, open_object(other), Request("add_one")).ctx == bytes(8) + b"\1" + bytes(7)
        registers = run_program(session, open_object(other), Request("first_argument"))
        assert (registers.returned, len(registers.ctx)) == ([0], 168)
        assert run_program(session, open_object(other), Request("bare_arguments")).returned == [0]


def test_a_context_that_is_too_short_is_refused_as_by_the_kernel(other: Path) -> None:
    with Session() as session, pytest.raises(SyscallError, match="looks at 16 bytes of context, --ctx has 15") as error:
        run_program(session, open_object(other), Request("add_one", ctx=bytes(15)))
    assert error.value.errno == EINVAL


def test_an_xdp_program_gets_a_packet_and_gives_it_back(other: Path) -> None:
    with Session() as session:
        result = run_program(session, open_object(other), Request("pass", data=bytes(range(60))))
    assert result.returned == [2]
    assert result.data == bytes(range(60))
    assert result.ctx == (0).to_bytes(4, "little") + (60).to_bytes(4, "little") + bytes(16)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request("pass", args=(1,)), "--arg: programs of type xdp take a packet; use --data"),
        (Request("add_one", args=(1,)), "--arg: programs of type syscall take a block of bytes"),
        (Request("add_one", ctx=bytes(1 << 17)), "more than the limit"),
        (Request("add_one", data=b"x"), "--data: programs of type syscall read no packet data"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(other: Path, request_: Request, message: str) -> None:
    with Session() as session, pytest.raises(UsageError, match=message):
        run_program(session, open_object(other), request_)


def test_a_function_that_is_not_emulated_is_not_linked(other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prog", "verify", str(other), "on_exit"]) == 3
    assert "do_exit" in capsys.readouterr().out


@pytest.mark.skipif(not os.access(HOST_BTF, os.R_OK), reason=f"{HOST_BTF} can't be read")
def test_another_kernels_btf_can_stand_in(other: Path) -> None:
    verdicts = verify_programs(open_object(other), "on_exit", btf=read_btf(HOST_BTF))
    assert [each.word for each in verdicts] == ["accepted"]
