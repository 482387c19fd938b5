# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Big-endian objects are read like their little-endian twins, and refused where they would have to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.endian import little_endian_btf, little_endian_ext
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput
from bpfvm.obj.link import link_program
from bpfvm.obj.linker import link_files
from bpfvm.obj.open import open_object
from bpfvm.report.listing import object_data
from bpfvm.session import Session
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import POLICY

FLAGS = ("-O2", "-mcpu=v3")


@pytest.fixture(scope="module")
def big() -> Path:
    return compile_c(POLICY, "-target", "bpfeb-freestanding", *FLAGS)


def test_same_as_the_little_endian_twin(big: Path) -> None:
    ours, theirs = open_object(compile_c(POLICY, *FLAGS), name="x"), open_object(big, name="x")
    assert theirs.big_endian and not ours.big_endian
    assert ours.programs.keys() == theirs.programs.keys()
    for key, prog in ours.programs.items():
        other = theirs.programs[key]
        assert (prog.insns, prog.relocs, prog.core_relos) == (other.insns, other.relocs, other.core_relos)
        assert [(each.insn, each.line) for each in prog.line_info] == [(e.insn, e.line) for e in other.line_info]
    for key, held in ours.maps.items():
        assert (held.map_type, held.key_size, held.value_size) == (
            theirs.maps[key].map_type,
            theirs.maps[key].key_size,
            theirs.maps[key].value_size,
        )


def test_globals_are_listed_as_bytes(big: Path) -> None:
    found = {each["name"]: each["value"] for each in object_data(open_object(big))["globals"]}
    assert found["limit"] == "00 00 00 07"


def test_refused_to_run(big: Path) -> None:
    spec = open_object(big)
    text = r"big-endian BPF object; only little-endian ones can be run \(compile it with -target bpfel\)"
    with pytest.raises(BadInput, match=text):
        link_program(spec, "tc_two", Btf.parse((Path(__file__).parents[3] / "thpmm/kernel/emulated.btf").read_bytes()))
    with Session() as session, pytest.raises(BadInput, match=text):
        session.load(spec)
    with pytest.raises(BadInput, match="big-endian BPF object; only little-endian ones can be linked"):
        link_files([big])


def test_cut_off_sections_stay_bad_input(big: Path) -> None:
    elf = read_elf(big.read_bytes(), str(big))
    btf, ext = elf.section(".BTF"), elf.section(".BTF.ext")
    assert btf is not None and ext is not None
    for length in range(0, len(btf.data) - 1, 97):
        with pytest.raises(BadInput):
            Btf.parse(bytes(btf.data[:length]))
        assert len(little_endian_btf(bytes(btf.data[:length]))) == length
        assert len(little_endian_ext(bytes(ext.data[:length]))) == min(length, len(ext.data))
