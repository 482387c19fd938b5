# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What we say to BTF beside what the running kernel says: errno and the whole log. Blobs are loaded and closed."""

from __future__ import annotations

import os
import random

import pytest

from bpfvm.btf import types as t
from bpfvm.btf.check import check_btf
from bpfvm.btf.write import serialise
from tests import kernel_oracle
from tests.differential.btf_generate import Generator
from tests.differential.verifier_oracle import unusable
from tests.fuzz.loader.mutate import mutated
from tests.unit.btf.test_write import EVERY_KIND

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
INT = t.Int("int", 4, 32, 1)


def compare(data: bytes) -> bool:
    """True if both took it."""
    fd, errno, log = kernel_oracle.btf_load(data, 1 << 20)
    if fd >= 0:
        os.close(fd)
    verdict = check_btf(data)
    assert (verdict.errno, verdict.log) == (0 if fd >= 0 else errno, log)
    return verdict.ok


def test_random_types() -> None:
    taken = [compare(Generator(seed).blob()) for seed in range(1500)]
    assert 50 < sum(taken) < 1400


def test_changed_bytes() -> None:
    intact = serialise([each for each in EVERY_KIND if not isinstance(each, t.Func)])
    for seed in range(500):
        compare(mutated(intact, seed, 0, len(intact)))
    header = [mutated(intact, seed, 0, 24) for seed in range(200)]
    assert not all(compare(each) for each in header)


@pytest.mark.parametrize("length", [1, 30, 31, 32, 33, 40])
def test_chains(length: int) -> None:
    first, last = 2, length + 1
    pointers = [t.Ptr(i + 1) for i in range(first, last)]
    for chain in (
        [*pointers, t.Ptr(1)],
        [*pointers, t.Ptr(first)],
        [*(t.Const(i + 1) for i in range(first, last)), t.Const(0)],
        [*(t.Array(i + 1, 1, 1) for i in range(first, last)), t.Array(1, 1, 1)],
        [*(t.Struct("", 4, (t.Member("m", i + 1, 0),)) for i in range(first, last)), t.Typedef("end", 1)],
        [*(t.TypeTag("tag", i + 1) for i in range(first, last)), t.Const(1)],
        [*(t.Const(i + 1) for i in range(first, last)), t.TypeTag("tag", 1)],
    ):
        compare(serialise([INT, *chain]))


@pytest.mark.parametrize("name", ["x" * 511, "x" * 512, "x" * 513, "4x", ".x", "x.y", "ä", "x y", "x\x7f", "\xd7"])
def test_names(name: str) -> None:
    for found in (t.Typedef(name, 1), t.Fwd(name), t.Struct(name, 0, ()), t.Datasec(name, 4, ()), t.TypeTag(name, 1)):
        compare(serialise([INT, found]))


def test_short_and_padded_blobs() -> None:
    data = serialise([INT])
    for length in range(len(data)):
        compare(data[:length])
    longer = bytearray(data[:24] + bytes(8) + data[24:])
    longer[4] = 32
    assert compare(bytes(longer))
    longer[28] = 1
    assert not compare(bytes(longer))
    assert not compare(data + b"\0")
    assert not compare(random.Random(1).randbytes(200))
