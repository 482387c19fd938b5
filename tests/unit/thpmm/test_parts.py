# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Small parts: pids, orders, page tables, VMA trees, swap slots, layouts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.btf.types import Enum
from bpfvm.errors import InternalError, SyscallError, UsageError
from bpfvm.memory import Memory
from tests.mm.world import World
from thpmm import kernel_btf
from thpmm.kobject import Layouts
from thpmm.mmap import prot_bits
from thpmm.orders import align_down, align_up, from_highest, order_of_kb, size_kb
from thpmm.page_table import HugePmd, PageTable, Pte
from thpmm.pid import PidNamespace
from thpmm.vm_flags import VM_EXEC, VM_READ, mnemonics


@given(st.integers(0, (1 << 20) - 1))
def test_orders_from_the_highest(mask: int) -> None:
    found = list(from_highest(mask))
    assert found == sorted(found, reverse=True)
    assert sum(1 << order for order in found) == mask


def test_sizes() -> None:
    assert [size_kb(order) for order in (2, 4, 9)] == [16, 64, 2048]
    assert (order_of_kb(64), order_of_kb(2048), order_of_kb(12), order_of_kb(0)) == (4, 9, None, None)
    assert (align_down(0x1234, 0), align_up(0x1234, 0), align_up(0x2000, 1)) == (0x1000, 0x2000, 0x2000)


def test_pids_go_round(world: World) -> None:
    task = world.thp.task("a")
    pids = PidNamespace(pid_max=303)
    pids.last = 300
    assert [pids.alloc(task) for _ in range(2)] == [301, 302]
    assert pids.alloc(task) == 300
    with pytest.raises(SyscallError) as error:
        pids.alloc(task)
    assert error.value.name == "EAGAIN"
    pids.free(301)
    assert pids.alloc(task) == 301


def test_page_table() -> None:
    table = PageTable()
    assert table.pud_none(0x1000)
    table.table(0x1000)[1] = Pte()
    assert not table.pud_none(0x1000)
    assert table.range_none(0x2000, 8)
    assert not table.range_none(0, 8)
    table.set_pmd(2 << 21, HugePmd(None))
    assert not table.range_none(2 << 21, 1)
    with pytest.raises(TypeError):
        table.table(2 << 21)
    assert [base for base, _ in table.pmds_in(0, 1 << 40)] == [0, 2 << 21]
    assert [addr for addr, _ in table.ptes_in(0, 1 << 40)] == [0x1000]
    table.clear_pte(0x1000)
    table.clear_pmd(2 << 21)
    table.free_empty(0, 1 << 30)
    assert table.pud_none(0x1000)
    assert not table.pmds


@pytest.fixture
def world() -> World:
    made = World()
    made.thp.spawn("a")
    return made


def test_vma_tree(world: World) -> None:
    mm = world.thp.task("a").mm
    assert mm is not None
    text = mm.vmas.lookup(0x40_0000)
    assert text is not None
    assert mm.vmas.lookup(0x3F_FFFF) is None
    assert mm.vmas.find_vma(0) is text
    assert mm.vmas.prev(text) is None
    assert mm.vmas.next(text) is mm.vmas.lookup(0x60_0000)
    assert mm.vmas.overlapping(0x40_1FFF, 0x60_0001) == [text, mm.vmas.lookup(0x60_0000)]
    with pytest.raises(InternalError, match="overlaps"):
        mm.vmas.insert(text)


def test_swap_slots(world: World) -> None:
    swap = world.thp.machine.swap
    swap.get(1)
    assert [swap.alloc(order) for order in (0, 1, 4)] == [0, 2, 16]
    swap.get(1)
    swap.put(1)
    assert swap.count(1) == 1
    swap.put(1)
    assert swap.free_slots == swap.slots


def test_layouts() -> None:
    mm = Layouts(kernel_btf())["mm_struct"]
    assert mm["mm_users.counter"] == (132, 4, True)
    assert mm["bpf_mm.bpf_thp_list"][0] == 1456
    with pytest.raises(UsageError, match="no member 'nothing'"):
        mm["nothing"]


def test_both_kernel_btfs() -> None:
    for patch04, last in ((False, "TVA_FORCED_COLLAPSE"), (True, "TVA_SWAP_PAGEFAULT")):
        btf = kernel_btf(patch04=patch04)
        found = btf.type(btf.find("tva_type"))
        assert isinstance(found, Enum)
        assert found.values[-1][0] == last


def test_words() -> None:
    assert prot_bits("r-x") == VM_READ | VM_EXEC
    assert mnemonics(VM_READ | VM_EXEC) == ("rd", "ex")
    with pytest.raises(UsageError):
        prot_bits("rq")


def test_wrong_kernel_is_said_on_the_console() -> None:
    world = World()
    assert world.kernel.registry.register(world.thp.type) == -17
    assert isinstance(world.memory, Memory)
