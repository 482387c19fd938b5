# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""All abstract numbers of a small width, laid around the words at which 64-bit and 32-bit ranges wrap.

The operators work on 64 and 32 bits; a small width is embedded by an offset: the words of N bits, taken as signed
numbers, are added to a base. With base 0 a range of them may cross from -1 to 0 (where unsigned ranges wrap), with
1 << 31 the edge of s32, with 1 << 32 that of u32, with 1 << 63 that of s64. Whatever an operator does at such an edge
is done by some pair of elements; all words behind every pair are tried.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Final, NamedTuple

from bpfvm.isa.word import U64_MAX
from tests.property.verifier.domain import abstract
from verifier.numbers import cnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.tnum import Tnum

BITS: Final = int(os.environ.get("BPFVM_PROOF_BITS", "3"))
"""Width of the proofs; `make prove` sets it to 4. Pairs around two bases that aren't both 0 have a bit less."""
BASES: Final = {"zero": 0, "s32": 1 << 31, "u32": 1 << 32, "s64": 1 << 63}


class Element(NamedTuple):
    """Bounds, and all words that they stand for."""

    bounds: Bounds
    words: tuple[int, ...]


@cache
def elements(base: str, bits: int = BITS) -> tuple[Element, ...]:
    """Every interval and every tnum of the width, around the base."""
    size = 1 << bits
    line = [BASES[base] + w & U64_MAX for w in range(-(size >> 1), size >> 1)]
    found = [Element(abstract(line[i : j + 1]), tuple(line[i : j + 1])) for i in range(size) for j in range(i, size)]
    for mask in range(1, size):
        for value in (v for v in range(size) if not v & mask):
            words = tuple(BASES[base] + (value | m) for m in range(size) if not m & ~mask)
            found.append(Element(cnum.make(var_off=Tnum(BASES[base] + value, mask)), words))
    return tuple(found)
