# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""States, instructions and source lines as the log shows them: kernel/bpf/log.c print_verifier_state, print_insn_state,
verbose_linfo; kernel/bpf/verifier.c verbose_insn (6.18)."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from bpfvm.isa.disasm import Imm64Text, disasm
from verifier.state.read_marks import FP, Marks, suffix
from verifier.state.reg import RegState
from verifier.state.reg_type import NOT_INIT
from verifier.state.states import SLOT_CHARS, STACK_DYNPTR, STACK_ITER, STACK_SPILL, VerifierState
from verifier.text.reg_fmt import DYNPTR_NAMES, fmt_reg

if TYPE_CHECKING:
    from verifier.env import Env

LOG_ALIGNMENT = 40
LOG_MIN_ALIGNMENT = 8
ITER_STATES = ("<invalid>", "active", "drained")


def state_text(env: Env, state: VerifierState, frameno: int, print_all: bool) -> str:
    """One state line with its leading space(s) and newline; without `print_all` only what the instruction touched."""
    frame = state.frames[frameno]
    all_precise = not env.bpf_capable
    out = [f" frame{frameno}:"] if frameno else []
    for i, reg in enumerate(frame.regs):
        if reg.type != NOT_INIT and (print_all or env.scratched_regs >> i & 1):
            out.append(f" R{i}{_used(frame.marks, i, True)}={fmt_reg(reg, frameno, precise=all_precise)}")
    spi = -1
    while spi + 1 < len(frame.stack):
        spi += 1
        if not print_all and not env.scratched_slots >> spi & 1:
            continue
        slot = frame.stack[spi]
        types = slot.types
        if not any(types):
            continue
        kind = types[7]
        if kind == STACK_SPILL:
            text = "".join([SLOT_CHARS[t] for t in types[: types.index(STACK_SPILL)]])
            text += fmt_reg(slot.reg, frameno, precise=all_precise)
        elif kind == STACK_DYNPTR:
            spi += not slot.reg.ptr.first_slot
            text = _dynptr_text(frame.stack[spi].reg)
        elif kind == STACK_ITER:
            if not slot.reg.ref_obj_id:
                continue
            text = _iter_text(slot.reg)
        else:
            text = "".join([SLOT_CHARS[t] for t in types])
        out.append(f" fp{-(spi + 1) * 8}{_used(frame.marks, spi, False)}={text}")
    if state.refs and state.refs[0].id:
        out.append(" refs=" + ",".join([str(ref.id) for ref in state.refs if ref.id]))
    if frame.in_callback:
        out.append(" cb")
    if frame.in_async_callback:
        out.append(" async_cb")
    if not print_all:
        env.clean_scratched()
    return "".join(out) + "\n"


def _dynptr_text(reg: RegState) -> str:
    """What the kernel shows as `dynptr_id` is `first_slot`, read through a union."""
    ref = f"ref_id={reg.ref_obj_id}," if reg.ref_obj_id else ""
    return f"dynptr_{DYNPTR_NAMES[reg.ptr.dynptr_type]}(id={reg.id},{ref}dynptr_id=1)"


def _used(marks: Marks | None, number: int, is_reg: bool) -> str:
    """Up to 6.16: how the register or slot was used."""
    if marks is None or (is_reg and number >= FP):
        return ""
    return suffix(marks.regs[number] if is_reg else marks.slot(number))


def _iter_text(reg: RegState) -> str:
    ptr = reg.ptr
    name = ptr.btf.name_of(ptr.btf_id) if ptr.btf is not None else "bpf_iter_<invalid>"
    return (
        f"iter_{name.removeprefix('bpf_iter_')}(ref_id={reg.ref_obj_id},"
        f"state={ITER_STATES[ptr.iter_state]},depth={ptr.iter_depth})"
    )


def print_insn_state(env: Env, state: VerifierState) -> None:
    """The state after an instruction: behind the instruction's text if that was the last thing written, else on its
    own."""
    log = env.log
    if env.prev_log_pos and env.prev_log_pos == log.pos:
        log.reset(env.prev_log_pos - 1)
        pos = env.prev_insn_print_pos
        column = max(pos + (LOG_MIN_ALIGNMENT >> 1), LOG_ALIGNMENT) + LOG_MIN_ALIGNMENT - 1 & -LOG_MIN_ALIGNMENT
        log.write(" " * (column - pos - 1) + ";")
    else:
        log.write(f"{env.insn_idx}:")
    log.write(state_text(env, state, len(state.frames) - 1, False))


def insn_text(env: Env, i: int) -> str:
    """`(bf) r2 = r10`."""
    code = env.insns[i].code
    if code == 0x18 and not env.allow_ptr_leaks and env.insns[i].src in (1, 2):
        return f"({code:02x}) r{env.insns[i].dst} = 0x0"
    text = disasm(env.insns, i, call_name=env.call_name, imm64=_imm64(env, i))
    if env.ops[i] is None and code & 7 == 3 and text.startswith("BUG_"):
        return f"BUG_{code:02x}"
    return f"({code:02x}) {text}"


def _imm64(env: Env, i: int) -> Imm64Text | None:
    shown = env.imm64_text.get(i)
    return (lambda _low, _high: shown) if shown is not None else None


def print_insn(env: Env) -> None:
    """Source line (if it changed) and text of the instruction about to be checked; remembers where it ended."""
    i, log = env.insn_idx, env.log
    linfo(env, i, "; ")
    env.prev_log_pos = log.pos
    log.write(f"{i}: {insn_text(env, i)}\n")
    env.prev_insn_print_pos = log.pos - env.prev_log_pos
    env.prev_log_pos = log.pos


def linfo(env: Env, i: int, prefix: str) -> None:
    """The source line of slot `i` as `; text @ file:line`, unless it was the last one shown."""
    if not env.log.enabled or not env.line_starts:
        return
    at = bisect_right(env.line_starts, i) - 1
    if at < 0:
        return
    line, prev = env.program.line_info[at], env.prev_line
    if line is prev or (prev is not None and prev.file == line.file and prev.line == line.line):
        return
    name = line.file.rpartition("/")[2]
    env.log.write(f"{prefix}{line.text.lstrip()} @ {name}:{line.line}\n")
    env.prev_line = line
