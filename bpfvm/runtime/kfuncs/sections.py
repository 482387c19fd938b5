# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs that begin and end sections, change types, count elements (kernel/bpf/helpers.c, map_iter.c,
kernel/bpf/rqspinlock.c; 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.engine.throw import Thrown
from bpfvm.engine.trap import Unsupported
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc
from bpfvm.runtime.maps import HashMap
from bpfvm.runtime.test_run.kernel_ctx import KERNEL_CTX, kernel_ctx

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

EDEADLK = 35
IRQ_ON = 0x200
"""the interrupt flag of x86-64's rflags"""


@kfunc
def rcu_read_lock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Enter a read-side critical section."""
    rt.rcu_depth += 1
    return 0


@kfunc
def rcu_read_unlock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Leave it."""
    rt.rcu_depth -= 1
    return 0


@kfunc
def preempt_disable(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Programs aren't preempted here anyway."""
    return 0


@kfunc
def preempt_enable(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """See preempt_disable."""
    return 0


@kfunc
def rdonly_cast(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(object, BTF id) → the object, which the verifier now takes for that type."""
    return args[0]


@kfunc
def cast_to_kern_ctx(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(context) → the kernel's own; most are the program's. That of an sk_buff follows what helpers do to the packet,
    so programs that write to their context themselves can't have it. Raises Unsupported."""
    packet, program = rt.packets.get(args[0]), frame.image.program
    if packet is None or program is None:
        return args[0]
    if program.prog_type not in KERNEL_CTX:
        raise Unsupported(f"not emulated: bpf_cast_to_kern_ctx in a {program.prog_type} program")
    if frame.image.writes_ctx:
        raise Unsupported("not emulated: bpf_cast_to_kern_ctx in a program that writes to its context")
    return kernel_ctx(rt, packet, program.prog_type)


@kfunc
def map_sum_elem_count(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map) → number of elements of a hash table, 0 for other kinds."""
    found = rt.map_at(args[0])
    return len(found) if isinstance(found, HashMap) else 0


@kfunc
def throw(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cookie): end the program. Raises Thrown."""
    raise Thrown(args[0])


# --- locks that notice deadlocks ------------------------------------------------------------------------------------
@kfunc
def res_spin_lock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(lock) → 0, or -EDEADLK when it is held, as it would never be released."""
    if rt.memory.load(args[0], 4):
        return -EDEADLK
    rt.memory.store(args[0], 4, 1)
    return 0


@kfunc
def res_spin_unlock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(lock): release it."""
    rt.memory.store(args[0], 4, 0)
    return 0


@kfunc
def res_spin_lock_irqsave(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(lock, where to save) → as res_spin_lock; interrupts are off then."""
    code = res_spin_lock(rt, args, frame)
    if not code:
        rt.memory.store(args[1], 8, IRQ_ON)
    return code


@kfunc
def res_spin_unlock_irqrestore(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(lock, what was saved): release it."""
    return res_spin_unlock(rt, args, frame)


@kfunc
def local_irq_save(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(where to save): nothing interrupts a program here."""
    rt.memory.store(args[0], 8, IRQ_ON)
    return 0


@kfunc
def local_irq_restore(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(what was saved)"""
    return 0
