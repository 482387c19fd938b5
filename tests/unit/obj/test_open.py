# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Opening: what the spec of one object that uses everything says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.btf import types as t
from bpfvm.errors import BadInput, UsageError
from bpfvm.obj.data_maps import data_map_name
from bpfvm.obj.maps import ringbuf_size
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import POLICY


@pytest.fixture(scope="module")
def path() -> Path:
    return compile_c(POLICY)


@pytest.fixture(scope="module")
def spec(path: Path) -> ObjectSpec:
    return open_object(path, name="everything_in_one_object", kconfig={"CONFIG_NAME": "abc", "CONFIG_THP": "y"})


def test_programs_follow_their_section_names(spec: ObjectSpec) -> None:
    facts = {p.name: (p.prog_type, p.attach_to, p.sleepable, p.autoload) for p in spec.programs.values()}
    assert facts == {
        "get_order": ("struct_ops", "thp_get_order", False, True),
        "other": ("struct_ops", "other", True, False),
        "tc_one": ("sched_cls", "", False, True),
        "tc_two": ("sched_cls", "", False, True),
        "traced": ("tracing", "kf_present", True, True),
        "typeless": ("unspec", "", False, True),
    }
    assert spec.programs["tc_two"].section_offset > 0
    assert spec.programs["traced"].expected_attach_type == 24
    assert spec.license == "Dual BSD/GPL"


def test_subprograms_come_from_text(spec: ObjectSpec) -> None:
    assert set(spec.subprogs) == {"inner_sub", "outer_sub", "hidden_sub", "callback"}
    calls = [r.symbol for r in spec.programs["get_order"].relocs if r.kind == "call"]
    assert {"outer_sub", "hidden_sub", "inner_sub"} == set(calls)
    assert [r.symbol for r in spec.programs["get_order"].relocs if r.kind == "func"] == ["callback"]


def test_hidden_functions_become_static(spec: ObjectSpec) -> None:
    assert spec.btf is not None
    linkage = {f.name: f.linkage for i in spec.btf.ids() if isinstance(f := spec.btf.type(i), t.Func)}
    assert linkage["hidden_sub"] == 0
    assert linkage["outer_sub"] == 1


def test_declared_maps(spec: ObjectSpec) -> None:
    counts = spec.maps["counts"]
    assert (counts.map_type, counts.key_size, counts.value_size, counts.max_entries) == ("hash", 4, 8, 16)
    assert (counts.map_flags, counts.pinning) == (1, 1)
    assert spec.maps["ring"].max_entries == 8192
    assert spec.maps["bloom"].map_extra == 7
    outer = spec.maps["outer"]
    assert outer.inner is not None
    assert (outer.inner.name, outer.inner.map_type, outer.inner.max_entries) == ("outer.inner", "array", 4)
    assert outer.slots == {1: "in_a", 3: "in_b"}


def test_global_variables_are_maps(spec: ObjectSpec) -> None:
    sections = {
        m.section: (key, m.frozen, m.map_flags & 1024 != 0) for key, m in spec.maps.items() if m.initial is not None
    }
    assert sections == {
        ".rodata": ("everythi.rodata", True, True),
        ".data": ("everythi.data", False, True),
        ".bss": ("everythi.bss", False, True),
        ".data.custom": (".data.custom", False, True),
        ".kconfig": ("everyth.kconfig", True, True),
    }
    assert spec.maps["everythi.rodata"].initial == (7).to_bytes(4, "little")
    assert spec.maps[".data.custom"].initial == (9).to_bytes(8, "little")


def test_datasec_offsets_are_filled_in(spec: ObjectSpec) -> None:
    holder = spec.maps["everythi.data"]
    assert holder.btf is not None and holder.initial is not None
    datasec = holder.btf.type(holder.value_type_id)
    assert isinstance(datasec, t.Datasec)
    assert datasec.size == len(holder.initial)
    assert {holder.btf.type(v.type).name: v.size for v in datasec.vars} == {"config": 16, "counter": 4}
    assert len({v.offset for v in datasec.vars}) == 2


def test_externs(spec: ObjectSpec) -> None:
    assert spec.ksyms == {"kf_present": "func", "kf_absent": "weak_func"}
    assert set(spec.kconfig) == {"LINUX_KERNEL_VERSION", "CONFIG_THP", "CONFIG_NAME"}
    assert spec.kconfig_unset == ()
    # by descending alignment, then size: int, bool, char[8]
    assert spec.maps["everyth.kconfig"].initial == (6 << 16 | 18 << 8).to_bytes(4, "little") + b"\x01abc\0\0\0\0\0"


def test_kconfig_values_must_fit(path: Path) -> None:
    with pytest.raises(UsageError, match=r"CONFIG_THP.*not a bool"):
        open_object(path, kconfig={"CONFIG_THP": 2})
    with pytest.raises(UsageError, match="implies tristate"):
        open_object(path, kconfig={"CONFIG_THP": "m"})


def test_struct_ops_instances(spec: ObjectSpec) -> None:
    linked, plain = spec.struct_ops["linked"], spec.struct_ops["plain"]
    assert (linked.section, linked.link, linked.autocreate) == (".struct_ops.link", True, True)
    assert (plain.section, plain.link, plain.autocreate) == (".struct_ops", False, False)
    assert (linked.type_name, linked.funcs) == ("bpf_thp_ops", {"thp_get_order": "get_order"})
    assert linked.initial == (42).to_bytes(16, "little")
    assert plain.funcs == {"thp_get_order": "other"}


def test_opening_is_pure(path: Path) -> None:
    ours, theirs = open_object(path), open_object(path.read_bytes(), name=path.name.split(".")[0])
    assert {k: p.insns for k, p in ours.programs.items()} == {k: p.insns for k, p in theirs.programs.items()}
    assert list(ours.maps) == list(theirs.maps)


def test_lines_belong_to_the_source(spec: ObjectSpec) -> None:
    lines = spec.programs["tc_two"].line_info
    assert lines[0].insn == 0
    assert "int tc_two(void *skb)" in lines[0].text
    assert lines[0].file.endswith("test.c")


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (".rodata", "my_objec.rodata"),
        (".bss", "my_objec.bss"),
        (".kconfig", "my_obje.kconfig"),
        (".data.custom", ".data.custom"),
        (".rodata.a_long_custom_name", ".rodata.a_long_"),
    ],
)
def test_names_of_data_maps(section: str, name: str) -> None:
    assert data_map_name("my_object", section) == name


def test_map_names_have_only_kernel_characters() -> None:
    assert data_map_name("a-b c", ".bss") == "a_b_c.bss"


@pytest.mark.parametrize(
    ("asked", "got"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192), (12288, 16384), (1 << 20, 1 << 20)]
)
def test_ring_buffers_are_powers_of_two_pages(asked: int, got: int) -> None:
    assert ringbuf_size(asked) == got


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('struct { int a; } m SEC("maps");', "map 'm': unknown map type 0"),
        ('static struct { int a; } m SEC("maps");', "map 'm' (legacy): static maps are not supported"),
        ('struct { int a[6]; } m SEC("maps") = {{1, 4, 4, 1, 0, 9}};', '"m" has unrecognized, non-zero options'),
        ('struct { int a[5]; } m SEC("maps") = {{1, 4, 4, 1}}; int n SEC("maps") = 1;', '"n" too small'),
        (
            'struct { int a[5]; } m SEC("maps") = {{1, 4, 4, 1}}; struct { char a[9]; } n SEC("maps");',
            "unable to determine legacy map definition size",
        ),
        ('struct { __uint(type, 1); __uint(frobs, 1); } m SEC(".maps");', "map 'm': unknown field 'frobs'"),
        ('struct { __uint(max_entries, 1); } m SEC(".maps");', "map 'm': map type isn't specified"),
        ('struct { __uint(type, 1); int key; } m SEC(".maps");', "map 'm': key spec is not PTR: INT"),
        (
            'struct { __uint(type, 2); __uint(key_size, 8); __type(key, u32); } m SEC(".maps");',
            "conflicting key size 8 != 4",
        ),
        ('static struct { __uint(type, 1); } m SEC(".maps"); SEC("tc") void *f(void) { return &m; }', "linkage static"),
        ('int v SEC("version") = 1; char w SEC("version");', "invalid kver section"),
        ('SEC("tc") static int f(void) { return 0; }', "program 'f' is static and not supported"),
        ('struct { int (*f)(void); } o SEC(".struct_ops") = {};', "anonymous type is not supported"),
        ('int o SEC(".struct_ops") = 1;', "int is not a struct"),
        (
            'SEC("tc") int f(void *c) { return 0; } struct ops { int (*f)(void *); } o SEC(".struct_ops") = { f };',
            "struct_ops reloc o: prog f is not struct_ops BPF program",
        ),
        (
            'SEC("struct_ops") int f(void *c) { return 0; } struct ops { void *f; } o SEC(".struct_ops") = { f };',
            "struct_ops reloc o: cannot relocate non func ptr f",
        ),
        (
            'int x; SEC("tc") int f(void *c) { static int y SEC("strange") = 1; return *(volatile int *)&y; }',
            "bad map relo",
        ),
        ('extern int x; SEC("tc") int f(void *c) { return x; }', "extern"),
    ],
)
def test_what_cannot_be_opened_is_named(source: str, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        open_object(compile_c(source))
    assert text in str(caught.value)
    assert "test.bpf.o" in str(caught.value)


def test_files_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        open_object(tmp_path / "missing.o")
    with pytest.raises(BadInput, match="not a regular file"):
        open_object(tmp_path)
    with pytest.raises(BadInput, match="not a regular file"):
        open_object("/dev/zero")
