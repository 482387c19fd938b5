# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Functions whose address is taken, against the running kernel: which are never NULL, which are never entered."""

from __future__ import annotations

import pytest

from bpfvm.obj.model import Program
from tests.differential.function_info import both_with_functions
from tests.differential.iterator_cases import DESTROY, END, NEW, NEXT, loop
from tests.differential.verifier_oracle import assemble, normal, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
CALL = "r3 = 0 / r4 = 0 / call bpf_loop"
OUTER = "r3 = r10 / r3 += -8 / r4 = 0 / call bpf_loop"
CASES = {
    "compared with NULL": "r1 = subprog[F] ll / if r1 == 0x0 goto X / r0 = 0 / exit / X: r0 = r9 / exit / "
    "F: r0 = 0 / exit",
    "never used": "r1 = subprog[F] ll / r0 = 0 / exit / F: r0 = 0 / exit",
    "no rounds": f"r1 = 0 / r2 = subprog[F] ll / {CALL} / r0 = 0 / exit / F: r0 = 0 / exit",
    "first of two never entered": f"r1 = subprog[F] ll / r1 = 1 / r2 = subprog[G] ll / {CALL} / r0 = 0 / exit / "
    "F: r0 = 0 / exit / G: r0 = 0 / exit",
    "iterator in a callback": f"r1 = 10 / r2 = subprog[F] ll / {CALL} / {END} / F: {loop('r6 = 1')}",
    "iterator lost in a callback": f"r1 = 10 / r2 = subprog[F] ll / {CALL} / {END} / F: {NEW} / {END}",
    "iterator advanced in a callback": f"{NEW} / r1 = 10 / r2 = subprog[F] ll / {OUTER} / {DESTROY} / {END} / "
    f"F: r1 = r2 / kcall bpf_iter_num_next / {END}",
    "iterator destroyed in a callback": f"{NEW} / r1 = 10 / r2 = subprog[F] ll / {OUTER} / {END} / "
    f"F: r1 = r2 / kcall bpf_iter_num_destroy / {END}",
    "packet load in a callback": f"r6 = r1 / r1 = 3 / r2 = subprog[F] ll / {CALL} / {END} / "
    "F: r6 = 0 / r0 = *(u8 *)skb[4] / exit",
    "packet load in a callback without a context": f"r6 = r1 / r1 = 3 / r2 = subprog[F] ll / {CALL} / {END} / "
    "F: r0 = *(u8 *)skb[4] / exit",
    "callback in a loop": f"{NEW} / L: {NEXT} / if r0 == 0x0 goto D / r1 = 3 / r2 = subprog[F] ll / {CALL} / goto L / "
    f"D: {DESTROY} / {END} / F: {END}",
}
INLINED = (
    f"r1 = subprog[G] ll / r1 = 1 / r2 = subprog[F] ll / {CALL} / r0 = 0 / exit / F: r0 = 0 / exit / G: r0 = 0 / exit"
)
_DEAD = "r2 = 1 / if r2 == 1 goto +1 / r2 = 0 / r0 = 0 / exit"
REMOVED = {
    "and nothing is behind it": ("call F / exit / F: r1 = subprog[G] ll / r0 = 0 / exit / G: r0 = 0 / exit", True),
    "and another function is": ("r1 = subprog[G] ll / call F / exit / G: r0 = 0 / exit / F: r0 = 0 / exit", False),
    "with what comes before it": (
        "r1 = subprog[G] ll / r0 = 0 / if r0 == 1 goto +1 / call F / exit / G: r0 = 0 / exit / F: r0 = 0 / exit",
        False,
    ),
    "with the end of the function before it": (
        "r1 = subprog[G] ll / call F / r0 = 0 / if r0 != 1 goto +1 / exit / exit / G: r0 = 0 / exit / F: r0 = 0 / exit",
        False,
    ),
    "with a dead end before it": (
        "r1 = subprog[G] ll / call F / r0 = 0 / if r0 == 1 goto +1 / exit / exit / G: r0 = 0 / exit / F: r0 = 0 / exit",
        True,
    ),
    "behind code that is removed, too": (
        f"call F / exit / F: r1 = subprog[G] ll / {_DEAD} / G: r0 = 0 / exit",
        True,
    ),
    "of a single function that throws": (
        "r1 = subprog[G] ll / r1 = 1 / kcall bpf_throw / exit / G: r0 = 0 / exit",
        True,
    ),
    "of a single function": ("r1 = subprog[G] ll / r0 = 0 / exit / G: r0 = 0 / exit", False),
    "behind jumps to what comes next": (
        "call F / goto +0 / exit / F: r1 = subprog[G] ll / may_goto +0 / r0 = 0 / exit / G: r0 = 0 / exit",
        True,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_verdict_and_log(name: str) -> None:
    got = both_with_functions(Program("oracle", "sched_cls", assemble(CASES[name])))
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-600:])
    assert normal(got.our_log) == normal(got.log)


@pytest.mark.parametrize("name", REMOVED)
def test_the_address_of_a_function_that_is_removed(name: str) -> None:
    text, refused = REMOVED[name]
    got = both_with_functions(Program("oracle", "sched_cls", assemble(text)))
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-600:])
    assert normal(got.our_log) == normal(got.log)
    assert ("No program to jit" in got.log) == refused


def test_the_number_of_a_function_that_is_removed() -> None:
    """It is one in the finished program: what the kernel removes counts here, too, what it inlines doesn't."""
    got = both_with_functions(Program("oracle", "sched_cls", assemble(INLINED)))
    assert not got.accepted
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-600:])
    assert "No program to jit" in got.log
