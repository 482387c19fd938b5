# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Interrupt flags on the stack against the running kernel."""

from __future__ import annotations

import pytest

from tests.differential.verifier_oracle import assemble, both, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
END = "r0 = 0 / exit"


def _save(off: int) -> str:
    return f"r1 = r10 / r1 += -{off} / kcall bpf_local_irq_save / "


def _restore(off: int) -> str:
    return _save(off).replace("save", "restore")


COPY = "r1 = r10 / r1 += -64 / r2 = 8 / r3 = 0 / call bpf_copy_from_user / "
CASES: dict[str, str] = {
    "saved and restored": _save(8) + _restore(8) + END,
    "twice": _save(8) + _save(16) + _restore(16) + _restore(8) + END,
    "out of order": _save(8) + _save(16) + _restore(8) + _restore(16) + END,
    "over itself": _save(8) + _save(8) + _restore(8) + END,
    "missing restore": _save(8) + END,
    "restored twice": _save(8) + _restore(8) + _restore(8) + END,
    "restored without save": _restore(8) + END,
    "restored from plain stack": "*(u64 *)(r10 -8) = 0 / " + _restore(8) + END,
    "saved over a spill": "r6 = r1 / *(u64 *)(r10 -8) = r6 / " + _save(8) + _restore(8) + END,
    "saved over a number": "*(u64 *)(r10 -8) = 5 / " + _save(8) + "r0 = *(u64 *)(r10 -8) / " + _restore(8) + END,
    "read": _save(8) + "r6 = *(u64 *)(r10 -8) / " + _restore(8) + END,
    "overwritten": _save(8) + "*(u64 *)(r10 -8) = 1 / " + _restore(8) + END,
    "partly overwritten": _save(8) + "*(u8 *)(r10 -5) = 1 / " + _restore(8) + END,
    "read after": _save(8) + _restore(8) + "r0 = *(u64 *)(r10 -8) / " + END,
    "misaligned": "r1 = r10 / r1 += -12 / kcall bpf_local_irq_save / " + END,
    "at the top": "r1 = r10 / kcall bpf_local_irq_save / " + END,
    "above the top": "r1 = r10 / r1 += 8 / kcall bpf_local_irq_save / " + END,
    "too deep": "r1 = r10 / r1 += -520 / kcall bpf_local_irq_save / " + END,
    "deepest": _save(512) + _restore(512) + END,
    "variable place": (
        "call bpf_get_prandom_u32 / r0 &= 8 / r1 = r10 / r1 -= r0 / r1 += -16 / kcall bpf_local_irq_save / " + END
    ),
    "not the stack": "r1 = 0 / kcall bpf_local_irq_save / " + END,
    "context": "kcall bpf_local_irq_save / " + END,
    "sleeping helper": _save(8) + COPY + _restore(8) + END,
    "sleeping helper after": _save(8) + _restore(8) + COPY + END,
    "helper that may sleep and doesn't say so": _save(8) + "r1 = 0 / call bpf_sys_close / " + _restore(8) + END,
    "sleeping kfunc": (
        _save(8) + "r1 = r10 / r1 += -64 / r2 = 8 / r3 = 0 / r4 = 0 / kcall bpf_copy_from_user_str / " + END
    ),
    "in a function": "r1 = r10 / r1 += -8 / call f / " + _restore(8) + END + " / f: kcall bpf_local_irq_save / " + END,
    "kept by a function": "call f / r0 = 0 / exit / f: " + _save(8) + END,
    "on one way only": (
        "call bpf_get_prandom_u32 / r6 = r0 / if r6 == 1 goto a / " + _save(8) + "a: " + _restore(8) + END
    ),
    "on both ways": (
        "call bpf_get_prandom_u32 / r6 = r0 / if r6 == 1 goto a / "
        + _save(8)
        + "goto b / a: "
        + _save(8)
        + "b: "
        + _restore(8)
        + END
    ),
    "with preemption off": "kcall bpf_preempt_disable / "
    + _save(8)
    + _restore(8)
    + "kcall bpf_preempt_enable / "
    + END,
    "lock family": _save(8) + "r1 = 0 / r2 = r10 / r2 += -8 / kcall bpf_res_spin_unlock_irqrestore / " + END,
}


@pytest.mark.parametrize("name", CASES)
def test_irq_flags(name: str) -> None:
    answer = both(assemble(CASES[name]), "syscall")
    assert answer.same_verdict(), (answer.log[-600:], answer.rejection)
    assert answer.same_log()
