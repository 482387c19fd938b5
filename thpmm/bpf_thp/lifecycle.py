# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What fork, exec and exit do to the policy of an address space (mm/huge_memory_bpf.c, v11, and our remedies)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.memory.lists import LIST_POISON1, list_add_tail, list_del, list_replace, list_replace_init
from thpmm.bpf_thp.hook import Hook
from thpmm.bpf_thp.mm_list import Layout
from thpmm.events import PolicyPointer
from thpmm.strand import SpinLock

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.vma import Vma


class BpfThp:
    """State of the subsystem: the one lock, the global instance (patch 06), the hook. ``mm`` arguments are
    addresses."""

    __slots__ = ("hook", "layout", "lock", "machine")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.layout = Layout(machine.layouts)
        self.lock = SpinLock("thp_ops_lock", machine.strands)
        self.hook = Hook(machine, self.layout)

    def get_orders(self, vma: Vma, tva: int, orders: int) -> int:
        """bpf_hook_thp_get_orders()."""
        return self.hook(vma, tva, orders)

    def instance(self, mm: int) -> int:
        """kdata of the instance that manages an address space; 0 for none."""
        return self.machine.memory.u64(mm + self.layout.bpf_thp)

    def set_instance(self, mm: int, kdata: int) -> None:
        """rcu_assign_pointer()."""
        self.machine.memory.set_u64(mm + self.layout.bpf_thp, kdata)
        stack = self.machine.kernel.call_stack
        self.machine.emit(PolicyPointer(mm, kdata, stack[-1] if stack else ""))

    def node(self, mm: int) -> int:
        """The link that puts an address space on its instance's list."""
        return mm + self.layout.node

    def linked(self, mm: int) -> bool:
        """Does the link look like one that is on a list?"""
        following = self.machine.memory.u64(self.node(mm))
        return following not in (0, LIST_POISON1, self.node(mm))

    def mm_copied(self, mm: int) -> None:
        """mm_struct was copied byte by byte for a child: pointer and links came along. The remedy empties them."""
        if self.machine.profile.has("clear_bpf_mm_at_copy"):
            self.machine.memory.write(mm + self.layout.bpf_thp, bytes(self.machine.layouts["bpf_mm_ops"].size))

    def fork(self, mm: int, old: int) -> None:
        """bpf_thp_fork(): a child whose copy is complete joins its parent's instance."""
        kernel = self.machine.kernel
        with kernel.in_function("bpf_thp_fork"):
            if not self.instance(old):
                return
            with self.lock.held("bpf_thp_fork"):
                instance = self.instance(old)
                if instance:
                    self.set_instance(mm, instance)
                    list_add_tail(kernel.memory, self.node(mm), instance + self.layout.mm_list)

    def retain(self, mm: int, old: int) -> None:
        """bpf_thp_retain_mm(): exec takes the policy along, away from the old mm (the remedy: beside it)."""
        kernel = self.machine.kernel
        with kernel.in_function("bpf_thp_retain_mm"):
            if not old or not self.instance(old):
                return
            with self.lock.held("bpf_thp_retain_mm"):
                instance = self.instance(old)
                if not instance:
                    return
                self.set_instance(mm, instance)
                if self.machine.profile.has("exec_copies"):
                    list_add_tail(kernel.memory, self.node(mm), self.node(old))
                    return
                self.set_instance(old, 0)
                careful = self.machine.profile.has("unlink_before_clear")
                replace = list_replace_init if careful else list_replace
                replace(kernel.memory, self.node(old), self.node(mm))

    def exit(self, mm: int) -> None:
        """bpf_thp_exit_mm(): the last user is gone."""
        kernel = self.machine.kernel
        careful = self.machine.profile.has("unlink_before_clear")
        with kernel.in_function("bpf_thp_exit_mm"):
            kernel.pause_point("before_exit_hook")
            if not self.instance(mm) and not (careful and self.linked(mm)):
                return
            with self.lock.held("bpf_thp_exit_mm"):
                if careful and not self.linked(mm):
                    self.set_instance(mm, 0)
                elif careful or self.instance(mm):
                    list_del(kernel.memory, self.node(mm))
                    self.set_instance(mm, 0)
