# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One register (or spilled register) as the verifier sees it.

A `RegState` is shared between verifier states and never changed after construction: a change is a new object made by
`with_`. What it says of numbers is a `Bounds`, what it says of the thing pointed at is a `Pointee`; both are shared
too. Source: include/linux/bpf_verifier.h `struct bpf_reg_state` (6.18).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from verifier.numbers import cnum
from verifier.numbers.cnum import Bounds
from verifier.numbers.tnum import Tnum
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_MAP,
    NOT_INIT,
    PTR_MAYBE_NULL,
    PTR_TO_STACK,
    SCALAR_VALUE,
)
from verifier.state.reg_type import type_str as type_text

if TYPE_CHECKING:
    from bpfvm.btf.btf import Btf
    from bpfvm.obj.model import MapSpec

ADD_CONST64: Final = 0x8000_0000
ADD_CONST32: Final = 0x4000_0000
ADD_CONST: Final = ADD_CONST64 | ADD_CONST32
"""Bits of a scalar's `id`: the register equals the one it was copied from plus the constant in `off`, added in 64 or
in 32 bits (kernel BPF_ADD_CONST64, BPF_ADD_CONST32)."""


@dataclass(frozen=True, slots=True, eq=False)
class Pointee:
    """The part of a register that depends on its type (a union in the kernel).

    map, map_uid: map key/value/pointer; btf, btf_id: kernel or program object; mem_size: bytes of PTR_TO_MEM; range:
    packet bytes proven readable; subprogno: PTR_TO_FUNC; dynptr_*, iter_*: special stack slots and
    CONST_PTR_TO_DYNPTR. Two maps that are declared alike are two maps: maps and BTFs are compared by identity.
    """

    map: MapSpec | None = None
    map_uid: int = 0
    btf: Btf | None = None
    btf_id: int = 0
    mem_size: int = 0
    range: int = 0
    subprogno: int = 0
    dynptr_type: int = 0
    dynptr_id: int = 0
    first_slot: bool = False
    iter_state: int = 0
    iter_depth: int = 0
    irq_class: int = 0

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Pointee)
            and self.map is other.map
            and self.map_uid == other.map_uid
            and self.btf is other.btf
            and self.btf_id == other.btf_id
            and self.mem_size == other.mem_size
            and self.range == other.range
            and self.subprogno == other.subprogno
            and self.dynptr_type == other.dynptr_type
            and self.dynptr_id == other.dynptr_id
            and self.first_slot == other.first_slot
            and self.iter_state == other.iter_state
            and self.iter_depth == other.iter_depth
            and self.irq_class == other.irq_class
        )

    def __hash__(self) -> int:
        return hash((self.map_uid, self.btf_id, self.mem_size, self.range, self.subprogno, self.dynptr_id))


NO_POINTEE: Final = Pointee()


@final
class RegState:
    """Type, number and identity of a register's contents. Treat as immutable; use `with_`.

    type: RegType; num: Bounds of the scalar, or of the variable part of a pointer's offset; off: fixed part of a
    pointer's offset (for a scalar the delta that goes with `ADD_CONST`); id: 0 or the number shared by registers
    known to be related; ref_obj_id: 0 or the acquired reference; frameno: frame of a stack pointer; precise: the
    exact scalar value mattered.
    """

    __slots__ = ("frameno", "id", "num", "off", "precise", "ptr", "ref_obj_id", "type")

    def __init__(
        self,
        type: int,
        num: Bounds = cnum.ZERO,
        off: int = 0,
        id: int = 0,
        ref_obj_id: int = 0,
        precise: bool = False,
        frameno: int = 0,
        ptr: Pointee = NO_POINTEE,
    ) -> None:
        self.type = type
        self.num = num
        self.off = off
        self.id = id
        self.ref_obj_id = ref_obj_id
        self.precise = precise
        self.frameno = frameno
        self.ptr = ptr

    def with_(
        self,
        *,
        type: int | None = None,
        num: Bounds | None = None,
        off: int | None = None,
        id: int | None = None,
        ref_obj_id: int | None = None,
        precise: bool | None = None,
        frameno: int | None = None,
        ptr: Pointee | None = None,
    ) -> RegState:
        """A copy with the named fields replaced."""
        return RegState(
            self.type if type is None else type,
            self.num if num is None else num,
            self.off if off is None else off,
            self.id if id is None else id,
            self.ref_obj_id if ref_obj_id is None else ref_obj_id,
            self.precise if precise is None else precise,
            self.frameno if frameno is None else frameno,
            self.ptr if ptr is None else ptr,
        )

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, RegState)
            and self.type == other.type
            and self.off == other.off
            and self.id == other.id
            and self.ref_obj_id == other.ref_obj_id
            and self.precise == other.precise
            and self.frameno == other.frameno
            and self.num.same(other.num)
            and self.ptr == other.ptr
        )

    def __hash__(self) -> int:
        return hash((self.type, self.off, self.id, self.ref_obj_id, self.precise, self.frameno, self.num))

    def __repr__(self) -> str:
        return f"<RegState {self.fmt()}>"

    # --- the number, field by field (hot code takes `num` once and reads that) ---
    @property
    def var_off(self) -> Tnum:
        """Known bits of the number."""
        return self.num.var_off

    @property
    def smin(self) -> int:
        """Lowest s64."""
        return self.num.smin

    @property
    def smax(self) -> int:
        """Highest s64."""
        return self.num.smax

    @property
    def umin(self) -> int:
        """Lowest u64."""
        return self.num.umin

    @property
    def umax(self) -> int:
        """Highest u64."""
        return self.num.umax

    # --- the thing pointed at ---
    @property
    def map(self) -> MapSpec | None:
        """Map of a map pointer, key or value."""
        return self.ptr.map

    @property
    def map_uid(self) -> int:
        """Tells apart inner maps that share one description; 0 for outer maps."""
        return self.ptr.map_uid

    @property
    def btf(self) -> Btf | None:
        """BTF that `btf_id` belongs to."""
        return self.ptr.btf

    @property
    def btf_id(self) -> int:
        """Type of the object pointed at."""
        return self.ptr.btf_id

    @property
    def mem_size(self) -> int:
        """Bytes behind a PTR_TO_MEM."""
        return self.ptr.mem_size

    @property
    def range(self) -> int:
        """Packet bytes known to be readable; negative: kernel AT_PKT_END (-1), BEYOND_PKT_END (-2)."""
        return self.ptr.range

    @property
    def subprogno(self) -> int:
        """Subprogram of a PTR_TO_FUNC."""
        return self.ptr.subprogno

    # --- questions ---
    def base_type(self) -> int:
        """The type without flags."""
        return self.type & BASE_TYPE_MASK

    def is_scalar(self) -> bool:
        """A number, not a pointer."""
        return self.type == SCALAR_VALUE

    def is_const(self) -> bool:
        """A scalar of which exactly one value is possible."""
        return self.type == SCALAR_VALUE and not self.num.var_off.mask

    def const_value(self) -> int:
        """The u64 of a constant scalar (meaningful only if `is_const()`)."""
        return self.num.var_off.value

    def maybe_null(self) -> bool:
        """The pointer has not been tested for NULL yet."""
        return self.type & PTR_MAYBE_NULL != 0

    def type_str(self) -> str:
        """The kernel's text of the type (reg_type_str)."""
        return type_text(self.type)

    def fmt(self, frameno: int = 0) -> str:
        """The register as the verifier log prints it in a state of frame `frameno` (see verifier/text/reg_fmt.py)."""
        from verifier.text.reg_fmt import fmt_reg  # the formatter imports this module

        return fmt_reg(self, frameno)


NOT_INITIALIZED: Final = RegState(NOT_INIT, cnum.UNKNOWN)
_UNKNOWN: Final = RegState(SCALAR_VALUE, cnum.UNKNOWN)
_UNKNOWN_PRECISE: Final = RegState(SCALAR_VALUE, cnum.UNKNOWN, precise=True)
_SMALL: Final = tuple(RegState(SCALAR_VALUE, cnum.const(value)) for value in range(256))
ZERO: Final = _SMALL[0]


def not_init() -> RegState:
    """A register that must not be read (shared object)."""
    return NOT_INITIALIZED


def unknown(precise: bool = False) -> RegState:
    """A scalar of which nothing is known (shared object)."""
    return _UNKNOWN_PRECISE if precise else _UNKNOWN


def const(value: int, precise: bool = False) -> RegState:
    """A scalar with exactly one value; any int is wrapped to 64 bits."""
    if 0 <= value < 256 and not precise:
        return _SMALL[value]
    return RegState(SCALAR_VALUE, cnum.const(value), precise=precise)


def scalar(num: Bounds, id: int = 0, precise: bool = False) -> RegState:
    """A scalar with the given bounds."""
    return RegState(SCALAR_VALUE, num, 0, id, 0, precise)


def pointer(
    type: int,
    *,
    off: int = 0,
    id: int = 0,
    ref_obj_id: int = 0,
    frameno: int = 0,
    ptr: Pointee = NO_POINTEE,
) -> RegState:
    """A pointer with the fixed offset `off` and no variable offset."""
    return RegState(type, cnum.ZERO, off, id, ref_obj_id, False, frameno, ptr)


def fp(frameno: int = 0, off: int = 0) -> RegState:
    """The stack pointer of a frame, `off` (<= 0) bytes from its top."""
    return RegState(PTR_TO_STACK, cnum.ZERO, off, 0, 0, False, frameno)


def map_ptr(map_: MapSpec, uid: int = 0) -> RegState:
    """The address of a map itself (CONST_PTR_TO_MAP)."""
    return RegState(CONST_PTR_TO_MAP, cnum.ZERO, ptr=Pointee(map=map_, map_uid=uid))
