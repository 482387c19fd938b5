# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Register states and their texts; the texts were printed by a 6.18 verifier."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bpfvm.isa.word import S32_MIN, U64_MAX
from verifier.numbers import cnum
from verifier.numbers.tnum import Tnum
from verifier.state import reg
from verifier.state import reg_type as rt
from verifier.state.reg import Pointee, RegState
from verifier.text.reg_fmt import fmt_signed, fmt_unsigned

MAP: Any = SimpleNamespace(name="oracle", key_size=4, value_size=8)
NAMELESS: Any = SimpleNamespace(name="", key_size=0, value_size=0)
BTF: Any = SimpleNamespace(name_of=lambda btf_id: {7: "task_struct"}[btf_id])
VALUE = Pointee(map=MAP)
TASK = Pointee(btf=BTF, btf_id=7)
BYTE = cnum.of_range(0, 7)
UP_TO_7 = "smin=smin32=0,smax=umax=smax32=umax32=7,var_off=(0x0; 0x7)"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (rt.NOT_INIT, "?"),
        (rt.SCALAR_VALUE, "scalar"),
        (rt.PTR_TO_CTX, "ctx"),
        (rt.CONST_PTR_TO_MAP, "map_ptr"),
        (rt.PTR_TO_MAP_VALUE | rt.PTR_MAYBE_NULL, "map_value_or_null"),
        (rt.PTR_TO_STACK, "fp"),
        (rt.PTR_TO_BTF_ID, "ptr_"),
        (rt.PTR_TO_BTF_ID | rt.PTR_TRUSTED, "trusted_ptr_"),
        (rt.PTR_TO_BTF_ID | rt.PTR_TRUSTED | rt.PTR_MAYBE_NULL, "trusted_ptr_or_null_"),
        (rt.PTR_TO_BTF_ID | rt.MEM_RCU | rt.PTR_MAYBE_NULL, "rcu_ptr_or_null_"),
        (rt.PTR_TO_BTF_ID | rt.PTR_UNTRUSTED, "untrusted_ptr_"),
        (rt.PTR_TO_BTF_ID | rt.MEM_PERCPU | rt.MEM_RCU, "percpu_rcu_ptr_"),
        (rt.PTR_TO_MEM | rt.MEM_RINGBUF | rt.PTR_MAYBE_NULL, "ringbuf_mem_or_null"),
        (rt.PTR_TO_MEM | rt.MEM_RDONLY | rt.PTR_UNTRUSTED, "rdonly_untrusted_mem"),
        (rt.PTR_TO_PACKET_END, "pkt_end"),
        (rt.CONST_PTR_TO_DYNPTR, "dynptr_ptr"),
        (rt.PTR_TO_FUNC, "func"),
    ],
)
def test_type_text(flags: int, text: str) -> None:
    assert rt.type_str(flags) == text
    assert RegState(flags).type_str() == text


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (reg.unknown(), "scalar()"),
        (reg.unknown(precise=True), "Pscalar()"),
        (reg.const(42), "42"),
        (reg.const(42, precise=True), "P42"),
        (reg.const(-5), "-5"),
        (reg.const(-32768), "-32768"),
        (reg.const(-32769), "0xffffffffffff7fff"),
        (reg.const(32767), "32767"),
        (reg.const(32768), "0x8000"),
        (reg.scalar(cnum.UNKNOWN, 1), "scalar(id=1)"),
        (
            reg.scalar(cnum.of_range(0, 255), 3),
            "scalar(id=3,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))",
        ),
        (RegState(rt.SCALAR_VALUE, cnum.UNKNOWN, 5, 1 | reg.ADD_CONST64), "scalar(id=1+5)"),
        (RegState(rt.SCALAR_VALUE, cnum.UNKNOWN, -5, 1 | reg.ADD_CONST32), "scalar(id=1-5)"),
        (reg.scalar(cnum.make(s32_min=-32768, s32_max=40000)), "scalar(smin32=-32768,smax32=0x9c40)"),
        (reg.scalar(cnum.of_srange(-5, 0xFFFF_FFFA)), "scalar(smin=-5,smax=0xfffffffa)"),
        (reg.fp(), "fp0"),
        (reg.fp(0, -8), "fp-8"),
        (reg.fp(1, -8), "fp[1]-8"),
        (RegState(rt.PTR_TO_STACK, BYTE, -16), f"fp(off=-16,{UP_TO_7})"),
        (reg.pointer(rt.PTR_TO_CTX), "ctx()"),
        (reg.pointer(rt.PTR_TO_ARENA), "arena"),
        (reg.map_ptr(MAP), "map_ptr(map=oracle,ks=4,vs=8)"),
        (reg.map_ptr(NAMELESS), "map_ptr(ks=0,vs=0)"),
        (RegState(rt.PTR_TO_MAP_VALUE, BYTE, -1, ptr=VALUE), f"map_value(map=oracle,ks=4,vs=8,off=-1,{UP_TO_7})"),
        (reg.pointer(rt.PTR_TO_PACKET, off=14, ptr=Pointee(range=14)), "pkt(off=14,r=14)"),
        (reg.pointer(rt.PTR_TO_PACKET, off=14, ptr=Pointee(range=-2)), "pkt(off=14,r=0xfffffffffffffffe)"),
        (reg.pointer(rt.PTR_TO_PACKET_END), "pkt_end()"),
        (
            reg.pointer(rt.PTR_TO_MEM | rt.MEM_RINGBUF, id=2, ref_obj_id=2, ptr=Pointee(mem_size=1696)),
            "ringbuf_mem(id=2,ref_obj_id=2,sz=1696)",
        ),
        (reg.pointer(rt.PTR_TO_BTF_ID | rt.PTR_TRUSTED, ptr=TASK), "trusted_ptr_task_struct()"),
        (
            reg.pointer(rt.PTR_TO_BTF_ID | rt.MEM_ALLOC | rt.NON_OWN_REF, off=8, ptr=TASK),
            "ptr_task_struct(non_own_ref,off=8)",
        ),
        (RegState(rt.PTR_TO_CTX, cnum.const(8)), "ctx(imm=8)"),
        (reg.pointer(rt.CONST_PTR_TO_DYNPTR, ptr=Pointee(dynptr_type=1)), "dynptr_ptr(type=local)"),
    ],
)
def test_text(state: RegState, text: str) -> None:
    assert state.fmt() == text
    assert repr(state) == f"<RegState {text}>"


def test_stack_pointer_of_the_same_frame() -> None:
    assert reg.fp(1, -8).fmt(frameno=1) == "fp-8"


def test_numbers_switch_to_hex_beyond_16_bits() -> None:
    numbers = (-32768, 32767, 32768, S32_MIN)
    assert [fmt_signed(x) for x in numbers] == ["-32768", "32767", "0x8000", "0xffffffff80000000"]
    words = (0, 65535, 65536, U64_MAX)
    assert [fmt_unsigned(x) for x in words] == ["0", "65535", "0x10000", "0xffffffffffffffff"]


def test_with_replaces_only_what_is_named() -> None:
    state = RegState(rt.PTR_TO_MAP_VALUE, BYTE, 4, 5, 6, True, 1, VALUE)
    assert state.with_() == state
    changes: dict[str, Any] = {
        "type": rt.PTR_TO_CTX,
        "num": cnum.ZERO,
        "off": 0,
        "id": 0,
        "ref_obj_id": 0,
        "precise": False,
        "frameno": 0,
        "ptr": reg.NO_POINTEE,
    }
    for name, value in changes.items():
        changed = state.with_(**{name: value})
        assert getattr(changed, name) == value
        assert changed != state
        assert all(getattr(changed, other) == getattr(state, other) for other in changes if other != name)


def test_fields_read_through() -> None:
    state = RegState(rt.PTR_TO_MAP_VALUE, BYTE, ptr=replace(VALUE, map_uid=3, mem_size=4, range=5, subprogno=6))
    assert (state.smin, state.smax, state.umin, state.umax, state.var_off) == (0, 7, 0, 7, Tnum(0, 7))
    assert (state.map, state.map_uid, state.mem_size, state.range, state.subprogno) == (MAP, 3, 4, 5, 6)
    task = reg.pointer(rt.PTR_TO_BTF_ID, ptr=TASK)
    assert (task.btf, task.btf_id) == (BTF, 7)


def test_questions() -> None:
    assert reg.const(3).is_scalar()
    assert reg.const(3).is_const()
    assert reg.const(-1).const_value() == U64_MAX
    assert not reg.unknown().is_const()
    assert not reg.fp().is_const()
    maybe = reg.pointer(rt.PTR_TO_MAP_VALUE | rt.PTR_MAYBE_NULL, ptr=VALUE)
    assert maybe.maybe_null()
    assert maybe.base_type() == rt.PTR_TO_MAP_VALUE
    assert rt.type_flag(maybe.type) == rt.PTR_MAYBE_NULL
    assert rt.base_type(maybe.type) == rt.PTR_TO_MAP_VALUE
    assert rt.is_map_pointer(maybe.type)
    assert rt.is_pkt_pointer(rt.PTR_TO_PACKET_META)


def test_shared_objects() -> None:
    assert reg.unknown() is reg.unknown()
    assert reg.const(0) is reg.ZERO
    assert reg.not_init() is reg.NOT_INITIALIZED
    assert reg.const(9) == reg.const(9)
    assert len({reg.const(9), reg.const(9)}) == 1
    assert reg.const(9) != 9
