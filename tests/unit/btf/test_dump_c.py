# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The C dump: what it looks like, and that compilers lay it out as the BTF says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.builder import Builder
from bpfvm.btf.dump_c import dump_c
from bpfvm.btf.write import serialise
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput
from tests.unit.btf.c_roundtrip import Leaf, assertions, compare, leaves, structs_with_bitfields, unique_structs
from tests.unit.obj.bpf_cc import compile_c

ROOT = Path(__file__).parents[3]
VMLINUX = Path("/sys/kernel/btf/vmlinux")
EMULATED = ROOT / "thpmm/kernel/emulated.btf"

AWKWARD = """
struct fwd; struct later; typedef struct fwd *fwd_p; typedef int (*op_t)(struct later *, fwd_p);
struct later { op_t op; int (*table[3])(const char *restrict, ...); const volatile char *const *p; };
struct packed { char c; u64 l; } __attribute__((packed));
struct holder { char a; struct packed p; u16 tail; };
struct aligned { int x; } __attribute__((aligned(64)));
struct gap { u8 a : 3; u8 : 5; u8 b : 2; u64 wide : 40; int after; struct aligned al; char end; };
struct packed_bits { u32 a : 20; u32 b : 20; u32 c : 24; } __attribute__((packed));
struct anon { int x; struct { int y; union { long z; struct { char q, r; }; }; }; enum { ONE_A, ONE_B } e; };
union big { int i; char c[3]; } __attribute__((aligned(32)));
struct flex { u32 n; struct packed items[]; };
struct self { struct self *next; struct peer *peer; }; struct peer { struct self one; struct peer *two; };
enum small { SMALL = 1 } __attribute__((packed)); enum wide { WIDE = 1ull << 40, NARROW = 1 };
struct enums { enum small s; enum wide w; enum small t : 4; };
struct empty {}; struct none { struct empty e[0]; int i; };
typedef struct { int in_typedef; struct later *l; } anon_t; struct i128 { char c; __int128 big; };
struct matrix { int m[2][3]; int (*pm)[4]; int *(*fn)(int (*)(void), anon_t); };
"""


def awkward() -> Btf:
    names = ["later", "holder", "gap", "packed_bits", "anon", "flex", "self", "peer", "enums", "none", "i128", "matrix"]
    source = AWKWARD + "".join(f"struct {name} v_{name};" for name in names) + "union big v_big; anon_t v_anon_t;"
    section = read_elf(compile_c(source).read_bytes(), "awkward").section(".BTF")
    assert section is not None
    return Btf.parse(bytes(section.data))


def check(btf: Btf, *, everything: bool) -> int:
    header = dump_c(btf)
    source, count = assertions(btf, header)
    compile_c(source, "-O0", plain=True)
    compiled = compile_c(structs_with_bitfields(btf, header, everything=everything), "-O0", plain=True)
    compare(btf, compiled)
    return count


def test_awkward_types_keep_their_layouts() -> None:
    btf = awkward()
    assert check(btf, everything=True) >= 12
    assert compare(btf, compile_c(structs_with_bitfields(btf, dump_c(btf), everything=True), "-O0", plain=True)) >= 12


@pytest.mark.parametrize("name", ["emulated.btf", "emulated-patch04.btf"])
def test_emulated_kernel_keeps_its_layouts(name: str) -> None:
    btf = Btf.parse((ROOT / "thpmm/kernel" / name).read_bytes(), name=name)
    assert check(btf, everything=True) == len(list(unique_structs(btf)))


def test_running_kernel_keeps_its_layouts() -> None:
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    assert check(Btf.parse(VMLINUX.read_bytes()), everything=False) > 5000


def bpftool_header(data: bytes, folder: Path) -> str:
    """What bpftool prints for the same BTF."""
    tool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin")
    if tool is None:
        pytest.skip("bpftool is not installed")
    file = folder / "types.btf"
    file.write_bytes(data)
    command = [tool, "btf", "dump", "file", str(file), "format", "c"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def layouts(header: str, btf: Btf) -> dict[str, tuple[int, list[Leaf]]]:
    """Sizes and members of the structs that a compiler makes of a header."""
    compiled = compile_c(structs_with_bitfields(btf, header, everything=True), "-O0", plain=True)
    section = read_elf(compiled.read_bytes(), str(compiled)).section(".BTF")
    assert section is not None
    made = Btf.parse(bytes(section.data))
    return {struct.name: (struct.size, leaves(made, struct)) for struct in unique_structs(made)}


@pytest.mark.parametrize("source", ["awkward", "emulated"])
def test_same_layouts_as_bpftools_header(source: str, tmp_path: Path) -> None:
    """bpftool (7.1) misplaces members of a few packed and over-aligned structs; what we print is as BTF has it."""
    btf = awkward() if source == "awkward" else Btf.parse(EMULATED.read_bytes())
    theirs = layouts(bpftool_header(btf.data, tmp_path), btf)
    ours = layouts(dump_c(btf), btf)
    assert ours.keys() == theirs.keys() and len(ours) > 10
    recorded = {struct.name: (struct.size, leaves(btf, struct)) for struct in unique_structs(btf)}
    for name, layout in ours.items():
        assert layout == theirs[name] or (layout == recorded[name] != theirs[name]), name
    assert sum(ours[name] != theirs[name] for name in ours) <= 2


def test_text() -> None:
    b = Builder()
    number = b.integer("int", 4, signed=True)
    foo = b.next_id + 1
    pointer = b.ptr(foo)
    assert b.struct("foo", [("a", number), ("next", pointer)]) == foo
    callback = b.ptr(b.add(t.FuncProto(number, (t.Param("x", pointer), t.Param("", 0)))))
    b.typedef("cb_t", callback)
    b.enum("colour", [("RED", 0), ("BLUE", -2)])
    text = dump_c(b.build())
    assert "struct foo {\n\tint a;\n\tstruct foo *next;\n};\n" in text
    assert "typedef int (*cb_t)(struct foo *, ...);\n" in text
    assert "enum colour {\n\tRED = 0,\n\tBLUE = -2,\n};\n" in text
    assert text.startswith("#ifndef __VMLINUX_H__\n") and "push (__attribute__((preserve_access_index))" in text


def test_same_names_become_flavours() -> None:
    b = Builder()
    number = b.integer("int", 4, signed=True)
    b.struct("twin", [("a", number)])
    b.struct("twin", [("b", number)])
    b.enum("", [("X", 1)])
    b.enum("", [("X", 2)])
    text = dump_c(b.build())
    assert "struct twin {\n\tint a;" in text and "struct twin___2 {\n\tint b;" in text
    assert "X = 1" in text and "X___2 = 2" in text


def test_what_only_other_languages_have_is_left_out() -> None:
    """Members on each other (Rust's enums), twice the same name, none; the size stays and the rest its place."""
    b = Builder()
    number = b.integer("int", 4, signed=True)
    tagged = b.struct("tagged", [("inside", number)])
    variants = [t.Member("a", number, 0), t.Member("b", number, 0), t.Member("", number, 32), t.Member("a", number, 64)]
    b.add(t.Struct("odd", 24, (*variants, t.Member("last", number, 96), t.Member("", tagged, 128))))
    b.typedef("short_float", b.floating("_Float16", 2))
    b.typedef("no_pointer", b.restrict(number))
    btf = b.build()
    text = dump_c(btf)
    for line in ("b at bit 0 overlaps with", "a member at bit 32 has no name", "a at bit 64 is there twice"):
        assert f"\t/* {line}" in text
    source = f"{text}\nstruct odd v; short_float f; no_pointer n; int use(void) {{ return v.inside; }}"
    compiled = compile_c(source, "-O0", plain=True)
    section = read_elf(compiled.read_bytes(), "odd").section(".BTF")
    assert section is not None
    made = Btf.parse(bytes(section.data))
    odd = made.struct("odd")
    assert (odd.size, leaves(made, odd)) == (24, [("a", 0, 0), ("last", 96, 0), ("inside", 128, 0)])


def test_chosen_types_bring_what_they_need() -> None:
    b = Builder()
    number = b.integer("int", 4, signed=True)
    inner = b.struct("inner", [("a", number)])
    outer = b.struct("outer", [("i", inner)])
    b.struct("unrelated", [("a", number)])
    text = dump_c(b.build(), [outer])
    assert text.index("struct inner {") < text.index("struct outer {")
    assert "unrelated" not in text


def test_kernel_functions() -> None:
    b = Builder()
    number = b.integer("int", 4, signed=True)
    b.add(t.DeclTag("bpf_kfunc", b.func("kf", number, [("x", number)])))
    b.func("plain", number, [])
    text = dump_c(b.build(), kfuncs=True)
    assert "extern int kf(int) __weak __ksym;\n" in text and "plain" not in text
    compile_c(text, "-O0", plain=True)


@pytest.mark.parametrize(
    ("types", "text"),
    [
        ([t.Struct("s", 4, (t.Member("m", 1, 0),))], "nests too deeply|contains itself"),
        ([t.Int("int", 4, 32), t.Struct("bad name", 4, (t.Member("m", 1, 0),))], "not a C identifier"),
        ([t.Int("int", 4, 32), t.Struct("s", 4, (t.Member("a;b", 1, 0),))], "not a C identifier"),
        ([t.Typedef("a", 2), t.Typedef("b", 1)], "contains itself|defined by itself|nests too deeply"),
        ([t.Const(2), t.Const(1), t.Typedef("t", 1)], "too deeply"),
        ([t.Int("odd", 3, 24), t.Typedef("t", 1)], "no integer of 3 bytes"),
        ([t.Array(1, 1, 2), t.Typedef("t", 1)], "too deeply"),
        ([t.FuncProto(0, ()), t.Struct("s", 8, (t.Member("f", 1, 0),))], "has no size"),
    ],
)
def test_what_c_cannot_say(types: list[t.BtfType], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        dump_c(Btf.parse(serialise(types)))


def test_shared_anonymous_types_do_not_multiply() -> None:
    types: list[t.BtfType] = [t.Int("int", 4, 32)]
    for level in range(40):
        inner = len(types)
        types.append(t.Struct("", 4, tuple(t.Member(f"m{level}_{i}", inner, 0) for i in range(4)), is_union=True))
    types.append(t.Struct("top", 4, (t.Member("m", len(types), 0),)))
    with pytest.raises(BadInput, match="multiply without end"):
        dump_c(Btf.parse(serialise(types)))
