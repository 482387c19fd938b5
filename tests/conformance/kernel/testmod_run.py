# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Functions of the kernel tree's module bpf_testmod that programs call in test runs
(tools/testing/selftests/bpf/bpf_testmod/bpf_testmod.c, 6.12)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bpfvm.btf import types as t
from bpfvm.conform.test_run import Call
from bpfvm.isa.word import s32, s64
from bpfvm.memory import View
from bpfvm.obj.model import ObjectSpec
from bpfvm.runtime import Runtime
from bpfvm.runtime.kfuncs import Kfunc

if TYPE_CHECKING:
    from bpfvm.engine.services import CallFrame
    from bpfvm.runtime.helpers import Args

ST_OPS = "bpf_testmod_st_ops"
PROLOGUE_A, EPILOGUE_A = 1000, 10000
WITH_PROLOGUE, WITH_EPILOGUE = ("test_prologue", "test_pro_epilogue"), ("test_epilogue", "test_pro_epilogue")
VALUE, LEFT = 0, 8
"""struct bpf_iter_testmod_seq: s64 value, int cnt"""


def plug_module(spec: ObjectSpec, runtime: Runtime, call: Call) -> None:
    """Give the runtime the module's functions; ``call`` runs a program of the object."""
    plug_functions(runtime)
    for struct in spec.struct_ops.values():
        if struct.type_name == ST_OPS:
            for member, prog in struct.funcs.items():
                runtime.kfuncs[f"bpf_kfunc_st_ops_{member}"] = _st_ops(member, prog, call)


def plug_functions(runtime: Runtime, call: Call | None = None) -> None:
    """Those that need no object."""
    runtime.kfuncs["bpf_kfunc_st_ops_inc10"] = inc10
    runtime.kfuncs["bpf_iter_testmod_seq_new"] = seq_new
    runtime.kfuncs["bpf_iter_testmod_seq_next"] = seq_next
    runtime.kfuncs["bpf_iter_testmod_seq_destroy"] = seq_destroy
    runtime.kfuncs["bpf_iter_testmod_seq_value"] = seq_value
    runtime.kfuncs["bpf_kfunc_call_test_acquire"] = test_acquire
    runtime.kfuncs["bpf_kfunc_call_test_release"] = test_release
    runtime.kfuncs["bpf_kfunc_call_test_ref"] = test_ref


def _st_ops(member: str, prog: str, call: Call) -> Kfunc:
    """(args) → what the program returns. What the module puts before and behind it (st_ops_gen_prologue, _epilogue)
    happens here, as no jump of the program leads back into it."""

    def run(rt: Runtime, args: Args, frame: CallFrame) -> int:
        if member in WITH_PROLOGUE:
            _add(rt, args[0], PROLOGUE_A)
        ctx = rt.memory.alloc(8, what="context")
        rt.memory.store(ctx, 8, args[0])
        returned = s32(call(prog, ctx))
        rt.memory.free(ctx)
        return _add(rt, args[0], EPILOGUE_A) * 2 if member in WITH_EPILOGUE else returned

    return run


def _add(rt: Runtime, place: int, number: int) -> int:
    rt.memory.store(place, 8, rt.memory.load(place, 8) + number)
    return rt.memory.load(place, 8)


def inc10(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(args) → args->a, ten more than it was."""
    return _add(rt, args[0], 10)


def seq_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, value, count) → 0 or -EINVAL."""
    it, value, count, *_ = args
    rt.memory.store(it + LEFT, 4, count)
    if s32(count) < 0:
        return -errno.EINVAL
    rt.memory.store(it + VALUE, 8, value)
    return 0


def seq_next(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → address of the value, as often as was asked for."""
    left = s32(rt.memory.load(args[0] + LEFT, 4))
    if left <= 0:
        return 0
    rt.memory.store(args[0] + LEFT, 4, left - 1)
    return args[0] + VALUE


def seq_value(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(number, iterator) → the sum of number and value."""
    if s32(rt.memory.load(args[1] + LEFT, 4)) < 0:
        return 0
    return s64(args[0]) + s64(rt.memory.load(args[1] + VALUE, 8))


def seq_destroy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator): end it."""
    rt.memory.store(args[0] + LEFT, 4, 0)
    return 0


def _test_struct(rt: Runtime, addr: int) -> View:
    assert rt.btf is not None
    return View(rt.memory, rt.btf, rt.btf.find("prog_test_ref_kfunc", t.Struct), addr)


def test_acquire(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(a number's address) → the module's object with a reference taken."""
    assert rt.btf is not None
    addr = rt.memory.alloc(rt.btf.size_of(rt.btf.find("prog_test_ref_kfunc", t.Struct)), what="prog_test_struct")
    made = _test_struct(rt, addr)
    made.a, made.b, made.next = 42, 108, addr
    made["cnt.refs.counter"] = 2
    return addr


def test_release(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(object): one reference less."""
    made = _test_struct(rt, args[0])
    made["cnt.refs.counter"] = made["cnt.refs.counter"] - 1
    return 0


def test_ref(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(object): nothing happens to it."""
    return 0
