# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real runs lie in the states that the verifier recorded; and a verifier that is wrong somewhere is found out."""

from __future__ import annotations

import pytest

from tests.differential.verifier_oracle import assemble, unusable
from tests.fuzz.verifier.execute import Machine, run_everywhere
from tests.fuzz.verifier.judge import judge
from tests.fuzz.verifier.programs import sample
from tests.fuzz.verifier.sample import MAPS, ONE, Sample
from tests.fuzz.verifier.states import record
from tests.fuzz.verifier.world import World
from verifier.memory import access as memory
from verifier.memory import stack
from verifier.numbers import cnum, scalar_alu
from verifier.state import reg

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

COMPILED = not str(stack.__file__).endswith(".py")
ADD = "r2 = *(u8 *)(r1 +0) / r2 &= 15 / r3 = *(u8 *)(r1 +1) / r3 &= 15 / r2 += r3 / r0 = r2 / exit"
SPILL = "r2 = *(u32 *)(r1 +8) / *(u64 *)(r10 -8) = r2 / r0 = *(u64 *)(r10 -8) / exit"
STORE = "*(u64 *)(r10 -8) = 5 / r0 = 0 / exit"
VALUE = f"r1 = map[id:{ONE}][0]+8 / r0 = *(u8 *)(r1 +0) / exit"


def judged(text: str) -> str:
    one = Sample(assemble(text), "syscall", sleepable=True)
    verdicts = judge(one)
    assert verdicts is not None and verdicts.rejection is None, text
    return run_everywhere(one, verdicts.run)


@pytest.mark.parametrize("text", [ADD, SPILL])
def test_a_sound_verifier_passes(text: str) -> None:
    assert judged(text) == ""


@pytest.mark.parametrize("first", range(0, 90, 30))
def test_generated_programs(first: int) -> None:
    run = 0
    for seed in range(first, first + 30):
        one = sample(seed)
        verdicts = judge(one)
        if verdicts is not None and verdicts.rejection is None and verdicts.accepted:
            run += 1
            assert run_everywhere(one, verdicts.run) == "", f"seed {seed}"
    assert run


@pytest.mark.skipif(COMPILED, reason="compiled modules can't be made wrong from outside")
def test_a_range_too_narrow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = scalar_alu.ARITHMETIC["add"]

    def narrow(a: cnum.Bounds, b: cnum.Bounds, width: int) -> cnum.Bounds:
        result = plain(a, b, width)
        return result if result.umax != 30 else cnum.make(umin=0, umax=7)

    monkeypatch.setitem(scalar_alu.ARITHMETIC, "add", narrow)
    assert judged(ADD).startswith("state: insn 5: none of 1 states has room; the last one says R2=")


@pytest.mark.skipif(COMPILED, reason="compiled modules can't be made wrong from outside")
def test_a_wrong_stack_slot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "const", lambda value: reg.const(value + 1))
    assert judged(STORE).startswith("state: insn 1: none of 1 states has room; the last one says frame 0 fp-8")


@pytest.mark.skipif(COMPILED, reason="compiled modules can't be made wrong from outside")
def test_an_access_too_far_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "check_packet_access", lambda *_: None)
    one = Sample(assemble("r2 = *(u32 *)(r1 +0) / r0 = *(u8 *)(r2 +64) / exit"), "xdp")
    verdicts = judge(one)
    assert verdicts is not None and verdicts.rejection is None
    assert verdicts.category() == "unsafe"
    assert run_everywhere(one, verdicts.run).startswith("trap: kasan: BUG: KASAN: slab-out-of-bounds")


def test_pointers_are_held_against_what_they_point_at() -> None:
    """At slot 1 the address of element 0 of ONE, off by one byte in each direction, and null."""
    one = Sample(assemble(VALUE), "syscall", sleepable=True)
    verdicts = judge(one)
    assert verdicts is not None
    machine = Machine(one, verdicts.run, 0)
    seen = record(one)
    assert seen is not None
    start = machine.places()[id(MAPS[ONE])][1][0]
    for value, fits in ((start + 8, True), (start + 7, False), (start + 9, False), (start, False), (0, False)):
        assert World(machine.memory, 0, 0, (0, 0), machine.places()).holds(seen.visits[2][0][0][1], value) == fits
