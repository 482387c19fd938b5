# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls of any helper or kernel function the verifier knows, with arguments that mostly fit."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.helper_ids import HELPER_ID
from tests.differential.verifier_oracle import kernel_btf
from tests.fuzz.verifier import code as c
from tests.fuzz.verifier.generate import NOTHING, NUM, Gen
from tests.fuzz.verifier.kernel_blocks import struct_at
from tests.fuzz.verifier.sample import MAPS
from verifier.calls.arg_kinds import Kind
from verifier.calls.helper_protos import HELPER_PROTOS
from verifier.calls.kfunc_table import KFUNC_FLAGS
from verifier.state.reg_type import PTR_MAYBE_NULL

_HELPERS: Final = tuple(sorted(HELPER_PROTOS))
_KFUNCS: Final = tuple(sorted(KFUNC_FLAGS))
_SIZES: Final = (0, 1, 4, 8, 16, 16, 24, 64)


def _memory(g: Gen, reg: int) -> None:
    values = [i for i in g.holding("val", "mem", "pkt") if i > 5]
    if values and g.chance(30):
        g.code.emit(c.mov(reg, g.rng.choice(values)))
        return
    off = -8 * g.rng.randint(1, 6)
    if g.chance(70):
        g.init_stack(off, min(-off, 24))
    g.fp_plus(reg, off)
    if g.chance(10):
        g.code.emit(c.alu("add", reg, g.rng.choice((1, 4, -600))))


def _copy(g: Gen, reg: int, *kinds: str) -> None:
    found = [i for i in g.holding(*kinds) if i == 0 or i > 5]
    if found:
        g.code.emit(c.mov(reg, g.rng.choice(found)))
    else:
        g.code.emit(c.const(reg, g.imm()))


def _number(g: Gen, reg: int) -> None:
    found = [i for i in g.holding("num") if i == 0 or i > 5]
    if found and g.chance(40):
        g.code.emit(c.mov(reg, g.rng.choice(found)))
    else:
        g.code.emit(c.const(reg, g.rng.choice(_SIZES) if g.chance(80) else g.imm()))


def _argument(g: Gen, reg: int, kind: Kind) -> None:
    name = kind.name
    if g.chance(4):
        _copy(g, reg, *g.rng.choice((("ctx",), ("num",), ("btf",), ("val",), ("val?",), ("mem",))))
    elif kind.flags & PTR_MAYBE_NULL and g.chance(30):
        g.code.emit(c.const(reg, 0))
    elif name == "CONST_MAP_PTR":
        g.code.emit(*c.reference(reg, 1, g.rng.randrange(len(MAPS))))
    elif name in ("PTR_TO_MAP_KEY", "PTR_TO_MAP_VALUE", "PTR_TO_MEM", "PTR_TO_STACK"):
        _memory(g, reg)
    elif name == "PTR_TO_CTX":
        _copy(g, reg, "ctx")
    elif name == "PTR_TO_BTF_ID":
        _copy(g, reg, "btf")
    elif name in ("PTR_TO_CONST_STR", "PTR_TO_SPIN_LOCK"):
        _copy(g, reg, "val")
    elif name == "PTR_TO_RINGBUF_MEM":
        _copy(g, reg, "mem")
    else:
        _number(g, reg)
    g.regs[reg] = NOTHING


def any_helper(g: Gen) -> None:
    """Some helper."""
    proto = HELPER_PROTOS[g.rng.choice(_HELPERS)]
    for i, kind in enumerate(proto.args):
        _argument(g, i + 1, kind)
    g.code.emit(c.helper(HELPER_ID[proto.name]))
    g.after_call()
    if proto.ret.name != "INTEGER":
        g.regs[0] = NOTHING
        if g.chance(50):
            g.leave(c.jump("eq", 0, 0))
        if g.chance(50):
            g.code.emit(c.load(4, 2, 0, g.rng.choice((0, 0, 4, 16))))
            g.regs[2] = NUM


def any_kfunc(g: Gen) -> None:
    """Some kernel function."""
    btf = kernel_btf()
    name = g.rng.choice(_KFUNCS)
    btf_id = btf.find(name, t.Func)
    if not btf_id:
        return
    func = btf.type(btf_id)
    proto = btf.type(func.type) if isinstance(func, t.Func) else None
    assert isinstance(proto, t.FuncProto)
    for i, param in enumerate(proto.params[:5]):
        reg, wanted = i + 1, struct_at(param.type)
        fitting = [r for r, held in enumerate(g.regs) if held == ("btf", wanted) and (r == 0 or r > 5)]
        if fitting and g.chance(90):
            g.code.emit(c.mov(reg, g.rng.choice(fitting)))
        elif isinstance(btf.resolve(param.type), t.Ptr):
            if g.chance(70):
                _memory(g, reg)
            else:
                _copy(g, reg, "btf", "val", "ctx")
        else:
            _number(g, reg)
        g.regs[reg] = NOTHING
    g.code.emit(c.kfunc(btf_id))
    g.after_call()
    result = struct_at(proto.ret)
    if result:
        g.regs[0] = ("btf", result)
        keep = g.rng.choice((7, 8, 9))
        g.code.emit(c.mov(keep, 0))
        g.regs[keep] = g.regs[0]
        if g.chance(60):
            g.leave(c.jump("eq", 0, 0))


CALLS: Final = ((any_helper, 6), (any_kfunc, 1))
"""In programs of every type."""
