# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Encodings: opcodes there are, and fields that must be zero. kernel/bpf/verifier.c resolve_pseudo_ldimm64 (the part
about opcodes) and the "reserved fields" refusals of do_check_insn (6.18)."""

from __future__ import annotations

from typing import Final, NoReturn

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS, Op, reserved_ok
from verifier.env import Env
from verifier.rejection import EINVAL

KNOWN_CODES: Final = frozenset(op.code for op in OPS if not op.refused)
MEM, MEMSX, ATOMIC = 0x60, 0x80, 0xC0
_ATOMIC_IMMS: Final = frozenset((0x00, 0x01, 0x40, 0x41, 0x50, 0x51, 0xA0, 0xA1, 0xE1, 0xF1))


def check_opcode(env: Env, insn: Insn) -> None:
    """Before the walk: the opcode byte exists (ld_imm64 is looked at elsewhere)."""
    code = insn.code
    if code & 7 == 1 and (code & 0xE0 not in (MEM, MEMSX) or insn.imm):
        env.reject(EINVAL, "BPF_LDX uses reserved fields")
    if code != 0x18 and code not in KNOWN_CODES:
        env.reject(EINVAL, f"unknown opcode {code:02x}")


def is_well_formed(insn: Insn, op: Op | None) -> bool:
    """No reserved field is used."""
    return op is not None and reserved_ok(insn) and insn.dst <= 10 and insn.src <= 10


def check_packet_loads(env: Env) -> None:
    """ld_abs, ld_ind: the program's type has them (may_access_skb)."""
    if env.program.prog_type not in ("socket_filter", "sched_cls", "sched_act"):
        env.reject(EINVAL, "BPF_LD_[ABS|IND] instructions not allowed for this program type")


def may_goto_text(env: Env, insn: Insn) -> str:
    """What is said about a may_goto with a reserved field; 6.12 counts a distance of 0 as one."""
    return f"invalid may_goto {'' if env.profile.may_goto_nowhere else f'off {insn.off} '}imm {insn.imm}"


def refuse_reserved(env: Env, insn: Insn, op: Op | None) -> NoReturn:
    """On the walk: the instruction uses a reserved field; says which kind of instruction it is."""
    if op is not None and reserved_ok(insn) and max(insn.dst, insn.src) > 10:
        env.reject(EINVAL, f"R{insn.src if insn.src > 10 else insn.dst} is invalid")
    if insn.code & 7 in (5, 6) and insn.code & 0xF0 not in (0x00, 0x80, 0x90, 0xE0):
        env.read(insn.dst)  # a comparison looks at its first operand before it looks at the fields
    env.reject(EINVAL, _text(env, insn))


def _text(env: Env, insn: Insn) -> str:
    code = insn.code
    kind, opcode, mode = code & 7, code & 0xF0, code & 0xE0
    if kind in (4, 7):
        names = {0xD0: "BPF_END", 0x80: "BPF_NEG", 0xB0: "BPF_MOV"}
        if opcode > 0xD0:
            return f"invalid BPF_ALU opcode {opcode:x}"
        return f"{names.get(opcode, 'BPF_ALU')} uses reserved fields"
    if kind == 3:
        if mode != ATOMIC:
            return "BPF_STX uses reserved fields"
        if insn.imm in _ATOMIC_IMMS:
            return "invalid atomic operand size"
        return f"BPF_ATOMIC uses invalid atomic opcode {insn.imm & 0xFFFFFFFF:02x}"
    if kind == 2:
        return "BPF_ST uses reserved fields"
    if kind == 0:
        if mode in (0x20, 0x40):
            check_packet_loads(env)
            return "BPF_LD_[ABS|IND] uses reserved fields"
        return "BPF_LD_IMM64 uses reserved fields" if code == 0x18 else "invalid BPF_LD mode"
    names = {0x80: "BPF_CALL", 0x00: "BPF_JA", 0x90: "BPF_EXIT"}
    if opcode == 0xE0:
        return may_goto_text(env, insn)
    return f"{names.get(opcode, 'BPF_JMP/JMP32')} uses reserved fields"
