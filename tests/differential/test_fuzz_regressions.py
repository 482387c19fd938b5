# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Small programs on which the fuzzer (tests/fuzz/verifier) once found our verifier and Linux 6.18 apart.

Each row has what Linux says, so a difference is either ours or news about the kernel; both logs are compared, too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

from tests.differential.verifier_oracle import assemble, normal, unusable
from tests.fuzz.verifier.judge import harms, judge
from tests.fuzz.verifier.sample import ARRAY, PROGS, READ_ONLY, Sample

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
ENOTSUPP: Final = 524


class Row(NamedTuple):
    """A program (`/` between instructions, or raw instructions) and Linux's answer. errno 0: accepted; logged: the
    last line of the log, if that isn't the message."""

    name: str
    prog_type: str
    text: str | tuple[tuple[int, ...], ...]
    errno: int = 0
    message: str = ""
    member: int = 0
    logged: str = ""


_KEY4: Final = "*(u32 *)(r10 -4) = 0 / r2 = r10 / r2 += -4 / "
_VALUE: Final = "*(u64 *)(r10 -40) = 0 / *(u64 *)(r10 -32) = 0 / *(u64 *)(r10 -24) = 0 / *(u64 *)(r10 -16) = 0 / "
_LINKED: Final = "r6 = r1 / r9 = *(u64 *)(r1 +8) / r0 = r9 / r9 += 1073741824 / r2 = r6 / if r9 > 0x30 goto +2 / "

ROWS: Final = (
    # we accepted, Linux refuses
    Row(
        "update of a read-only map",
        "socket_filter",
        f"{_KEY4}{_VALUE}r3 = r10 / r3 += -40 / r4 = 0 / r1 = map[id:{READ_ONLY}] / call bpf_map_update_elem / exit",
        13,
        "write into map forbidden",
    ),
    Row(
        "delete from a read-only map",
        "xdp",
        f"{_KEY4}r1 = map[id:{READ_ONLY}] / call bpf_map_delete_elem / exit",
        13,
        "write into map forbidden",
    ),
    Row(
        "get_func_ip in a syscall program",
        "syscall",
        "call bpf_get_func_ip / exit",
        ENOTSUPP,
        "func bpf_get_func_ip#173 not supported for program type 31",
    ),
    Row(
        "prog_array in a sleepable program",
        "syscall",
        f"r1 = map[id:{PROGS}] / r0 = 0 / exit",
        22,
        "Sleepable programs can only use array, hash, ringbuf and local storage maps",
    ),
    Row(
        "xdp_get_buff_len wants a struct in tracing programs",
        "syscall",
        "call bpf_xdp_get_buff_len / r0 = 0 / exit",
        13,
        "R1 type=ctx expected=ptr_, trusted_ptr_, rcu_ptr_",
    ),
    Row(
        "an exception thrown inside a loop of which no state was remembered",
        "syscall",
        "r9 = 0 / l: / r1 = 1 / kcall bpf_throw / if r9 < 5 goto l / exit",
        14,
        "verifier bug: scc exit: no visit info for call chain (1)",
    ),
    # we refused, Linux accepts
    Row(
        "a full stack and a function without one",
        "socket_filter",
        "*(u8 *)(r10 -512) = 0 / call f / exit / f: / r0 = 0 / exit",
    ),
    Row(
        "load_acquire over its own context pointer",
        "socket_filter",
        "r0 = 0 / r1 = load_acquire((u32 *)(r1 +0)) / exit",
    ),
    Row(
        "load_acquire over its own packet pointer",
        "xdp",
        "r0 = 0 / r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +4) / r4 = r2 / r4 += 8 / if r4 > r3 goto +1 / "
        "r2 = load_acquire((u8 *)(r2 +0)) / exit",
    ),
    Row("delta forgotten by a multiplication", "syscall", f"{_LINKED}r9 *= 8 / r2 += r9 / r0 = 0 / exit"),
    Row("delta forgotten by a mask", "syscall", f"{_LINKED}r9 &= 7 / r2 += r9 / r0 = 0 / exit"),
    Row("delta forgotten by a negation", "syscall", f"{_LINKED}r9 = -r9 / r2 += r9 / r0 = 0 / exit"),
    Row("delta forgotten by a byte swap", "syscall", f"{_LINKED}r9 = le16 r9 / r2 += r9 / r0 = 0 / exit"),
    Row("may_goto to the next instruction", "syscall", ((0xB7, 0), (0xE5, 0), (0x95, 0))),
    Row(
        "kernel functions for tracepoints",
        "tracepoint",
        "r1 = r10 / r1 += -8 / *(u64 *)(r1 +0) = 0 / "
        "call bpf_get_current_task_btf / r1 = r0 / kcall bpf_task_acquire / if r0 == 0 goto o / r1 = r0 / "
        "kcall bpf_task_release / o: / r0 = 0 / exit",
    ),
    Row("a pointer's low half against 0", "syscall", "r0 = 0 / if w10 == 0 goto +0 / exit"),
    # other messages, other errno
    Row(
        "load_acquire of packet bytes: alignment first",
        "xdp",
        "r8 = *(u32 *)(r1 +0) / r0 = load_acquire((u32 *)(r8 +0)) / exit",
        13,
        "misaligned packet access off 2+0+0+0 size 4",
    ),
    Row(
        "store_release to packet bytes: alignment first",
        "xdp",
        "r9 = 0 / r4 = *(u32 *)(r1 +0) / store_release((u32 *)(r4 +12), r9) / exit",
        13,
        "misaligned packet access off 2+0+0+12 size 4",
    ),
    Row(
        "may_goto with an immediate",
        "syscall",
        ((0xB7, 0), (0xE5, 0, 0, 1, 1), (0x95, 0), (0x95, 0)),
        22,
        "invalid may_goto imm 1",
    ),
    Row(
        "kernel function with an argument that was never set",
        "syscall",
        "call bpf_get_prandom_u32 / kcall bpf_task_release / exit",
        22,
        "arg#0 pointer type STRUCT task_struct must point to scalar, or struct with scalar",
    ),
    Row(
        "kernel function with void memory and no length",
        "syscall",
        "r1 = r10 / r1 += -8 / kcall bpf_copy_from_user_str / r0 = 0 / exit",
        22,
        "arg#0 pointer type UNKNOWN  must point to scalar, or struct with scalar",
    ),
    Row(
        "packet load to another register",
        "xdp",
        ((0x20, 1), (0x95, 0)),
        22,
        "BPF_LD_[ABS|IND] instructions not allowed for this program type",
    ),
    Row(
        "packet load to another register where there is one",
        "socket_filter",
        ((0x20, 1), (0x95, 0)),
        22,
        "BPF_LD_[ABS|IND] uses reserved fields",
    ),
    Row(
        "tail call with another kind of map",
        "socket_filter",
        f"r2 = map[id:{ARRAY}] / r3 = 0 / call bpf_tail_call / r0 = 0 / exit",
        22,
        "expected prog array map for tail call",
    ),
    Row(
        "tail call with a known index",
        "socket_filter",
        f"r6 = r1 / r2 = map[id:{PROGS}] / r3 = 1 / call bpf_tail_call / r0 = 0 / exit",
    ),
    Row(
        "one reference passed twice",
        "xdp",
        "r7 = *(u32 *)(r1 +16) / r1 = map[id:2] / r2 = 8 / r3 = 0 / call bpf_ringbuf_reserve / if r0 == 0 goto +5 / "
        "r1 = r0 / r2 = 1 / r3 = r7 / r4 = r0 / call bpf_strtol / exit",
        13,
        "more than one arg with ref_obj_id R4 2 2",
    ),
    Row(
        "memory and length of a kernel function",
        "syscall",
        "r1 = r10 / r2 = 1 / r3 = 0 / r4 = 0 / kcall bpf_copy_from_user_str / r0 = 0 / exit",
        13,
        "arg#0 arg#1 memory, len pair leads to invalid memory access",
    ),
    Row(
        "a number compared with a pointer tells its copies what is known of it, and that is less",
        "xdp",
        "r6 = r1 / call bpf_get_prandom_u32 / r9 = r0 / r8 = r9 / r9 += 1 / "
        "if w9 & 0x2f goto +5 / if r6 == r8 goto +0 / "
        f"r9 &= 32 / r1 = map[id:{READ_ONLY}][0] / r1 += r9 / r0 = *(u8 *)(r1 +0) / r0 = 0 / exit",
        13,
        "R1 max value is outside of the allowed memory range",
    ),
    Row(
        "a number plus untrusted memory stays a number",
        "syscall",
        "r8 = *(u64 *)(r1 +0) / r2 = 0 / kcall bpf_rdonly_cast / r8 += r0 / r0 = *(u8 *)(r8 +0) / r0 = 0 / exit",
        13,
        "R8 invalid mem access 'scalar'",
    ),
    Row(
        "a cast to no type at all",
        "syscall",
        "r2 = -2 / kcall bpf_rdonly_cast / r0 = 0 / exit",
        22,
        "Unknown type ID -2 passed to kfunc bpf_rdonly_cast",
    ),
    Row(
        "a slice stored over its dynptr is a number by then, of any size",
        "xdp",
        "r2 = 0 / r3 = r10 / r3 += -24 / kcall bpf_dynptr_from_xdp / r1 = r10 / r1 += -24 / r2 = 0 / r3 = 8 / "
        "call bpf_dynptr_data / if r0 != 0 goto +2 / r0 = 0 / exit / *(u32 *)(r10 -16) = r0 / r0 = 0 / exit",
    ),
    Row(
        "a slice stored over its dynptr comes back as a number",
        "xdp",
        "r2 = 0 / r3 = r10 / r3 += -24 / kcall bpf_dynptr_from_xdp / r1 = r10 / r1 += -24 / r2 = 0 / r3 = 8 / "
        "call bpf_dynptr_data / if r0 != 0 goto +2 / r0 = 0 / exit / *(u64 *)(r10 -16) = r0 / r1 = *(u64 *)(r10 -16) / "
        "r0 = *(u8 *)(r1 +0) / r0 = 0 / exit",
        13,
        "R1 invalid mem access 'scalar'",
    ),
    Row(
        "a loop that acquires and releases repeats itself where its registers are dead",
        "tracepoint",
        "r9 = 0 / l: / r1 = map[id:2] / r2 = 1 / r3 = 0 / call bpf_ringbuf_reserve / r8 = r0 / if r0 == 0 goto n / "
        "call bpf_get_prandom_u32 / r2 = r0 / r1 = r8 / call bpf_ringbuf_submit / n: / if r9 < 7 goto l / exit",
        22,
        "infinite loop detected at insn 12",
        logged="old state: R8=scalar() R9=P0 R10=fp0",
    ),
    Row(
        "a callback in an open loop returns to a state that was looked at after a finished one",
        "socket_filter",
        "r6 = r1 / r7 = *(u32 *)(r6 +0) / r1 = r10 / r1 += -48 / r2 = 1 / r3 = 1 / kcall bpf_iter_num_new / l: / "
        "r1 = r10 / r1 += -48 / kcall bpf_iter_num_next / if r0 == 0 goto d / r1 = map[id:0] / r4 = 0 / "
        "r2 = subprog[cb] ll / r3 = 0 / call bpf_for_each_map_elem / *(u64 *)(r10 -32) = 0 / goto l / d: / "
        "r1 = r10 / r1 += -48 / kcall bpf_iter_num_destroy / r0 = r7 / exit / cb: / r0 = r4 / exit",
    ),
    # the way back of precision: same verdict, another log
    Row(
        "fetching atomic counts as a store",
        "syscall",
        "r9 = *(u64 *)(r1 +24) / *(u64 *)(r10 -8) = 1 / r7 = r10 / r7 += -8 / "
        "r9 = atomic_fetch_or((u32 *)(r7 +0), r9) / r9 &= 1 / if r9 s> 5 goto +1 / r0 = 0 / r0 = 0 / exit",
    ),
    Row(
        "cmpxchg counts as a store",
        "syscall",
        "r8 = *(u64 *)(r1 +0) / *(u64 *)(r10 -8) = 1 / r0 = 0 / r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r8) / "
        "r0 &= 1 / if r0 s> 5 goto +0 / r0 = 0 / exit",
    ),
    Row(
        "NULL for an argument that may be NULL isn't precise",
        "xdp",
        "*(u64 *)(r10 -16) = 0 / *(u64 *)(r10 -8) = 0 / r1 = r10 / r1 += -16 / r2 = 16 / r3 = 0 / r4 = 0 / r5 = 0 / "
        "call bpf_csum_diff / r0 = 0 / exit",
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(row: Row) -> None:
    verdicts = judge(Sample(assemble(row.text), row.prog_type, row.member, sleepable=row.prog_type == "syscall"))
    assert verdicts is not None
    assert verdicts.errno == row.errno
    assert not row.errno or verdicts.message.partition("processed")[0] == (row.logged or row.message)
    ours = verdicts.rejection
    assert (0 if ours is None else ours.errno) == row.errno
    assert ours is None or ours.message == row.message
    assert normal(verdicts.our_log) == normal(verdicts.log)


@pytest.mark.parametrize(("mask", "harmful"), [("r7 &= 8", True), ("r7 ^= 8", False)])
def test_paths_that_pile_up_are_not_shown_to_the_kernel(mask: str, harmful: bool) -> None:
    text = f"r6 = r1 / r8 = 0 / l: / r7 = *(u64 *)(r6 +0) / r7 s>>= 63 / {mask} / r8 += 1 / if r8 != 0 goto l / exit"
    assert harms(Sample(assemble(text), "syscall", sleepable=True)) == harmful
