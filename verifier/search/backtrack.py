# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Precision: which scalars' exact values a decision depended on.

Scalars start out imprecise, and pruning may then ignore their values. When one matters (a branch was predicted, a
pointer was moved, a size was used) the walk goes back over the instructions that made it and marks everything it came
from in the explored states on the way. Source: kernel/bpf/verifier.c __mark_chain_precision, backtrack_insn (6.18).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias, final

from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import BPF_ATOMIC, BPF_CMPXCHG, BPF_FETCH, BPF_LOAD_ACQ
from verifier.env import Env
from verifier.rejection import EFAULT
from verifier.state.reg import RegState
from verifier.state.reg_type import SCALAR_VALUE
from verifier.state.states import MAIN_CALLSITE, History, StackSlot, VerifierState
from verifier.text.state_print import insn_text, state_text

ARG_REGS: Final = 0x3E
TAIL_CALL: Final = HELPER_ID["tail_call"]
Step: TypeAlias = tuple[int, int, int]
NO_STEP: Final[Step] = (0, -1, 0)
SYNC_CALLBACK_HELPERS: Final = frozenset(
    HELPER_ID[name] for name in ("for_each_map_elem", "find_vma", "loop", "user_ringbuf_drain")
)
"""Helpers that call a function of the program before they return."""


class _TooHard(Exception):
    """An instruction this kind of walk can't go back over: everything is made precise instead."""


@final
class Backtrack:
    """The registers and stack slots still looked for, one bit each, by frame."""

    __slots__ = ("frame", "regs", "slots")

    def __init__(self, frame: int) -> None:
        self.frame = frame
        self.regs = [0] * 8
        self.slots = [0] * 8

    def empty(self) -> bool:
        """Nothing is looked for any more."""
        return not (any(self.regs) or any(self.slots))

    def clear(self) -> None:
        """Stop looking."""
        self.regs = [0] * 8
        self.slots = [0] * 8


def _bits(mask: int) -> list[int]:
    out = []
    while mask:
        low = mask & -mask
        out.append(low.bit_length() - 1)
        mask ^= low
    return out


def regs_text(mask: int) -> str:
    """`r1,r2`."""
    return ",".join([f"r{i}" for i in _bits(mask)])


def slots_text(mask: int) -> str:
    """`-8,-16`."""
    return ",".join([str(-(i + 1) * 8) for i in _bits(mask)])


def mark_chain_precision(env: Env, regno: int) -> None:
    """The exact value of scalar register `regno` of the innermost frame matters here (nothing happens if negative)."""
    if regno < 0 or not env.bpf_capable:
        return
    bt = Backtrack(len(env.state.frames) - 1)
    if env.frame.regs[regno].type != SCALAR_VALUE:
        env.reject(EFAULT, "" if env.profile.old_texts else "verifier bug: backtracking misuse")
    bt.regs[bt.frame] = 1 << regno
    walk_back(env, bt, env.state)


def walk_back(env: Env, bt: Backtrack, start: VerifierState) -> bool:
    """Go back from where state `start` stands until nothing is looked for. True if a mark was made."""
    if not env.bpf_capable or bt.empty():
        return False
    changed = False
    state = start
    last_idx, next_idx, skip_first = start.insn_idx, -1, True
    try:
        while True:
            if env.log.level >= 2:
                where = f"last_idx {last_idx} first_idx {state.first_insn_idx} subseq_idx {next_idx}"
                env.log.write(f"mark_precise: frame{bt.frame}: {where} \n")
            if last_idx < 0:
                return _at_entry(env, bt, state) or changed
            _through_state(env, bt, state, last_idx, next_idx, skip_first)
            skip_first = False
            if bt.empty():
                return changed
            next_idx = state.first_insn_idx
            parent = state.parent
            if parent is None:
                break
            state = parent
            changed |= _mark_state(env, bt, state)
            if bt.empty():
                return changed
            last_idx = state.last_insn_idx
    except _TooHard:
        force_all_precise(env, start)
        return True
    force_all_precise(env, start)
    return True


def back_steps(insns: Sequence[Insn]) -> list[Step | None]:
    """What going back over each instruction does to the registers looked for, where that is simple: if one of the
    first mask is looked for, the second mask no longer is and the third is instead. None for everything else."""
    return [_step(insn) for insn in insns]


def _step(insn: Insn) -> Step | None:
    code = insn.code
    kind, op = code & 7, code & 0xF0
    if kind in (4, 7):
        dst, src = 1 << insn.dst, 1 << insn.src if code & 8 and insn.src != 10 else 0
        if op in (0xD0, 0x80):
            return NO_STEP
        if op == 0xB0:
            return dst, ~dst, src
        return (dst, -1, src) if src else NO_STEP
    if kind in (5, 6) and op not in (0x80, 0x90):
        operands = 1 << insn.dst | 1 << insn.src
        return (operands, -1, operands) if code & 8 and op not in (0x00, 0xE0) else NO_STEP
    if kind == 1 or code == 0x18:
        return 1 << insn.dst, ~(1 << insn.dst), 0
    return None


def _through_state(env: Env, bt: Backtrack, state: VerifierState, last: int, next_idx: int, skip: bool) -> None:
    """Back over the instructions between a state and its parent."""
    history, first, count = state.history, state.first_insn_idx, len(env.insns)
    end = len(history)
    top = history[end - 1] if end else None
    steps = env.back_steps if env.log.level < 2 else [None] * count
    regs, slots = bt.regs, bt.slots
    i = last
    while True:
        entry = top if top is not None and top.idx == i else None
        if skip:
            skip = False
        else:
            step = steps[i]
            done = False
            if step is None or (entry is not None and not entry.is_plain()):
                _one_insn(env, bt, i, next_idx, entry)
                done = not regs[bt.frame]
            elif regs[bt.frame] & step[0]:
                regs[bt.frame] = regs[bt.frame] & step[1] | step[2]
                done = not regs[bt.frame]
            if done and not slots[bt.frame] and bt.empty():
                return
        next_idx = i
        if i == first and (end == 0 or (end == 1 and entry is not None)):
            return
        if entry is not None:
            end -= 1
            top = history[end - 1] if end else None
            i = entry.prev_idx
        else:
            i -= 1
        if not 0 <= i < count:
            env.reject(EFAULT, f"verifier bug: backtracking idx {i}")


def _at_entry(env: Env, bt: Backtrack, state: VerifierState) -> bool:
    """The start of a global function was reached: its arguments may still be looked for, nothing else."""
    frame = state.frames[0]
    lone = len(state.frames) == 1 and frame.subprogno > 0 and frame.callsite == MAIN_CALLSITE
    if not (lone and not bt.slots[bt.frame] and not bt.regs[bt.frame] & ~ARG_REGS):
        env.reject(
            EFAULT,
            f"verifier bug: backtracking func entry subprog {frame.subprogno} "
            f"reg_mask {bt.regs[bt.frame]:x} stack_mask {bt.slots[bt.frame]:x}",
        )
    changed = False
    for i in _bits(bt.regs[bt.frame]):
        if frame.regs[i].type == SCALAR_VALUE:
            frame.regs[i] = frame.regs[i].with_(precise=True)
            changed = True
    bt.clear()
    return changed


def _mark_state(env: Env, bt: Backtrack, state: VerifierState) -> bool:
    """Mark what is looked for in an explored state; what is precise there already need not be followed further."""
    changed = False
    for frameno in range(bt.frame, -1, -1):
        frame = state.frames[frameno]
        for i in _bits(bt.regs[frameno]):
            reg = frame.regs[i]
            if reg.type != SCALAR_VALUE or reg.precise:
                bt.regs[frameno] &= ~(1 << i)
            else:
                frame.regs[i] = reg.with_(precise=True)
                changed = True
        for i in _bits(bt.slots[frameno]):
            if i >= len(frame.stack):
                env.reject(EFAULT, f"verifier bug: backtracking stack slot {i}, total slots {len(frame.stack)}")
            slot = frame.stack[i]
            if not slot.is_spilled_scalar() or slot.reg.precise:
                bt.slots[frameno] &= ~(1 << i)
            else:
                frame.stack[i] = StackSlot(slot.types, slot.reg.with_(precise=True))
                changed = True
        if env.log.level >= 2:
            env.log.write(
                f"mark_precise: frame{frameno}: parent state regs={regs_text(bt.regs[frameno])} "
                f"stack={slots_text(bt.slots[frameno])}: {state_text(env, state, frameno, True)}"
            )
    return changed


def force_all_precise(env: Env, start: VerifierState) -> None:
    """The way back is lost: every scalar of every ancestor matters."""
    verbose = env.log.level >= 2
    if verbose:
        last = len(start.frames) - 1
        env.log.write(f"mark_precise: frame{last}: falling back to forcing all scalars precise\n")
    state = start.parent
    while state is not None:
        for frame in state.frames:
            for i, reg in enumerate(frame.regs):
                if reg.type == SCALAR_VALUE and not reg.precise and i < 10:
                    frame.regs[i] = reg.with_(precise=True)
                    if verbose:
                        env.log.write(f"force_precise: frame{frame.frameno}: forcing r{i} to be precise\n")
            for spi, slot in enumerate(frame.stack):
                if slot.is_spilled_scalar() and not slot.reg.precise:
                    frame.stack[spi] = StackSlot(slot.types, slot.reg.with_(precise=True))
                    if verbose:
                        env.log.write(
                            f"force_precise: frame{frame.frameno}: forcing fp{-(spi + 1) * 8} to be precise\n"
                        )
        state = state.parent


def forget_precision(state: VerifierState) -> None:
    """No scalar of the state is precise (mark_all_scalars_imprecise)."""
    for frame in state.frames:
        regs = frame.regs
        for i in range(10):
            reg: RegState = regs[i]
            if reg.precise:
                regs[i] = reg.with_(precise=False)
        for spi, slot in enumerate(frame.stack):
            if slot.reg.precise and slot.is_spilled_scalar():
                frame.stack[spi] = StackSlot(slot.types, slot.reg.with_(precise=False))


def _sync_linked(bt: Backtrack, entry: History | None) -> None:
    """If one of several related scalars is looked for, so are the others."""
    if entry is None or not entry.linked:
        return
    for frameno, is_reg, number in entry.linked:
        if (bt.regs if is_reg else bt.slots)[frameno] >> number & 1:
            break
    else:
        return
    for frameno, is_reg, number in entry.linked:
        (bt.regs if is_reg else bt.slots)[frameno] |= 1 << number


def _one_insn(env: Env, bt: Backtrack, i: int, next_idx: int, entry: History | None) -> None:
    """What must be known before instruction `i` so that what is looked for is known after it."""
    insn = env.insns[i]
    if insn.code == 0:
        return
    if env.log.level >= 2:
        env.log.write(
            f"mark_precise: frame{bt.frame}: regs={regs_text(bt.regs[bt.frame])} "
            f"stack={slots_text(bt.slots[bt.frame])} before {i}: {insn_text(env, i)}\n"
        )
    _sync_linked(bt, entry)
    kind = insn.code & 7
    if kind == 4 or kind == 7:
        if not _alu(bt, insn.code, insn.dst, insn.src):
            return
    elif kind == 1:
        if not _load(bt, entry, insn.dst):
            return
    elif kind == 3 and (fetched := _fetched(env, insn)) >= 0:
        if not _load(bt, entry, fetched):
            return
    elif kind == 2 or kind == 3:
        if not _store(bt, entry, insn.dst, insn.src if kind == 3 else -1):
            return
    elif kind == 5 or kind == 6:
        if not _jump(env, bt, i, next_idx, entry):
            return
    elif insn.code & 0xE0 == 0:
        bt.regs[bt.frame] &= ~(1 << insn.dst)
        return
    else:
        if bt.regs[bt.frame] >> insn.dst & 1:
            raise _TooHard
        return
    _sync_linked(bt, entry)


def _alu(bt: Backtrack, code: int, dst: int, src: int) -> bool:
    regs = bt.regs
    if not regs[bt.frame] >> dst & 1:
        return False
    op = code & 0xF0
    if op == 0xD0 or op == 0x80:
        return False
    if op == 0xB0:
        regs[bt.frame] &= ~(1 << dst)
    if code & 8 and src != 10:
        regs[bt.frame] |= 1 << src
    return True


def _fetched(env: Env, insn: Insn) -> int:
    """The register that an atomic operation loads from memory, -1 if it loads none."""
    if insn.code & 0xE0 != BPF_ATOMIC:
        return -1
    if insn.imm == BPF_LOAD_ACQ:
        return insn.dst
    if not env.precise_fetches or not insn.imm & BPF_FETCH:
        return -1
    return 0 if insn.imm == BPF_CMPXCHG else insn.src


def _load(bt: Backtrack, entry: History | None, regno: int) -> bool:
    if not bt.regs[bt.frame] >> regno & 1:
        return False
    bt.regs[bt.frame] &= ~(1 << regno)
    if entry is None or entry.spi < 0:
        return False
    bt.slots[entry.frame] |= 1 << entry.spi
    return True


def _store(bt: Backtrack, entry: History | None, dst: int, src: int) -> bool:
    if bt.regs[bt.frame] >> dst & 1:
        raise _TooHard
    if entry is None or entry.spi < 0 or not bt.slots[entry.frame] >> entry.spi & 1:
        return False
    bt.slots[entry.frame] &= ~(1 << entry.spi)
    if src >= 0:
        bt.regs[bt.frame] |= 1 << src
    return True


def _bug(env: Env, bt: Backtrack, what: str) -> None:
    env.reject(EFAULT, f"verifier bug: backtracking {what}: regs {bt.regs[bt.frame]:x} slots {bt.slots[bt.frame]:x}")


def _leave_callee(env: Env, bt: Backtrack) -> None:
    """Going back over a call, from the callee's first instruction to the caller."""
    if not bt.frame:
        _bug(env, bt, "subprog exit from frame 0")
    bt.frame -= 1


def _enter_callee(env: Env, bt: Backtrack) -> None:
    """Going back over a return, into the callee's last instruction."""
    if bt.frame >= 7:
        _bug(env, bt, "subprog enter into frame 8")
    bt.frame += 1


def _jump(env: Env, bt: Backtrack, i: int, next_idx: int, entry: History | None) -> bool:
    insn = env.insns[i]
    op = insn.code & 0xF0
    regs = bt.regs
    if op == 0x80:
        return _call(env, bt, i, next_idx)
    if op == 0x90:
        return _exit(env, bt, next_idx)
    if op == 0x00 or op == 0xE0 or not insn.code & 8:
        return True
    if not regs[bt.frame] >> insn.dst & 1 and not regs[bt.frame] >> insn.src & 1:
        return False
    if entry is None or not entry.src_fp:
        regs[bt.frame] |= 1 << insn.src
    if entry is None or not entry.dst_fp:
        regs[bt.frame] |= 1 << insn.dst
    return True


def _call(env: Env, bt: Backtrack, i: int, next_idx: int) -> bool:
    insn = env.insns[i]
    regs = bt.regs
    if insn.src == 1:
        subprog = env.subprogs[env.subprog_at[i + insn.imm + 1]]
        if subprog.is_global:
            if regs[bt.frame] & ARG_REGS:
                _bug(env, bt, "global function call")
            regs[bt.frame] &= ~1
            return False
        if regs[bt.frame] & ~ARG_REGS or bt.slots[bt.frame]:
            _bug(env, bt, "static function call")
        regs[bt.frame - 1] |= regs[bt.frame] & ARG_REGS
        regs[bt.frame] = 0
        _leave_callee(env, bt)
        return False
    if env.calls_callback[i] and next_idx != i + 1:
        if regs[bt.frame] & ~ARG_REGS or bt.slots[bt.frame]:
            _bug(env, bt, "callback call")
        regs[bt.frame] = 0
        _leave_callee(env, bt)
        return False
    if insn.src == 2 and insn.imm == 0:
        raise _TooHard
    regs[bt.frame] &= ~1
    if regs[bt.frame] & ARG_REGS:
        _bug(env, bt, "helper call")
    if insn.src == 0 and insn.imm == TAIL_CALL and next_idx - i != 1:
        _enter_callee(env, bt)
    return True


def _exit(env: Env, bt: Backtrack, next_idx: int) -> bool:
    regs = bt.regs
    if next_idx >= 0 and env.calls_callback[next_idx]:
        regs[bt.frame] &= ~ARG_REGS
    if regs[bt.frame] & ARG_REGS:
        _bug(env, bt, "exit")
    before = next_idx - 1
    from_call = before >= 0 and env.insns[before].code == 0x85 and env.insns[before].src == 1
    r0_precise = from_call and regs[bt.frame] & 1
    regs[bt.frame] &= ~1
    _enter_callee(env, bt)
    if r0_precise:
        regs[bt.frame] |= 1
    return False
