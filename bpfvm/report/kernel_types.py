# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The struct_ops types that the emulated kernel registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from bpfvm.report.c_text import declaration
from bpfvm.report.console import print_table
from bpfvm.session import Session
from bpfvm.struct_ops.registry import MemberInfo, RegisteredType


@dataclass(frozen=True, slots=True)
class _Asker:
    """A sleepable program, as ``check_member`` sees it."""

    name: str = ""
    sleepable: bool = True


def kernel_types(session: Session) -> list[dict[str, Any]]:
    """Each registered type with its members as JSON-able data; sizes and offsets in bytes."""
    return [_type_data(each) for each in session.kernel.registry]


def _type_data(found: RegisteredType) -> dict[str, Any]:
    return {
        "name": found.name,
        "btf_id": found.type_id,
        "size": found.struct.size,
        "value_type": found.value_struct.name,
        "value_btf_id": found.value_id,
        "value_size": found.value_size,
        "data_offset": found.data_offset,
        "update": found.desc.update is not None,
        "members": [_member_data(found, index, each) for index, each in enumerate(found.members)],
    }


def _member_data(found: RegisteredType, index: int, member: MemberInfo) -> dict[str, Any]:
    callback = found.has_stub(index)
    return {
        "name": member.name,
        "offset": member.offset,
        "size": member.size,
        "declaration": _declaration(found, member),
        "implementable": callback,
        "sleepable": callback and found.check_member(index, _Asker()) == 0,
        "arguments": {str(number): what for number, what in member.args.items()},
    }


def _declaration(found: RegisteredType, member: MemberInfo) -> str:
    """As in the struct, but with the arguments that a typedef may hide."""
    if member.proto is None:
        return declaration(found.btf, member.type_id, member.name)
    params = ", ".join(declaration(found.btf, each.type, each.name) for each in member.proto.params) or "void"
    return declaration(found.btf, member.proto.ret, f"(*{member.name})({params})")


def print_types(types: list[dict[str, Any]], console: Console) -> None:
    """A table of members for each type."""
    for found in types:
        links = "links can be updated" if found["update"] else "links can't be updated"
        title = f"{found['name']}: {found['size']} bytes, value type {found['value_type']}, {links}"
        rows = [
            (str(each["offset"]), str(each["size"]), each["declaration"], _kind(each), _arguments(each))
            for each in found["members"]
        ]
        print_table(console, title, ("#offset", "#size", "member", "programs", "arguments"), rows)
    if not types:
        console.print(Text("no struct_ops types are registered"))


def _kind(member: dict[str, Any]) -> str:
    if not member["implementable"]:
        return "–"
    return "may sleep" if member["sleepable"] else "must not sleep"


def _arguments(member: dict[str, Any]) -> str:
    return ", ".join(f"#{number} {what}" for number, what in member["arguments"].items())
