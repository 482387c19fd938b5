# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which element of a full LRU map makes room (kernel/bpf/bpf_lru_list.c, 6.18).

Elements are nodes that are handed out and taken back. New ones wait on a list of their CPU ("pending") and come to
the common lists in batches: "inactive", or "active" when they were used meanwhile. What was used is marked, not moved;
marks count when lists are looked through. So an element may go before the map is full, and not always the oldest.
"""

from __future__ import annotations

from typing import Final, Protocol

from bpfvm.runtime.maps.lru_list import Evict, Lists, Node, Where

LOCAL_TARGET: Final = 128
"""most nodes that a CPU takes at a time, and how many nodes a look through a list visits"""
PERCPU_TARGET: Final = 4


class Lru(Protocol):
    """Hands out nodes."""

    def pop(self, cpu: int) -> Node | None:
        """A node for a new element, taken from an old one if need be."""
        ...

    def push(self, node: Node) -> None:
        """The node's element is gone."""
        ...


class CommonLru:
    """One set of lists, and per CPU free and pending nodes."""

    __slots__ = ("_evict", "_free", "_lists", "_pending", "_steal", "_target")

    def __init__(self, nodes: int, cpus: int, evict: Evict) -> None:
        self._evict = evict
        self._lists = Lists(nodes, LOCAL_TARGET, evict)
        self._free = [Node(Where.LOCAL_FREE) for _ in range(cpus)]
        self._pending = [Node(Where.PENDING) for _ in range(cpus)]
        self._steal = list(range(cpus))
        self._target = min(max(nodes // cpus // 2, 1), LOCAL_TARGET)

    def pop(self, cpu: int) -> Node | None:
        """From the CPU's free nodes, the common lists, or another CPU's."""
        node = self._first(self._free[cpu])
        if node is None:
            self._refill(cpu)
            node = self._first(self._free[cpu])
        if node is None:
            node = self._stolen(cpu)
        if node is not None:
            node.cpu, node.used = cpu, False
            node.move_to(self._pending[cpu])
        return node

    @staticmethod
    def _first(head: Node) -> Node | None:
        return head.next if head.next is not head else None

    def _refill(self, cpu: int) -> None:
        """What is pending joins the lists; then a batch of nodes is freed for this CPU."""
        for node in self._pending[cpu].backwards():
            self._lists.move(node, Where.ACTIVE if node.used else Where.INACTIVE)
        self._lists.rotate()
        taken, head = 0, self._free[cpu]
        while taken < self._target and (found := self._lists.first_free()) is not None:
            self._lists.hand_to(found, head)
            taken += 1
        if taken < self._target:
            self._lists.shrink(self._target - taken, head)

    def _stolen(self, cpu: int) -> Node | None:
        """From the free or pending nodes of one CPU after the other."""
        first = at = self._steal[cpu]
        while True:
            node = self._first(self._free[at]) or self._oldest_pending(at)
            at = (at + 1) % len(self._free)
            if node is not None or at == first:
                break
        self._steal[cpu] = at
        return node

    def _oldest_pending(self, cpu: int) -> Node | None:
        """The oldest pending node that isn't marked, else the oldest."""
        for force in (False, True):
            for node in self._pending[cpu].backwards():
                if (force or not node.used) and self._evict(node):
                    return node
        return None

    def push(self, node: Node) -> None:
        """A pending node is free for its CPU at once, others for all."""
        if node.where is Where.PENDING:
            node.used = False
            node.move_to(self._free[node.cpu])
        else:
            self._lists.move(node, Where.FREE)


class PercpuLru:
    """A set of lists per CPU, each with its share of the nodes (BPF_F_NO_COMMON_LRU)."""

    __slots__ = ("_lists",)

    def __init__(self, nodes: int, cpus: int, evict: Evict) -> None:
        self._lists = [Lists(nodes // cpus, PERCPU_TARGET, evict, cpu) for cpu in range(cpus)]

    def pop(self, cpu: int) -> Node | None:
        """From the CPU's own nodes."""
        lists = self._lists[cpu]
        lists.rotate()
        if lists.first_free() is None:
            lists.shrink(PERCPU_TARGET, lists.free_head)
        node = lists.first_free()
        if node is not None:
            lists.move(node, Where.INACTIVE)
        return node

    def push(self, node: Node) -> None:
        """Free for the CPU it belongs to."""
        self._lists[node.cpu].move(node, Where.FREE)
