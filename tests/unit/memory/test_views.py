# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from __future__ import annotations

import pytest

from bpfvm.btf import Btf
from bpfvm.errors import UsageError
from bpfvm.memory import ArrayView, Memory, MemoryFault, View, container_of, layout, offset_of, sizeof, view
from tests.unit.memory.btf_bytes import BtfBytes


def _btf() -> Btf:
    """struct thing { u32 pid; s32 nice; union { u64 both; struct { u32 low; u32 high; }; }; struct node *next;
    struct node in; char comm[8]; u16 ids[3]; u32 a:3, b:13; s32 c:4; enum e kind; u64 addr; }, struct node { u64 id;
    }"""
    make = BtfBytes()
    u8, u16, u32, u64 = (make.int(f"u{size * 8}", size) for size in (1, 2, 4, 8))
    s32 = make.int("int", 4, True)
    node = make.struct("node", 8, ("id", make.typedef("id_t", make.const(u64)), 0))
    node_ptr = make.ptr(make.const(node))
    halves = make.struct("", 8, ("low", u32, 0), ("high", u32, 32))
    either = make.struct("", 8, ("both", u64, 0), ("", halves, 0), union=True)
    comm, ids = make.array(u8, 8, u32), make.array(u16, 3, u32)
    kind = make.enum("e", MINUS=-1, ONE=1)
    make.struct(
        "thing", 72, ("pid", u32, 0), ("nice", s32, 32), ("", either, 64), ("next", node_ptr, 128), ("in", node, 192),
        ("comm", comm, 256), ("ids", ids, 320), ("a", u32, 384, 3), ("b", u32, 387, 13), ("c", s32, 400, 4),
        ("kind", kind, 416), ("addr", u64, 448),
    )  # fmt: skip
    return make.btf()


@pytest.fixture
def thing() -> View:
    memory, btf = Memory(), _btf()
    return view(memory, btf, "thing", memory.alloc(72))


def test_numbers_have_the_sign_and_width_of_their_types(thing: View) -> None:
    thing.pid = -1
    thing.nice = -5
    assert (thing.pid, thing.nice) == (0xFFFF_FFFF, -5)
    thing.kind = -1
    assert thing.kind == -1


def test_anonymous_members_are_members_of_the_outer_struct(thing: View) -> None:
    thing.both = 0x1_0000_0002
    assert (thing.low, thing.high) == (2, 1)
    assert thing.offset("high") == 12


def test_nested_structs_and_paths(thing: View) -> None:
    thing["in.id"] = 9
    assert thing["in"].id == thing["in.id"] == 9
    assert thing.addr_of("in.id") == thing.addr + 24
    assert thing["in"].addr == thing.addr + 24


def test_bit_fields_leave_their_neighbours_alone(thing: View) -> None:
    thing.a, thing.b, thing.c = 5, 0x1ABC, -3
    assert (thing.a, thing.b, thing.c) == (5, 0x1ABC, -3)
    thing.a = 0xFF
    assert (thing.a, thing.b, thing.c) == (7, 0x1ABC, -3)
    with pytest.raises(UsageError, match="no byte offset"):
        thing.offset("b")


def test_pointers_are_numbers_that_can_be_followed(thing: View) -> None:
    assert thing.next == 0
    assert thing.deref("next") is None
    thing.next = thing.addr_of("in")
    followed = thing.deref("next")
    assert followed == thing["in"]
    assert hash(followed) == hash(thing["in"])
    with pytest.raises(UsageError, match="no pointer"):
        thing.deref("pid")


def test_arrays(thing: View) -> None:
    thing.comm = b"bash"
    assert thing.comm.string() == "bash"
    thing.comm = b"a"
    assert thing.comm.raw() == b"a" + bytes(7)
    assert isinstance(thing.ids, ArrayView)
    thing.ids[2] = 0x1_0007
    assert (list(thing.ids), len(thing.ids)) == ([0, 0, 7], 3)
    for index in (-1, 3):
        with pytest.raises(IndexError):
            thing.ids[index]


def test_a_member_named_like_an_attribute_is_reached_by_name(thing: View) -> None:
    thing["addr"] = 3
    assert thing["addr"] == 3
    assert thing.addr > 3


def test_what_is_not_there_or_does_not_fit_is_refused(thing: View) -> None:
    with pytest.raises(UsageError, match=r"struct thing has no member .mm. .it has: pid, nice, both, low"):
        _ = thing.mm
    with pytest.raises(UsageError, match="no member"):
        thing.mm = 1
    with pytest.raises(UsageError, match="9 bytes don't fit"):
        thing.comm = b"123456789"
    with pytest.raises(UsageError, match="is a struct"):
        thing["in"] = 1
    assert not hasattr(thing, "__iter__")
    assert thing.has("low")
    assert not thing.has("mm")


def test_layout_questions() -> None:
    memory, btf = Memory(), _btf()
    type_id = btf.find("thing")
    assert (sizeof(btf, type_id), offset_of(btf, type_id, "in.id")) == (72, 24)
    assert layout(btf, type_id) is layout(btf, type_id)
    assert container_of(memory, btf, "thing", "in", 0x1018).addr == 0x1000
    with pytest.raises(UsageError, match="no struct nothing"):
        view(memory, btf, "nothing", 0)
    with pytest.raises(UsageError, match="is no struct"):
        View(memory, btf, btf.find("u32"), 0)
    with pytest.raises(MemoryFault):
        _ = view(memory, btf, "thing", 0).pid


def test_raw_and_repr(thing: View) -> None:
    thing.pid = 1
    assert thing.raw()[:8] == b"\1\0\0\0\0\0\0\0"
    assert repr(thing) == f"<thing at {thing.addr:#x}>"
