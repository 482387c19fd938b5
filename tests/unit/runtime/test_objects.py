# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects that programs allocate: references, lists, trees, and what goes away with their owners."""

from __future__ import annotations

import errno

import pytest

from bpfvm.btf import Btf
from bpfvm.engine.image import Image
from bpfvm.isa.word import s64
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Runtime
from tests.unit.memory.btf_bytes import BtfBytes
from tests.unit.runtime.frames import PythonFrame

LIST_AT, TREE_AT, COUNT_AT, VALUE_AT, SIZE = 0, 24, 56, 64, 72


class World:
    """A program whose BTF has ``node`` (list node, tree node, reference count, a number) and a map value with a list
    head, a tree root and a kptr to a node."""

    def __init__(self) -> None:
        bytes_ = BtfBytes()
        u32, u64 = bytes_.int("u32", 4), bytes_.int("u64", 8)
        opaque = {name: bytes_.struct(name, size, ("opaque", u64, 0)) for name, size in (
            ("bpf_list_node", 24), ("bpf_rb_node", 32), ("bpf_list_head", 16), ("bpf_rb_root", 16))}  # fmt: skip
        count = bytes_.struct("bpf_refcount", 4, ("opaque", u32, 0))
        self.node = bytes_.struct(
            "node", SIZE, ("list", opaque["bpf_list_node"], 0), ("tree", opaque["bpf_rb_node"], 192),
            ("count", count, 448), ("value", u64, 512))  # fmt: skip
        self.plain = bytes_.struct("plain", 8, ("value", u64, 0))
        kptr = bytes_.ptr(bytes_.type_tag("kptr", self.node))
        value = bytes_.struct(
            "value", 40, ("head", opaque["bpf_list_head"], 0), ("root", opaque["bpf_rb_root"], 128), ("held", kptr, 256)
        )
        self.btf: Btf = bytes_.btf()
        self.runtime = Runtime(Memory(checker="kasan"), None)
        self.memory = self.runtime.memory
        self.frame = PythonFrame(self.memory, lambda one, other: int(self.value(one) < self.value(other)))
        self.frame.image = Image("test", (), (), program=Program("test", "syscall", (), btf=self.btf))
        self.map = self.runtime.create_map(MapSpec("m", "hash", 4, 40, 2, btf=self.btf, value_type_id=value))

    def value(self, tree_node: int) -> int:
        return self.memory.load(tree_node - TREE_AT + VALUE_AT, 8)

    def call(self, name: str, *args: int) -> int:
        padded = (*args, 0, 0, 0, 0, 0)[:5]
        return s64(self.runtime.kfuncs[f"bpf_{name}"](self.runtime, padded, self.frame))

    def make(self, value: int = 0) -> int:
        made = self.call("obj_new_impl", self.node) & (1 << 64) - 1
        self.memory.store(made + VALUE_AT, 8, value)
        return made

    def element(self) -> int:
        self.map.update(bytes(4), bytes(40))
        return self.map.lookup_elem(bytes(4))


@pytest.fixture
def world() -> World:
    return World()


def u64(number: int) -> int:
    return number & (1 << 64) - 1


def test_a_new_object_is_zero_and_counted_once(world: World) -> None:
    node = world.make()
    assert world.memory.load(node + COUNT_AT, 4) == 1
    assert u64(world.call("refcount_acquire_impl", node)) == node
    world.call("obj_drop_impl", node)
    assert node in world.runtime.objects.live
    world.call("obj_drop_impl", node)
    assert not world.runtime.objects.live


def test_an_object_without_a_count_goes_at_once(world: World) -> None:
    plain = u64(world.call("obj_new_impl", world.plain))
    world.call("obj_drop_impl", plain)
    block = world.memory.block_at(plain)
    assert block is not None
    assert not block.live


def test_lists_push_and_pop_at_both_ends(world: World) -> None:
    head = world.element()
    one, two, three = (world.make(n) for n in range(3))
    assert world.call("list_pop_front", head) == world.call("list_front", head) == 0
    for node, end in ((one, "back"), (two, "back"), (three, "front")):
        assert world.call(f"list_push_{end}_impl", head, node + LIST_AT) == 0
    assert (u64(world.call("list_front", head)), u64(world.call("list_back", head))) == (three, two)
    assert [u64(world.call(f"list_pop_{end}", head)) for end in ("back", "front", "front")] == [two, three, one]
    assert world.call("list_pop_back", head) == 0


def test_a_node_that_is_on_a_list_is_not_pushed_but_dropped(world: World) -> None:
    head, node = world.element(), world.make()
    world.call("refcount_acquire_impl", node)
    assert world.call("list_push_back_impl", head, node) == 0
    assert world.call("list_push_back_impl", head, node) == -errno.EINVAL
    assert world.memory.load(node + COUNT_AT, 4) == 1


def test_trees_keep_their_order(world: World) -> None:
    root = world.element() + 16
    nodes = {n: world.make(n) + TREE_AT for n in (5, 1, 9, 3, 7)}
    for node in nodes.values():
        assert world.call("rbtree_add_impl", root, node, 1) == 0
    assert u64(world.call("rbtree_first", root)) == nodes[1]
    assert u64(world.call("rbtree_remove", root, nodes[1])) == nodes[1]
    assert world.call("rbtree_remove", root, nodes[1]) == 0
    assert u64(world.call("rbtree_first", root)) == nodes[3]
    top = u64(world.call("rbtree_root", root))
    sides = {u64(world.call(f"rbtree_{side}", root, top)) for side in ("left", "right")}
    assert {world.value(each) for each in sides} | {world.value(top)} <= {3, 5, 7, 9}
    assert world.call("rbtree_left", root, nodes[1]) == 0


def test_deleting_an_element_drops_what_it_owns(world: World) -> None:
    element = world.element()
    listed, planted, held = (world.make(n) for n in range(3))
    world.call("list_push_front_impl", element, listed)
    world.call("rbtree_add_impl", element + 16, planted + TREE_AT, 1)
    world.memory.store(element + 32, 8, held)
    assert len(world.runtime.objects.live) == 3
    world.map.delete(bytes(4))
    assert not world.runtime.objects.live


def test_per_cpu_objects_have_a_copy_per_cpu(world: World) -> None:
    made = u64(world.call("percpu_obj_new_impl", world.plain))
    copies = world.runtime.percpu_vars[made]
    assert len(set(copies)) == world.runtime.cpus
    world.call("percpu_obj_drop_impl", made)
    assert made not in world.runtime.percpu_vars
