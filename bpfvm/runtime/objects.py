# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Objects that programs allocate, and what becomes of the kernel's fields in values and objects that go away
(kernel/bpf/helpers.c bpf_obj_new_impl, __bpf_obj_drop_impl; kernel/bpf/syscall.c bpf_obj_free_fields; 6.18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bpfvm.btf import Btf
from bpfvm.engine.image import Image
from bpfvm.engine.trap import Unsupported
from bpfvm.errors import SyscallError
from bpfvm.memory import Memory
from bpfvm.memory.lists import init_list_head, list_del_init
from bpfvm.runtime.maps.special import SpecialField, special_fields
from bpfvm.runtime.rbtree import RbTree

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MAX_SIZE: Final = 4096 - 8
"""what bpf_mem_alloc can give"""
NODE_OWNER: Final = {"bpf_list_node": 16, "bpf_rb_node": 24}
"""where a node says which list or tree it is in"""


class NoFrame:
    """The caller of a kfunc that the kernel calls itself."""

    def __init__(self, memory: Memory) -> None:
        self.image = Image.of_insns((), "kernel")
        self.memory = memory

    def call(self, handle: int, *args: int) -> int:
        """There is no program to call back."""
        raise Unsupported("a callback outside of a program")

    def callers(self) -> list[tuple[Image, int]]:
        """No program runs."""
        return []


class Objects:
    """Addresses of live objects → their special fields. A per-CPU object goes by the address of CPU 0's copy."""

    __slots__ = ("_percpu", "_rt", "live")

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self.live: dict[int, tuple[SpecialField, ...]] = {}
        self._percpu: dict[int, tuple[int, ...]] = {}

    def new(self, btf: Btf | None, type_id: int) -> int:
        """A zeroed object of a type of the program's BTF, its reference count 1; 0 without memory."""
        addr = self._alloc(btf, type_id)
        if addr:
            self.live[addr] = fields = special_fields(btf, type_id)
            for field in fields:
                if field.name == "bpf_refcount":
                    self._rt.memory.store(addr + field.offset, 4, 1)
        return addr

    def _alloc(self, btf: Btf | None, type_id: int) -> int:
        if btf is None:
            raise Unsupported("an object of a program without BTF")
        size = btf.size_of(type_id)
        if size > MAX_SIZE:
            return 0
        try:
            return self._rt.memory.alloc(max(size, 1), what=btf.name_of(type_id) or "bpf object")
        except SyscallError:
            return 0

    def new_percpu(self, btf: Btf | None, type_id: int) -> int:
        """An object with a copy per CPU; bpf_per_cpu_ptr finds the copies."""
        copies = tuple(self._alloc(btf, type_id) for _ in range(self._rt.cpus))
        if not all(copies):
            for each in copies:
                self._rt.memory.free(each)
            return 0
        self._percpu[copies[0]] = self._rt.percpu_vars[copies[0]] = copies
        return copies[0]

    def drop_percpu(self, addr: int) -> None:
        """Give all copies back."""
        del self._rt.percpu_vars[addr]
        for each in self._percpu.pop(addr):
            self._rt.memory.free(each)

    # --- references -------------------------------------------------------------------------------------------------
    def _refcount(self, addr: int) -> int:
        """Address of the object's reference count, 0 without one."""
        return next((addr + field.offset for field in self.live[addr] if field.name == "bpf_refcount"), 0)

    def acquire(self, addr: int) -> int:
        """bpf_refcount_acquire: the object with one reference more, 0 when it is on its way out."""
        count = self._refcount(addr)
        held = self._rt.memory.load(count, 4)
        if not held:
            return 0
        self._rt.memory.store(count, 4, held + 1)
        return addr

    def drop(self, addr: int) -> None:
        """bpf_obj_drop: one reference less; the last one frees what the object holds, and the object."""
        count = self._refcount(addr)
        if count:
            held = self._rt.memory.load(count, 4) - 1
            self._rt.memory.store(count, 4, held)
            if held:
                return
        self.free_fields(self.live[addr], addr)
        del self.live[addr]
        self._rt.memory.free(addr)

    def around(self, node: int) -> int:
        """The live object that a node is a field of. Raises Unsupported (a trap, inside a program)."""
        block = self._rt.memory.block_at(node)
        addr = self._rt.memory.BASE + block.start if block is not None else 0
        if addr not in self.live:
            raise Unsupported(f"{node:#x} is in no object")
        return addr

    # --- fields -----------------------------------------------------------------------------------------------------
    def free_fields(self, fields: Sequence[SpecialField], addr: int) -> None:
        """Drop everything that the fields of a value or object at ``addr`` own; pointers are 0 afterwards."""
        memory = self._rt.memory
        for field in fields:
            place = addr + field.offset
            if field.name in ("bpf_timer", "bpf_wq", "bpf_task_work"):
                self._rt.later.forget(place)
            elif field.name == "bpf_list_head":
                self._drain_list(place)
            elif field.name == "bpf_rb_root":
                self._drain_tree(place)
            elif field.size == 8 and field.target:
                held = memory.load(place, 8)
                memory.store(place, 8, 0)
                if held and field.name in ("kptr", "percpu_kptr"):
                    self.release(held, field.target)

    def release(self, addr: int, kind: str) -> None:
        """Give back a reference that a kptr of this type held. Raises Unsupported for a type nobody here owns."""
        if addr in self.live:
            self.drop(addr)
        elif addr in self._percpu:
            self.drop_percpu(addr)
        elif kind == "task_struct":
            self._rt.need_tasks("release of a task").release(addr)
        elif kind == "cgroup":
            self._rt.need_tasks("release of a cgroup").cgroup_release(addr)
        elif (function := self._rt.kfuncs.get(f"{kind}_release")) is not None:
            function(self._rt, (addr, 0, 0, 0, 0), NoFrame(self._rt.memory))
        else:
            raise Unsupported(f"not emulated: release of a {kind}")

    def _drain_list(self, head: int) -> None:
        memory = self._rt.memory
        while (node := memory.load(head, 8)) not in (0, head):
            list_del_init(memory, node)
            memory.store(node + NODE_OWNER["bpf_list_node"], 8, 0)
            self.drop(self.around(node))
        init_list_head(memory, head)

    def _drain_tree(self, root: int) -> None:
        tree = RbTree(self._rt.memory, root)
        while node := tree.first():
            tree.erase(node)
            self._rt.memory.store(node + NODE_OWNER["bpf_rb_node"], 8, 0)
            self.drop(self.around(node))
