# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpf_dummy_ops: a type that can be loaded and populated, but never registers."""

from __future__ import annotations

from errno import EOPNOTSUPP

import pytest

from bpfvm.errors import SyscallError
from tests.struct_ops.kernel_types import World


@pytest.mark.parametrize("flags", [0, 0x2000])
def test_never_registers(world: World, flags: int) -> None:
    fd, _ = world.map(type_="bpf_dummy_ops", flags=flags)
    with pytest.raises(SyscallError) as failure:
        world.sys.map_update_elem(fd, 0, world.value("bpf_dummy_ops"))
        world.sys.link_create(fd)
    assert failure.value.errno == EOPNOTSUPP


def test_arguments_reach_the_program(world: World) -> None:
    """What the kernel's own selftest dummy_multiple_args checks."""
    got: list[int] = []

    def run(ctx: int) -> int:
        got.extend(world.memory.load(ctx + 8 * number, 8) for number in range(5))
        return 0

    prog_fd, _ = world.prog("test_2", run, "bpf_dummy_ops")
    fd, made = world.map(type_="bpf_dummy_ops")
    world.sys.map_update_elem(fd, 0, world.value("bpf_dummy_ops", test_2=prog_fd))
    world.kernel.trampolines.call(world.slot(made, "test_2"), [0, -100, 0x8A5F, ord("c"), 0x1234567887654321])
    assert got == [0, 0xFFFFFF9C, 0x8A5F, 0x63, 0x1234567887654321]
