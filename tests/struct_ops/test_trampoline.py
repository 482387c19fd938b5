# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calling members: arguments in the context, return values, addresses, symbols, calls that go wrong."""

from __future__ import annotations

from errno import E2BIG

import pytest

from bpfvm.errors import KernelOops, KernelReport, SyscallError, UsageError
from bpfvm.struct_ops.func_model import FuncModel
from bpfvm.struct_ops.trampoline import IMAGE_BASE, ProgramCalled, Trampolines
from tests.struct_ops.kernel_types import World


def attach(world: World, member: str, r0: int = 0) -> tuple[int, list[bytes]]:
    """A populated map with one program that returns r0; its address and the contexts it sees."""
    seen: list[bytes] = []

    def run(ctx: int) -> int:
        seen.append(world.memory.read(ctx, 40))
        return r0

    fd, made = world.map()
    prog_fd, _ = world.prog(member, run)
    world.sys.map_update_elem(fd, 0, world.value(**{member: prog_fd}))
    return world.slot(made, member), seen


@pytest.mark.parametrize(
    ("member", "args", "r0", "returned"),
    [
        ("test_1", [], 5, 5),
        ("test_1", [], 0xFFFFFFF5, -11),
        ("test_1", [], 0xFFFFFFFF_00000007, 7),
        ("test_1", [], 1 << 31, -(1 << 31)),
        ("test_2", [1, 2, 3], 99, 0),
        ("flags_of", [0], 0xFFFFFFFF_FFFFFFFE, 0xFFFFFFFE),
        ("pick", [], 0xFFFF8880_00001000, 0xFFFF8880_00001000),
        ("take", [0], 0x100, 0),
        ("take", [0], 0x101, 1),
    ],
)
def test_return_value_is_the_c_type(world: World, member: str, args: list[int], r0: int, returned: int) -> None:
    addr, _ = attach(world, member, r0)
    assert world.kernel.trampolines.call(addr, args) == returned


def test_integers_are_cut_to_their_size(world: World) -> None:
    addr, seen = attach(world, "test_2")
    world.kernel.trampolines.call(addr, [-1, 0x12345, 1 << 63])
    assert [int.from_bytes(seen[0][at : at + 8], "little") for at in (0, 8, 16)] == [0xFFFFFFFF, 0x2345, 1 << 63]


def test_a_struct_by_value_takes_two_slots(world: World) -> None:
    addr, seen = attach(world, "by_value")
    world.kernel.trampolines.call(addr, [1, bytes(range(16)), 2])
    assert seen[0][:32] == b"\1" + bytes(7) + bytes(range(16)) + b"\2" + bytes(7)


@pytest.mark.parametrize("args", [[1, 2], [1, 2, 3, 4], [1, b"short", 3]])
def test_wrong_arguments(world: World, args: list[int | bytes]) -> None:
    addr, _ = attach(world, "by_value")
    with pytest.raises(UsageError):
        world.kernel.trampolines.call(addr, args)


def test_nested_calls_have_their_own_contexts(world: World) -> None:
    inner, inner_seen = attach(world, "test_2")

    def run(ctx: int) -> int:
        world.kernel.trampolines.call(inner, [7, 8, 9])
        return world.memory.load(ctx, 8)

    fd, made = world.map("outer")
    prog_fd, _ = world.prog("flags_of", run)
    world.sys.map_update_elem(fd, 0, world.value(flags_of=prog_fd))
    assert world.kernel.trampolines.call(world.slot(made, "flags_of"), [42]) == 42
    assert inner_seen[0][0] == 7


def test_addresses_and_symbols(world: World) -> None:
    fd, made = world.map()
    fds = {member: world.prog(member)[0] for member in ("test_1", "test_2")}
    world.sys.map_update_elem(fd, 0, world.value(**fds))
    addrs = [world.slot(made, member) for member in fds]
    assert addrs[0] == IMAGE_BASE
    assert IMAGE_BASE < addrs[1] < IMAGE_BASE + 4096
    assert list(world.kernel.trampolines.symbols()) == [
        (addrs[0], "bpf__conf_ops_test_1"),
        (addrs[1], "bpf__conf_ops_test_2"),
    ]
    assert world.kernel.runtime.symbol(addrs[1]) == "bpf__conf_ops_test_2"
    world.sys.close(fd)
    assert list(world.kernel.trampolines.symbols()) == []
    other, _ = attach(world, "test_1")
    assert other >= IMAGE_BASE + 4096


def test_events_tell_program_arguments_and_result(world: World) -> None:
    addr, _ = attach(world, "flags_of", 3)
    world.watch()
    world.kernel.trampolines.call(addr, [9])
    assert world.events == [ProgramCalled("prog_flags_of", 1, "conf_ops", "flags_of", (9,), 3)]


def test_more_than_one_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trampolines, "size_of", lambda self, model: 3000)
    fd, made = world.map()
    fds = {member: world.prog(member)[0] for member in ("test_1", "test_2", "pick")}
    world.sys.map_update_elem(fd, 0, world.value(**fds))
    assert [world.slot(made, member) - IMAGE_BASE for member in fds] == [0, 4096, 8192]


def test_more_than_eight_pages(world: World) -> None:
    area = world.kernel.trampolines.area()
    model = FuncModel((), 0, False, 0)
    _, prog = world.prog("test_1")
    per_page = 4096 // world.kernel.trampolines.size_of(model)
    for number in range(8 * per_page):
        area.add("conf_ops", f"m{number}", model, prog)
    with pytest.raises(SyscallError) as failure:
        area.add("conf_ops", "one_more", model, prog)
    assert failure.value.errno == E2BIG
    assert len(area.pages) == 8


def test_calling_null_is_an_oops(world: World) -> None:
    with pytest.raises(KernelOops) as oops, world.kernel.in_function("some_hook"):
        world.kernel.trampolines.call(0, [])
    assert oops.value.trace == ("some_hook",)
    assert world.console()[:4] == [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "#PF: supervisor instruction fetch in kernel mode",
        "#PF: error_code(0x0010) - not-present page",
        "Oops: Oops: 0010 [#1] SMP",
    ]


def test_calling_a_freed_trampoline(world: World) -> None:
    addr, _ = attach(world, "test_1")
    world.sys.exit()
    with pytest.raises(KernelOops, match="unable to handle page fault for address: ffffffffa0000000"):
        world.kernel.trampolines.call(addr, [])


def test_calling_a_freed_trampoline_with_kasan() -> None:
    world = World("kasan")
    addr, _ = attach(world, "test_1")
    world.sys.exit()
    with pytest.raises(KernelReport, match="freed trampoline bpf__conf_ops_test_1") as report:
        world.kernel.trampolines.call(addr, [])
    assert report.value.kind == "kasan"


@pytest.mark.parametrize(("sleepable", "seen"), [(False, (1, 0)), (True, (0, 1))])
def test_a_program_runs_inside_a_read_side_section(world: World, sleepable: bool, seen: tuple[int, int]) -> None:
    rcu, counts = world.kernel.rcu, []

    def run(ctx: int) -> int:
        counts.append((rcu.readers, rcu.trace_readers))
        return 0

    fd, made = world.map()
    prog_fd, prog = world.prog("test_1", run)
    prog.sleepable = sleepable
    world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd))
    world.kernel.trampolines.call(world.slot(made, "test_1"), [])
    assert counts == [seen]
    assert (rcu.readers, rcu.trace_readers) == (0, 0)


@pytest.mark.parametrize("sleepable", [False, True])
def test_a_map_released_by_its_own_program_is_freed_when_that_returns(world: World, sleepable: bool) -> None:
    fd, made = world.map()

    def run(ctx: int) -> int:
        world.sys.exit()
        return int(made.freed)

    prog_fd, prog = world.prog("test_1", run)
    world.sys.map_update_elem(fd, 0, world.value(test_1=prog_fd))
    prog.sleepable = sleepable
    assert world.kernel.trampolines.call(world.slot(made, "test_1"), []) == 0
    assert made.freed
    assert prog.freed
