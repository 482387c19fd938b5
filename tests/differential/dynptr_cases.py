# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs about dynptrs, for the running kernel's verifier and ours: every rule kept, and broken."""

from __future__ import annotations

from typing import Final

from bpfvm.obj.model import MapSpec
from tests.differential.verifier_cases import ARRAY, RINGBUF, Case

USER: Final = MapSpec("oracle", "user_ringbuf", 0, 0, 4096)
END: Final = "r0 = 0 / exit"
OUT: Final = f" / X: {END}"
RANDOM: Final = "call bpf_get_prandom_u32"
LOOKUP: Final = (
    "*(u32 *)(r10 -4) = 0 / r1 = map[id:0] / r2 = r10 / r2 += -4 / call bpf_map_lookup_elem / if r0 == 0x0 goto X / "
    "r6 = r0"
)


def reserve(off: int) -> str:
    """A ring buffer record behind a dynptr at fp+off."""
    return f"r1 = map[id:0] / r2 = 8 / r3 = 0 / r4 = r10 / r4 += {off} / call bpf_ringbuf_reserve_dynptr"


def give(off: int, how: str = "submit") -> str:
    """Submit or discard it."""
    return f"r1 = r10 / r1 += {off} / r2 = 0 / call bpf_ringbuf_{how}_dynptr"


def from_mem(off: int, size: int = 16) -> str:
    """A dynptr of the map value in r6."""
    return f"r1 = r6 / r2 = {size} / r3 = 0 / r4 = r10 / r4 += {off} / call bpf_dynptr_from_mem"


def data(off: int, size: int = 8) -> str:
    """bpf_dynptr_data()."""
    return f"r1 = r10 / r1 += {off} / r2 = 0 / r3 = {size} / call bpf_dynptr_data"


def read(off: int) -> str:
    """Eight bytes of the dynptr's to fp-8."""
    return f"r1 = r10 / r1 += -8 / r2 = 8 / r3 = r10 / r3 += {off} / r4 = 0 / r5 = 0 / call bpf_dynptr_read"


def write(off: int) -> str:
    """Eight bytes from fp-8 to the dynptr's."""
    return (
        f"*(u64 *)(r10 -8) = 1 / r1 = r10 / r1 += {off} / r2 = 0 / r3 = r10 / r3 += -8 / r4 = 8 / r5 = 0 / "
        "call bpf_dynptr_write"
    )


def clone(off: int, to: int) -> str:
    """bpf_dynptr_clone()."""
    return f"r1 = r10 / r1 += {off} / r2 = r10 / r2 += {to} / kcall bpf_dynptr_clone"


def slice_(off: int, how: str = "slice", size: int = 8, buffer: str = "r3 = r10 / r3 += -8") -> str:
    """bpf_dynptr_slice() or bpf_dynptr_slice_rdwr()."""
    return f"*(u64 *)(r10 -8) = 0 / r1 = r10 / r1 += {off} / r2 = 0 / {buffer} / r4 = {size} / kcall bpf_dynptr_{how}"


def ask(off: int, *names: str) -> str:
    """Questions to a dynptr."""
    return " / ".join(f"r1 = r10 / r1 += {off} / kcall bpf_dynptr_{name}" for name in names)


_SUBMIT: Final = give(-24)
_NULL: Final = "if r0 == 0x0 goto Y"
_DONE: Final = f"Y: {_SUBMIT} / {END}"
_RECORD_BODIES: Final = {
    "submitted": f"{_SUBMIT} / {END}",
    "discarded": f"{give(-24, 'discard')} / {END}",
    "lost": END,
    "lost in a branch": f"if r0 == 0x0 goto X / {_SUBMIT}{OUT}",
    "submitted twice": f"{_SUBMIT} / {_SUBMIT} / {END}",
    "reserved again": f"{reserve(-24)} / {_SUBMIT} / {END}",
    "half reserved again": f"{reserve(-32)} / {_SUBMIT} / {END}",
    "submitted from the middle": f"{give(-16)} / {END}",
    "submitted misaligned": f"{give(-20)} / {END}",
    "submitted too high": f"{give(-8)} / {END}",
    "submitted somewhere": f"{RANDOM} / r0 &= 8 / r1 = r10 / r1 += -24 / r1 += r0 / r2 = 0 / "
    f"call bpf_ringbuf_submit_dynptr / {END}",
    "data": f"{data(-24)} / {_NULL} / *(u64 *)(r0 +0) = 1 / {_DONE}",
    "data too long": f"{data(-24)} / {_NULL} / *(u64 *)(r0 +4) = 1 / {_DONE}",
    "data not tested": f"{data(-24)} / *(u64 *)(r0 +0) = 1 / {_DONE}",
    "data after": f"{data(-24)} / r7 = r0 / {_SUBMIT} / if r7 == 0x0 goto X / *(u64 *)(r7 +0) = 1{OUT}",
    "data spilled, after": f"{data(-24)} / {_NULL} / *(u64 *)(r10 -32) = r0 / {_SUBMIT} / r7 = *(u64 *)(r10 -32) / "
    f"*(u64 *)(r7 +0) = 1 / {END} / {_DONE}",
    "data of any length": f"{RANDOM} / r3 = r0 / r1 = r10 / r1 += -24 / r2 = 0 / call bpf_dynptr_data / {_DONE}",
    "data submitted": f"{data(-24)} / {_NULL} / r1 = r0 / r2 = 0 / call bpf_ringbuf_submit / {END} / {_DONE}",
    "overwritten": f"*(u64 *)(r10 -24) = 0 / {_DONE}",
    "byte overwritten": f"*(u8 *)(r10 -9) = 0 / {_DONE}",
    "spilled over": f"*(u64 *)(r10 -16) = r10 / {_DONE}",
    "read as bytes": f"r0 = *(u64 *)(r10 -24) / {_DONE}",
    "written by a helper": f"r1 = r10 / r1 += -32 / r2 = 16 / call bpf_get_current_comm / {_DONE}",
    "read by a helper": f"r1 = map[id:0] / r2 = r10 / r2 += -24 / r3 = 8 / r4 = 0 / call bpf_ringbuf_output / {_DONE}",
    "clone": f"{clone(-24, -48)} / {_SUBMIT} / {END}",
    "clone submitted": f"{clone(-24, -48)} / {give(-48)} / {END}",
    "both submitted": f"{clone(-24, -48)} / {give(-48)} / {_SUBMIT} / {END}",
    "data of a clone": f"{clone(-24, -48)} / {data(-48)} / r7 = r0 / {_SUBMIT} / if r7 == 0x0 goto X / "
    f"r0 = *(u8 *)(r7 +0){OUT}",
    "clone overwritten": f"{clone(-24, -48)} / *(u64 *)(r10 -48) = 0 / {_DONE}",
    "clone over itself": f"{clone(-24, -24)} / {_DONE}",
    "clone over half of it": f"{clone(-24, -32)} / {_DONE}",
    "submitted by a function": f"r1 = r10 / r1 += -24 / call F / {END} / "
    f"F: r2 = 0 / call bpf_ringbuf_submit_dynptr / {END}",
    "clone, submitted by a function": f"{clone(-24, -48)} / r1 = r10 / r1 += -24 / call F / {data(-48)} / {END} / "
    f"F: r2 = 0 / call bpf_ringbuf_submit_dynptr / {END}",
    "read": f"{read(-24)} / {_DONE}",
    "read into itself": "r1 = r10 / r1 += -24 / r2 = 8 / r3 = r10 / r3 += -24 / r4 = 0 / r5 = 0 / "
    f"call bpf_dynptr_read / {_DONE}",
    "written": f"{write(-24)} / {_DONE}",
    "written from itself": "r1 = r10 / r1 += -24 / r2 = 0 / r3 = r10 / r3 += -24 / r4 = 8 / r5 = 0 / "
    f"call bpf_dynptr_write / {_DONE}",
    "slice of unset length": f"r1 = r10 / r1 += -24 / r2 = 0 / r3 = 0 / kcall bpf_dynptr_slice / {_DONE}",
    "questions": f"r1 = r10 / r1 += -24 / r2 = 1 / r3 = 2 / kcall bpf_dynptr_adjust / "
    f"{ask(-24, 'size', 'is_null', 'is_rdonly')} / {_DONE}",
    "copied": f"{reserve(-48)} / r1 = r10 / r1 += -24 / r2 = 0 / r3 = r10 / r3 += -48 / r4 = 0 / r5 = 8 / "
    "kcall bpf_dynptr_copy / r1 = r10 / r1 += -24 / r2 = 0 / r3 = 8 / r4 = 1 / kcall bpf_dynptr_memset / "
    f"{give(-48)} / {_DONE}",
    "slice": f"{slice_(-24)} / {_NULL} / r7 = *(u64 *)(r0 +0) / {_DONE}",
    "slice after": f"{slice_(-24)} / r7 = r0 / {_SUBMIT} / if r7 == 0x0 goto X / r7 = *(u64 *)(r7 +0){OUT}",
    "slice written": f"{slice_(-24)} / {_NULL} / *(u64 *)(r0 +0) = 1 / {_DONE}",
    "slice to write": f"{slice_(-24, 'slice_rdwr')} / {_DONE}",
    "slice too long": f"{slice_(-24, size=16)} / {_DONE}",
    "slice without a buffer": f"{slice_(-24, buffer='r3 = 0')} / {_NULL} / r7 = *(u64 *)(r0 +0) / {_DONE}",
    "slice of nothing": f"{slice_(-24, size=0, buffer='r3 = 0')} / {_NULL} / r7 = *(u8 *)(r0 +0) / {_DONE}",
    "slice of any length": f"{RANDOM} / r0 &= 7 / r4 = r0 / r1 = r10 / r1 += -24 / r2 = 0 / r3 = 0 / "
    f"kcall bpf_dynptr_slice / {_DONE}",
    "under an iterator": f"r1 = r10 / r1 += -24 / r2 = 0 / r3 = 9 / kcall bpf_iter_num_new / {END}",
}
_RECORDS: Final = {
    **{name: f"{reserve(-24)} / {body}" for name, body in _RECORD_BODIES.items()},
    "misaligned": f"{reserve(-20)} / {END}",
    "too high": f"{reserve(-8)} / {END}",
    "above the stack": f"{reserve(0)} / {END}",
    "too deep": f"{reserve(-520)} / {END}",
    "lowest": f"{reserve(-512)} / {give(-512)} / {END}",
    "in a map": f"r1 = map[id:0] / r2 = 8 / r3 = 0 / r4 = r1 / call bpf_ringbuf_reserve_dynptr / {END}",
    "somewhere": f"{RANDOM} / r0 &= 8 / r7 = r10 / r7 += -40 / r7 += r0 / r1 = map[id:0] / r2 = 8 / r3 = 0 / r4 = r7 / "
    f"call bpf_ringbuf_reserve_dynptr / {END}",
    "submitted unmade": f"{_SUBMIT} / {END}",
    "submitted outside": f"{give(-600)} / {END}",
    "read unmade": f"{read(-24)} / {END}",
    "clone of nothing": f"{clone(-24, -48)} / {END}",
    "question unmade": f"{ask(-24, 'size')} / {END}",
    "question to the context": f"kcall bpf_dynptr_size / {END}",
    "question to NULL": f"r1 = 0 / kcall bpf_dynptr_size / {END}",
    "over an iterator": f"r1 = r10 / r1 += -24 / r2 = 0 / r3 = 9 / kcall bpf_iter_num_new / {reserve(-24)} / {END}",
}
_GROUP: Final = "r1 = 1 / kcall bpf_cgroup_from_id / if r0 == 0x0 goto X / r7 = r0 / r1 = r7"
_PUT: Final = "r1 = r7 / kcall bpf_cgroup_release"
_VALUE_BODIES: Final = {
    "data": f"{data(-32)} / if r0 == 0x0 goto X / *(u64 *)(r0 +0) = 1",
    "overwritten": f"{data(-32)} / if r0 == 0x0 goto X / *(u8 *)(r10 -17) = 0 / *(u64 *)(r0 +0) = 1",
    "overwritten, not tested": f"{data(-32)} / r7 = r0 / *(u8 *)(r10 -17) = 0 / if r7 == 0x0 goto X / "
    "*(u64 *)(r7 +0) = 1",
    "overwritten, used": f"*(u64 *)(r10 -24) = 0 / {data(-32)}",
    "overwritten, read": "*(u64 *)(r10 -24) = 0 / r0 = *(u64 *)(r10 -32)",
    "made again": f"{data(-32)} / r7 = r0 / {from_mem(-32, 8)} / if r7 == 0x0 goto X / r0 = *(u8 *)(r7 +0)",
    "half made again": f"{data(-32)} / r7 = r0 / {from_mem(-40, 8)} / if r7 == 0x0 goto X / r0 = *(u8 *)(r7 +0)",
    "too long": from_mem(-56, 64),
    "submitted": give(-32),
    "read and written": f"{read(-32)} / {write(-32)}",
    "perhaps overwritten": f"{RANDOM} / r0 &= 7 / r1 = r10 / r1 += -36 / r1 += r0 / *(u8 *)(r1 +0) = 1 / {read(-32)}",
    "clone": f"{clone(-32, -56)} / {data(-56)} / r7 = r0 / *(u64 *)(r10 -32) = 0 / if r7 == 0x0 goto X / "
    "r0 = *(u8 *)(r7 +0)",
    "slice, overwritten": f"{slice_(-32)} / r7 = r0 / *(u64 *)(r10 -32) = 0 / if r7 == 0x0 goto X / "
    "r0 = *(u8 *)(r7 +0)",
    "in a loop": f"r8 = 0 / L: {data(-32)} / if r0 == 0x0 goto X / r8 += 1 / if r8 < 0x5 goto L",
    "made in a loop": f"r8 = 0 / L: {from_mem(-32)} / r8 += 1 / if r8 < 0x5 goto L",
    "of two kinds": f"{RANDOM} / if r0 > 0x5 goto Y / *(u64 *)(r10 -32) = 0 / *(u64 *)(r10 -24) = 0 / Y: {data(-32)}",
    "no longer needed": f"{RANDOM} / if r0 > 0x5 goto Y / *(u64 *)(r10 -32) = 0 / Y: {RANDOM}",
    "filled from user memory": "r1 = r10 / r1 += -32 / r2 = 0 / r3 = 8 / r4 = 0 / kcall bpf_probe_read_user_dynptr",
    "filled sleeping": "r1 = r10 / r1 += -32 / r2 = 0 / r3 = 8 / r4 = 0 / kcall bpf_copy_from_user_dynptr",
    "filled from a task": "call bpf_get_current_task_btf / r5 = r0 / r1 = r10 / r1 += -32 / r2 = 0 / r3 = 8 / r4 = 0 / "
    "kcall bpf_copy_from_user_task_str_dynptr",
    "filled from a task or NULL": "r5 = 0 / r1 = r10 / r1 += -32 / r2 = 0 / r3 = 8 / r4 = 0 / "
    "kcall bpf_copy_from_user_task_dynptr",
    "attribute of a group": f"{_GROUP} / r2 = r6 / r3 = r10 / r3 += -32 / kcall bpf_cgroup_read_xattr / {_PUT}",
    "attribute, name on the stack": f"{_GROUP} / r2 = r10 / r2 += -4 / r3 = r10 / r3 += -32 / "
    f"kcall bpf_cgroup_read_xattr / {_PUT}",
    "attribute of a number": "r1 = 5 / r2 = r6 / r3 = r10 / r3 += -32 / kcall bpf_cgroup_read_xattr",
    "and an iterator": "r1 = r10 / r1 += -40 / r2 = 0 / r3 = 9 / kcall bpf_iter_num_new / L: r1 = r10 / r1 += -40 / "
    f"kcall bpf_iter_num_next / if r0 == 0x0 goto D / {data(-32)} / if r0 == 0x0 goto L / *(u8 *)(r0 +3) = 1 / goto L"
    " / D: r1 = r10 / r1 += -40 / kcall bpf_iter_num_destroy",
    "under an iterator": "r1 = r10 / r1 += -32 / r2 = 0 / r3 = 9 / kcall bpf_iter_num_new / r1 = r10 / r1 += -32 / "
    "kcall bpf_iter_num_destroy",
}
_OTHER_MEMORY: Final = {
    "stack": "*(u64 *)(r10 -8) = 0 / r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / r4 = r10 / r4 += -24 / "
    f"call bpf_dynptr_from_mem / {END}",
    "context": f"r2 = 8 / r3 = 0 / r4 = r10 / r4 += -24 / call bpf_dynptr_from_mem / {END}",
}


def packet(kind: str) -> dict[str, str]:
    """Programs with a dynptr of the packet (skb, xdp) or its metadata (skb_meta) at fp-24."""
    new = f"r6 = r1 / r2 = 0 / r3 = r10 / r3 += -24 / kcall bpf_dynptr_from_{kind}"
    again = f"r1 = r6 / r2 = 0 / r3 = r10 / r3 += -24 / kcall bpf_dynptr_from_{kind}"
    moves = "xdp_adjust_head" if kind == "xdp" else "skb_pull_data"
    part = f"{new} / {slice_(-24)} / if r0 == 0x0 goto X / r7 = r0"
    return {
        "made": f"{new} / {END}",
        "of nothing": f"r1 = 0 / {again.removeprefix('r1 = r6 / ')} / {END}",
        "of a moved context": f"r1 += 8 / {new} / {END}",
        "slice": f"{part} / r7 = *(u64 *)(r7 +0){OUT}",
        "slice written": f"{part} / *(u64 *)(r7 +0) = 1{OUT}",
        "slice to write": f"{new} / {slice_(-24, 'slice_rdwr')} / if r0 == 0x0 goto X / *(u64 *)(r0 +0) = 1{OUT}",
        "slice to a helper": f"{part} / r1 = r7 / r2 = 4 / r3 = 0 / call bpf_trace_printk{OUT}",
        "moved slice to a helper": f"{part} / r1 = r7 / r1 += 4 / r2 = 4 / r3 = 0 / call bpf_trace_printk{OUT}",
        "slice, written": f"{part} / {write(-24)} / r7 = *(u64 *)(r7 +0){OUT}",
        "slice, overwritten": f"{part} / *(u64 *)(r10 -24) = 0 / r7 = *(u64 *)(r7 +0){OUT}",
        "slice, packet moved": f"{part} / r1 = r6 / r2 = 0 / call bpf_{moves} / r7 = *(u64 *)(r7 +0){OUT}",
        "data": f"{new} / {data(-24)} / if r0 == 0x0 goto X / r7 = *(u64 *)(r0 +0){OUT}",
        "slice of a clone": f"{new} / {clone(-24, -48)} / {slice_(-48)} / if r0 == 0x0 goto X / r7 = r0 / "
        f"{write(-24)} / r7 = *(u64 *)(r7 +0){OUT}",
        "made again": f"{part} / {again} / r0 = *(u8 *)(r7 +0){OUT}",
        "index": f"{part} / {RANDOM} / r0 &= 7 / r7 += r0 / r0 = *(u8 *)(r7 +0){OUT}",
        "index too far": f"{part} / {RANDOM} / r0 &= 15 / r7 += r0 / r0 = *(u8 *)(r7 +0){OUT}",
    }


_PACKETS: Final = (
    *(("sched_cls", "skb"), ("sched_cls", "skb_meta"), ("xdp", "xdp"), ("cgroup_skb", "skb"), ("socket_filter", "skb")),
    *(("sk_skb", "skb"), ("cgroup_skb", "skb_meta"), ("tracepoint", "skb")),
)
_CALLBACKS: Final = {
    "nothing": END,
    "wrong result": "r0 = 2 / exit",
    "data": f"r2 = 0 / r3 = 8 / call bpf_dynptr_data / if r0 == 0x0 goto X / r0 = *(u64 *)(r0 +0){OUT}",
    "read": f"r3 = r1 / r1 = r10 / r1 += -8 / r2 = 8 / r4 = 0 / r5 = 0 / call bpf_dynptr_read / {END}",
    "submitted": f"r2 = 0 / call bpf_ringbuf_submit_dynptr / {END}",
    "moved": f"r1 += 4 / r2 = 0 / r3 = 8 / call bpf_dynptr_data / {END}",
    "moved somewhere": f"r6 = r1 / {RANDOM} / r6 += r0 / r1 = r6 / r2 = 0 / r3 = 8 / call bpf_dynptr_data / {END}",
    "loaded from": f"r0 = *(u64 *)(r1 +0) / {END}",
    "stored to": f"*(u64 *)(r1 +0) = 0 / {END}",
    "spilled": f"*(u64 *)(r10 -8) = r1 / {END}",
    "tested": f"if r1 == 0x0 goto X{OUT}",
    "adjusted": f"r2 = 0 / r3 = 1 / kcall bpf_dynptr_adjust / {END}",
    "slice": f"r2 = 0 / r3 = 0 / r4 = 8 / kcall bpf_dynptr_slice / if r0 == 0x0 goto X / r0 = *(u64 *)(r0 +0){OUT}",
    "clone": f"r2 = r10 / r2 += -16 / kcall bpf_dynptr_clone / {data(-16)} / {END}",
    "clone over it": f"r2 = r1 / kcall bpf_dynptr_clone / {END}",
    "made over it": f"r4 = r1 / r1 = r2 / r2 = 8 / r3 = 0 / call bpf_dynptr_from_mem / {END}",
    "context": f"r0 = *(u64 *)(r2 +0) / *(u64 *)(r2 +0) = 1 / {END}",
}


def _drain(callback: str) -> str:
    return (
        "r1 = map[id:0] / r2 = subprog[F] ll / r3 = r10 / r3 += -8 / r4 = 0 / *(u64 *)(r10 -8) = 0 / "
        f"call bpf_user_ringbuf_drain / {END} / F: {callback}"
    )


_TRACE: Final = "raw_tracepoint"
DYNPTRS: Final = (
    *(Case(f"record {name}", text, _TRACE, (RINGBUF,)) for name, text in _RECORDS.items()),
    *(
        Case(f"value {name}", f"{LOOKUP} / {from_mem(-32)} / {body}{OUT}", kind, (ARRAY,))
        for kind in (_TRACE, "syscall")
        for name, body in _VALUE_BODIES.items()
        if kind == _TRACE or name.startswith(("filled", "attribute"))
    ),
    *(Case(f"memory {name}", text, _TRACE) for name, text in _OTHER_MEMORY.items()),
    *(Case(f"{kind} {type_} {name}", text, type_) for type_, kind in _PACKETS for name, text in packet(kind).items()),
    *(Case(f"callback {name}", _drain(text), _TRACE, (USER,)) for name, text in _CALLBACKS.items()),
    Case("callback wrong map", _drain(END), _TRACE, (RINGBUF,)),
    Case(
        "find_vma",
        "call bpf_get_current_task_btf / r1 = r0 / r2 = 0 / r3 = subprog[F] ll / r4 = r10 / r4 += -8 / "
        f"*(u64 *)(r10 -8) = 0 / r5 = 0 / call bpf_find_vma / {END} / F: r0 = *(u64 *)(r2 +0) / r3 = *(u64 *)(r3 +0) / "
        f"r1 = *(u32 *)(r1 +{{task_struct.pid}}) / {END}",
        _TRACE,
    ),
)
"""All of them agree with 6.18."""
UNSOUND: Final = (
    Case(
        "clone in a function, after",
        f"{reserve(-24)} / r1 = r10 / r1 += -24 / call F / {END} / F: r6 = r1 / r2 = r10 / r2 += -16 / "
        f"kcall bpf_dynptr_clone / r1 = r6 / r2 = 0 / call bpf_ringbuf_submit_dynptr / {data(-16)} / {END}",
        _TRACE,
        (RINGBUF,),
    ),
)
"""6.18 accepts it: the clone outlives what it points to."""
