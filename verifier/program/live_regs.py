# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which registers may still be read before each instruction: kernel/bpf/verifier.c compute_live_registers (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.insn import Insn
from verifier.env import Env
from verifier.text.state_print import insn_text

ALL_CALLER_SAVED: Final = 0x3F
ARGS: Final = 0x3E


def _use_def(env: Env, insn: Insn) -> tuple[int, int]:
    """(registers read, registers overwritten) as bit masks; r10 is left out by the caller."""
    code = insn.code
    kind, op = code & 7, code & 0xF0
    dst, src = 1 << insn.dst, 1 << insn.src
    if kind == 0:
        if code & 0xE0 == 0 and code & 0x18 == 0x18:
            return 0, dst
        return 0x3FF, 0
    if kind == 1:
        return src, dst
    if kind == 2:
        return dst, 0
    if kind == 3:
        return _store_use_def(code, insn.imm, dst, src)
    if kind == 4 or kind == 7:
        if op == 0xD0:
            return dst, dst
        if op == 0xB0:
            return (src if code & 8 else 0), dst
        return (dst | src if code & 8 else dst), dst
    if op == 0x00 or op == 0xE0:
        return 0, 0
    if op == 0x90:
        return 1, 0
    if op == 0x80:
        return _call_use_def(env, insn)
    return (dst | src if code & 8 else dst), 0


def _store_use_def(code: int, imm: int, dst: int, src: int) -> tuple[int, int]:
    if code & 0xE0 != 0xC0:
        return dst | src, 0
    if imm == 0xF1:
        return 1 | dst | src, 1
    if imm == 0x100:
        return src, dst
    if imm == 0x110:
        return dst | src, 0
    return dst | src, src if imm & 1 else 0


def _call_use_def(env: Env, insn: Insn) -> tuple[int, int]:
    """Arguments the callee has are read; r0..r5 are overwritten."""
    count = 5
    if insn.src == 0:
        proto = env.helper_proto(insn.imm)
        if proto is not None:
            count = len(proto.args)
    elif insn.src == 2:
        meta = env.kfuncs.get(insn.imm)
        if meta is not None and meta.allowed:
            count = min(len(meta.proto.params), 5)
    return ((1 << (count + 1)) - 1) & ~1, ALL_CALLER_SAVED


def compute_live_registers(env: Env) -> None:
    """Fill `env.live_regs`; at log level 2 also print the table."""
    insns = env.insns
    use_def = [_use_def(env, insn) for insn in insns]
    live = env.live_regs
    changed = True
    while changed:
        changed = False
        for i in env.postorder:
            after = 0
            for s in env.successors[i]:
                after |= live[s]
            uses, defs = use_def[i]
            before = ((after & ~defs) | uses) & 0x3FF
            if before != live[i]:
                live[i] = before
                changed = True
    if env.log.level >= 2:
        _print(env)


def _print(env: Env) -> None:
    env.log.write("Live regs before insn:\n")
    skip = False
    for i in range(len(env.insns)):
        if skip:
            skip = False
            continue
        scc = f"{env.scc[i]:3d} " if env.scc[i] else "    "
        regs = "".join([str(r) if env.live_regs[i] >> r & 1 else "." for r in range(10)])
        env.log.write(f"{scc}{i:3d}: {regs} {insn_text(env, i)}\n")
        skip = env.insns[i].code == 0x18
