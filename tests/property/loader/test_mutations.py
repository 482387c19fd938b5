# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whatever bytes an object file has, the loader gives a value or a BadInput that says where."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.dump_c import dump_c
from bpfvm.btf.dump_raw import dump_raw
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.link import link_program
from bpfvm.obj.open import open_object
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


def mutated(data: bytes, seed: int, start: int, end: int) -> bytes:
    """A few bytes between start and end changed: bits flipped, small and huge numbers, pieces copied."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(start, end)
        kind = rng.randrange(4)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            word = rng.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, len(data)))
            changed[at & ~3 : (at & ~3) + 4] = word.to_bytes(4, "little")
        else:
            source = rng.randrange(start, end)
            piece = data[source : source + rng.randint(1, 16)]
            changed[at : at + len(piece)] = piece
    return bytes(changed[: len(data)])


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


def areas(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Parts of the file that are worth mutating: each section, the headers, everything."""
    elf = read_elf(data, "policy")
    yield "ELF header", 0, 64
    yield "section headers", len(data) - 64 * len(elf.sections), len(data)
    yield "everything", 0, len(data)
    for section in elf.sections:
        if len(section.data) and not section.name.startswith((".debug", ".rel.debug", ".strtab")):
            yield section.name, section.offset, section.offset + section.size


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
