# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random scalar programs: the register states printed by the running kernel's verifier against ours, character by
character.

A program makes two unknown scalars, shapes them, and mixes them with ALU operations and jumps that leave to `exit`.
After every instruction the kernel (log level 2) prints the registers the instruction touched; a small path-following
simulator on top of `alu`, `branch_taken` and `refine` predicts those texts, for the fall-through path and for each
jump target.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from bpfvm.isa.insn import Insn, encode
from tests import kernel_oracle as ko
from verifier.numbers import scalar_alu, scalar_jump
from verifier.state import reg
from verifier.state.reg import RegState

ALU64, ALU32, JMP64, JMP32, X = 7, 4, 5, 6, 8
CODES = {"add": 0x00, "sub": 0x10, "mul": 0x20, "div": 0x30, "or": 0x40, "and": 0x50, "lsh": 0x60, "rsh": 0x70}
CODES |= {"neg": 0x80, "mod": 0x90, "xor": 0xA0, "mov": 0xB0, "arsh": 0xC0, "sdiv": 0x30, "smod": 0x90, "movsx": 0xB0}
JUMPS = {"jeq": 0x10, "jgt": 0x20, "jge": 0x30, "jset": 0x40, "jne": 0x50, "jsgt": 0x60, "jsge": 0x70, "jlt": 0xA0}
JUMPS |= {"jle": 0xB0, "jslt": 0xC0, "jsle": 0xD0}
EDGES = (0, 1, -1, 2, 0xFF, 0x7F, 0x80, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, -0x8000_0000, -2, 0x1000, -0x100)
SEEDS = 20
PROGRAMS_PER_SEED = 20


class Program:
    """A random program with, per instruction, the states expected to be printed."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.insns: list[Insn] = []
        self.regs: dict[int, RegState] = {}
        self.expected: list[tuple[int, int, str]] = []  # (insn index or -target, register, text)
        self.jumps: list[tuple[int, RegState, RegState]] = []
        self.ids = 0
        self.reports: list[str] = []
        for r in (6, 7):
            self._unknown(r)
        for _ in range(rng.randrange(3, 14)):
            self._step()
        self._exit()

    def _unknown(self, r: int) -> None:
        self._emit(0x85, imm=7)
        self._emit(ALU64 | 0xB0 | X, r, 0)
        self.ids += 1
        self.regs[r] = reg.scalar(reg.unknown().num, self.ids)
        self._expect(r)
        self._emit(ALU64 | 0xB0, 0, imm=0)
        if self.rng.random() < 0.3:
            high = self.rng.getrandbits(32)
            self.insns += [Insn(0x18, 8, 0, 0, self._imm()), Insn(0, 0, 0, 0, high - (high >> 31 << 32))]
            value = (high << 32) | (self.insns[-2].imm & 0xFFFF_FFFF)
            self._alu(self.rng.choice(("and", "or", "add", "xor")), 64, r, reg.const(value), src=8)

    def _imm(self) -> int:
        kind = self.rng.randrange(4)
        if kind == 0:
            return self.rng.choice(EDGES)
        if kind == 1:
            return self.rng.randrange(-64, 64)
        if kind == 2:
            return (1 << self.rng.randrange(31)) - self.rng.randrange(2)
        return self.rng.randrange(-(1 << 31), 1 << 31)

    def _emit(self, code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> None:
        self.insns.append(Insn(code, dst, src, off, imm))

    def _expect(self, r: int, state: RegState | None = None) -> None:
        self.expected.append((len(self.insns) - 1, r, (state or self.regs[r]).fmt()))

    def _alu(self, op: str, width: int, dst: int, value: RegState, src: int = -1, imm: int = 0) -> None:
        off = 1 if op in ("sdiv", "smod") else 0
        cls = ALU64 if width == 64 else ALU32
        self._emit(CODES[op] | cls | (X if src >= 0 else 0), dst, max(src, 0), off, imm)
        forked = scalar_alu.fork(op, self.regs[dst], value)
        if forked:
            self.regs[dst] = forked[0]
            self.expected.append((1 - len(self.insns), dst, forked[1].fmt()))
        self.regs[dst] = scalar_alu.alu(op, width, self.regs[dst], value, self.reports.append)
        self._expect(dst)

    def _byte_order(self) -> None:
        dst = self.rng.choice((6, 7))
        op, code = self.rng.choice((("bswap", 0xD7), ("le", 0xD4), ("be", 0xDC)))
        bits = self.rng.choice((16, 32, 64))
        self._emit(code, dst, imm=bits)
        self.regs[dst] = scalar_alu.alu(op, 64, self.regs[dst], reg.const(bits), self.reports.append)
        self._expect(dst)

    def _step(self) -> None:
        kind = self.rng.random()
        if kind < 0.05:
            self._byte_order()
        elif kind < 0.5:
            self._random_alu()
        elif kind < 0.6:
            self._random_mov()
        else:
            self._random_jump()

    def _random_alu(self) -> None:
        rng = self.rng
        dst = rng.choice((6, 7))
        width = rng.choice((32, 64))
        op = rng.choice(
            ("add", "sub", "mul", "or", "and", "xor", "lsh", "rsh", "arsh", "neg") * 3 + ("div", "mod", "sdiv", "smod")
        )
        if op == "neg":
            self._alu(op, width, dst, reg.ZERO)
        elif op in ("lsh", "rsh", "arsh"):
            imm = rng.choice((rng.randrange(width), 0, 1, width - 1, 32 % width, 16, 8))
            self._alu(op, width, dst, reg.const(imm), imm=imm)
        elif rng.random() < 0.5:
            self._alu(op, width, dst, self.regs[13 - dst], src=13 - dst)
        else:
            imm = self._imm() or (1 if op in ("div", "mod", "sdiv", "smod") else 0)
            self._alu(op, width, dst, reg.const(imm), imm=imm)

    def _random_mov(self) -> None:
        """A copy, which links the registers, then an operation on the copy that cuts the link."""
        rng = self.rng
        dst = rng.choice((6, 7))
        source = self.regs[13 - dst]
        bits, width = rng.choice(((0, 32), (0, 64), (8, 32), (16, 32), (8, 64), (16, 64), (32, 64)))
        limit = (1 << (bits - 1)) - 1 if bits else (1 << width) - 1
        if not source.id and not source.is_const() and source.umax <= limit:
            self.ids += 1
            source = source.with_(id=self.ids)
        if source.id & reg.ADD_CONST:
            return
        self.regs[13 - dst] = source
        self._emit(0xB0 | X | (ALU64 if width == 64 else ALU32), dst, 13 - dst, bits)
        self.regs[dst] = scalar_alu.movsx(source, bits, width) if bits else scalar_alu.mov(source, width)
        self._expect(dst)
        self._expect(13 - dst)
        self._alu("xor", 64, dst, reg.ZERO)

    def _random_jump(self) -> None:
        rng = self.rng
        dst = rng.choice((6, 7))
        width = rng.choice((32, 64))
        op = rng.choice(tuple(JUMPS))
        same = rng.random() < 0.05
        if same or rng.random() < 0.35:
            src, imm = (dst if same else 13 - dst), 0
            other = self.regs[src]
        else:
            src, imm = -1, self._imm()
            other = reg.const(imm)
        mine = self.regs[dst]
        verdict = scalar_jump.branch_taken(op, width, mine, other)
        self._emit(JUMPS[op] | (JMP64 if width == 64 else JMP32) | (X if src >= 0 else 0), dst, max(src, 0), 0, imm)
        index = len(self.insns) - 1
        if verdict == 1:
            self.insns[index] = self.insns[index]._replace(off=2)
            self._emit(ALU64 | 0xB0, 0, imm=0)
            self._emit(0x95)
        if verdict >= 0:
            return
        (yes, yes_other), (no, no_other) = scalar_jump.refine_both(
            op, width, mine, other, self.reports.append, same_reg=same
        )
        self.regs[dst] = no
        self._expect(dst)
        left = {**self.regs, dst: yes}
        if src >= 0:
            self.regs[src] = no_other
            self._expect(src)
            left[src] = yes_other
        self.jumps.append((index, left[6], left[7]))

    def _exit(self) -> None:
        self._emit(ALU64 | 0xB0, 0, imm=0)
        self._emit(0x95)
        for index, six, seven in self.jumps:
            target = len(self.insns)
            self.insns[index] = self.insns[index]._replace(off=target - index - 1)
            self._emit(ALU64 | 0xB0, 0, imm=1)
            self._emit(0x95)
            self.expected.append((-target, 6, six.fmt()))
            self.expected.append((-target, 7, seven.fmt()))


REG = re.compile(r"R(\d+)(?:_\w+)?=(P?(?:[^\s(]*\([^()]*(?:\([^()]*\)[^()]*)*\)|\S+))")


def printed(log: str) -> dict[tuple[int, int], str]:
    """{(insn index, or -index for the state a jump arrives with, register): text} of a log."""
    out: dict[tuple[int, int], str] = {}
    for line in log.splitlines():
        arrival = re.match(r"from (\d+) to (\d+):", line)
        normal = re.match(r"(\d+): \([0-9a-f]{2}\) [^;]*;(.*)", line)
        if arrival:
            key, text = -int(arrival[2]), line
        elif normal:
            key, text = int(normal[1]), normal[2]
        else:
            continue
        for r, state in REG.findall(text):
            out.setdefault((key, int(r)), state.removeprefix("P"))
    return out


def differences(program: Program) -> Iterator[str]:
    """One line per state that the kernel prints otherwise."""
    result = ko.verify(encode(program.insns), "socket_filter")
    if not result.ok:
        yield f"refused: {result.log[-300:]}"
        return
    contradictions = [line for line in result.log.splitlines() if line.startswith("verifier bug")]
    if contradictions != program.reports:
        yield f"contradictions: kernel {contradictions} ours {program.reports}"
    theirs = printed(result.log)
    for key, r, ours in program.expected:
        kernel = theirs.get((key, r))
        if kernel is not None and kernel != ours:
            yield f"insn {key} R{r}: kernel {kernel} ours {ours}\n{result.log}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_states_as_printed_by_the_kernel(seed: int) -> None:
    if not ko.available():
        pytest.skip("bpf(2) cannot be used here (needs CAP_BPF and the syscall)")
    rng = random.Random(seed)
    for _ in range(PROGRAMS_PER_SEED):
        assert not list(differences(Program(rng)))
