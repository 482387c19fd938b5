# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""struct list_head on emulated bytes (include/linux/list.h), with CONFIG_LIST_HARDENED's checks (lib/list_debug.c,
6.18).

A node is an address: ``next`` at +0, ``prev`` at +8. The checks run unless the memory's checker is "off". A
corruption they find goes to ``memory.report`` as KernelReport("list", …), which raises by default; when it returns,
the links stay as they are, which is what a kernel without CONFIG_BUG_ON_DATA_CORRUPTION does after its warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.errors import KernelReport, UsageError
from bpfvm.memory.memory import Memory

LIST_POISON1 = 0xDEAD_0000_0000_0100
LIST_POISON2 = 0xDEAD_0000_0000_0122
MAX_NODES = 1 << 20
"""a list longer than this is taken for one that no longer leads back to its head"""


def _next(memory: Memory, node: int) -> int:
    return memory.load(node, 8)


def _prev(memory: Memory, node: int) -> int:
    return memory.load(node + 8, 8)


def _link(memory: Memory, prev: int, next_: int) -> None:
    memory.store(next_ + 8, 8, prev)
    memory.store(prev, 8, next_)


def init_list_head(memory: Memory, head: int) -> None:
    """An empty list, or a node that is on none: both links lead to itself."""
    memory.store(head, 8, head)
    memory.store(head + 8, 8, head)


def list_empty(memory: Memory, head: int) -> bool:
    """Does ``next`` lead back to ``head``?"""
    return _next(memory, head) == head


def list_add(memory: Memory, node: int, head: int) -> bool:
    """Put ``node`` right behind ``head``. False: a corruption was reported and nothing done."""
    return _insert(memory, node, head, _next(memory, head))


def list_add_tail(memory: Memory, node: int, head: int) -> bool:
    """Put ``node`` before ``head``, at the list's end. False: a corruption was reported and nothing done."""
    return _insert(memory, node, _prev(memory, head), head)


def _insert(memory: Memory, node: int, prev: int, next_: int) -> bool:
    if memory.checker != "off" and _reported(memory, add_corruption(memory, node, prev, next_)):
        return False
    memory.store(next_ + 8, 8, node)
    memory.store(node, 8, next_)
    memory.store(node + 8, 8, prev)
    memory.store(prev, 8, node)
    return True


def _unlink(memory: Memory, node: int) -> bool:
    if memory.checker != "off" and _reported(memory, del_corruption(memory, node)):
        return False
    _link(memory, _prev(memory, node), _next(memory, node))
    return True


def list_del(memory: Memory, node: int) -> bool:
    """Unlink and poison ``node``. The poison is left even when a corruption kept it linked, as in the kernel."""
    done = _unlink(memory, node)
    memory.store(node, 8, LIST_POISON1)
    memory.store(node + 8, 8, LIST_POISON2)
    return done


def list_del_rcu(memory: Memory, node: int) -> bool:
    """Unlink; only ``prev`` is poisoned, so readers on the node find their way (include/linux/rculist.h)."""
    done = _unlink(memory, node)
    memory.store(node + 8, 8, LIST_POISON2)
    return done


def list_del_init(memory: Memory, node: int) -> bool:
    """Unlink and make ``node`` an empty list."""
    done = _unlink(memory, node)
    init_list_head(memory, node)
    return done


def list_replace(memory: Memory, old: int, new: int) -> None:
    """``new`` takes the place of ``old``, whose links stay; nothing is checked here, as in the kernel."""
    next_ = _next(memory, old)
    memory.store(new, 8, next_)
    memory.store(next_ + 8, 8, new)
    prev = _prev(memory, old)
    memory.store(new + 8, 8, prev)
    memory.store(prev, 8, new)


def list_replace_init(memory: Memory, old: int, new: int) -> None:
    """list_replace, then ``old`` is an empty list: how a whole list moves to another head."""
    list_replace(memory, old, new)
    init_list_head(memory, old)


def list_iter(memory: Memory, head: int) -> Iterator[int]:
    """Nodes from first to last. ``next`` is read before a node is handed out, so it may be unlinked meanwhile
    (list_for_each_safe). Raises UsageError when the list doesn't lead back to its head."""
    node = _next(memory, head)
    for _ in range(MAX_NODES):
        if node == head:
            return
        following = _next(memory, node)
        yield node
        node = following
    raise UsageError(f"the list at {head:#x} has more than {MAX_NODES} nodes or never leads back to its head")


def _reported(memory: Memory, text: str) -> bool:
    if not text:
        return False
    memory.report(KernelReport("list", text))
    return True


def add_corruption(memory: Memory, node: int, prev: int, next_: int) -> str:
    """What __list_add_valid_or_report would print, "" if all is well."""
    if prev == 0:
        return "list_add corruption. prev is NULL."
    if next_ == 0:
        return "list_add corruption. next is NULL."
    if (back := _prev(memory, next_)) != prev:
        return (
            f"list_add corruption. next->prev should be prev ({prev:016x}), but was {back:016x}. (next={next_:016x})."
        )
    if (forth := _next(memory, prev)) != next_:
        return (
            f"list_add corruption. prev->next should be next ({next_:016x}), but was {forth:016x}. (prev={prev:016x})."
        )
    if node in (prev, next_):
        return f"list_add double add: new={node:016x}, prev={prev:016x}, next={next_:016x}."
    return ""


def del_corruption(memory: Memory, node: int) -> str:
    """What __list_del_entry_valid_or_report would print, "" if all is well."""
    next_, prev = _next(memory, node), _prev(memory, node)
    if next_ == 0:
        return f"list_del corruption, {node:016x}->next is NULL"
    if prev == 0:
        return f"list_del corruption, {node:016x}->prev is NULL"
    if next_ == LIST_POISON1:
        return f"list_del corruption, {node:016x}->next is LIST_POISON1 ({LIST_POISON1:016x})"
    if prev == LIST_POISON2:
        return f"list_del corruption, {node:016x}->prev is LIST_POISON2 ({LIST_POISON2:016x})"
    if (forth := _next(memory, prev)) != node:
        return f"list_del corruption. prev->next should be {node:016x}, but was {forth:016x}. (prev={prev:016x})"
    if (back := _prev(memory, next_)) != node:
        return f"list_del corruption. next->prev should be {node:016x}, but was {back:016x}. (next={next_:016x})"
    return ""
