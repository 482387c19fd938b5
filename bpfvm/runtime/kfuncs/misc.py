# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on user strings and XDP packets (kernel/bpf/helpers.c, net/core/filter.c, net/core/xdp.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.probe import read_string, read_user
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import KFUNCS, kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

PAD_ZEROS: Final = 1


@kfunc
def copy_from_user_str(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, user address, flags) → length with the NUL, or an errno."""
    to, size, addr, flags = args[0], u32(args[1]), args[2], args[3]
    if flags & ~PAD_ZEROS:
        return -errno.EINVAL
    if not size:
        return 0
    found = read_string(rt, read_user, addr, size)
    if isinstance(found, int):
        if flags:
            rt.memory.write(to, bytes(size))
        return found
    rt.memory.write(to, found.ljust(size, b"\0") if flags else found)
    return len(found)


@kfunc
def copy_from_user_task_str(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, size, user address, task, flags) → length with the NUL, or an errno. Only the current task's memory is
    emulated."""
    to, size, addr, task, flags = args
    if task != rt.current() and u32(size) and not flags & ~PAD_ZEROS:
        raise Unsupported("not emulated: bpf_copy_from_user_task_str of another task")
    return copy_from_user_str(rt, (to, size, addr, flags, 0), frame)


@kfunc
def modify_return_test_tp(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(number) → the number, after a tracepoint that nothing is attached to (net/bpf/test_run.c)."""
    return s32(args[0])


@kfunc
def xdp_pull_data(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, size) → 0, as packets are in one piece, or -EINVAL when there are fewer bytes."""
    return -errno.EINVAL if u32(args[1]) > len(rt.packet_of(args[0], "bpf_xdp_pull_data")) else 0


def _no_metadata(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, to): no device gives hints to a test run."""
    return -errno.EOPNOTSUPP


for _name in ("rx_timestamp", "rx_hash", "rx_vlan_tag"):
    KFUNCS[f"bpf_xdp_metadata_{_name}"] = _no_metadata


def _trap(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """The compiler says that this is never reached."""
    raise Unsupported("__bpf_trap: the program came to a place that its compiler took for unreachable")


KFUNCS["__bpf_trap"] = _trap
