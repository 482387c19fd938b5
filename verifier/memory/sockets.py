# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Access to sockets, flow keys and tracepoint buffers: kernel/bpf/verifier.c check_sock_access, check_flow_keys_access,
check_tp_buffer_access, check_buffer_access, is_acquire_function, is_ptr_cast_function (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.obj.model import MapSpec
from verifier.env import Env
from verifier.memory.ctx_tables import FLOW_KEYS_SIZE, SOCK_KINDS
from verifier.rejection import EACCES
from verifier.state.reg_type import PTR_TO_SOCK_COMMON, PTR_TO_SOCKET, PTR_TO_TCP_SOCK, type_str

SOCK_RESULTS: Final = {
    "PTR_TO_SOCKET": PTR_TO_SOCKET,
    "PTR_TO_TCP_SOCK": PTR_TO_TCP_SOCK,
    "PTR_TO_SOCK_COMMON": PTR_TO_SOCK_COMMON,
}
"""Kind of a helper's result → register type."""
SOCK_STRUCTS: Final = {PTR_TO_SOCKET: "sock", PTR_TO_SOCK_COMMON: "sock_common", PTR_TO_TCP_SOCK: "tcp_sock"}
"""Register type → the kernel's struct there; such pointers are always trusted (reg2btf_ids)."""
_CASTS_TEXT: Final = """
tcp_sock sk_fullsock skc_to_tcp_sock skc_to_tcp6_sock skc_to_udp6_sock skc_to_mptcp_sock skc_to_tcp_timewait_sock
skc_to_tcp_request_sock
"""
CASTS: Final = frozenset(_CASTS_TEXT.split())
"""The result is the argument seen as something else: it shares its reference (is_ptr_cast_function)."""
_ACQUIRE: Final = frozenset(("sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp", "ringbuf_reserve", "kptr_xchg"))


def acquires(helper: str, map_: MapSpec | None) -> bool:
    """The helper's result is a reference that must be given back (is_acquire_function)."""
    if helper == "map_lookup_elem":
        return map_ is not None and map_.map_type in ("sockmap", "sockhash")
    return helper in _ACQUIRE


def check_sock_access(env: Env, regno: int, off: int, size: int) -> None:
    """A load from a socket. Raises Rejection."""
    reg = env.frame.regs[regno]
    if reg.num.smin < 0:
        env.reject(EACCES, f"R{regno} min value is negative, either use unsigned index or do a if (index >=0) check.")
    kind = SOCK_KINDS[reg.type]
    field = kind.field_at(off)
    if field is None or off & (size - 1) or not field.loads(off, size, False):
        env.reject(EACCES, f"R{regno} invalid {type_str(reg.type)} access off={off} size={size}")


def check_flow_keys_access(env: Env, off: int, size: int) -> None:
    """A load from or store to a flow dissector's keys. Raises Rejection."""
    if off < 0 or off + size > FLOW_KEYS_SIZE:
        env.reject(EACCES, f"invalid access to flow keys off={off} size={size}")


def check_buffer_access(env: Env, what: str, regno: int, off: int, size: int) -> None:
    """An access to a tracepoint's or iterator's buffer, whose size is known at attach time only. Raises Rejection."""
    var_off = env.frame.regs[regno].num.var_off
    if off < 0:
        env.reject(EACCES, f"R{regno} invalid {what} buffer access: off={off}, size={size}")
    if var_off.mask or var_off.value:
        env.reject(EACCES, f"R{regno} invalid variable buffer offset: off={off}, var_off={var_off}")
