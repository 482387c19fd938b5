# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Red-black trees on emulated bytes keep order and balance whatever is added and removed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bpfvm.memory import Memory
from bpfvm.runtime.rbtree import BLACK, LEFT, PARENT, RIGHT, RbTree

NODES = 24


class Grove:
    """A tree of numbered nodes; a node's number is its key."""

    def __init__(self) -> None:
        self.memory = Memory(1 << 20, "kasan")
        self.tree = RbTree(self.memory, self.memory.alloc(16))
        self.nodes = [self.memory.alloc(32) for _ in range(NODES)]

    def number(self, node: int) -> int:
        return self.nodes.index(node)

    def add(self, number: int) -> None:
        self.tree.add(self.nodes[number], lambda one, other: self.number(one) < self.number(other))

    def in_order(self, node: int, parent: int = 0) -> tuple[list[int], int]:
        """(keys in order, black nodes on every way down); asserts the rules on the way."""
        if not node:
            return [], 1
        word = self.memory.load(node + PARENT, 8)
        assert word & ~BLACK == parent
        left, black = self.in_order(self.memory.load(node + LEFT, 8), node)
        right, other = self.in_order(self.memory.load(node + RIGHT, 8), node)
        assert black == other
        if not word & BLACK:
            for side in (LEFT, RIGHT):
                child = self.memory.load(node + side, 8)
                assert not child or self.memory.load(child + PARENT, 8) & BLACK
        return [*left, self.number(node), *right], black + (word & BLACK)


@given(st.lists(st.integers(0, NODES - 1), max_size=80))
def test_nodes_come_in_order_and_ways_down_are_balanced(numbers: list[int]) -> None:
    """A number adds its node, or removes it when it is in."""
    grove, inside = Grove(), set[int]()
    for number in numbers:
        if number in inside:
            grove.tree.erase(grove.nodes[number])
        else:
            grove.add(number)
        inside ^= {number}
        keys, _ = grove.in_order(grove.tree.top())
        assert keys == sorted(inside)
        first = grove.tree.first()
        assert (grove.number(first) if first else None) == min(inside, default=None)
    grove.memory.close()
