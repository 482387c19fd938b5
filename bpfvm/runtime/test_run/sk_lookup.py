# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""struct bpf_sk_lookup of a test run (net/bpf/test_run.c bpf_prog_test_run_sk_lookup, 6.18). There is no socket to
choose, so what comes back is what was given."""

from __future__ import annotations

import errno
from typing import Final

from bpfvm.errors import SyscallError
from bpfvm.runtime.test_run.skb import AF_INET, AF_INET6

SIZE: Final = 72
COOKIE_SIZE, FAMILY_AT, LOCAL_PORT_AT, LOCAL_PORT_END = 8, 8, 60, 64
IP4: Final = ((16, 4), (40, 4))
IP6: Final = ((20, 16), (44, 16))
"""(offset, size) of the remote and the local address"""
U16_MAX: Final = 0xFFFF


def checked(given: bytes) -> bytes:
    """The context for what the caller gave: addresses of the other family read as zero.

    Raises SyscallError(EINVAL, ERANGE, EAFNOSUPPORT).
    """
    block = bytearray(given.ljust(SIZE, b"\0")[:SIZE])
    if not given or any(block[:COOKIE_SIZE]) or any(block[LOCAL_PORT_END:]) or any(given[SIZE:]):
        raise SyscallError(errno.EINVAL, "a context is needed, without a cookie or an ingress device")
    if int.from_bytes(block[LOCAL_PORT_AT:LOCAL_PORT_END], "little") > U16_MAX:
        raise SyscallError(errno.ERANGE, "a local port has 16 bits")
    family = int.from_bytes(block[FAMILY_AT : FAMILY_AT + 2], "little")
    if family not in (AF_INET, AF_INET6):
        raise SyscallError(errno.EAFNOSUPPORT, f"address family {family}")
    for offset, size in IP6 if family == AF_INET else IP4:
        block[offset : offset + size] = bytes(size)
    return bytes(block)
