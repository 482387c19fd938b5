# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Values printed through BTF, with and without -j."""

from __future__ import annotations

import json

import pytest

from bpfvm.btf import types as t
from bpfvm.struct_ops.dump_value import ValueDumper, signature
from bpfvm.struct_ops.json_writer import JsonWriter
from tests.struct_ops.btf_builder import BtfBuilder
from tests.struct_ops.kernel_types import CHAR, Common


def dumped(data: bytes, *, plain: bool) -> str:
    b = BtfBuilder()
    c = Common(b)
    b.struct(
        "all",
        [
            ("i", c.int),
            ("yes", c.bool),
            ("ch", b.int("ascii", 1, CHAR)),
            ("state", c.state),
            ("name", b.array(c.char, 4, c.int)),
            ("words", b.array(c.u16, 2, c.int)),
            ("ptr", c.void_ptr),
            ("fn", b.method(0, [("", c.int), ("x", c.u32)])),
            ("wide", b.int("__int128 unsigned", 16)),
        ],
    )
    btf = b.build()
    out = JsonWriter(pretty=False)
    ValueDumper(btf, out, plain=plain, prog_name=lambda prog_id: None).dump(btf.find("all"), data)
    return out.text()


VALUE = (
    (-3).to_bytes(4, "little", signed=True) + b"\1A\0\0" + b"\3\0\0\0" + b"ab\0\0" + b"\1\0\2\0" + bytes(4)
    + (0xFFFF888000000000).to_bytes(8, "little") + (7).to_bytes(8, "little") + (255).to_bytes(16, "little")
)  # fmt: skip


def test_json() -> None:
    assert json.loads(dumped(VALUE, plain=False)) == {
        "i": -3,
        "yes": True,
        "ch": "A",
        "state": "BPF_STRUCT_OPS_STATE_READY",
        "name": "ab",
        "words": [1, 2],
        "ptr": 0xFFFF888000000000,
        "fn": "void (int, unsigned int x) <unknown_prog_name>/prog_id:7",
        "wide": "0xff",
    }


def test_plain() -> None:
    text = dumped(VALUE, plain=True)
    assert '"ptr":0xffff888000000000' in text
    assert '"wide":0xff' in text
    zero = dumped(bytes(len(VALUE)), plain=True)
    assert '"ptr":(nil)' in zero
    assert '"ch":0x0' in zero
    assert '"name":""' in zero
    assert '"fn":"void (int, unsigned int x) 0"' in zero


def test_unknown_enum_value_and_text_without_end() -> None:
    data = bytearray(VALUE)
    data[8:12] = b"\x63\0\0\0"
    data[12:16] = b"abcd"
    seen = json.loads(dumped(bytes(data), plain=False))
    assert seen["state"] == 99
    assert seen["name"] == [97, 98, 99, 100]


@pytest.mark.parametrize(
    ("pretty", "text"), [(False, '[{"a":1,"b":[]},{}]'), (True, '[{\n        "a": 1,\n        "b": []\n    },{}\n]')]
)
def test_json_writer(pretty: bool, text: str) -> None:
    out = JsonWriter(pretty=pretty)
    out.start_array()
    out.start_object()
    out.name("a")
    out.value(1)
    out.name("b")
    out.start_array()
    out.end_array()
    out.end_object()
    out.start_object()
    out.end_object()
    out.end_array()
    assert out.text() == text


def test_signatures() -> None:
    b = BtfBuilder()
    c = Common(b)
    callback = b.method(0, [("x", c.int)])
    proto = b.proto(c.task_ptr, [("s", b.ptr(b.const(c.task))), ("e", c.state), ("f", callback), ("", 0)])
    btf = b.build()
    found = btf.type(proto)
    assert isinstance(found, t.FuncProto)
    assert signature(btf, found) == (
        "struct task_struct * (const struct task_struct * s, enum bpf_struct_ops_state e, void (int x) * f, ...)"
    )
