# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Instructions with labels, and cutting pieces out of finished programs without bending their jumps."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn

ALU: Final = {
    "add": 0x00, "sub": 0x10, "mul": 0x20, "div": 0x30, "or": 0x40, "and": 0x50, "lsh": 0x60, "rsh": 0x70,
    "neg": 0x80, "mod": 0x90, "xor": 0xA0, "mov": 0xB0, "arsh": 0xC0,
}  # fmt: skip
JUMP: Final = {
    "eq": 0x10, "gt": 0x20, "ge": 0x30, "set": 0x40, "ne": 0x50, "sgt": 0x60, "sge": 0x70, "lt": 0xA0, "le": 0xB0,
    "slt": 0xC0, "sle": 0xD0,
}  # fmt: skip
SIZE: Final = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
CALL: Final = 0x85
EXIT: Final = 0x95
GOTO: Final = 0x05
GOTOL: Final = 0x06
MAY_GOTO: Final = 0xE5
WIDE: Final = 0x18


def alu(op: str, dst: int, imm: int, width: int = 64) -> Insn:
    """`dst op= imm`."""
    return Insn(ALU[op] | (7 if width == 64 else 4), dst, 0, 0, imm)


def alu_reg(op: str, dst: int, src: int, width: int = 64) -> Insn:
    """`dst op= src`."""
    return Insn(ALU[op] | (0xF if width == 64 else 0xC), dst, src)


def mov(dst: int, src: int) -> Insn:
    """`dst = src`."""
    return Insn(0xBF, dst, src)


def const(dst: int, imm: int) -> Insn:
    """`dst = imm`."""
    return Insn(0xB7, dst, 0, 0, imm)


def jump(op: str, dst: int, imm: int, width: int = 64) -> Insn:
    """`if dst op imm goto …`."""
    return Insn(JUMP[op] | (5 if width == 64 else 6), dst, 0, 0, imm)


def jump_reg(op: str, dst: int, src: int, width: int = 64) -> Insn:
    """`if dst op src goto …`."""
    return Insn(JUMP[op] | (0xD if width == 64 else 0xE), dst, src)


def load(size: int, dst: int, src: int, off: int, *, sign: bool = False) -> Insn:
    """`dst = *(size)(src + off)`."""
    return Insn((0x81 if sign and size < 8 else 0x61) | SIZE[size], dst, src, off)


def store(size: int, dst: int, off: int, src: int) -> Insn:
    """`*(size)(dst + off) = src`."""
    return Insn(0x63 | SIZE[size], dst, src, off)


def store_imm(size: int, dst: int, off: int, imm: int) -> Insn:
    """`*(size)(dst + off) = imm`."""
    return Insn(0x62 | SIZE[size], dst, 0, off, imm)


def helper(number: int) -> Insn:
    """`call helper`."""
    return Insn(CALL, 0, 0, 0, number)


def kfunc(btf_id: int) -> Insn:
    """`call kernel function`."""
    return Insn(CALL, 0, 2, 0, btf_id)


def reference(dst: int, src: int, low: int, high: int = 0) -> tuple[Insn, Insn]:
    """ld_imm64 of kind `src`."""
    return Insn(WIDE, dst, src, 0, low), Insn(0, 0, 0, 0, high)


class Code:
    """A program being written. Jumps and calls name labels, which `finish` turns into distances."""

    def __init__(self) -> None:
        self.insns: list[Insn] = []
        self.targets: dict[int, str] = {}
        self.labels: dict[str, int] = {}

    def emit(self, *insns: Insn) -> None:
        """Append instructions."""
        self.insns += insns

    def to(self, label: str, insn: Insn) -> None:
        """Append a jump, call or function reference to a label."""
        self.targets[len(self.insns)] = label
        self.insns.append(insn)

    def place(self, label: str) -> None:
        """The next instruction has this label."""
        self.labels[label] = len(self.insns)

    def finish(self) -> tuple[Insn, ...]:
        """The program with all distances filled in."""
        out = list(self.insns)
        for i, label in self.targets.items():
            out[i] = with_distance(out[i], self.labels[label] - i - 1)
        return tuple(out)


def is_jump(insn: Insn) -> bool:
    """Goes to a slot named by a distance in `off` or `imm`."""
    kind, op = insn.code & 7, insn.code & 0xF0
    if kind not in (5, 6):
        return False
    return op != 0x90 and (op != 0x80 or (insn.code == CALL and insn.src == 1))


def distance(insn: Insn) -> int:
    """How far a jump or local call goes."""
    return insn.imm if insn.code in (CALL, GOTOL) else insn.off


def with_distance(insn: Insn, value: int) -> Insn:
    """The same jump, local call or function reference, another distance."""
    if insn.code in (CALL, GOTOL, WIDE):
        return insn._replace(imm=value)
    return insn._replace(off=max(-32768, min(32767, value)))


def without(insns: tuple[Insn, ...], first: int, count: int) -> tuple[Insn, ...]:
    """The program without slots first..first + count; jumps into the gap go to what follows it."""
    if first + count < len(insns) and insns[first + count - 1].code == WIDE:
        count += 1
    gap = range(first, first + count)

    def moved(slot: int) -> int:
        return slot if slot < gap.start else gap.start if slot < gap.stop else slot - count

    out = []
    for i, insn in enumerate(insns):
        if i in gap:
            continue
        if is_jump(insn) or (insn.code == WIDE and insn.src == 4):
            insn = with_distance(insn, moved(i + 1 + distance_of(insn)) - moved(i) - 1)
        out.append(insn)
    return tuple(out)


def distance_of(insn: Insn) -> int:
    """`distance`, function references included."""
    return insn.imm if insn.code == WIDE else distance(insn)


def middles(insns: tuple[Insn, ...]) -> set[int]:
    """Slots that are the second half of an instruction."""
    out, i = set(), 0
    while i < len(insns):
        if insns[i].code == WIDE:
            i += 1
            out.add(i)
        i += 1
    return out
