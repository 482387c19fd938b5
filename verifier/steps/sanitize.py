# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Paths that only a speculating CPU takes, for who may not see kernel memory through them.

A predicted branch is followed the other way, too, with nothing known about its operands. Where a pointer is moved by a
register, the kernel puts instructions that force the register into the range the verifier knows of, so each such move
must have one limit; and what follows is looked at with the pointer not moved, which those instructions make of
anything beyond. An instruction that such a path may not execute gets a barrier (up to 6.12: the program is refused).

Source: kernel/bpf/verifier.c sanitize_speculative_path, sanitize_ptr_alu, sanitize_val_alu, sanitize_check_bounds,
sanitize_err, check_stack_access_for_ptr_arithmetic (6.12, 6.18), do_check, error_recoverable_with_nospec (6.18).
"""

from __future__ import annotations

from typing import Final, NoReturn, final

from bpfvm.isa.insn import Insn
from bpfvm.isa.word import U32_MAX, s32
from verifier.env import Env
from verifier.memory.map_access import check_map_access
from verifier.memory.stack import MAX_STACK
from verifier.numbers.cnum import Bounds
from verifier.numbers.scalar_alu import consistent
from verifier.rejection import EACCES, EINVAL, ENOMEM, EPERM, Rejection
from verifier.search.paths import COMPLEXITY_LIMIT_JMP_SEQ, push_path
from verifier.state.reg import RegState, unknown
from verifier.state.reg_type import PTR_TO_MAP_VALUE, PTR_TO_STACK

RECOVERABLE: Final = (EPERM, EACCES, EINVAL)
"""Errors on a speculative path that a barrier in front of the instruction takes care of."""
PROHIBITED: Final = "pointer arithmetic with it prohibited for !root"
BY_REG: Final = 8
IMMEDIATE, NEG_VALUE, NON_POINTER, BY_SRC, BY_DST = 1, 2, 4, 8, 16
"""What the inserted instructions look like: kernel BPF_ALU_IMMEDIATE, _NEG_VALUE, _NON_POINTER, and which operand they
change (_SANITIZE_SRC, _SANITIZE_DST). Only that it is always the same matters here."""


def push_mispredicted(env: Env, insn: Insn, target: int) -> None:
    """The way that a predicted branch doesn't go."""
    if env.bypass_spec:
        return
    regs = push_path(env, target, env.insn_idx, speculative=True).frames[-1].regs
    regs[insn.dst] = unknown()
    if insn.code & BY_REG:
        regs[insn.src] = unknown()


def _refuse(env: Env, text: str, errno: int = EACCES) -> NoReturn:
    env.reject(errno, f"{text}, {PROHIBITED}")


def _how(insn: Insn) -> str:
    return "sub" if insn.code & 0xF0 == 0x10 else "add"


def _is_free(env: Env, insn: Insn) -> bool:
    """Nothing is inserted for the instruction (can_skip_alu_sanitation)."""
    return not insn.code & BY_REG or bool(env.nospec[env.insn_idx])


def _remember(env: Env, insn: Insn, kind: int, limit: int) -> None:
    """One instruction, one limit (update_alu_sanitation_state)."""
    wanted = (kind, limit)
    if env.alu_limits.setdefault(env.insn_idx, wanted) != wanted:
        _refuse(env, f"R{insn.dst} tried to {_how(insn)} from different maps, paths or scalars")


def check_number_alu(env: Env, insn: Insn) -> None:
    """Two numbers are added or subtracted here: a pointer on another path would need other instructions."""
    if not _is_free(env, insn):
        _remember(env, insn, NON_POINTER, 0)


def _limit(env: Env, insn: Insn, ptr: RegState, left: bool, regno: int) -> int:
    """How far the pointer may go (retrieve_ptr_limit); regno: what a refusal calls it."""
    if ptr.type == PTR_TO_STACK:
        most = MAX_STACK + left
        limit = -(ptr.num.var_off.value + ptr.off) & U32_MAX
    elif ptr.type == PTR_TO_MAP_VALUE and ptr.ptr.map is not None:
        most = ptr.ptr.map.value_size
        limit = (ptr.num.smin if left else ptr.num.umax) + ptr.off & U32_MAX
    else:
        _refuse(env, f"R{regno} has pointer with unsupported alu operation")
    if limit >= most:
        _refuse(env, f"R{insn.dst} tried to {_how(insn)} beyond pointer bounds")
    return limit


@final
class Move:
    """A pointer that is about to be moved by a number: what the instructions in front of it will look like. kind: bits
    IMMEDIATE to BY_DST; limit: bytes from the pointer to the end it moves towards; left: that is the beginning."""

    __slots__ = ("kind", "left", "limit")

    def __init__(self, kind: int, limit: int, left: bool) -> None:
        self.kind = kind
        self.limit = limit
        self.left = left


def before_move(env: Env, insn: Insn, ptr: RegState, off: RegState, *, scalar_first: bool) -> Move | None:
    """The pointer may be moved by the number; queues the path on which it isn't. None if nothing is inserted."""
    if _is_free(env, insn):
        return None
    num = off.num
    known = not num.var_off.mask
    move = None
    if not env.state.speculative:
        number, pointer = (insn.dst, insn.src) if scalar_first else (insn.src, insn.dst)
        if not known and (num.smin < 0) != (num.smax < 0):
            _refuse(env, f"R{number} has unknown scalar with mixed signed bounds")
        left = (num.smin < 0) != (_how(insn) == "sub")
        limit = _limit(env, insn, ptr, left, pointer)
        kind = (BY_DST if scalar_first else BY_SRC) | (NEG_VALUE if num.smin < 0 else 0)
        move = Move(kind | (IMMEDIATE if known else 0), limit, left)
        env.explore_alu_limits = env.explore_alu_limits or not known
    if not known:
        _push_unmoved(env, insn, ptr, blank=not scalar_first and env.profile.blank_low_bounds)
    return move


def _push_unmoved(env: Env, insn: Insn, ptr: RegState, *, blank: bool) -> None:
    if len(env.pending) >= COMPLEXITY_LIMIT_JMP_SEQ:
        env.report(f"The sequence of {len(env.pending) + 1} jumps is too complex.")
        errno = ENOMEM if env.profile.barriers else EACCES
        _refuse(env, f"R{insn.dst} could not be pushed for speculative verification", errno)
    state = push_path(env, env.insn_idx + 1, env.insn_idx, speculative=True)
    if blank:
        num = ptr.num
        ptr = ptr.with_(num=Bounds(num.var_off, num.smin, num.smax, num.umin, num.umax))
    state.frames[-1].regs[insn.dst] = ptr


def check_copied(env: Env, regno: int, place: str) -> None:
    """The register was copied or loaded: whether its bounds make sense is asked of pointers, too."""
    if env.state.speculative:
        reg = env.frame.regs[regno]
        env.frame.regs[regno] = reg.with_(num=consistent(reg.num, env.report, place))


def after_move(env: Env, insn: Insn, moved: RegState, move: Move | None) -> None:
    """Where the pointer ended up is what the limit is measured from; and it is inside of what it points into."""
    _check_inside(env, insn, moved)
    if move is not None:
        limit = _limit(env, insn, moved, move.left, insn.dst)
        _remember(env, insn, move.kind, abs(s32((move.limit - limit) & U32_MAX)))


def _check_inside(env: Env, insn: Insn, moved: RegState) -> None:
    """The moved pointer could be used as it is (sanitize_check_bounds)."""
    d = insn.dst
    env.frame.regs[d] = moved
    if moved.type == PTR_TO_STACK:
        off = s32((moved.off + moved.num.var_off.value) & U32_MAX)
        if moved.num.var_off.mask:
            text = f"variable stack access prohibited for !root, var_off={moved.num.var_off} off={off}"
            env.reject(EACCES, f"R{d} {text}")
        if not -MAX_STACK <= off < 0:
            env.reject(EACCES, f"R{d} stack pointer arithmetic goes out of range, prohibited for !root; off={off}")
    elif moved.type == PTR_TO_MAP_VALUE:
        try:
            check_map_access(env, d, moved.off, 1, helper=True)
        except Rejection as found:
            if found.unsupported:
                raise
            env.reject(EACCES, f"R{d} pointer arithmetic of map value goes out of range, prohibited for !root")


def with_barrier(env: Env, i: int, found: Rejection) -> None:
    """Instruction `i` may not be executed on a speculative path: it gets a barrier, and the path ends in front of it.
    Raises the rejection if that is no remedy."""
    if found.unsupported or found.errno not in RECOVERABLE or not env.profile.barriers:
        raise found
    env.nospec[i] = 1
    env.alu_limits.pop(i, None)
