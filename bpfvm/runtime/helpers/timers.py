# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Timers (kernel/bpf/helpers.c, 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.runtime.helpers.table import Args, helper

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME = 0, 1, 7
TIMER_ABS, TIMER_CPU_PIN = 1, 2


@helper("timer_init")
def timer_init(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(timer, map, clock) → 0 or an errno."""
    if args[2] not in (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME):
        return -errno.EINVAL
    return 0 if rt.later.make(rt.map_at(args[1]), args[0]) else -errno.EBUSY


@helper("timer_set_callback")
def timer_set_callback(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(timer, callback(map, key, value)) → 0 or an errno."""
    timer, handle = rt.later.get(args[0]), args[1]
    if timer is None:
        return -errno.EINVAL
    call = frame.call
    timer.run = lambda *values: call(handle, *values)
    return 0


@helper("timer_start")
def timer_start(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(timer, nanoseconds, flags) → 0 or an errno; the time counts from now unless the flags say it is absolute."""
    timer = rt.later.get(args[0])
    if args[2] & ~(TIMER_ABS | TIMER_CPU_PIN) or timer is None or timer.run is None:
        return -errno.EINVAL
    rt.later.start(timer, args[1] + (0 if args[2] & TIMER_ABS else rt.clock.ns))
    return 0


@helper("timer_cancel")
def timer_cancel(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(timer) → 1 if it was started, 0 if not, or an errno (-EDEADLK for the timer that is running)."""
    timer = rt.later.get(args[0])
    if timer is None:
        return -errno.EINVAL
    if timer is rt.later.running:
        return -errno.EDEADLK
    was_started = timer.expires is not None
    timer.expires = None
    return int(was_started)


@helper("kptr_xchg")
def kptr_xchg(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(field, pointer) → what the field held."""
    held = rt.memory.load(args[0], 8)
    rt.memory.store(args[0], 8, args[1])
    return held
