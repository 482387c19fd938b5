# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What one kernel takes and another doesn't, and the words that differ."""

from __future__ import annotations

import pytest

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import Program
from tests.struct_ops.btf_builder import BtfBuilder
from verifier import PROFILES, VerifierEnv
from verifier.verify import check


def answer(insns: tuple[Insn, ...], kernel: str, prog_type: str = "socket_filter") -> tuple[str | None, str]:
    """(message of the rejection or None, log)."""
    env = VerifierEnv(BtfBuilder().build(), PROFILES[kernel])
    rejection, run = check(Program("test", prog_type, insns, license="GPL"), env, log_level=2)
    return (None if rejection is None else rejection.message), run.log.text()


ACQUIRE = (*asm("*(u64 *)(r10 -8) = 0"), Insn(0xDB, 0, 10, -8, 0x100), *asm("r0 = 0\nexit"))
RELEASE = (*asm("r1 = 0"), Insn(0xDB, 10, 1, -8, 0x110), *asm("r0 = 0\nexit"))


@pytest.mark.parametrize(("insns", "opcode"), [(ACQUIRE, "100"), (RELEASE, "110")])
def test_acquire_and_release_came_after_6_12(insns: tuple[Insn, ...], opcode: str) -> None:
    assert answer(insns, "6.18")[0] is None
    assert answer(insns, "6.12")[0] == f"BPF_ATOMIC uses invalid atomic opcode {opcode}"


def test_negations_are_known_since_6_17() -> None:
    insns = asm("r0 = 5\nr0 = -r0\nexit")
    assert "R0=-5" in answer(insns, "6.18")[1]
    assert "R0_w=scalar()" in answer(insns, "6.12")[1]


def test_a_null_argument_is_relied_upon_in_6_12() -> None:
    insns = asm("r1 = 0\nr2 = 0\nr3 = 0\nr4 = 0\nr5 = 0\ncall bpf_csum_diff\nr0 = 0\nexit")
    assert "regs=r1 stack=" in answer(insns, "6.12", "sched_cls")[1]
    assert "regs=r1 stack=" not in answer(insns, "6.18", "sched_cls")[1]


def test_6_12_has_no_table_of_live_registers() -> None:
    insns = asm("r0 = 0\nexit")
    assert "Live regs before insn" in answer(insns, "6.18")[1]
    assert "Live regs" not in answer(insns, "6.12")[1]


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("6.18", "BPF_LD_[ABS|IND] would lead to reference leak"),
        ("6.12", "BPF_LD_[ABS|IND] cannot be mixed with socket references"),
    ],
)
def test_packet_loads_while_something_is_held(kernel: str, message: str) -> None:
    text = "r6 = r1\nr2 = r10\nr2 += -40\nr3 = 12\nr4 = -1\nr5 = 0\n"
    zeros = "".join(f"*(u64 *)(r10 -{off}) = 0\n" for off in (8, 16, 24, 32, 40))
    insns = asm(f"{zeros}{text}call bpf_sk_lookup_tcp\nr7 = r0\nr0 = *(u8 *)skb[0]\nr0 = 0\nexit")
    assert f"\n{message}\n" in answer(insns, kernel, "sched_cls")[1]
