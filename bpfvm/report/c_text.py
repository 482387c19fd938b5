# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Declarations and values as C programmers read them."""

from __future__ import annotations

import json
from typing import Any

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.c_print import CPrinter
from bpfvm.errors import BadInput
from bpfvm.struct_ops.dump_value import ValueDumper
from bpfvm.struct_ops.json_writer import JsonWriter


def declaration(btf: Btf, type_id: int, name: str = "") -> str:
    """``unsigned int order_a`` on one line; ``?`` for what C can't say."""
    try:
        return " ".join(CPrinter(btf).declare(type_id, name).split())
    except BadInput:
        return f"? {name}".strip()


def prototype(btf: Btf, func_id: int, name: str) -> str:
    """A function with the names of its parameters: ``int get_order(u64 *ctx)``. ``func_id`` 0: just its name."""
    func = btf.type(func_id)
    proto = btf.type(func.type) if isinstance(func, t.Func) else func
    if not func_id or not isinstance(proto, t.FuncProto):
        return name
    params = ", ".join(declaration(btf, each.type, each.name) if each.type else "..." for each in proto.params)
    return declaration(btf, proto.ret, f"{name}({params or 'void'})")


def value_data(btf: Btf, type_id: int, data: bytes) -> Any:
    """A value's bytes as JSON-able data through its type; as hex when the type doesn't say enough."""
    out = JsonWriter(pretty=False)
    try:
        if btf.size_of(type_id) > len(data):
            return data.hex(" ")
        ValueDumper(btf, out, plain=False, prog_name=lambda prog_id: None).dump(type_id, data)
        return json.loads(out.text())
    except (BadInput, json.JSONDecodeError):
        return data.hex(" ")


def value_text(value: Any, limit: int = 60) -> str:
    """The same on one short line."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
