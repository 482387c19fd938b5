# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Instructions that don't exist, as the kernel's verifier log writes them before it refuses them.

The kernel's disassembler looks at fewer fields than its checks do, so an operation with a reserved field set, or in a
size that isn't allowed, has a text. Source: Linux 6.18 `kernel/bpf/disasm.c:print_bpf_insn`.
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn

ALU_CLASSES: Final = (4, 7)
DIV, MOD, MOV, END = 0x30, 0x90, 0xB0, 0xD0
REG: Final = 0x08
CALL, MAY_GOTO = 0x85, 0xE5
ATOMIC, ATOMIC32 = 0xC0, 0xC3
ATOMIC_SIZES: Final = {0xCB: "u16", 0xD3: "u8"}


def nearest(insn: Insn) -> tuple[Insn, str, str] | None:
    """(the well-formed instruction of which the text is the same, but for one part, and that part now and before);
    None if there is no such instruction."""
    code = insn.code
    if code & 7 in ALU_CLASSES:
        op = code & 0xF0
        if op in (DIV, MOD) or (op == MOV and code & REG and not (code & 7 == 4 and insn.off == 32)):
            return insn._replace(off=0), "", ""
        if op == MOV and code & REG:
            return insn._replace(off=16), "s16", "s32"
        if op == END:
            return insn._replace(imm=16, src=0, off=0), "16", str(insn.imm)
    if code in ATOMIC_SIZES:
        return insn._replace(code=ATOMIC32), "u32", ATOMIC_SIZES[code]
    return None


def text_alone(insn: Insn) -> str | None:
    """The text of an instruction that resembles none, None if it has none."""
    if insn.code == CALL:
        return f"call unknown#{insn.imm}"
    if insn.code == MAY_GOTO:
        return f"if r{insn.dst} (null) {insn.imm & 0xFFFFFFFF:#x} goto pc{insn.off:+d}"
    return None
