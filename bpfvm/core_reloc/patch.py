# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writing a relocated value into an instruction (libbpf's bpf_core_patch_insn, 1.7; message texts are libbpf's)."""

from __future__ import annotations

from bpfvm.core_reloc.value import Value
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn, imm64
from bpfvm.isa.opcodes import (
    BPF_ALU,
    BPF_ALU64,
    BPF_CALL,
    BPF_JMP,
    BPF_LD,
    BPF_LDX,
    BPF_ST,
    BPF_STX,
    BPF_X,
    LD_IMM64,
    SIZE_BYTES,
)
from bpfvm.isa.word import s32

POISON = 195896080
"""0xbad2310, "bad relo": helper number of the impossible call that replaces what can't be relocated"""
POISON_INSN = Insn(BPF_JMP | BPF_CALL, imm=POISON)
_SIZE_BITS = {size: bits for bits, size in SIZE_BYTES.items()}
_SIZE_MASK = 0x18
_S16_MAX = 0x7FFF
_U64 = 0xFFFF_FFFF_FFFF_FFFF


def poison(insns: list[Insn], slot: int) -> None:
    """Replace an instruction (both slots of an ld_imm64) by the impossible call."""
    if insns[slot].code == LD_IMM64 and slot + 1 < len(insns):
        insns[slot + 1] = POISON_INSN
    insns[slot] = POISON_INSN


def patch(who: str, insns: list[Insn], slot: int, old: Value, new: Value, resize_allowed: bool) -> bool:
    """Put ``new`` where the instruction holds ``old``; False if it had to be poisoned. Raises BadInput."""
    insn = insns[slot]
    kind = insn.code & 7
    if kind in (BPF_ALU, BPF_ALU64):
        if insn.code & BPF_X:
            raise _bad(who, f"insn #{slot} has no immediate operand")
        _expect(who, slot, "ALU/ALU64", insn.imm & _U64, old, new)
        insns[slot] = insn._replace(imm=s32(new.number))
    elif kind in (BPF_LDX, BPF_ST, BPF_STX):
        _expect(who, slot, "LDX/ST/STX", insn.off & _U64, old, new)
        if new.number > _S16_MAX:
            raise _bad(who, f"insn #{slot} (LDX/ST/STX) value too big: {new.number}")
        if not resize_allowed:
            poison(insns, slot)
            return False
        insns[slot] = _resized(who, slot, insn._replace(off=new.number), old, new)
    elif kind == BPF_LD:
        _patch_imm64(who, insns, slot, old, new)
    else:
        raise _bad(who, f"trying to relocate unrecognized insn #{slot}, code:{insn.code:#x}")
    return True


def _bad(who: str, message: str) -> BadInput:
    return BadInput(f"{who}: {message}", section=".BTF.ext")


def _expect(who: str, slot: int, what: str, held: int, old: Value, new: Value) -> None:
    if old.exact and held != old.number:
        text = f"unexpected insn #{slot} ({what}) value: got {held}, exp {old.number} -> {new.number}"
        raise _bad(who, text)


def _resized(who: str, slot: int, insn: Insn, old: Value, new: Value) -> Insn:
    """Change the width of a load or store when the field's size differs in the kernel."""
    if new.memory_size == old.memory_size:
        return insn
    width = SIZE_BYTES[insn.code & _SIZE_MASK]
    if width != old.memory_size:
        raise _bad(who, f"insn #{slot} (LDX/ST/STX) unexpected mem size: got {width}, exp {old.memory_size}")
    if new.memory_size not in _SIZE_BITS:
        raise _bad(who, f"insn #{slot} (LDX/ST/STX) invalid new mem size: {new.memory_size}")
    return insn._replace(code=insn.code & ~_SIZE_MASK | _SIZE_BITS[new.memory_size])


def _patch_imm64(who: str, insns: list[Insn], slot: int, old: Value, new: Value) -> None:
    low = insns[slot]
    high = insns[slot + 1] if slot + 1 < len(insns) else None
    if low.code != LD_IMM64 or low.src or low.off or high is None or high.code or high.dst or high.src or high.off:
        raise _bad(who, f"insn #{slot} (LDIMM64) has unexpected form")
    _expect(who, slot, "LDIMM64", imm64(low, high), old, new)
    insns[slot] = low._replace(imm=s32(new.number))
    insns[slot + 1] = high._replace(imm=s32(new.number >> 32))
