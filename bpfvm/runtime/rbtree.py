# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A red-black tree on emulated bytes, laid out as struct rb_root_cached and rb_node (include/linux/rbtree_types.h).

The rules are those of any textbook (Cormen et al., Introduction to Algorithms, "Red-Black Trees"), with the successor
taking a removed inner node's place, so the shape is the one that lib/rbtree.c gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bpfvm.memory import Memory

PARENT, RIGHT, LEFT = 0, 8, 16
"""struct rb_node: parent's address with the colour in bit 0 (1: black), then the children"""
ROOT, LEFTMOST = 0, 8
"""struct rb_root_cached"""
BLACK: Final = 1


class RbTree:
    """The tree whose root structure is at ``root``. Nodes are addresses, 0 is no node."""

    __slots__ = ("_memory", "root")

    def __init__(self, memory: Memory, root: int) -> None:
        self._memory = memory
        self.root = root

    # --- links ------------------------------------------------------------------------------------------------------
    def top(self) -> int:
        """The node at the top."""
        return self._memory.load(self.root + ROOT, 8)

    def first(self) -> int:
        """The leftmost node."""
        return self._memory.load(self.root + LEFTMOST, 8)

    def child(self, node: int, side: int) -> int:
        """The node's child on ``side`` (LEFT, RIGHT)."""
        return self._memory.load(node + side, 8)

    def _parent(self, node: int) -> int:
        return self._memory.load(node + PARENT, 8) & ~BLACK

    def _is_black(self, node: int) -> bool:
        return not node or bool(self._memory.load(node + PARENT, 8) & BLACK)

    def _set_parent(self, node: int, parent: int) -> None:
        self._memory.store(node + PARENT, 8, parent | self._memory.load(node + PARENT, 8) & BLACK)

    def _paint(self, node: int, black: bool) -> None:
        self._memory.store(node + PARENT, 8, self._parent(node) | black)

    def _hang(self, parent: int, old: int, new: int) -> None:
        """``new`` takes the place of ``old`` below ``parent`` (the root when 0)."""
        if not parent:
            self._memory.store(self.root + ROOT, 8, new)
        else:
            side = LEFT if self.child(parent, LEFT) == old else RIGHT
            self._memory.store(parent + side, 8, new)
        if new:
            self._set_parent(new, parent)

    def _rotate(self, node: int, side: int) -> None:
        """The child opposite to ``side`` comes up, ``node`` goes down to ``side``."""
        other = LEFT + RIGHT - side
        up = self.child(node, other)
        inner = self.child(up, side)
        self._memory.store(node + other, 8, inner)
        if inner:
            self._set_parent(inner, node)
        self._hang(self._parent(node), node, up)
        self._memory.store(up + side, 8, node)
        self._set_parent(node, up)

    # --- adding -----------------------------------------------------------------------------------------------------
    def add(self, node: int, is_less: Callable[[int, int], bool]) -> None:
        """Put ``node`` behind all nodes that it isn't less than."""
        parent, side, leftmost, at = 0, LEFT, True, self.top()
        while at:
            parent = at
            side = LEFT if is_less(node, at) else RIGHT
            leftmost = leftmost and side == LEFT
            at = self.child(at, side)
        for offset, value in ((PARENT, parent), (LEFT, 0), (RIGHT, 0)):
            self._memory.store(node + offset, 8, value)
        self._memory.store(parent + side if parent else self.root + ROOT, 8, node)
        if leftmost:
            self._memory.store(self.root + LEFTMOST, 8, node)
        self._after_add(node)

    def _after_add(self, node: int) -> None:
        while not self._is_black(parent := self._parent(node)):
            grand = self._parent(parent)
            side = LEFT if self.child(grand, LEFT) == parent else RIGHT
            uncle = self.child(grand, LEFT + RIGHT - side)
            if not self._is_black(uncle):
                self._paint(parent, True)
                self._paint(uncle, True)
                self._paint(grand, False)
                node = grand
                continue
            if self.child(parent, side) != node:
                self._rotate(parent, side)
                node, parent = parent, node
            self._paint(parent, True)
            self._paint(grand, False)
            self._rotate(grand, LEFT + RIGHT - side)
        self._paint(self.top(), True)

    # --- removing ---------------------------------------------------------------------------------------------------
    def _next(self, node: int) -> int:
        if at := self.child(node, RIGHT):
            while left := self.child(at, LEFT):
                at = left
            return at
        while (parent := self._parent(node)) and self.child(parent, RIGHT) == node:
            node = parent
        return parent

    def erase(self, node: int) -> None:
        """Take a node out, and make it a node that is in no tree (RB_CLEAR_NODE)."""
        if self.first() == node:
            self._memory.store(self.root + LEFTMOST, 8, self._next(node))
        left, right = self.child(node, LEFT), self.child(node, RIGHT)
        if left and right:
            self._swap_with_successor(node)
        gap = self.child(node, LEFT) or self.child(node, RIGHT)
        parent, was_black = self._parent(node), self._is_black(node)
        side = LEFT if parent and self.child(parent, LEFT) == node else RIGHT
        self._hang(parent, node, gap)
        if was_black:
            self._after_erase(gap, parent, side)
        self._memory.store(node + PARENT, 8, node)

    def _swap_with_successor(self, node: int) -> None:
        """``node`` and the next one change places and colours."""
        after, memory = self._next(node), self._memory
        black, after_black = self._is_black(node), self._is_black(after)
        left, right, parent = self.child(node, LEFT), self.child(node, RIGHT), self._parent(node)
        after_right, after_parent = self.child(after, RIGHT), self._parent(after)
        self._hang(parent, node, after)
        memory.store(after + LEFT, 8, left)
        self._set_parent(left, after)
        if after_parent == node:
            memory.store(after + RIGHT, 8, node)
            self._set_parent(node, after)
        else:
            memory.store(after + RIGHT, 8, right)
            self._set_parent(right, after)
            memory.store(after_parent + LEFT, 8, node)
            self._set_parent(node, after_parent)
        memory.store(node + LEFT, 8, 0)
        memory.store(node + RIGHT, 8, after_right)
        if after_right:
            self._set_parent(after_right, node)
        self._paint(after, black)
        self._paint(node, after_black)

    def _after_erase(self, node: int, parent: int, side: int) -> None:
        """Paths through ``node`` (which may be none), below ``parent`` on ``side``, lack one black node."""
        while parent and self._is_black(node):
            other = LEFT + RIGHT - side
            sibling = self.child(parent, other)
            if not self._is_black(sibling):
                self._paint(sibling, True)
                self._paint(parent, False)
                self._rotate(parent, side)
                sibling = self.child(parent, other)
            if self._is_black(self.child(sibling, LEFT)) and self._is_black(self.child(sibling, RIGHT)):
                self._paint(sibling, False)
                node, parent = parent, self._parent(parent)
                side = LEFT if parent and self.child(parent, LEFT) == node else RIGHT
                continue
            if self._is_black(self.child(sibling, other)):
                self._paint(self.child(sibling, side), True)
                self._paint(sibling, False)
                self._rotate(sibling, other)
                sibling = self.child(parent, other)
            self._paint(sibling, self._is_black(parent))
            self._paint(parent, True)
            self._paint(self.child(sibling, other), True)
            self._rotate(parent, side)
            return
        if node:
            self._paint(node, True)
