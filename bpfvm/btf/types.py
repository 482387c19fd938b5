# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One class per BTF kind (include/uapi/linux/btf.h, 6.18). Fields that name another type hold its id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple


class Member(NamedTuple):
    """A member of a struct or union; ``bitfield_size`` is 0 unless it is a bit-field (then in bits)."""

    name: str
    type: int
    bit_offset: int
    bitfield_size: int = 0


class Param(NamedTuple):
    """A parameter of a function prototype; type 0 with an empty name at the end stands for ``...``."""

    name: str
    type: int


class VarSecinfo(NamedTuple):
    """One variable of a DATASEC: its VAR's id, offset and size in bytes."""

    type: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Void:
    kind: ClassVar[int] = 0
    kind_name: ClassVar[str] = "VOID"
    name: str = "void"


@dataclass(frozen=True, slots=True)
class Int:
    """``bits`` may be less than 8 × ``size``; encoding bits: SIGNED 1, CHAR 2, BOOL 4."""

    kind: ClassVar[int] = 1
    kind_name: ClassVar[str] = "INT"
    name: str
    size: int
    bits: int
    encoding: int = 0
    bit_offset: int = 0

    @property
    def signed(self) -> bool:
        return bool(self.encoding & 1)


@dataclass(frozen=True, slots=True)
class Ptr:
    kind: ClassVar[int] = 2
    kind_name: ClassVar[str] = "PTR"
    type: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Array:
    kind: ClassVar[int] = 3
    kind_name: ClassVar[str] = "ARRAY"
    type: int
    index_type: int
    nelems: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct, or a union when ``is_union``."""

    name: str
    size: int
    members: tuple[Member, ...]
    is_union: bool = False
    kind_flag: bool = False

    @property
    def kind(self) -> int:
        return 5 if self.is_union else 4

    @property
    def kind_name(self) -> str:
        return "UNION" if self.is_union else "STRUCT"


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum (``is64``: ENUM64) and its values, sign-extended when ``signed``."""

    name: str
    size: int
    values: tuple[tuple[str, int], ...]
    signed: bool = False
    is64: bool = False

    @property
    def kind(self) -> int:
        return 19 if self.is64 else 6

    @property
    def kind_name(self) -> str:
        return "ENUM64" if self.is64 else "ENUM"


@dataclass(frozen=True, slots=True)
class Fwd:
    kind: ClassVar[int] = 7
    kind_name: ClassVar[str] = "FWD"
    name: str
    is_union: bool = False


@dataclass(frozen=True, slots=True)
class Typedef:
    kind: ClassVar[int] = 8
    kind_name: ClassVar[str] = "TYPEDEF"
    name: str
    type: int


@dataclass(frozen=True, slots=True)
class Volatile:
    kind: ClassVar[int] = 9
    kind_name: ClassVar[str] = "VOLATILE"
    type: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Const:
    kind: ClassVar[int] = 10
    kind_name: ClassVar[str] = "CONST"
    type: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Restrict:
    kind: ClassVar[int] = 11
    kind_name: ClassVar[str] = "RESTRICT"
    type: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Func:
    """linkage: 0 static, 1 global, 2 extern."""

    kind: ClassVar[int] = 12
    kind_name: ClassVar[str] = "FUNC"
    name: str
    type: int
    linkage: int = 0


@dataclass(frozen=True, slots=True)
class FuncProto:
    kind: ClassVar[int] = 13
    kind_name: ClassVar[str] = "FUNC_PROTO"
    ret: int
    params: tuple[Param, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Var:
    """linkage: 0 static, 1 global, 2 extern."""

    kind: ClassVar[int] = 14
    kind_name: ClassVar[str] = "VAR"
    name: str
    type: int
    linkage: int = 0


@dataclass(frozen=True, slots=True)
class Datasec:
    kind: ClassVar[int] = 15
    kind_name: ClassVar[str] = "DATASEC"
    name: str
    size: int
    vars: tuple[VarSecinfo, ...]


@dataclass(frozen=True, slots=True)
class Float:
    kind: ClassVar[int] = 16
    kind_name: ClassVar[str] = "FLOAT"
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class DeclTag:
    """A tag on type ``type``, or on its member/parameter ``component`` (-1: the whole).

    ``attribute`` (kind_flag): ``name`` is the text of any C attribute, not a btf_decl_tag's.
    """

    kind: ClassVar[int] = 17
    kind_name: ClassVar[str] = "DECL_TAG"
    name: str
    type: int
    component: int = -1
    attribute: bool = False


@dataclass(frozen=True, slots=True)
class TypeTag:
    """A tag on a type; ``attribute`` (kind_flag): the text of any C attribute, such as ``address_space(1)``."""

    kind: ClassVar[int] = 18
    kind_name: ClassVar[str] = "TYPE_TAG"
    name: str
    type: int
    attribute: bool = False


BtfType = (
    Void
    | Int
    | Ptr
    | Array
    | Struct
    | Enum
    | Fwd
    | Typedef
    | Volatile
    | Const
    | Restrict
    | Func
    | FuncProto
    | Var
    | Datasec
    | Float
    | DeclTag
    | TypeTag
)
