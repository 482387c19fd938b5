# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One abstract function per operation name of the instruction table: what it does to the verifier state.

Each takes (env, insn, op), where `op` is the table's row, and returns the next instruction to look at, or EXIT (the
path ends), or RETURNED (an inner function returned; `env.insn_idx` is set).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from bpfvm.isa.insn import Insn
from bpfvm.isa.table import Op
from verifier.calls.helper_calls import check_call
from verifier.calls.kfunc_calls import check_call_kfunc
from verifier.env import Env
from verifier.memory.arena import check_addr_space_cast
from verifier.program.subprogs import check_call_local
from verifier.steps.alu import check_binary, check_mov, check_movsx, check_unary
from verifier.steps.jump import check_ja, check_jump, check_may_goto
from verifier.steps.loads import (
    EXIT,
    RETURNED,
    check_atomic,
    check_exit,
    check_imm64,
    check_load,
    check_load_acquire,
    check_packet_load,
    check_store,
    check_store_imm,
    check_store_release,
)

Transfer: TypeAlias = Callable[[Env, Insn, Op], int]


def refuse(env: Env, insn: Insn, op: Op) -> int:
    """An operation this verifier knows but doesn't handle."""
    del insn
    env.unsupported(op.name)


_BINARY: Final = "add sub mul div sdiv mod smod or and xor lsh rsh arsh"
_JUMPS: Final = "jeq jne jgt jge jlt jle jsgt jsge jslt jsle jset"
_ATOMICS: Final = "atomic_add atomic_or atomic_and atomic_xor xchg cmpxchg"

TRANSFER: Final[dict[str, Transfer]] = {
    **dict.fromkeys(_BINARY.split(), check_binary),
    **dict.fromkeys(("neg", "le", "be", "bswap"), check_unary),
    "mov": check_mov,
    "movsx": check_movsx,
    "addr_space_cast": check_addr_space_cast,
    **dict.fromkeys(_JUMPS.split(), check_jump),
    "ja": check_ja,
    "may_goto": check_may_goto,
    "call": check_call,
    "call_local": check_call_local,
    "call_kfunc": check_call_kfunc,
    "callx": refuse,
    "gotox": refuse,
    "exit": check_exit,
    "ld_imm64": check_imm64,
    "ld_abs": check_packet_load,
    "ld_ind": check_packet_load,
    "ldx": check_load,
    "ldxs": check_load,
    "st": check_store_imm,
    "stx": check_store,
    **dict.fromkeys(_ATOMICS.split(), check_atomic),
    "load_acquire": check_load_acquire,
    "store_release": check_store_release,
}
"""By operation name."""

__all__ = ["EXIT", "RETURNED", "TRANSFER", "Transfer"]
