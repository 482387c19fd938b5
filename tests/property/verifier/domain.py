# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the tests of the verifier's numbers share: abstraction of sets of words, and the meaning of operations on
words."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import strategies as st

from bpfvm.isa import word
from bpfvm.isa.word import U32_MAX, U64_MAX, s32, s64
from verifier.numbers import cnum, tnum
from verifier.numbers.cnum import Bounds

BINARY: dict[str, tuple[Callable[[int, int], int], Callable[[int, int], int]]] = {
    "add": (word.add64, word.add32),
    "sub": (word.sub64, word.sub32),
    "mul": (word.mul64, word.mul32),
    "div": (word.udiv64, word.udiv32),
    "sdiv": (word.sdiv64, word.sdiv32),
    "mod": (word.umod64, word.umod32),
    "smod": (word.smod64, word.smod32),
    "or": (lambda a, b: a | b, lambda a, b: (a | b) & U32_MAX),
    "and": (lambda a, b: a & b, lambda a, b: a & b & U32_MAX),
    "xor": (lambda a, b: a ^ b, lambda a, b: (a ^ b) & U32_MAX),
    "lsh": (word.lsh64, word.lsh32),
    "rsh": (word.rsh64, word.rsh32),
    "arsh": (word.arsh64, word.arsh32),
    "neg": (lambda a, b: word.neg64(a), lambda a, b: word.neg32(a)),
}
"""Operation: its meaning on words in 64 and in 32 bits."""

COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "jeq": lambda a, b: a == b,
    "jne": lambda a, b: a != b,
    "jset": lambda a, b: a & b != 0,
    "jgt": lambda a, b: a > b,
    "jge": lambda a, b: a >= b,
    "jlt": lambda a, b: a < b,
    "jle": lambda a, b: a <= b,
    "jsgt": lambda a, b: a > b,
    "jsge": lambda a, b: a >= b,
    "jslt": lambda a, b: a < b,
    "jsle": lambda a, b: a <= b,
}

EDGES = (0, 1, 0x7FFF_FFFF, 0x8000_0000, U32_MAX, 0x1_0000_0000, 2**63 - 1, 2**63, U64_MAX)
"""Words at which some range wraps or changes sign."""


def run(op: str, width: int, a: int, b: int) -> int:
    """The word that `a op= b` leaves in the register."""
    return BINARY[op][0 if width == 64 else 1](a, b)


def holds(op: str, width: int, a: int, b: int) -> bool:
    """Whether `if a op b` jumps."""
    if width == 32:
        a, b = a & U32_MAX, b & U32_MAX
    if op.startswith("js") and op != "jset":
        a, b = (s64(a), s64(b)) if width == 64 else (s32(a), s32(b))
    return COMPARISONS[op](a, b)


def abstract(words: Iterable[int]) -> Bounds:
    """Normalised bounds of a non-empty set of words, as sharp as the domain has them before normalisation."""
    all_ = sorted(words)
    t = tnum.const(all_[0])
    for w in all_:
        t = tnum.union(t, tnum.const(w))
    wide, low, narrow = [s64(w) for w in all_], [w & U32_MAX for w in all_], [s32(w) for w in all_]
    return cnum.make(
        var_off=t,
        smin=min(wide),
        smax=max(wide),
        umin=all_[0],
        umax=all_[-1],
        s32_min=min(narrow),
        s32_max=max(narrow),
        u32_min=min(low),
        u32_max=max(low),
    )


WORDS = st.one_of(
    st.integers(0, U64_MAX),
    st.integers(-300, 300).map(lambda d: d & U64_MAX),
    st.tuples(st.sampled_from(EDGES), st.integers(-3, 3)).map(lambda p: (p[0] + p[1]) & U64_MAX),
    st.integers(0, 63).map(lambda n: 1 << n),
)
"""Words, edges preferred."""


@st.composite
def elements(draw: st.DrawFn) -> tuple[Bounds, list[int]]:
    """Bounds, and words that they must contain; some knowledge is withheld so that the parts differ in sharpness."""
    words = draw(st.lists(WORDS, min_size=1, max_size=4))
    sharp = abstract(words)
    withheld = draw(st.sets(st.sampled_from(("t", "s", "u", "s32", "u32")), max_size=4))
    keep: dict[str, int] = {}
    for kind, lo, hi in (("s", "smin", "smax"), ("u", "umin", "umax"), ("s32", "s32_min", "s32_max")):
        if kind not in withheld:
            keep |= {lo: getattr(sharp, lo), hi: getattr(sharp, hi)}
    if "u32" not in withheld:
        keep |= {"u32_min": sharp.u32_min, "u32_max": sharp.u32_max}
    t = tnum.UNKNOWN if "t" in withheld else sharp.var_off
    return cnum.make(var_off=t, **keep), words
