# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Lists of an LRU map's elements: active, inactive, free (kernel/bpf/bpf_lru_list.c, 6.18)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpfvm.runtime.maps.keyed import Element


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
