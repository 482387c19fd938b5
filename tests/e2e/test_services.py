# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A compiled program and each service of the kernel around it, from the object file to what is left, on all engines."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from bpf_progs.compiler import CompilerMissing, find_compiler
from bpfvm.cli.main import run
from bpfvm.errors import UsageError
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from bpfvm.report.program_run import RunResult, run_program
from bpfvm.report.run_context import Request
from bpfvm.runtime.maps import UserRingbufMap
from bpfvm.session import Session

SOURCE = Path(__file__).parent / "services.bpf.c"
LIB = Path(__file__).parents[2] / "bpf_progs/lib"
ENGINES = ("interp", "fast", *(("jit",) if find_spec("llvmlite") else ()))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        compiler = find_compiler()
    except CompilerMissing as error:
        pytest.skip(str(error).splitlines()[0])
    made = tmp_path_factory.mktemp("services") / "services.bpf.o"
    made.write_bytes(compiler.compile(SOURCE.name, SOURCE.parent, include=[str(LIB)]))
    return made


@pytest.fixture(scope="module")
def spec(path: Path) -> ObjectSpec:
    return open_object(path)


@pytest.fixture(params=ENGINES)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    with Session(engine=request.param) as made:
        yield made


def once(session: Session, spec: ObjectSpec, prog: str, **more: object) -> RunResult:
    return run_program(session, spec, Request(prog, **more))  # type: ignore[arg-type]  # fields of Request


def test_timers_and_work_run_when_time_passes(session: Session, spec: ObjectSpec) -> None:
    assert once(session, spec, "start_later").changed == {}
    result = once(session, spec, "start_later", elapse=0)
    assert (result.returned, result.changed) == ([0], {"worked": (0, 107)})
    result = once(session, spec, "start_later", elapse=1000)
    assert result.changed == {"worked": (0, 107), "fired": (0, 7)}


@pytest.mark.parametrize(("prog", "returned"), [("least_of_a_tree", 10), ("tail_caller", 42)])
def test_results(session: Session, spec: ObjectSpec, prog: str, returned: int) -> None:
    assert once(session, spec, prog).returned == [returned]


def test_a_slice_of_a_packet_is_the_packet(session: Session, spec: ObjectSpec) -> None:
    frame = bytes(range(64))
    result = once(session, spec, "slice_of_a_packet", data=frame)
    assert result.returned == [20]
    assert result.data == frame[:21] + b"\xee" + frame[22:]


def test_xdp_moves_the_packets_start(session: Session, spec: ObjectSpec) -> None:
    result = once(session, spec, "behind_a_new_header", data=bytes(60))
    assert result.returned == [2]
    assert result.data == b"\xab" + bytes(63)
    assert int.from_bytes(result.ctx[4:8], "little") == 64


def test_inner_maps_are_the_declared_ones(session: Session, spec: ObjectSpec) -> None:
    loaded = session.load(spec)
    context = session.memory.alloc(512)
    assert session.run(loaded, "through_the_outer_map", context) == 0
    assert (loaded.map_lookup("first", 0), loaded.map_lookup("second", 0)) == (0, 5)


def test_samples_come_from_user_space(session: Session, spec: ObjectSpec) -> None:
    loaded = session.load(spec)
    ring = loaded.map("samples")
    assert isinstance(ring, UserRingbufMap)
    for byte in (3, 4):
        ring.push(bytes([byte]))
    assert session.run(loaded, "drain") == 2
    assert loaded.variable("drained") == 7
    assert session.run(loaded, "drain") == 0


def test_arguments_can_point_to_data(session: Session, spec: ObjectSpec) -> None:
    """As BPF_PROG_TEST_RUN of bpf_dummy_ops: the state goes in and comes back."""
    state = (41).to_bytes(4, "little")
    result = once(session, spec, "next_state", args=("data",), data=state, repeat=2)
    assert (result.returned, result.data) == ([42, 43], (43).to_bytes(4, "little"))
    assert once(session, spec, "next_state").returned == [0xFFFF_FFFF]
    for request in (Request("next_state", data=state), Request("next_state", args=("data",))):
        with pytest.raises(UsageError, match="--arg data"):
            run_program(session, spec, request)


def test_a_traced_function_s_arguments_are_counted(session: Session, spec: ObjectSpec) -> None:
    assert once(session, spec, "count_arguments", args=(7,)).changed == {"counted": (0, 107)}


def test_an_object_of_zeros_stands_in_where_linux_always_passes_one(session: Session, spec: ObjectSpec) -> None:
    assert once(session, spec, "has_a_name").returned == [0]
    task = session.thp.spawn("a")
    assert once(session, spec, "has_a_name", args=(task.addr, 5)).returned == [6]
    with pytest.raises(UsageError, match=r"has_a_name has 2 arguments \(struct task_struct \*, unsigned long\)"):
        once(session, spec, "has_a_name", args=(1, 2, 3))


def test_what_is_not_emulated_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prog", "run", str(path), "not_emulated"]) == 4
    assert "not emulated: bpf_sys_close" in "".join(capsys.readouterr())


def test_the_command_shows_the_packet(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prog", "run", str(path), "slice_of_a_packet", "--data", bytes(range(64)).hex()]) == 0
    out = capsys.readouterr().out
    assert "R0 = 0x14" in out
    assert "packet: 64 bytes" in out
    assert "00000010  10 11 12 13 14 ee 16 17  18 19 1a 1b 1c 1d 1e 1f  |................|" in out
