# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Building BTF, and writing what was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.builder import Builder
from bpfvm.btf.check import validate
from bpfvm.btf.layout import align_of, container_of, member
from bpfvm.btf.write import rewrite, serialise
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput, UsageError
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import POLICY

EVERY_KIND: tuple[t.BtfType, ...] = (
    t.Int("int", 4, 32, 1),
    t.Ptr(1),
    t.Array(1, 1, 3),
    t.Struct("s", 8, (t.Member("a", 1, 0, 3), t.Member("b", 1, 32, 32)), kind_flag=True),
    t.Struct("u", 4, (t.Member("", 1, 0),), is_union=True),
    t.Enum("e", 4, (("NEG", -1), ("POS", 1)), signed=True),
    t.Fwd("f", True),
    t.Typedef("td", 1),
    t.Volatile(1),
    t.Const(1),
    t.Restrict(2),
    t.FuncProto(1, (t.Param("x", 1), t.Param("", 0))),
    t.Func("fn", 12, 2),
    t.Var("v", 1, 1),
    t.Datasec(".data", 4, (t.VarSecinfo(14, 0, 4),)),
    t.Float("double", 8),
    t.DeclTag("tag", 4, 1),
    t.DeclTag("attr", 4, -1, True),
    t.TypeTag("rcu", 1),
    t.TypeTag("address_space(1)", 1, True),
    t.Enum("big", 8, (("A", 1 << 40), ("B", -(1 << 63))), signed=True, is64=True),
)


def test_every_kind_survives() -> None:
    btf = Btf.parse(serialise(EVERY_KIND))
    assert tuple(btf.type(i) for i in btf.ids()) == EVERY_KIND
    assert rewrite(btf) == btf.data


def test_compiled_btf_is_written_as_it_was() -> None:
    section = read_elf(compile_c(POLICY).read_bytes(), "policy").section(".BTF")
    assert section is not None
    data = bytes(section.data)
    assert rewrite(Btf.parse(data)) == data


def test_kernel_btf_is_written_as_it_was() -> None:
    vmlinux = Path("/sys/kernel/btf/vmlinux")
    if not vmlinux.exists():
        pytest.skip("this kernel has no BTF")
    data = vmlinux.read_bytes()
    assert rewrite(Btf.parse(data)) == data


def test_builder_lays_structs_out() -> None:
    b = Builder()
    char, long = b.integer("char", 1), b.integer("long", 8, signed=True)
    inner = b.struct("inner", [("c", char), ("l", long)])
    outer = b.struct("outer", [("x", char), ("", inner), ("many", b.array(inner, long, 3))])
    btf = b.build()
    assert (btf.size_of(inner), btf.size_of(outer), align_of(btf, outer)) == (16, 72, 8)
    assert member(btf, outer, "l").offset == 16
    assert member(btf, outer, "many[2].l").offset == 24 + 32 + 8
    assert container_of(btf, 1000, outer, "many[1]") == 1000 - 40
    for path, text in (("nope", "no member 'nope'"), ("many[3]", "outside of an array"), ("x[0]", "does not index")):
        with pytest.raises(BadInput, match=text):
            member(btf, outer, path)


def test_split_btf_goes_on_where_its_base_ends() -> None:
    base_builder = Builder()
    number = base_builder.integer("int", 4)
    base = base_builder.build()
    b = Builder(base)
    pair = b.struct("pair", [("a", number), ("b", number)])
    func = b.func("f", number, [("p", b.ptr(pair))])
    btf = b.build()
    assert (pair, btf.find("pair"), btf.size_of(pair)) == (2, 2, 8)
    assert btf.name_of(func) == "f"
    assert btf.find("int") == number


def test_split_btf_is_written_as_it_was() -> None:
    base_builder = Builder()
    number = base_builder.integer("int", 4)
    base_builder.struct("shared_name", [("member", number)])
    base = base_builder.build()
    b = Builder(base)
    b.struct("own_name", [("member", number), ("shared_name", number)])
    data = b.to_bytes()
    assert b"own_name" in data and b"member" not in data
    split = Btf.parse(data, base=base)
    assert rewrite(split) == data
    assert split.struct("own_name").members[1].name == "shared_name"
    only_ids = Builder(base)
    only_ids.ptr(number)
    assert rewrite(Btf.parse(only_ids.to_bytes(), base=base)) == only_ids.to_bytes()


LAID_OUT = """
struct bits { u8 a : 3; u32 b : 30; u64 c : 40; u16 d; u8 e : 7; u8 f : 2; }; union both { u8 a : 5; u32 b; u64 c[2]; };
struct holder { u8 x; union both y; struct bits z; u16 w; }; struct holder v; enum wide { BIG = 1ull << 40 } w;
"""


def test_builder_lays_out_as_compilers_do() -> None:
    section = read_elf(compile_c(LAID_OUT).read_bytes(), "laid out").section(".BTF")
    assert section is not None
    compiled = Btf.parse(bytes(section.data))
    b = Builder()
    u8, u16, u32, u64 = (b.integer(name, size) for name, size in (("a", 1), ("b", 2), ("c", 4), ("d", 8)))
    bits = b.struct("bits", [("a", u8, 3), ("b", u32, 30), ("c", u64, 40), ("d", u16), ("e", u8, 7), ("f", u8, 2)])
    both = b.union("both", [("a", u8, 5), ("b", u32), ("c", b.array(u64, u32, 2))])
    b.struct("holder", [("x", u8), ("y", both), ("z", bits), ("w", u16)])
    made = b.build()
    for name in ("bits", "both", "holder"):
        ours, theirs = made.struct(name), compiled.struct(name)
        assert (ours.size, ours.is_union) == (theirs.size, theirs.is_union)
        facts = [[(m.name, m.bit_offset, m.bitfield_size) for m in each.members] for each in (ours, theirs)]
        assert facts[0] == facts[1]


def test_builder_has_every_kind() -> None:
    b = Builder()
    number = b.integer("int", 4, signed=True)
    later = b.next_id + 1
    b.ptr(later)
    struct = b.struct("s", [("a", number)])
    assert struct == later
    text = b.array(b.integer("char", 1), number, 5)
    variables = [b.var("c", text), b.var("n", number)]
    section = b.datasec(".data", variables)
    before = b.next_id
    made = [b.const(struct), b.volatile(struct), b.restrict(later - 1), b.typedef("t", struct)]
    assert made == [before, before + 1, before + 2, before + 3]
    b.fwd("f", union=True), b.floating("double", 8), b.type_tag("rcu", struct), b.decl_tag("tag", struct, 0)
    b.enum("e", [("A", -1)]), b.enum("big", [("B", 1 << 40)], 8)
    b.func("fn", number, [("x", number), ("", 0)])
    btf = b.build()
    validate(btf)
    found = btf.type(section)
    assert isinstance(found, t.Datasec)
    assert [(each.offset, each.size) for each in found.vars] == [(0, 5), (8, 4)] and found.size == 12
    assert {btf.kind_of(i) for i in btf.ids()} == {*range(1, 20)} - {5}
    with pytest.raises(UsageError, match="doesn't fit into 4 bytes"):
        b.enum("e", [("A", 1 << 32)])
    with pytest.raises(UsageError, match="not a variable"):
        b.datasec(".data", [number])
    with pytest.raises(BadInput, match="does not exist yet"):
        b.struct("t", [("a", b.next_id)])


def test_what_cannot_be_written() -> None:
    with pytest.raises(UsageError, match="NUL"):
        serialise([t.Fwd("a\0b")])
    with pytest.raises(UsageError, match="VOID"):
        serialise([t.Void()])
    with pytest.raises(UsageError, match="65536 elements"):
        serialise([t.Enum("e", 4, tuple((f"v{i}", i) for i in range(65536)))])
