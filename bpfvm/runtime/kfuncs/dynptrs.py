# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on dynptrs (kernel/bpf/helpers.c, net/core/filter.c, kernel/trace/bpf_trace.c; 6.18)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import u32
from bpfvm.runtime import dynptr
from bpfvm.runtime.dynptr import Dynptr
from bpfvm.runtime.helpers.probe import Reader, read_kernel, read_string, read_user
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import KFUNCS, Kfunc, kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

WRITERS: Final = frozenset(("sched_cls", "sched_act", "lwt_xmit", "sk_skb"))
"""types that may write to a packet through __sk_buff (may_access_direct_pkt_data)"""


def _writes(frame: CallFrame) -> bool:
    program = frame.image.program
    return program is not None and program.prog_type in WRITERS


def _of_packet(rt: Runtime, args: Args, kind: int, size: int, *, rdonly: bool) -> int:
    made = Dynptr(rt, args[2])
    return made.set_null(-errno.EINVAL) if args[1] else made.set(args[0], kind, size, rdonly=rdonly)


@kfunc
def dynptr_from_skb(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, 0, dynptr) → 0 or an errno; read-only for types that may not write to packets."""
    packet = rt.packet_of(args[0], "bpf_dynptr_from_skb")
    return _of_packet(rt, args, dynptr.SKB, len(packet), rdonly=not _writes(frame))


@kfunc
def dynptr_from_xdp(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(xdp, 0, dynptr) → 0 or an errno."""
    return _of_packet(rt, args, dynptr.XDP, len(rt.packet_of(args[0], "bpf_dynptr_from_xdp")), rdonly=False)


@kfunc
def dynptr_from_skb_meta(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(skb, 0, dynptr) → 0 or an errno: the metadata that XDP left."""
    packet = rt.packet_of(args[0], "bpf_dynptr_from_skb_meta")
    return _of_packet(rt, args, dynptr.SKB_META, packet.data - packet.meta, rdonly=not _writes(frame))


@kfunc
def dynptr_slice(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, offset, buffer, size) → address of the bytes, or 0. The buffer is for packets in pieces."""
    return Dynptr(rt, args[0]).address(u32(args[1]), u32(args[3]))


@kfunc
def dynptr_slice_rdwr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """The same for writing; 0 for a read-only dynptr."""
    found = Dynptr(rt, args[0])
    return 0 if found.is_rdonly else found.address(u32(args[1]), u32(args[3]))


@kfunc
def dynptr_adjust(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, start, end) → 0 or an errno."""
    return Dynptr(rt, args[0]).adjust(u32(args[1]), u32(args[2]))


@kfunc
def dynptr_is_null(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr) → 1 when it points to nothing."""
    return int(not Dynptr(rt, args[0]).data)


@kfunc
def dynptr_is_rdonly(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr) → 1 when nothing may be written through it."""
    found = Dynptr(rt, args[0])
    return int(bool(found.data) and found.is_rdonly)


@kfunc
def dynptr_size(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr) → its size, -EINVAL when it points to nothing."""
    found = Dynptr(rt, args[0])
    return found.size if found.data else -errno.EINVAL


@kfunc
def dynptr_clone(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, other) → 0 with a copy in the other, or -EINVAL."""
    found = Dynptr(rt, args[0])
    if not found.data:
        return Dynptr(rt, args[1]).set_null(-errno.EINVAL)
    found.copy_to(args[1])
    return 0


@kfunc
def dynptr_copy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, offset, from, offset, size) → 0 or an errno."""
    to, source = Dynptr(rt, args[0]), Dynptr(rt, args[2])
    to_at, from_at, size = u32(args[1]), u32(args[3]), u32(args[4])
    if not to.data or not source.data or to.is_rdonly:
        bad = to.check(to_at, size) or source.check(from_at, size)
        return bad or (-errno.EINVAL if size else 0)
    found = source.read(from_at, size)
    return found if isinstance(found, int) else to.write(to_at, found, 0)


@kfunc
def dynptr_memset(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(dynptr, offset, size, byte) → 0 or an errno."""
    found, offset, size = Dynptr(rt, args[0]), u32(args[1]), u32(args[2])
    if not found.data and not size:
        return found.check(offset, size)
    return found.write(offset, bytes([args[3] & 0xFF]) * min(size, dynptr.MAX_SIZE + 1), 0)


# --- reads at addresses that a program made up ----------------------------------------------------------------------
def _probe(read: Reader, *, string: bool) -> Kfunc:
    def copy(rt: Runtime, args: Args, frame: CallFrame) -> int:
        """(dynptr, offset, size, address) → 0 (for strings the length) or an errno, which changes nothing."""
        to, offset, size, addr = Dynptr(rt, args[0]), u32(args[1]), u32(args[2]), args[3]
        if code := to.check(offset, size):
            return code
        if not size:
            return 0
        if to.is_rdonly or not to.data:
            return -errno.EINVAL
        found = read_string(rt, read, addr, size) if string else read(rt, addr, size)
        if isinstance(found, int):
            return found
        code = to.write(offset, found, 0)
        return code or (len(found) if string else 0)

    return copy


KFUNCS["bpf_probe_read_kernel_dynptr"] = _probe(read_kernel, string=False)
KFUNCS["bpf_probe_read_kernel_str_dynptr"] = _probe(read_kernel, string=True)
KFUNCS["bpf_probe_read_user_dynptr"] = _probe(read_user, string=False)
KFUNCS["bpf_probe_read_user_str_dynptr"] = _probe(read_user, string=True)
KFUNCS["bpf_copy_from_user_dynptr"] = _probe(read_user, string=False)
KFUNCS["bpf_copy_from_user_str_dynptr"] = _probe(read_user, string=True)


def _of_task(name: str, copy: Kfunc) -> None:
    def of_task(rt: Runtime, args: Args, frame: CallFrame) -> int:
        """(dynptr, offset, size, address, task): as without a task; only the current one's memory is emulated."""
        if args[4] != rt.current() and u32(args[2]):
            raise Unsupported(f"not emulated: {name} of another task")
        return copy(rt, args, frame)

    KFUNCS[name] = of_task


_of_task("bpf_copy_from_user_task_dynptr", KFUNCS["bpf_copy_from_user_dynptr"])
_of_task("bpf_copy_from_user_task_str_dynptr", KFUNCS["bpf_copy_from_user_str_dynptr"])
