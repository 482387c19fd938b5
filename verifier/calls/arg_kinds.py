# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a helper takes and gives: kinds of arguments and results, with the flags of register types.

Names are those of include/linux/bpf.h enum bpf_arg_type and bpf_return_type (6.18) without their prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from verifier.state import reg_type as rt

ARG_KINDS: Final = (
    *("CONST_MAP_PTR", "PTR_TO_MAP_KEY", "PTR_TO_MAP_VALUE", "PTR_TO_MEM", "CONST_SIZE", "CONST_SIZE_OR_ZERO"),
    *("PTR_TO_CTX", "ANYTHING", "PTR_TO_BTF_ID", "PTR_TO_RINGBUF_MEM", "CONST_ALLOC_SIZE_OR_ZERO", "PTR_TO_FUNC"),
    *("PTR_TO_STACK", "PTR_TO_CONST_STR", "PTR_TO_SPIN_LOCK", "PTR_TO_TIMER", "PTR_TO_PERCPU_BTF_ID"),
    *("KPTR_XCHG_DEST", "KPTR_XCHG_SRC", "PTR_TO_DYNPTR"),
    *("PTR_TO_SOCK_COMMON", "PTR_TO_BTF_ID_SOCK_COMMON", "PTR_TO_SOCKET"),
)
RET_KINDS: Final = (
    *("INTEGER", "VOID", "PTR_TO_MAP_VALUE", "PTR_TO_MEM", "PTR_TO_BTF_ID", "PTR_TO_MEM_OR_BTF_ID"),
    *("PTR_TO_SOCKET", "PTR_TO_TCP_SOCK", "PTR_TO_SOCK_COMMON"),
)

R = rt
MEM_TYPES: Final[tuple[int, ...]] = (
    *(R.PTR_TO_STACK, R.PTR_TO_PACKET, R.PTR_TO_PACKET_META, R.PTR_TO_MAP_KEY, R.PTR_TO_MAP_VALUE, R.PTR_TO_MEM),
    *(R.PTR_TO_MEM | R.MEM_RINGBUF, R.PTR_TO_BUF, R.PTR_TO_BTF_ID | R.PTR_TRUSTED),
)
SOCK_TYPES: Final = (R.PTR_TO_SOCK_COMMON, R.PTR_TO_SOCKET, R.PTR_TO_TCP_SOCK, R.PTR_TO_XDP_SOCK)
COMPATIBLE: Final[dict[str, tuple[int, ...]]] = {
    "PTR_TO_MAP_KEY": MEM_TYPES,
    "PTR_TO_MAP_VALUE": MEM_TYPES,
    "PTR_TO_MEM": MEM_TYPES,
    "CONST_SIZE": (R.SCALAR_VALUE,),
    "CONST_SIZE_OR_ZERO": (R.SCALAR_VALUE,),
    "CONST_ALLOC_SIZE_OR_ZERO": (R.SCALAR_VALUE,),
    "CONST_MAP_PTR": (R.CONST_PTR_TO_MAP,),
    "PTR_TO_CTX": (R.PTR_TO_CTX,),
    "PTR_TO_BTF_ID": (R.PTR_TO_BTF_ID, R.PTR_TO_BTF_ID | R.PTR_TRUSTED, R.PTR_TO_BTF_ID | R.MEM_RCU),
    "PTR_TO_SOCK_COMMON": SOCK_TYPES,
    "PTR_TO_BTF_ID_SOCK_COMMON": (*SOCK_TYPES, R.PTR_TO_BTF_ID, R.PTR_TO_BTF_ID | R.PTR_TRUSTED),
    "PTR_TO_SOCKET": (R.PTR_TO_SOCKET,),
    "PTR_TO_RINGBUF_MEM": (R.PTR_TO_MEM | R.MEM_RINGBUF,),
    "PTR_TO_FUNC": (R.PTR_TO_FUNC,),
    "PTR_TO_STACK": (R.PTR_TO_STACK,),
    "PTR_TO_CONST_STR": (R.PTR_TO_MAP_VALUE,),
    "PTR_TO_SPIN_LOCK": (R.PTR_TO_MAP_VALUE, R.PTR_TO_BTF_ID | R.MEM_ALLOC),
    "PTR_TO_TIMER": (R.PTR_TO_MAP_VALUE,),
    "PTR_TO_PERCPU_BTF_ID": tuple(R.PTR_TO_BTF_ID | R.MEM_PERCPU | flag for flag in (0, R.MEM_RCU, R.PTR_TRUSTED)),
    "PTR_TO_DYNPTR": (R.PTR_TO_STACK, R.CONST_PTR_TO_DYNPTR),
    "KPTR_XCHG_DEST": (R.PTR_TO_MAP_VALUE, R.PTR_TO_BTF_ID | R.MEM_ALLOC),
    "KPTR_XCHG_SRC": (R.PTR_TO_BTF_ID, R.PTR_TO_BTF_ID | R.PTR_TRUSTED, R.PTR_TO_BTF_ID | R.MEM_RCU),
}
"""Register types an argument of a kind may have, in the order in which a refusal lists them."""

_WORDS: Final = {
    "OR_NULL": R.PTR_MAYBE_NULL,
    "RDONLY": R.MEM_RDONLY,
    "UNINIT": R.MEM_UNINIT | R.MEM_WRITE,
    "WRITE": R.MEM_WRITE,
    "ALIGNED": R.MEM_ALIGNED,
    "RELEASE": R.OBJ_RELEASE,
    "RINGBUF": R.MEM_RINGBUF,
    "TRUSTED": R.PTR_TRUSTED,
    "LOCAL_DYNPTR": R.DYNPTR_TYPE_LOCAL,
    "RINGBUF_DYNPTR": R.DYNPTR_TYPE_RINGBUF,
}


class Kind(NamedTuple):
    """One argument or result: kind by name, flags, size in bytes of fixed-size memory (0: none), struct name of a
    kernel object."""

    name: str
    flags: int = 0
    size: int = 0
    struct: str = ""


@dataclass(frozen=True, slots=True)
class HelperProto:
    """A helper: result, arguments; gpl: only for GPL programs; sleeps: may sleep; packet: may be given packet
    memory."""

    name: str
    ret: Kind
    args: tuple[Kind, ...]
    gpl: bool = False
    sleeps: bool = False
    packet: bool = False


def parse_kind(text: str) -> Kind:
    """`MEM|UNINIT`, `MEM|WRITE=8` (fixed size), `BTF_ID:task_struct|OR_NULL` …; the prefix PTR_TO_ is added where
    needed. Raises ValueError for an unknown kind or flag word."""
    first, *words = text.split("|")
    first, _, struct = first.partition(":")
    size = flags = 0
    for word in words:
        name, _, number = word.partition("=")
        if number:
            size = int(number)
        if name:
            if name not in _WORDS:
                raise ValueError(f"unknown flag {name!r} in {text!r}")
            flags |= _WORDS[name]
    name = first if first in ARG_KINDS or first in RET_KINDS else "PTR_TO_" + first
    if name not in ARG_KINDS and name not in RET_KINDS:
        raise ValueError(f"unknown kind {first!r} in {text!r}")
    return Kind(name, flags, size, "sock_common" if name == "PTR_TO_BTF_ID_SOCK_COMMON" else struct)


def parse_proto(row: str) -> HelperProto:
    """`name FLAGS ret: arg, arg` with FLAGS of G (GPL only), S (may sleep), P (packet memory allowed), or `-`."""
    head, _, tail = row.partition(":: ")
    name, flags, ret = head.split()
    args = tuple(parse_kind(arg.strip()) for arg in tail.split(",") if arg.strip())
    return HelperProto(name, parse_kind(ret), args, "G" in flags, "S" in flags, "P" in flags)
