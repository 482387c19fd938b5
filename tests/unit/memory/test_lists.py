# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import pytest

from bpfvm.errors import KernelReport, UsageError
from bpfvm.memory import Memory, MemoryFault, lists
from bpfvm.memory.lists import LIST_POISON1, LIST_POISON2


def make(checker: str = "list", count: int = 3) -> tuple[Memory, int, list[int]]:
    memory = Memory(checker=checker)
    head, *nodes = (memory.alloc(16) for _ in range(count + 1))
    lists.init_list_head(memory, head)
    for node in nodes:
        assert lists.list_add_tail(memory, node, head)
    return memory, head, nodes


def text_of(report: pytest.ExceptionInfo[KernelReport]) -> str:
    assert report.value.kind == "list"
    return str(report.value)


@pytest.mark.parametrize("checker", ["off", "list", "kasan"])
def test_nodes_are_walked_in_order_both_ways(checker: str) -> None:
    memory, head, nodes = make(checker)
    assert list(lists.list_iter(memory, head)) == nodes
    extra = memory.alloc(16)
    lists.list_add(memory, extra, head)
    assert list(lists.list_iter(memory, head)) == [extra, *nodes]
    lists.list_del(memory, nodes[1])
    assert list(lists.list_iter(memory, head)) == [extra, nodes[0], nodes[2]]
    assert (memory.u64(nodes[1]), memory.u64(nodes[1] + 8)) == (LIST_POISON1, LIST_POISON2)
    for node in lists.list_iter(memory, head):
        lists.list_del_init(memory, node)
        assert lists.list_empty(memory, node)
    assert lists.list_empty(memory, head)


def test_replacing_moves_the_links() -> None:
    memory, head, nodes = make()
    new, other = memory.alloc(16), memory.alloc(16)
    lists.list_replace(memory, nodes[1], new)
    assert list(lists.list_iter(memory, head)) == [nodes[0], new, nodes[2]]
    lists.list_replace_init(memory, head, other)
    assert lists.list_empty(memory, head)
    assert len(list(lists.list_iter(memory, other))) == 3


def test_rcu_readers_on_a_deleted_node_find_their_way() -> None:
    memory, _, nodes = make()
    lists.list_del_rcu(memory, nodes[0])
    assert (memory.u64(nodes[0]), memory.u64(nodes[0] + 8)) == (nodes[1], LIST_POISON2)


def test_deleting_twice_is_caught_or_faults_on_the_poison() -> None:
    memory, _, nodes = make("list")
    lists.list_del(memory, nodes[0])
    with pytest.raises(KernelReport) as report:
        lists.list_del(memory, nodes[0])
    assert text_of(report) == f"list_del corruption, {nodes[0]:016x}->next is LIST_POISON1 (dead000000000100)"
    memory, _, nodes = make("off")
    lists.list_del(memory, nodes[0])
    with pytest.raises(MemoryFault) as fault:
        lists.list_del(memory, nodes[0])
    assert fault.value.addr == LIST_POISON1 + 8


def test_texts_of_list_add() -> None:
    memory, head, nodes = make()
    a, b, c = nodes
    with pytest.raises(KernelReport) as report:
        lists.list_add_tail(memory, c, head)
    assert text_of(report) == f"list_add double add: new={c:016x}, prev={c:016x}, next={head:016x}."
    new = memory.alloc(16)
    memory.set_u64(b + 8, 0x1234)
    with pytest.raises(KernelReport) as report:
        lists.list_add(memory, new, a)
    expected = f"list_add corruption. next->prev should be prev ({a:016x}), but was 0000000000001234. (next={b:016x})."
    assert text_of(report) == expected
    memory.set_u64(c, a)
    with pytest.raises(KernelReport) as report:
        lists.list_add_tail(memory, new, head)
    expected = f"list_add corruption. prev->next should be next ({head:016x}), but was {a:016x}. (prev={c:016x})."
    assert text_of(report) == expected
    memory.set_u64(head, 0)
    with pytest.raises(KernelReport) as report:
        lists.list_add(memory, new, head)
    assert text_of(report) == "list_add corruption. next is NULL."
    memory.set_u64(head + 8, 0)
    with pytest.raises(KernelReport) as report:
        lists.list_add_tail(memory, new, head)
    assert text_of(report) == "list_add corruption. prev is NULL."


def test_texts_of_list_del() -> None:
    memory, head, nodes = make()
    a, b, _ = nodes
    memory.set_u64(head, 0x77)
    with pytest.raises(KernelReport) as report:
        lists.list_del(memory, a)
    expected = f"list_del corruption. prev->next should be {a:016x}, but was 0000000000000077. (prev={head:016x})"
    assert text_of(report) == expected
    memory.set_u64(head, a)
    memory.set_u64(b + 8, 0x88)
    with pytest.raises(KernelReport) as report:
        lists.list_del(memory, a)
    expected = f"list_del corruption. next->prev should be {a:016x}, but was 0000000000000088. (next={b:016x})"
    assert text_of(report) == expected
    for links, expected in (
        ((0, head), "next is NULL"),
        ((b, 0), "prev is NULL"),
        ((b, LIST_POISON2), "prev is LIST_POISON2 (dead000000000122)"),
    ):
        memory.set_u64(a, links[0])
        memory.set_u64(a + 8, links[1])
        with pytest.raises(KernelReport) as report:
            lists.list_del(memory, a)
        assert text_of(report) == f"list_del corruption, {a:016x}->{expected}"


def test_a_warned_kernel_goes_on_without_touching_the_links() -> None:
    memory, head, nodes = make()
    seen: list[KernelReport] = []
    memory.report = seen.append
    memory.set_u64(nodes[1] + 8, 0x88)
    assert not lists.list_del(memory, nodes[0])
    assert memory.u64(head) == nodes[0]
    assert memory.u64(nodes[0]) == LIST_POISON1
    assert len(seen) == 1


def test_a_list_that_never_comes_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, head, nodes = make("off")
    monkeypatch.setattr(lists, "MAX_NODES", 50)
    memory.set_u64(nodes[2], nodes[0])
    with pytest.raises(UsageError, match="never leads back"):
        list(lists.list_iter(memory, head))
