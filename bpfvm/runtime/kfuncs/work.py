# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Work queues and work of tasks (kernel/bpf/helpers.c, 6.18): work runs as soon as time passes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import u32
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import KFUNCS, kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


@kfunc
def wq_init(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(work, map, 0) → 0 or an errno."""
    if u32(args[2]):
        return -errno.EINVAL
    return 0 if rt.later.make(rt.map_at(args[1]), args[0]) else -errno.EBUSY


@kfunc
def wq_set_callback_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(work, callback(map, key, work), 0) → 0 or an errno."""
    work, handle = rt.later.get(args[0]), args[1]
    if u32(args[2]) or work is None:
        return -errno.EINVAL
    call = frame.call
    work.run = lambda *values: call(handle, *values)
    return 0


@kfunc
def wq_start(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(work, 0) → 0 or an errno."""
    work = rt.later.get(args[0])
    if u32(args[1]) or work is None or work.run is None:
        return -errno.EINVAL
    rt.later.start(work, rt.clock.ns)
    return 0


def _schedule(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(task, work, map, callback(map, key, value), 0) → 0, -EBUSY while it waits to run. Whose context it runs in is
    not told apart (bpf_task_work_schedule)."""
    rt.later.make(rt.map_at(args[2]), args[1])
    work, handle, call = rt.later.get(args[1]), args[3], frame.call
    if work is None or work.expires is not None or work is rt.later.running:
        return -errno.EBUSY
    work.run = lambda *values: call(handle, *values)
    rt.later.start(work, rt.clock.ns)
    return 0


KFUNCS["bpf_task_work_schedule_signal_impl"] = KFUNCS["bpf_task_work_schedule_resume_impl"] = _schedule
