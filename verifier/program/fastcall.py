# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls that keep registers a call normally destroys: spills and fills around them that the kernel takes out again.

A compiler that knows such a function still surrounds its call with stores and loads, for older kernels, in stack slots
that nothing else uses. Where that holds for a function, its stack shrinks by those slots before the depth of call
chains is checked. Source: kernel/bpf/verifier.c mark_fastcall_patterns, mark_fastcall_pattern_for_call,
check_fastcall_stack_contract, remove_fastcall_spills_fills (6.12, 6.18), on a 64-bit x86 with the JIT on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from bpfvm.isa.insn import Insn

if TYPE_CHECKING:
    from verifier.env import Env

CALLER_SAVED: Final = 0x3F
CALL, SPILL, FILL = 0x85, 0x7B, 0x79
FRAME_POINTER: Final = 10
NEVER: Final = -0x8000
"""No access is below this offset."""
INLINED_KFUNCS: Final = frozenset(("bpf_cast_to_kern_ctx", "bpf_rdonly_cast"))
INLINED_HELPER: Final = "get_smp_processor_id"
INLINING_TYPES: Final = frozenset(
    (
        *("kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable", "tracing", "lsm"),
        *("syscall", "sched_cls", "sched_act", "xdp", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"),
    )
)
"""Program types that get the inlined INLINED_HELPER; the others get one that is called."""


@final
class Fastcalls:
    """below: by function, the offset from which on down only spills and fills of patterns may use the stack (NEVER:
    no pattern, or something else used those slots); in_pattern: by instruction; removed: functions out of which spills
    are taken; kept: functions that keep their stack all the same."""

    __slots__ = ("below", "in_pattern", "kept", "removed")

    def __init__(self, functions: int, insns: int) -> None:
        self.below = [NEVER] * functions
        self.in_pattern = bytearray(insns)
        self.removed = [False] * functions
        self.kept = [False] * functions

    def note_access(self, subprog: int, insn: int, off: int) -> None:
        """The instruction uses stack of the function from `off` on."""
        if off < self.below[subprog] and not self.in_pattern[insn]:
            self.below[subprog] = NEVER


def mark_fastcalls(env: Env) -> None:
    """Find the patterns of all functions."""
    insns = env.insns
    found = env.fastcalls = Fastcalls(len(env.subprogs), len(insns))
    targets = _jump_targets(insns) if env.profile.targets_break_fastcalls else set()
    starts = [sub.start for sub in env.subprogs]
    for subprog, (start, end) in enumerate(zip(starts, [*starts[1:], len(insns)], strict=True)):
        spills = [insn.off for insn in insns[start:end] if insn.code == SPILL and insn.dst == FRAME_POINTER]
        lowest = min(spills, default=0)
        if lowest >= 0:
            continue
        for i in range(start, end):
            if insns[i].code == CALL:
                _mark(env, found, targets, subprog, i, lowest)


def _jump_targets(insns: tuple[Insn, ...]) -> set[int]:
    found = set()
    for i, insn in enumerate(insns):
        if insn.code & 7 in (5, 6) and insn.code & 0xF0 not in (0x80, 0x90):
            found.add(i + 1 + (insn.imm if insn.code == 0x06 else insn.off))
    return found


def _callee(env: Env, insn: Insn) -> tuple[int, bool]:
    """(registers the called function may change by its prototype, whether it is inlined)."""
    if insn.src == 0:
        proto = env.helper_proto(insn.imm)
        if proto is None:
            return CALLER_SAVED, False
        inlined = proto.name == INLINED_HELPER and env.program.prog_type in INLINING_TYPES
        return (proto.ret.name != "VOID") | ((1 << len(proto.args)) - 1) << 1, inlined
    meta = env.kfuncs.get(insn.imm) if insn.src == 2 else None
    if meta is None:
        return CALLER_SAVED, False
    return (meta.proto.ret != 0) | ((1 << len(meta.proto.params)) - 1) << 1, meta.name in INLINED_KFUNCS


def _mark(env: Env, found: Fastcalls, targets: set[int], subprog: int, call: int, lowest: int) -> None:
    """Pairs of a spill before and a fill after the call, outwards from it, of registers that it leaves alone, in slots
    from the function's lowest on."""
    insns = env.insns
    changed, inlined = _callee(env, insns[call])
    free, pairs = CALLER_SAVED & ~changed, 0
    for i in range(1, 7):
        before, after = call - i, call + i
        if before < 0 or after >= len(insns) or before + 1 in targets or after in targets:
            break
        spill, fill, off = insns[before], insns[after], lowest + 8 * pairs
        if spill.code != SPILL or spill.dst != FRAME_POINTER or fill.code != FILL or fill.src != FRAME_POINTER:
            break
        if spill.src != fill.dst or not free >> spill.src & 1 or spill.off != off or fill.off != off:
            break
        free &= ~(1 << spill.src)
        found.in_pattern[before] = found.in_pattern[after] = 1
        pairs += 1
    if not pairs:
        return
    if inlined:
        found.removed[subprog] = True
    else:
        found.kept[subprog] = True
    off = lowest + 8 * pairs
    found.below[subprog] = off if found.below[subprog] == NEVER else min(found.below[subprog], off)


def shrink_stacks(env: Env) -> None:
    """After the walk: functions whose spills are all taken out need less stack."""
    found = env.fastcalls
    for index, subprog in enumerate(env.subprogs):
        if found.removed[index] and not found.kept[index] and found.below[index] != NEVER:
            subprog.stack_depth = -found.below[index]
