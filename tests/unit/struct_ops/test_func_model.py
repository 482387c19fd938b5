# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Function models: sizes, slots, signs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.btf import types as t
from bpfvm.struct_ops.func_model import ArgModel, FuncModel, distill, func_ptr_proto, is_module_pointer
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import Common


def test_everything_that_can_be_passed() -> None:
    b = BtfBuilder()
    c = Common(b)
    pair = b.struct("pair", [("a", c.u64), ("b", c.u64)])
    union = b.struct("either", [("a", c.u64), ("b", c.int)], union=True)
    enum = b.enum("color", [("RED", 0)])
    alias = b.typedef("pid_t", b.const(c.int))
    params = [c.char, c.u16, alias, enum, c.task_ptr, pair, union]
    proto = b.proto(alias, [(f"a{number}", each) for number, each in enumerate(params)])
    btf = b.build()
    found = btf.type(proto)
    assert isinstance(found, t.FuncProto)
    model = distill(btf, found, "call")
    assert [(arg.size, arg.offset) for arg in model.args] == [
        (1, 0), (2, 8), (4, 16), (4, 24), (8, 32), (16, 40), (8, 56),
    ]  # fmt: skip
    assert [arg.is_struct for arg in model.args] == [False] * 5 + [True] * 2
    assert (model.ret_size, model.ret_signed, model.ctx_size) == (4, True, 64)


def test_pointers_looked_through() -> None:
    b = BtfBuilder()
    c = Common(b)
    proto = b.proto(0)
    func_ptr = b.const(b.typedef("fn_t", b.ptr(proto)))
    fwd_module, other = b.ptr(b.fwd("module")), b.ptr(b.fwd("other"))
    btf = b.build()
    assert func_ptr_proto(btf, func_ptr) == btf.type(proto)
    assert func_ptr_proto(btf, c.task_ptr) is None
    assert func_ptr_proto(btf, c.int) is None
    assert [is_module_pointer(btf, each) for each in (c.module_ptr, fwd_module, other, c.module, c.int)] == [
        True, True, False, False, False,
    ]  # fmt: skip


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), st.booleans(), st.integers(0, (1 << 64) - 1))
def test_return_values_are_two_complement(size: int, signed: bool, r0: int) -> None:
    model = FuncModel((), size, signed, 0)
    low = (r0 & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    assert model.convert_return(r0) == int.from_bytes(low, "little", signed=signed)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(-(1 << 63), (1 << 64) - 1)), max_size=12))
def test_slots_hold_zero_extended_arguments(args: list[tuple[int, int]]) -> None:
    model = FuncModel(tuple(ArgModel(size, 8 * n) for n, (size, _) in enumerate(args)), 0, False, 8 * len(args))
    packed = model.pack([value for _, value in args])
    assert len(packed) == model.ctx_size
    for number, (size, value) in enumerate(args):
        assert int.from_bytes(packed[8 * number : 8 * number + 8], "little") == value & ((1 << 8 * size) - 1)
