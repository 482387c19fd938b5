# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which element of a full LRU map makes room (kernel/bpf/bpf_lru_list.c, 6.18).

Elements are nodes that are handed out and taken back. New ones wait on a list of their CPU ("pending") and come to
the common lists in batches: "inactive", or "active" when they were used meanwhile. What was used is marked, not moved;
marks count when lists are looked through. So an element may go before the map is full, and not always the oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from bpfvm.runtime.maps.keyed import Element

LOCAL_TARGET: Final = 128
"""most nodes that a CPU takes at a time, and how many nodes a look through a list visits"""
PERCPU_TARGET: Final = 4


class Where(Enum):
    """The list a node is on."""

    ACTIVE = auto()
    INACTIVE = auto()
    FREE = auto()
    LOCAL_FREE = auto()
    PENDING = auto()


class Node:
    """A place in a list, or (with ``where`` the list's) a list's head. ``used`` is the mark; ``element`` what it
    carries, None until it was first handed out."""

    __slots__ = ("cpu", "element", "next", "prev", "used", "where")

    def __init__(self, where: Where, cpu: int = 0) -> None:
        self.where = where
        self.cpu = cpu
        self.used = False
        self.element: Element | None = None
        self.prev: Node = self
        self.next: Node = self

    def unlink(self) -> None:
        """Leave the list."""
        self.prev.next, self.next.prev = self.next, self.prev

    def move_to(self, head: Node) -> None:
        """Become the first of another list (or of the same)."""
        self.unlink()
        self.where = head.where
        self.prev, self.next = head, head.next
        head.next.prev = self
        head.next = self

    def backwards(self) -> Iterator[Node]:
        """The nodes of the list whose head this is, oldest first; the one given may leave the list meanwhile."""
        node = self.prev
        while node is not self:
            before = node.prev
            yield node
            node = before


Evict = Callable[[Node], bool]
"""takes a node's element out of the map; False when it isn't in it"""


class Lru(Protocol):
    """Hands out nodes."""

    def pop(self, cpu: int) -> Node | None:
        """A node for a new element, taken from an old one if need be."""
        ...

    def push(self, node: Node) -> None:
        """The node's element is gone."""
        ...


class Lists:
    """Active, inactive and free nodes. ``fresh`` nodes that were never handed out stand at the end of the free ones."""

    __slots__ = ("_counts", "_evict", "_heads", "_rotation", "_scans", "cpu", "fresh")

    def __init__(self, fresh: int, scans: int, evict: Evict, cpu: int = 0) -> None:
        self.fresh = fresh
        self.cpu = cpu
        self._scans = scans
        self._evict = evict
        self._heads = {where: Node(where) for where in (Where.ACTIVE, Where.INACTIVE, Where.FREE)}
        self._counts = dict.fromkeys(self._heads, 0)
        self._rotation = self._heads[Where.INACTIVE]

    def first_free(self) -> Node | None:
        """The free node that goes next; it stays where it is."""
        head = self._heads[Where.FREE]
        if head.next is head and self.fresh:
            self.fresh -= 1
            Node(Where.FREE, self.cpu).move_to(head)
        return head.next if head.next is not head else None

    def move(self, node: Node, where: Where) -> None:
        """To the front of one of the lists, without its mark."""
        if node.where in self._counts:
            self._leave(node)
        self._counts[where] += 1
        node.used = False
        node.move_to(self._heads[where])

    def hand_to(self, node: Node, head: Node) -> None:
        """To the front of a list that isn't one of these."""
        self._leave(node)
        node.move_to(head)

    def _leave(self, node: Node) -> None:
        if self._rotation is node:
            self._rotation = node.prev
        self._counts[node.where] -= 1

    def rotate(self) -> None:
        """Unmarked active nodes become inactive while those are fewer; marked inactive ones active."""
        if self._counts[Where.INACTIVE] < self._counts[Where.ACTIVE]:
            head = self._heads[Where.ACTIVE]
            newest = head.next
            for visited, node in enumerate(head.backwards(), 1):
                self.move(node, Where.ACTIVE if node.used else Where.INACTIVE)
                if visited == self._scans or node is newest:
                    break
        self._rotate_inactive()

    def _rotate_inactive(self) -> None:
        """Goes on where it ended the last time, once round at most."""
        head = self._heads[Where.INACTIVE]
        if head.next is head:
            return
        last = self._rotation.next
        if last is head:
            last = last.next
        node, following, visited = self._rotation, head, 0
        while visited < self._scans:
            if node is head:
                node = node.prev
                continue
            following = node.prev
            if node.used:
                self.move(node, Where.ACTIVE)
            if node is last:
                break
            node, visited = following, visited + 1
        self._rotation = following

    def shrink(self, wanted: int, head: Node) -> None:
        """Free up to ``wanted`` old unmarked inactive nodes, or one in any case, onto another list."""
        inactive, freed = self._heads[Where.INACTIVE], 0
        for visited, node in enumerate(inactive.backwards(), 1):
            if node.used:
                self.move(node, Where.ACTIVE)
            elif self._evict(node):
                self._free_to(node, head)
                freed += 1
                if freed == wanted:
                    break
            if visited == self._scans:
                break
        if not freed:
            self._shrink_by_one(inactive if inactive.next is not inactive else self._heads[Where.ACTIVE], head)

    def _shrink_by_one(self, source: Node, head: Node) -> None:
        for node in source.backwards():
            if self._evict(node):
                self._free_to(node, head)
                return

    def _free_to(self, node: Node, head: Node) -> None:
        if head.where is Where.FREE:
            self.move(node, Where.FREE)
        else:
            self.hand_to(node, head)

    @property
    def free_head(self) -> Node:
        """The head of the free nodes."""
        return self._heads[Where.FREE]


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
