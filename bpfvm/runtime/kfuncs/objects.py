# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on objects that programs allocate, and on lists and trees of them (kernel/bpf/helpers.c, 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import u32
from bpfvm.memory.lists import init_list_head, list_add, list_add_tail, list_del_init, list_empty
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc
from bpfvm.runtime.objects import NODE_OWNER
from bpfvm.runtime.rbtree import LEFT, RIGHT, RbTree

if TYPE_CHECKING:
    from bpfvm.btf import Btf
    from bpfvm.runtime.runtime import Runtime

LIST_OWNER, TREE_OWNER = NODE_OWNER["bpf_list_node"], NODE_OWNER["bpf_rb_node"]


def _btf(frame: CallFrame) -> Btf | None:
    return frame.image.program.btf if frame.image.program is not None else None


@kfunc
def obj_new_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(type id in the program's BTF) → a zeroed object, or 0."""
    return rt.objects.new(_btf(frame), u32(args[0]))


@kfunc
def percpu_obj_new_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(type id in the program's BTF) → an object with a copy per CPU, or 0."""
    return rt.objects.new_percpu(_btf(frame), u32(args[0]))


@kfunc
def obj_drop_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(object): give it back."""
    rt.objects.drop(args[0])
    return 0


@kfunc
def percpu_obj_drop_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(per-CPU object): give it back."""
    rt.objects.drop_percpu(args[0])
    return 0


@kfunc
def refcount_acquire_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(object) → the object with a reference more, or 0."""
    return rt.objects.acquire(args[0])


# --- lists ----------------------------------------------------------------------------------------------------------
def _head(rt: Runtime, head: int) -> int:
    """The list's head, made an empty list when it was never used."""
    if not rt.memory.load(head, 8):
        init_list_head(rt.memory, head)
    return head


def _push(rt: Runtime, head: int, node: int, *, tail: bool) -> int:
    if rt.memory.load(node + LIST_OWNER, 8):
        rt.objects.drop(rt.objects.around(node))
        return -errno.EINVAL
    (list_add_tail if tail else list_add)(rt.memory, node, _head(rt, head))
    rt.memory.store(node + LIST_OWNER, 8, head)
    return 0


def _peek(rt: Runtime, head: int, *, tail: bool) -> int:
    if list_empty(rt.memory, _head(rt, head)):
        return 0
    return rt.memory.load(head + (8 if tail else 0), 8)


def _pop(rt: Runtime, head: int, *, tail: bool) -> int:
    node = _peek(rt, head, tail=tail)
    if node:
        list_del_init(rt.memory, node)
        rt.memory.store(node + LIST_OWNER, 8, 0)
    return node


@kfunc
def list_push_front_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(head, node) → 0, or -EINVAL for a node that is on a list; its object is dropped then."""
    return _push(rt, args[0], args[1], tail=False)


@kfunc
def list_push_back_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(head, node) → 0, or -EINVAL for a node that is on a list; its object is dropped then."""
    return _push(rt, args[0], args[1], tail=True)


@kfunc
def list_pop_front(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(head) → the first node, taken off, or 0."""
    return _pop(rt, args[0], tail=False)


@kfunc
def list_pop_back(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(head) → the last node, taken off, or 0."""
    return _pop(rt, args[0], tail=True)


@kfunc
def list_front(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(head) → the first node, or 0."""
    return _peek(rt, args[0], tail=False)


@kfunc
def list_back(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(head) → the last node, or 0."""
    return _peek(rt, args[0], tail=True)


# --- trees ----------------------------------------------------------------------------------------------------------
@kfunc
def rbtree_add_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(root, node, less(node, other)) → 0, or -EINVAL for a node that is in a tree; its object is dropped then."""
    root, node, less, *_ = args
    if rt.memory.load(node + TREE_OWNER, 8):
        rt.objects.drop(rt.objects.around(node))
        return -errno.EINVAL
    RbTree(rt.memory, root).add(node, lambda one, other: bool(frame.call(less, one, other)))
    rt.memory.store(node + TREE_OWNER, 8, root)
    return 0


def _is_in(rt: Runtime, root: int, node: int) -> bool:
    return rt.memory.load(node + TREE_OWNER, 8) == root


@kfunc
def rbtree_remove(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(root, node) → the node, taken out, or 0 when it isn't in this tree."""
    root, node = args[0], args[1]
    if not _is_in(rt, root, node):
        return 0
    RbTree(rt.memory, root).erase(node)
    rt.memory.store(node + TREE_OWNER, 8, 0)
    return node


@kfunc
def rbtree_first(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(root) → the least node, or 0."""
    return RbTree(rt.memory, args[0]).first()


@kfunc
def rbtree_root(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(root) → the node at the top, or 0."""
    return RbTree(rt.memory, args[0]).top()


@kfunc
def rbtree_left(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(root, node) → its left child, or 0."""
    return RbTree(rt.memory, args[0]).child(args[1], LEFT) if _is_in(rt, args[0], args[1]) else 0


@kfunc
def rbtree_right(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(root, node) → its right child, or 0."""
    return RbTree(rt.memory, args[0]).child(args[1], RIGHT) if _is_in(rt, args[0], args[1]) else 0
