# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Constants, loads, stores and atomics (RFC 9669 section 5; acquire and release: Linux 6.18 kernel/bpf/core.c).

Each function gives the step of one instruction. Addresses wrap at 64 bits; memory raises MemoryFault where nothing is.
An emulated CPU is never interrupted inside an instruction, so atomics and orderings hold by themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.engine.arena import NOT_THERE, ArenaAccess
from bpfvm.engine.step import EXIT, Place, Regs, Step
from bpfvm.engine.trap import Fault, Unsupported
from bpfvm.isa import word
from bpfvm.isa.insn import imm64
from bpfvm.isa.word import U32_MAX, U64_MAX, s32, sext8, sext16, sext32


def ld_imm64(place: Place) -> Step:
    """dst = the constant in both slots."""
    if place.slot + 1 >= len(place.image.insns) or place.image.insns[place.slot + 1].code:
        raise Fault("second half of a 16-byte instruction is missing")
    if place.insn.src:
        raise Fault("reference to a map, variable or function was not resolved")
    value = imm64(place.insn, place.image.insns[place.slot + 1])
    dst, following = place.insn.dst, place.next

    def step(r: Regs) -> int:
        r[dst] = value
        return following

    return step


def ldx(place: Place) -> Step:
    """dst = memory at src + off, zero-extended; 0 for a bad address if the verifier marked the load so."""
    load = _loader(place)
    dst, src, off, size, following = place.insn.dst, place.insn.src, place.insn.off, place.op.size, place.next

    def step(r: Regs) -> int:
        r[dst] = load((r[src] + off) & U64_MAX, size)
        return following

    return step


def ldxs(place: Place) -> Step:
    """dst = memory at src + off, sign-extended; bad addresses as in ldx."""
    load = _loader(place)
    extend = {1: sext8, 2: sext16, 4: sext32}[place.op.size]
    dst, src, off, size, following = place.insn.dst, place.insn.src, place.insn.off, place.op.size, place.next

    def step(r: Regs) -> int:
        r[dst] = extend(load((r[src] + off) & U64_MAX, size))
        return following

    return step


def load_acquire(place: Place) -> Step:
    """As ldx; what follows is ordered after it. In an arena it leaves dst alone where no page is."""
    if (arena := _arena(place)) is None:
        return ldx(place)
    memory = place.machine.memory
    dst, src, off, size, following = place.insn.dst, place.insn.src, place.insn.off, place.op.size, place.next

    def step(r: Regs) -> int:
        addr = arena.find(r[src] + off, size)
        if addr != NOT_THERE:
            r[dst] = memory.load(addr, size)
        return following

    return step


def st(place: Place) -> Step:
    """Memory at dst + off = imm, sign-extended to 64 bits and cut to size."""
    store, size = _storer(place), place.op.size
    dst, off, following = place.insn.dst, place.insn.off, place.next
    value = word.truncate(place.insn.imm, size << 3)

    def step(r: Regs) -> int:
        store((r[dst] + off) & U64_MAX, size, value)
        return following

    return step


def stx(place: Place) -> Step:
    """Memory at dst + off = the low bytes of src."""
    store, size = _storer(place), place.op.size
    dst, src, off, following = place.insn.dst, place.insn.src, place.insn.off, place.next
    mask = word.truncate(U64_MAX, size << 3)

    def step(r: Regs) -> int:
        store((r[dst] + off) & U64_MAX, size, r[src] & mask)
        return following

    return step


def store_release(place: Place) -> Step:
    """As stx; what precedes is ordered before it."""
    return stx(place)


def atomic_add(place: Place) -> Step:
    """Memory += src, wrapping."""
    return _exchange(place, lambda old, value: old + value)


def atomic_or(place: Place) -> Step:
    """Memory |= src."""
    return _exchange(place, lambda old, value: old | value)


def atomic_and(place: Place) -> Step:
    """Memory &= src."""
    return _exchange(place, lambda old, value: old & value)


def atomic_xor(place: Place) -> Step:
    """Memory ^= src."""
    return _exchange(place, lambda old, value: old ^ value)


def xchg(place: Place) -> Step:
    """Memory and src change places."""
    return _exchange(place, lambda _, value: value)


def cmpxchg(place: Place) -> Step:
    """Memory = src if memory equals r0 (its low half for 32 bits); r0 = what was there, zero-extended."""
    memory, size, find = place.machine.memory, place.op.size, _finder(place)
    dst, src, off, following = place.insn.dst, place.insn.src, place.insn.off, place.next
    mask = word.truncate(U64_MAX, size << 3)

    def step(r: Regs) -> int:
        addr = find((r[dst] + off) & U64_MAX, size)
        if addr == NOT_THERE:
            return following
        old = memory.load(addr, size)
        memory.store(addr, size, r[src] & mask if old == r[0] & mask else old)
        r[0] = old
        return following

    return step


def _arena(place: Place) -> ArenaAccess | None:
    """How the instruction reaches the arena, if that is where it goes."""
    image = place.image
    found = image.arena if place.slot in image.arena_mem else None
    return ArenaAccess(place.machine.memory, found[0]) if found is not None else None


def _loader(place: Place) -> Callable[[int, int], int]:
    memory = place.machine.memory
    if (arena := _arena(place)) is not None:
        return arena.load
    return memory.load_nofault if place.slot in place.image.probe_mem else memory.load


def _storer(place: Place) -> Callable[[int, int, int], None]:
    arena = _arena(place)
    return arena.store if arena is not None else place.machine.memory.store


def _finder(place: Place) -> Callable[[int, int], int]:
    """(pointer, size) → address, NOT_THERE if the access is to do nothing."""
    arena = _arena(place)
    return arena.find if arena is not None else lambda pointer, _: pointer


def _exchange(place: Place, compute: Callable[[int, int], int]) -> Step:
    """Memory at dst + off = compute(memory, src); with fetch, src = what was there, zero-extended."""
    memory, size, fetch, find = place.machine.memory, place.op.size, place.op.fetch, _finder(place)
    dst, src, off, following = place.insn.dst, place.insn.src, place.insn.off, place.next
    mask = word.truncate(U64_MAX, size << 3)

    def step(r: Regs) -> int:
        addr = find((r[dst] + off) & U64_MAX, size)
        if addr == NOT_THERE:
            return following
        old = memory.load(addr, size)
        memory.store(addr, size, compute(old, r[src] & mask) & mask)
        if fetch:
            r[src] = old
        return following

    return step


def ld_abs(place: Place) -> Step:
    """r0 = packet bytes at imm, as a big-endian number; outside the packet the program returns 0."""
    offset, size, following, machine = place.insn.imm, place.op.size, place.next, place.machine

    def step(r: Regs) -> int:
        value = machine.packet_load(r[6], offset, size)
        r[0] = value or 0
        return EXIT if value is None else following

    return step


def ld_ind(place: Place) -> Step:
    """r0 = packet bytes at src + imm (32-bit sum, signed); outside the packet the program returns 0."""
    src, offset, size, following, machine = (
        place.insn.src,
        place.insn.imm,
        place.op.size,
        place.next,
        place.machine,
    )

    def step(r: Regs) -> int:
        value = machine.packet_load(r[6], s32(r[src] + offset), size)
        r[0] = value or 0
        return EXIT if value is None else following

    return step


def addr_space_cast(place: Place) -> Step:
    """dst = the arena pointer that is the lower half of src (imm 1), or its user address (imm 0x10000; NULL stays
    NULL)."""
    if place.image.arena is None:
        raise Unsupported("addr_space_cast in a program without an arena")
    user = place.image.arena[1]
    if place.insn.imm not in (1, 0x10000):
        raise Fault(f"addr_space_cast between address spaces {place.insn.imm >> 16} and {place.insn.imm & 0xFFFF}")
    to_kernel = place.insn.imm == 1
    dst, src, following = place.insn.dst, place.insn.src, place.next

    def step(r: Regs) -> int:
        low = r[src] & U32_MAX
        if to_kernel:
            r[dst] = low
        else:
            r[dst] = (user & ~U32_MAX | low) if low else 0
        return following

    return step
