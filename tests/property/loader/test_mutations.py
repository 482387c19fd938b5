# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whatever bytes an object file has, the loader gives a value or a BadInput that says where."""

from __future__ import annotations

import random

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.dump_c import dump_c
from bpfvm.btf.dump_raw import dump_raw
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.link import link_program
from bpfvm.obj.open import open_object
from tests.fuzz.loader.mutate import areas, mutated
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import KERNEL, POLICY

ROUNDS = 100


@pytest.fixture(scope="module")
def policy() -> bytes:
    return compile_c(POLICY).read_bytes()


@pytest.fixture(scope="module")
def kernel() -> Btf:
    section = read_elf(compile_c(KERNEL).read_bytes(), "kernel").section(".BTF")
    assert section is not None
    return Btf.parse(bytes(section.data))


def load(data: bytes, kernel: Btf) -> bool:
    """Open and link everything; True if all of it worked."""
    try:
        spec = open_object(data)
    except BadInput as error:
        assert error.message
        return False
    whole = True
    for name in spec.programs:
        try:
            link_program(spec, name, kernel)
        except BadInput:
            whole = False
    return whole


def test_intact_object_loads_but_for_the_typeless_program(policy: bytes, kernel: Btf) -> None:
    spec = open_object(policy)
    for name in spec.programs:
        if name != "typeless":
            assert link_program(spec, name, kernel).insns


def test_mutated_objects_give_a_value_or_bad_input(policy: bytes, kernel: Btf) -> None:
    for name, start, end in areas(policy):
        rounds = ROUNDS if name in (".BTF", ".BTF.ext", "everything", "section headers", ".symtab") else ROUNDS // 10
        for seed in range(rounds):
            load(mutated(policy, seed, start, end), kernel)


def test_truncated_objects_are_bad_input(policy: bytes) -> None:
    for length in range(0, len(policy), max(1, len(policy) // 150)):
        with pytest.raises(BadInput):
            open_object(policy[:length])


def test_mutated_btf_prints_or_is_bad_input(policy: bytes) -> None:
    section = read_elf(policy, "policy").section(".BTF")
    assert section is not None
    intact = bytes(section.data)
    for seed in range(ROUNDS):
        try:
            btf = Btf.parse(mutated(intact, seed, 0, len(intact)))
            dump_raw(btf)
            dump_c(btf)
        except BadInput:
            continue


def test_random_bytes_are_bad_input() -> None:
    rng = random.Random(1)
    for length in (0, 1, 4, 16, 63, 64, 65, 1000):
        for prefix in (b"", b"\x7fELF", b"\x7fELF\x02\x01\x01"):
            with pytest.raises((BadInput, UsageError)):
                open_object(prefix + rng.randbytes(length))
