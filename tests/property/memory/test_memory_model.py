# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Memory against a model: objects as separate byte arrays that can't touch each other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.errors import KernelReport
from bpfvm.memory import Memory, lists

Step = tuple[str, int, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(("alloc", "free", "store", "load")),
        st.integers(0, 40),
        st.integers(0, 300),
        st.integers(1, 300),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(steps, st.sampled_from(("off", "kasan")))
def test_objects_never_overlap_and_keep_what_was_stored(plan: list[Step], checker: str) -> None:
    memory = Memory(1 << 22, checker)
    objects: list[tuple[int, bytearray]] = []
    for action, which, offset, size in plan:
        if action == "alloc" or not objects:
            objects.append((memory.alloc(size), bytearray(size)))
            continue
        addr, model = objects[which % len(objects)]
        width = (1, 2, 4, 8)[size % 4]
        at = offset % len(model)
        if action == "free":
            memory.free(addr)
            objects.remove((addr, model))
        elif at + width <= len(model):
            if action == "store":
                memory.store(addr + at, width, offset * 0x0101_0101_0101)
                model[at : at + width] = (offset * 0x0101_0101_0101 & (1 << 8 * width) - 1).to_bytes(width, "little")
            assert memory.load(addr + at, width) == int.from_bytes(model[at : at + width], "little")
        elif checker == "kasan":
            with pytest.raises(KernelReport):
                memory.load(addr + at, width)
    for addr, model in objects:
        assert memory.read(addr, len(model)) == bytes(model)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(("add", "tail", "del", "replace")), st.integers(0, 9)), max_size=50))
def test_lists_behave_like_lists(plan: list[tuple[str, int]]) -> None:
    memory = Memory(1 << 20, "list")
    head, *nodes = (memory.alloc(16) for _ in range(11))
    lists.init_list_head(memory, head)
    model: list[int] = []
    for action, which in plan:
        node = nodes[which]
        if action in ("add", "tail") and node not in model:
            assert (lists.list_add if action == "add" else lists.list_add_tail)(memory, node, head)
            model.insert(0 if action == "add" else len(model), node)
        elif action == "del" and node in model:
            assert lists.list_del(memory, node)
            model.remove(node)
        elif action == "replace" and node in model and len(model) < len(nodes):
            new = next(each for each in nodes if each not in model)
            lists.list_replace(memory, node, new)
            model[model.index(node)] = new
        assert list(lists.list_iter(memory, head)) == model
