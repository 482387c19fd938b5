# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program placed in memory: map, variable and function references are addresses now, so an engine can run it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from bpfvm.errors import UsageError
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import (
    BPF_ALU,
    BPF_CALL,
    BPF_JMP,
    BPF_PSEUDO_BTF_ID,
    BPF_PSEUDO_FUNC,
    BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_IDX,
    BPF_PSEUDO_MAP_IDX_VALUE,
    BPF_PSEUDO_MAP_VALUE,
    BPF_ST,
    BPF_STX,
    LD_IMM64,
)
from bpfvm.isa.word import s32, u64
from bpfvm.typed import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bpfvm.obj.model import LineInfo, Program, VerifiedProgram

STACK_WALKERS: Final = frozenset(HELPER_ID[name] for name in ("get_stackid", "get_stack", "get_task_stack"))
CALLBACK_BASE: Final = 0xFFFF_FFFF_C000_0000
"""Handles of callbacks count from here, 8 per slot: they look like code addresses and no data is there."""


class Image:
    """A program ready to run; nobody changes it.

    insns: slots with all ld_imm64 resolved (src 0). source: the same slots as the verifier saw them, for messages.
    verified: False for raw instructions, whose faults are their own. probe_mem: slots of loads that read 0 at a bad
    address. arena: kernel and user address where the program's arena begins; arena_mem: slots of accesses through
    pointers into it (`bpfvm.engine.arena`). exception_cb: slot of the function that
    gets what bpf_throw throws; 0 without one. longest_run: most instructions that one run can take; 0 when unknown.
    program: what was verified, if anything. functions: first slot and name of each, in order. walks_stack: it calls a
    helper that looks at the call chain. writes_ctx: it stores into its context.
    """

    __slots__ = (
        "__weakref__",
        "_line_starts",
        "arena",
        "arena_mem",
        "exception_cb",
        "functions",
        "insns",
        "line_info",
        "longest_run",
        "name",
        "probe_mem",
        "program",
        "source",
        "verified",
        "walks_stack",
        "writes_ctx",
    )

    def __init__(
        self,
        name: str,
        insns: tuple[Insn, ...],
        source: tuple[Insn, ...],
        *,
        verified: bool = True,
        probe_mem: frozenset[int] = frozenset(),
        line_info: tuple[LineInfo, ...] = (),
        arena: tuple[int, int] | None = None,
        arena_mem: frozenset[int] = frozenset(),
        exception_cb: int = 0,
        longest_run: int = 0,
        program: Program | None = None,
        functions: tuple[tuple[int, str], ...] = (),
        writes_ctx: bool = False,
    ) -> None:
        self.name = name
        self.insns = insns
        self.source = source
        self.verified = verified
        self.probe_mem = probe_mem
        self.line_info = line_info
        self.arena = arena
        self.arena_mem = arena_mem
        self.exception_cb = exception_cb
        self.longest_run = longest_run
        self.program = program
        self.functions = functions
        self.writes_ctx = writes_ctx
        called = {insn.imm for insn in insns if insn.code == BPF_JMP | BPF_CALL and not insn.src}
        self.walks_stack = not called.isdisjoint(STACK_WALKERS)
        self._line_starts = tuple(line.insn for line in line_info)

    def __repr__(self) -> str:
        return f"<Image {self.name}: {len(self.insns)} slots>"

    def ends_within(self, fuel: int) -> bool:
        """Is it known that a run takes at most `fuel` instructions?"""
        return 0 < self.longest_run <= fuel

    def line_of(self, slot: int) -> str:
        """Source line that `slot` belongs to, as `text @ file:line`, or ""."""
        at = bisect_right(self._line_starts, slot) - 1
        if at < 0:
            return ""
        line = self.line_info[at]
        return f"{line.text.strip()} @ {line.file}:{line.line}"

    @classmethod
    def of_insns(cls, insns: Sequence[Insn], name: str = "raw", **more: Any) -> Image:
        """An image of plain instructions, unverified unless `more` says so; references of functions by ld_imm64 are
        resolved, others are not. more: as for the class."""
        slots = tuple(insns)
        return cls(name, _resolved(slots, (), (), _no_ksym), slots, **{"verified": False, **more})


def callback_handle(slot: int) -> int:
    """The u64 that stands for the function starting at `slot`."""
    return CALLBACK_BASE + slot * 8


def callback_slot(image: Image, handle: int) -> int | None:
    """The slot where the function `handle` of `image` starts, or None if it isn't one."""
    distance = handle - CALLBACK_BASE
    return distance >> 3 if not distance & 7 and 0 <= distance >> 3 < len(image.insns) else None


def link_image(
    vprog: VerifiedProgram,
    map_addrs: Sequence[int],
    value_addrs: Sequence[int],
    ksym: Callable[[int], int],
    *,
    arena: tuple[int, int] | None = None,
) -> Image:
    """Resolve the references of a verified program.

    map_addrs: address of each map's `struct bpf_map`, in the order of `program.maps`. value_addrs: address of each
    map's first value (0 where there is none). ksym: address of a kernel variable by BTF id. arena: see `Image`.
    Raises UsageError when a reference names a map that isn't there.
    """
    insns = _resolved(_narrowed(vprog), map_addrs, value_addrs, ksym)
    return Image(
        vprog.program.name,
        insns,
        vprog.insns,
        probe_mem=vprog.probe_mem,
        line_info=vprog.program.line_info,
        arena=arena,
        arena_mem=vprog.arena_mem,
        exception_cb=vprog.exception_cb,
        longest_run=vprog.longest_run,
        program=vprog.program,
        functions=_functions(vprog),
        writes_ctx=any(vprog.insns[slot].code & 7 in (BPF_ST, BPF_STX) for slot in vprog.ctx_access),
    )


def _functions(vprog: VerifiedProgram) -> tuple[tuple[int, str], ...]:
    """First slot and name of each function; names may be missing."""
    starts = vprog.subprog_starts
    names = (*vprog.func_names, *[""] * len(starts))[: len(starts)]
    return tuple(zip(starts, names, strict=True))


def _narrowed(vprog: VerifiedProgram) -> tuple[Insn, ...]:
    """The instructions; arithmetic on arena pointers is made 32 bits wide, as do_misc_fixups does."""
    if not vprog.arena_alu:
        return vprog.insns
    return tuple(
        insn._replace(code=insn.code & ~7 | BPF_ALU) if slot in vprog.arena_alu else insn
        for slot, insn in enumerate(vprog.insns)
    )


def _resolved(
    insns: tuple[Insn, ...], map_addrs: Sequence[int], value_addrs: Sequence[int], ksym: Callable[[int], int]
) -> tuple[Insn, ...]:
    out, slot = list(insns), 0
    while slot < len(out):
        low = out[slot]
        if low.code != LD_IMM64 or slot + 1 >= len(out):
            slot += 1
            continue
        value = _address(low, out[slot + 1].imm, slot, map_addrs, value_addrs, ksym)
        if value is not None:
            out[slot : slot + 2] = wide(low.dst, value)
        slot += 2
    return tuple(out)


def _address(
    low: Insn, extra: int, slot: int, maps: Sequence[int], values: Sequence[int], ksym: Callable[[int], int]
) -> int | None:
    """What the reference `low` (second slot's imm: `extra`) stands for; None for a plain constant."""
    match low.src:
        case 0:
            return None
        case src if src in (BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_IDX):
            return _at(maps, low.imm, slot)
        case src if src in (BPF_PSEUDO_MAP_VALUE, BPF_PSEUDO_MAP_IDX_VALUE):
            return _at(values, low.imm, slot) + extra
        case src if src == BPF_PSEUDO_BTF_ID:
            return ksym(low.imm)
        case src if src == BPF_PSEUDO_FUNC:
            return callback_handle(slot + 1 + low.imm)
    raise UsageError(f"slot {slot}: ld_imm64 with src {low.src} means nothing")


def _at(addresses: Sequence[int], index: int, slot: int) -> int:
    if not 0 <= index < len(addresses):
        raise UsageError(f"slot {slot} refers to map {index}, of {len(addresses)}")
    return addresses[index]


def _no_ksym(btf_id: int) -> int:
    raise UsageError(f"kernel variable {btf_id} in a program without a kernel")


def wide(dst: int, value: int) -> tuple[Insn, Insn]:
    """The two slots of `r<dst> = value ll`."""
    value = u64(value)
    return Insn(LD_IMM64, dst, imm=s32(value)), Insn(0, imm=s32(value >> 32))
