# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The arithmetic of 6.12: sound, and never sharper than what 6.18 knows of sums and differences."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.isa.word import U64_MAX
from tests.property.verifier.domain import BINARY, elements, run
from verifier.numbers import cnum, old_alu, scalar_alu
from verifier.numbers.cnum import Bounds
from verifier.numbers.tnum import Tnum
from verifier.state import reg

Element = tuple[Bounds, list[int]]
FAIR = settings(derandomize=True, deadline=None, max_examples=120)
WIDTHS = st.sampled_from((32, 64))
OPS = sorted(set(BINARY) - {"neg"})


@FAIR
@given(st.sampled_from(OPS), WIDTHS, elements(), elements())
def test_sound(op: str, width: int, first: Element, second: Element) -> None:
    result = old_alu.computed(op, width, reg.scalar(first[0]), reg.scalar(second[0]), lambda text: None).num
    assert not cnum.violation(result)
    for a, b in product(first[1], second[1]):
        assert result.contains(run(op, width, a, b))


@FAIR
@given(st.sampled_from(("add", "sub")), elements(), elements())
def test_never_sharper(op: str, first: Element, second: Element) -> None:
    old = old_alu.ARITHMETIC[op](first[0], second[0], 64)
    new = scalar_alu.ARITHMETIC[op](first[0], second[0], 64)
    assert cnum.resync(new).within(cnum.resync(old))


def test_products_of_tnums_of_four_bits_are_sound() -> None:
    tnums = [Tnum(value, mask) for value in range(16) for mask in range(16) if not value & mask]
    members = {t: [t.value | (t.mask & bits) for bits in range(16) if bits & ~t.mask == 0] for t in tnums}
    for a, b in product(tnums, tnums):
        result = old_alu.tnum_mul(a, b)
        for x, y in product(members[a], members[b]):
            assert (x * y & U64_MAX) & ~result.mask == result.value


def test_only_an_addition_in_64_bits_keeps_the_link() -> None:
    dst = reg.scalar(cnum.of_range(0, 9)).with_(id=3)
    kept = [
        (op, width)
        for op, width in product(("add", "sub", "or"), (32, 64))
        if old_alu.computed(op, width, dst, reg.const(1), lambda text: None).id
    ]
    assert kept == [("add", 64)]
