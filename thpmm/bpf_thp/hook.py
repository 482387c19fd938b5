# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpf_hook_thp_get_orders(): ask the instance that manages an address space (mm/huge_memory_bpf.c, v11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.errors import BpfvmError, KernelReport
from thpmm.bpf_thp.mm_list import Layout
from thpmm.journal import HookCall
from thpmm.orders import U64

if TYPE_CHECKING:
    from thpmm.machine import Machine
    from thpmm.vma import Vma

BITS_PER_LONG = 64
UBSAN_PLACE = "mm/huge_memory_bpf.c"


class Hook:
    """Callable as the kernel's function; notes every call in the journal."""

    __slots__ = ("_maps", "global_ops", "layout", "machine")

    def __init__(self, machine: Machine, layout: Layout) -> None:
        self.machine = machine
        self.layout = layout
        self.global_ops = 0
        self._maps: dict[int, tuple[str, int]] = {}

    def __call__(self, vma: Vma, tva: int, orders: int) -> int:
        """The orders of the mask that the policy leaves; all of them when nobody manages ``vma``'s address space."""
        kernel, at = self.machine.kernel, self.layout
        memory = kernel.memory
        with kernel.in_function("bpf_hook_thp_get_orders"):
            mm = memory.u64(vma.addr + at.vm_mm)
            if not mm:
                return orders
            kernel.rcu.read_lock()
            try:
                instance = self.global_ops or memory.u64(mm + at.bpf_thp)
                function = memory.u64(instance + at.thp_get_order) if instance else 0
                if not function:
                    self._note(vma, tva, orders, mm, 0, None, orders)
                    return orders
                kernel.pause_point("hook_before_call")
                where = self._map_of(function)
                try:
                    returned = kernel.trampolines.call(function, (vma.addr, tva, orders))
                except BpfvmError:
                    self._note(vma, tva, orders, mm, function, None, orders, where)
                    raise
                result = orders & self._mask(returned, orders)
            finally:
                kernel.rcu.read_unlock()
            self._note(vma, tva, orders, mm, function, returned, result, where)
            return result

    def _mask(self, order: int, orders: int) -> int:
        """What the returned order means; out of range it depends on the profile (B.3: x86 shifts modulo 64)."""
        profile = self.machine.profile
        if 0 <= order < BITS_PER_LONG:
            return 1 << order
        if order < 0 and profile.has("negative_keeps"):
            return U64
        if profile.has("range_check"):
            return 0
        if self.machine.kernel.checker == "kasan":
            problem = (
                f"{order} is negative"
                if order < 0
                else f"{order} is too large for {BITS_PER_LONG}-bit type 'long unsigned int'"
            )
            self.machine.kernel.report(
                KernelReport("ubsan", f"UBSAN: shift-out-of-bounds in {UBSAN_PLACE}\nshift exponent {problem}")
            )
        return 1 << (order & (BITS_PER_LONG - 1))

    def _map_of(self, function: int) -> tuple[str, int]:
        """Name and id of the map a trampoline belongs to; remembered, as a map may be gone before its programs are."""
        found = self._maps.get(function)
        if found is None:
            found = ("?", 0)
            for each in self.machine.kernel.maps:
                if any(trampoline.addr == function for trampoline in each.area.items):
                    found = (each.attr.name, each.id)
            self._maps[function] = found
        return found

    def _note(
        self,
        vma: Vma,
        tva: int,
        orders: int,
        mm: int,
        function: int,
        returned: int | None,
        result: int,
        where: tuple[str, int] | None = None,
    ) -> None:
        task = self.machine.current_task
        self.machine.journal.note(
            HookCall(
                type=tva,
                orders=orders,
                ran=function != 0,
                map_name=where[0] if where else None,
                map_id=where[1] if where else 0,
                returned=returned,
                result=result,
                comm=task.comm if task is not None else "swapper/0",
                pid=task.pid if task is not None else 0,
                mm=mm,
                vm_start=vma.vm_start,
                vm_end=vma.vm_end,
            )
        )
