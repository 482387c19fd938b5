# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import errno

import pytest

from bpfvm.engine.image import Image
from bpfvm.engine.interp import Interpreter
from bpfvm.errors import SyscallError
from bpfvm.isa.insn import Insn
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec
from bpfvm.runtime import Runtime

INDEX0, INDEX1, OUTSIDE = (n.to_bytes(4, "little") for n in (0, 1, 2))
SEVEN = Image.of_insns((Insn(0xB7, 0, 0, 0, 7), Insn(0x95, 0, 0, 0, 0)))


def test_tail_calls_go_where_the_slot_says() -> None:
    runtime = Runtime(Memory(), None)
    found = runtime.create_map(MapSpec("m", "prog_array", 4, 4, 2))
    runtime.programs[3] = SEVEN
    found.update(INDEX1, b"\3\0\0\0")
    low, high = (value - (1 << 32) if value >> 31 else value for value in (found.addr & 0xFFFF_FFFF, found.addr >> 32))

    def caller(index: int) -> Image:
        map_in_r2 = (Insn(0x18, 2, 0, 0, low), Insn(0, 0, 0, 0, high), Insn(0xB7, 3, 0, 0, index))
        return Image.of_insns((*map_in_r2, Insn(0x85, 0, 0, 0, 12), Insn(0xB7, 0, 0, 0, 1), Insn(0x95, 0, 0, 0, 0)))

    machine = Interpreter(runtime.memory, runtime, tail_calls=runtime.tail_target)
    assert [machine.run(caller(index), 0) for index in (0, 1, 2)] == [1, 7, 1]


def test_user_space_side() -> None:
    runtime = Runtime(Memory(), None)
    found = runtime.create_map(MapSpec("m", "prog_array", 4, 4, 2))
    runtime.programs[3] = SEVEN

    def errno_of(name: str, *args: object) -> int:
        with pytest.raises(SyscallError) as error:
            getattr(found, name)(*args)
        return error.value.errno

    assert errno_of("get", INDEX0) == errno.ENOENT
    assert errno_of("update", INDEX0, b"\4\0\0\0") == errno.EBADF
    assert errno_of("update", OUTSIDE, b"\3\0\0\0") == errno.E2BIG
    assert errno_of("update", INDEX0, b"\3\0\0\0", 1) == errno.EINVAL
    found.update(INDEX0, b"\3\0\0\0")
    assert found.get(INDEX0) == b"\3\0\0\0"
    assert found.next_key() == INDEX0
    found.delete(INDEX0)
    assert errno_of("delete", INDEX0) == errno.ENOENT
    assert errno_of("delete", OUTSIDE) == errno.E2BIG
