# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The arguments of a program that is called like a function: the numbers given, and something fit for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.errors import UsageError
from bpfvm.isa.word import U64_MAX
from bpfvm.obj.model import Program
from bpfvm.report.c_text import declaration
from bpfvm.session import Session

WRITABLE_SIZE = 4096
"""bytes of buffer that a writable tracepoint has; each one that programs can be attached to has its own size"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of what the program implements or attaches to. ``object_size``: bytes of the struct that it points
    to when it is never NULL, else 0."""

    declaration: str
    object_size: int


def arguments(session: Session, program: Program, given: Sequence[int]) -> tuple[bytes, list[int]]:
    """The context's 8-byte slots, and addresses of objects made for them: after what is given come zeros, and objects
    of zeros where Linux always passes one, which the verifier relies on. Raises UsageError for too many."""
    params = parameters(session, program)
    if params is None:
        return _slots(given or (0,)), []
    if len(given) > len(params):
        named = ", ".join(each.declaration for each in params) or "none"
        raise UsageError(
            f"--arg was given {len(given)} times, but {program.name} has {len(params)} arguments ({named})"
        )
    values, made = list(given), []
    for each in params[len(given) :]:
        values.append(_object(session, each.object_size) if each.object_size else 0)
        made += values[-1:] if each.object_size else []
    return _slots(values), made


def parameters(session: Session, program: Program) -> list[Parameter] | None:
    """None when nothing says what they are."""
    btf = session.btf
    if program.prog_type == "raw_tracepoint_writable":
        return [Parameter("void *buffer", WRITABLE_SIZE)]
    if program.prog_type == "struct_ops":
        found = session.kernel.registry.by_id(program.attach_btf_id)
        if found is None:
            return None
        proto: t.BtfType | None = found.members[program.expected_attach_type].proto
        nullable = {
            number for number, what in found.arg_info(program.expected_attach_type).items() if what == "nullable"
        }
        skip = 0
    else:
        proto, skip, nullable = *_attached_to(btf, program.attach_btf_id), set()
    if not isinstance(proto, t.FuncProto):
        return None
    return [
        Parameter(declaration(btf, each.type, each.name), 0 if number in nullable else _struct_size(btf, each.type))
        for number, each in enumerate(proto.params[skip:])
    ]


def _attached_to(btf: Btf, btf_id: int) -> tuple[t.BtfType | None, int]:
    """The prototype of a function, or of a tracepoint's callback, whose first parameter programs don't see."""
    found = btf.type(btf_id) if btf_id else None
    if isinstance(found, t.Typedef):
        pointer = btf.resolve(found.type)
        return (btf.resolve(pointer.type) if isinstance(pointer, t.Ptr) else None), 1
    return (btf.resolve(found.type) if isinstance(found, t.Func) else None), 0


def _struct_size(btf: Btf, type_id: int) -> int:
    pointer = btf.resolve(type_id)
    pointee = btf.resolve(pointer.type) if isinstance(pointer, t.Ptr) else None
    return pointee.size if isinstance(pointee, t.Struct) else 0


def _object(session: Session, size: int) -> int:
    addr = session.memory.alloc(size, what="argument of a test run")
    session.memory.write(addr, bytes(size))
    return addr


def _slots(values: Iterable[int]) -> bytes:
    return b"".join((each & U64_MAX).to_bytes(8, "little") for each in values)
