# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Shipped objects with a few bytes changed go the whole way: open, load, attach, fault. Only typed errors come out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import bpfvm
from bpfvm.errors import InternalError, Trap
from bpfvm.paths import built_objects

OBJECTS = sorted(built_objects().glob("*.bpf.o"))
MUTANTS = 12


def mutant(data: bytes, chance: random.Random) -> bytes:
    """One to eight bytes replaced."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(changed))
        changed[at] = chance.choice((chance.randrange(256), changed[at] ^ 1 << chance.randrange(8), 0, 255))
    return bytes(changed)


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name.partition(".")[0])
def test_only_typed_errors(path: Path) -> None:
    chance = random.Random(path.name)
    data = path.read_bytes()
    with bpfvm.Session(checker="kasan", sysfs={"enabled": "always"}) as session:
        pid = session.thp.spawn("a").pid
        for _ in range(MUTANTS):
            try:
                spec = bpfvm.open(mutant(data, chance))
                loaded = session.load(spec, set={f"{name}.pid": pid for name in spec.struct_ops})
                for name in loaded.struct_ops:
                    link = loaded.attach(name)
                    session.thp.fresh_fault("a")
                    link.detach()
                    link.close()
            except bpfvm.BpfvmError as error:
                # an accepted program that traps would be a soundness bug
                assert not isinstance(error, InternalError | Trap)


def test_a_member_beyond_its_instance_is_bad_input() -> None:
    """Found by mutation: a pid of 4 GiB made a number of 32 Gbit."""
    from dataclasses import replace

    spec = bpfvm.open(built_objects() / "two_orders.bpf.o")
    instance = replace(spec.struct_ops["pol_a"], initial=b"\0\0")
    with bpfvm.Session() as session, pytest.raises(bpfvm.BadInput, match="outside of the 2 bytes"):
        session.load(replace(spec, struct_ops={"pol_a": instance}), set={"pol_a.pid": 1})
