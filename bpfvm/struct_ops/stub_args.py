# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Argument annotations, read from the names of a stub function's parameters (prepare_arg_info, 6.18)."""

from __future__ import annotations

from errno import EINVAL, ENOENT

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import BpfvmError

SUFFIXES = (("__nullable", "nullable"), ("__ref", "ref"))
"""parameter name suffix → annotation; the first that matches counts"""


class StubError(BpfvmError):
    """A stub function that doesn't fit its member: the console line, and the errno registration fails with."""

    exit_code = 1

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno


def arg_info(btf: Btf, member_proto: t.FuncProto, member: str, type_name: str, stub: str) -> dict[int, str]:
    """Argument number → "nullable" or "ref", from the stub function named ``stub``. Raises StubError."""
    if not stub:
        raise StubError(ENOENT, f"Cannot find the stub function name for the {member} in struct {type_name}")
    func = btf.type(btf.find(stub, t.Func))
    stub_proto = btf.type(func.type) if isinstance(func, t.Func) else None
    if not isinstance(stub_proto, t.FuncProto):
        raise StubError(ENOENT, f"Cannot find the stub function {stub} in btf")
    if len(stub_proto.params) != len(member_proto.params):
        raise StubError(
            EINVAL,
            f"the number of arguments of the stub function {stub} does not match the number of arguments "
            f"of the member {member} of struct {type_name}",
        )
    found: dict[int, str] = {}
    for number, (stub_param, param) in enumerate(zip(stub_proto.params, member_proto.params, strict=True)):
        suffix, annotation = _annotation(stub_param.name)
        if not annotation:
            continue
        if not _points_to_struct(btf, stub_param.type):
            raise StubError(EINVAL, f"stub function {stub} has {suffix} tagging to an unsupported type")
        if stub_param.type != param.type:
            raise StubError(
                EINVAL, f"arg#{number} type in stub function {stub} does not match with its original func_proto"
            )
        found[number] = annotation
    return found


def _annotation(name: str) -> tuple[str, str]:
    for suffix, annotation in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            return suffix, annotation
    return "", ""


def _points_to_struct(btf: Btf, type_id: int) -> bool:
    pointer = btf.resolve(type_id)
    return isinstance(pointer, t.Ptr) and isinstance(btf.resolve(pointer.type), t.Struct)
