# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every committed object is a BPF object that a loader can use, and everything that names one names a real one."""

from __future__ import annotations

import errno
import io
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from bpf_progs.elf_strip import read_section
from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.scenario.parse import read_scenario

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / "bpf_progs/built"
OBJECTS = sorted(BUILT.glob("*.bpf.o"))
SOURCES = sorted(p for folder in ("policies", "negative") for p in (ROOT / "bpf_progs" / folder).glob("*.bpf.c"))
STORIES = sorted((ROOT / "tests/struct_ops/stories").glob("*.yaml"))
EXPECTATIONS: list[dict[str, Any]] = yaml.safe_load((ROOT / "bpf_progs/negative/expect.yaml").read_text())


def test_every_source_has_its_object_and_the_other_way_round() -> None:
    assert {p.name.removesuffix(".c") for p in SOURCES} == {p.name.removesuffix(".o") for p in OBJECTS}


@pytest.mark.parametrize("path", OBJECTS, ids=lambda p: p.name)
def test_object(path: Path) -> None:
    elf = ELFFile(io.BytesIO(path.read_bytes()))
    assert (elf.elfclass, elf.little_endian, elf["e_machine"], elf["e_type"]) == (64, True, "EM_BPF", "ET_REL")
    names = {s.name for s in elf.iter_sections()}
    assert {".BTF", ".BTF.ext", ".struct_ops.link", "license"} <= names or path.stem.startswith("n15")
    assert not [n for n in names if n.startswith((".debug", ".rel.debug", ".eh_frame", ".llvm"))]
    for section in elf.iter_sections():
        if isinstance(section, RelocationSection):
            target, symbols = elf.get_section(section["sh_info"]), elf.get_section(section["sh_link"])
            assert section.name == ".rel" + target.name
            assert isinstance(symbols, SymbolTableSection)
            for relocation in section.iter_relocations():
                assert relocation["r_info_sym"] < symbols.num_symbols()
                assert relocation["r_offset"] < target["sh_size"]


@pytest.mark.parametrize("path", OBJECTS, ids=lambda p: p.name)
def test_objects_declare_bpf_thp_ops_as_the_kernel_does(path: Path) -> None:
    btf = Btf.parse(read_section(path.read_bytes(), ".BTF"), name=path.name)
    struct = btf.type(btf.find("bpf_thp_ops", t.Struct))
    assert isinstance(struct, t.Struct)
    assert struct.size == 32
    assert [(m.name, m.bit_offset) for m in struct.members] == [("pid", 0), ("thp_get_order", 64), ("mm_list", 128)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_sources_explain_themselves(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n/*\n * ")
    assert "LICENSE(" in text and 'SEC(".struct_ops.link")' in text
    assert max(map(len, text.expandtabs(8).splitlines())) <= 120


def test_every_refused_program_has_an_expectation() -> None:
    assert {e["object"] for e in EXPECTATIONS} == {p.name for p in OBJECTS if re.match(r"n\d\d_", p.name)}


@pytest.mark.parametrize("expected", EXPECTATIONS, ids=lambda e: f"{e['object']}-{e['profile']}-{e.get('member', '')}")
def test_expectations_use_known_words(expected: dict[str, Any]) -> None:
    known = {"object", "profile", "accepted_by", "stage", "errno", "log", "console", "member"}
    assert set(expected) <= known
    assert expected["stage"] in ("open", "load", "populate")
    assert expected["errno"] in errno.errorcode.values()
    assert expected["profile"] in ("6.12", "6.18", "6.18+mm-trust")


def test_every_seen_story_is_there() -> None:
    numbers = {int(p.name[:2]) for p in STORIES}
    assert numbers >= set(range(19))


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_story_is_well_formed_and_its_objects_exist(path: Path) -> None:
    story = read_scenario(path)
    assert len(story.about) > 100
    assert story.profile == "v11"
    missing = [o for o in story.objects.values() if not (BUILT / o).is_file()]
    assert not missing
    for step in story.steps:
        if "map" in step.args:
            name, _, map_name = str(step.args["map"]).partition(".")
            source = (BUILT / story.objects[name]).read_bytes()
            assert map_name.encode() + b"\0" in source, step.text()
