# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A recorded workload put to another policy: what would it have said to everything that the hook was asked?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfvm.isa.word import s32
from thpmm.journal import HookCall

if TYPE_CHECKING:
    from thpmm.machine import Machine

Ask = Callable[[Sequence[tuple[int, int, int]]], Sequence[int]]
"""(area, TVA type, orders) of many calls of thp_get_order -> what each returned: `LoadedObject.batch` of a program"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A call of the hook, and the order that the other program returned for it (a C int)."""

    call: HookCall
    returned: int


def replay(machine: Machine, ask: Ask, *, times: int = 1) -> list[Answer]:
    """Ask about every call in the journal whose area still exists, all of them ``times`` times.

    Areas are as they are now (perhaps merged with others), and the current task is the present one. Nothing is noted in
    the journal.
    """
    known: list[tuple[HookCall, int]] = []
    for call in machine.journal.calls:
        area = _area(machine, call)
        if area:
            known.append((call, area))
    known *= times
    kernel = machine.kernel
    with kernel.in_function("bpf_hook_thp_get_orders"):
        kernel.rcu.read_lock()
        try:
            returned = ask([(area, call.type, call.orders) for call, area in known])
        finally:
            kernel.rcu.read_unlock()
    return [Answer(call, s32(order)) for (call, _), order in zip(known, returned, strict=True)]


def _area(machine: Machine, call: HookCall) -> int:
    """Address of the vm_area_struct that now has the start of the one the call was about; 0 if nothing is there."""
    mm = machine.mms.get(call.mm)
    vma = mm.vmas.lookup(call.vm_start) if mm is not None else None
    return vma.addr if vma is not None else 0
