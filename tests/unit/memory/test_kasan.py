# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

from collections.abc import Callable

import pytest

from bpfvm.errors import KernelReport
from bpfvm.memory import Memory


def make() -> tuple[Memory, int]:
    memory = Memory(checker="kasan")
    memory.where = lambda: "bpf_thp_unreg"
    memory.task = lambda: ("bash", 42)
    return memory, memory.alloc(44, what="mm_struct")


def report_of(access: Callable[[], object]) -> str:
    with pytest.raises(KernelReport) as report:
        access()
    assert report.value.kind == "kasan"
    return str(report.value)


def test_use_after_free_is_reported_in_the_kernels_words() -> None:
    memory, addr = make()
    memory.free(addr)
    assert report_of(lambda: memory.load(addr + 16, 8)).split("\n") == [
        "BUG: KASAN: slab-use-after-free in bpf_thp_unreg",
        f"Read of size 8 at addr {addr + 16:016x} by task bash/42",
        f"The buggy address belongs to the object at {addr:016x}",
        " which belongs to the cache mm_struct of size 64",
        "The buggy address is located 16 bytes inside of",
        f" freed 44-byte region [{addr:016x}, {addr + 44:016x})",
    ]
    assert "Write of size 3" in report_of(lambda: memory.write(addr, b"abc"))


@pytest.mark.parametrize(("offset", "size"), [(44, 1), (44, 4), (40, 8), (43, 2), (56, 8)])
def test_one_byte_too_far_is_out_of_bounds(offset: int, size: int) -> None:
    memory, addr = make()
    text = report_of(lambda: memory.store(addr + offset, size, 0))
    assert text.startswith("BUG: KASAN: slab-out-of-bounds in bpf_thp_unreg\nWrite of size ")
    assert "bytes to the right of\n allocated 44-byte region" in text
    memory.store(addr + 40, 4, 1)
    memory.read(addr, 44)
    with pytest.raises(KernelReport):
        memory.read(addr, 45)


def test_memory_that_was_never_handed_out_is_off_limits() -> None:
    memory, addr = make()
    assert "slab-out-of-bounds" in report_of(lambda: memory.load(addr + 1024, 8))


def test_freed_objects_wait_in_quarantine() -> None:
    memory, addr = make()
    memory.free(addr)
    assert all(memory.alloc(44) != addr for _ in range(100))
    assert "double-free" in report_of(lambda: memory.free(addr))
    for _ in range(300):
        memory.free(memory.alloc(8000))
    assert addr in [memory.alloc(44) for _ in range(400)]


def test_tolerant_reads_are_not_checked() -> None:
    memory, addr = make()
    memory.store(addr, 8, 7)
    memory.free(addr)
    assert memory.load_nofault(addr, 8) == 7
    assert memory.read_nofault(addr, 8) == b"\7" + bytes(7)


def test_when_the_report_hook_returns_the_access_goes_on() -> None:
    memory, addr = make()
    memory.store(addr, 8, 7)
    memory.free(addr)
    seen: list[KernelReport] = []
    memory.report = seen.append
    assert memory.load(addr, 8) == 7
    assert [report.kind for report in seen] == ["kasan"]
