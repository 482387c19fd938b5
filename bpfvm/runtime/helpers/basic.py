# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers on time, chance, CPU, locks, per-CPU variables and loops (kernel/bpf/helpers.c, core.c, bpf_iter.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.errors import KernelReport
from bpfvm.isa.word import u32
from bpfvm.runtime.helpers.table import Args, helper

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

BPF_MAX_LOOPS: Final = 8 << 20


@helper("ktime_get_ns", "ktime_get_boot_ns")
def ktime_get_ns(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Nanoseconds since boot. The emulated machine never sleeps, so both clocks agree."""
    return rt.clock.read()


@helper("ktime_get_tai_ns")
def ktime_get_tai_ns(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """International Atomic Time in nanoseconds."""
    return rt.clock.tai()


@helper("ktime_get_coarse_ns")
def ktime_get_coarse_ns(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Nanoseconds since boot at the last tick."""
    return rt.clock.coarse()


@helper("jiffies64")
def jiffies64(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Timer ticks."""
    return rt.clock.jiffies64()


@helper("get_prandom_u32")
def get_prandom_u32(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """The current CPU's next pseudo-random number."""
    return rt.prandom[rt.cpu].u32()


@helper("get_smp_processor_id")
def get_smp_processor_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """The current CPU."""
    return rt.cpu


@helper("get_numa_node_id")
def get_numa_node_id(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """The current CPU's node: the emulated machine has one, 0."""
    return 0


@helper("loop")
def loop(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(count, callback(index, ctx), ctx, flags) → iterations done; the callback's 1 ends the loop."""
    count, callback, ctx, flags, _ = args
    count = u32(count)
    if flags:
        return -errno.EINVAL
    if count > BPF_MAX_LOOPS:
        return -errno.E2BIG
    for index in range(count):
        if frame.call(callback, index, ctx):
            return index + 1
    return count


def _lockup(rt: Runtime, text: str) -> None:
    rt.memory.report(KernelReport("lockup", f"{text} on CPU#{rt.cpu}"))


@helper("spin_lock")
def spin_lock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Take the lock at r1; one that is taken would never be released, as nothing else runs meanwhile."""
    if rt.memory.load(args[0], 4):
        _lockup(rt, f"BUG: spinlock recursion: lock {args[0]:016x} is held")
    rt.memory.store(args[0], 4, 1)
    return 0


@helper("spin_unlock")
def spin_unlock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Release the lock at r1."""
    if not rt.memory.load(args[0], 4):
        _lockup(rt, f"BUG: spinlock already unlocked: lock {args[0]:016x}")
    rt.memory.store(args[0], 4, 0)
    return 0


def _per_cpu(rt: Runtime, variable: int, cpu: int) -> int:
    copies = rt.percpu_vars.get(variable)
    if copies is None:
        raise Unsupported(f"{variable:#x} is no per-CPU variable")
    return copies[cpu]


@helper("per_cpu_ptr")
def per_cpu_ptr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(variable, cpu) → that CPU's copy, 0 for a CPU that doesn't exist."""
    cpu = u32(args[1])
    return _per_cpu(rt, args[0], cpu) if cpu < rt.cpus else 0


@helper("this_cpu_ptr")
def this_cpu_ptr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(variable) → the current CPU's copy."""
    return _per_cpu(rt, args[0], rt.cpu)
