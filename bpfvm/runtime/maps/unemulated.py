# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Maps whose elements are sockets, devices or CPUs' queues: they can be made, so that programs with them verify, and
stay empty. Sources of the checks: kernel/bpf/{devmap,cpumap,arraymap,reuseport_array}.c, net/core/sock_map.c,
net/xdp/xskmap.c (6.18).

Storing from user space raises SyscallError(EOPNOTSUPP, "not emulated"); a program that uses an element's kernel
object traps with "not emulated: bpf_NAME", as the helper says.
"""

from __future__ import annotations

import errno
from typing import ClassVar, Final, NoReturn

from bpfvm.errors import ENOTSUPP, SyscallError
from bpfvm.isa import map_types as mt
from bpfvm.obj.model import MapSpec
from bpfvm.runtime.maps.array import check_array, next_index
from bpfvm.runtime.maps.base import F_NUMA_NODE, Map

PROG_ACCESS: Final = mt.BPF_F_RDONLY_PROG | mt.BPF_F_WRONLY_PROG
USER_ACCESS: Final = mt.BPF_F_RDONLY | mt.BPF_F_WRONLY
DEVMAP_VALUES: Final = (4, 8)
CPUMAP_VALUES: Final = (4, 8)
SOCKMAP_VALUES: Final = (4, 8)
COOKIE_SIZE: Final = 8
NR_CPUS: Final = 8192
"""CONFIG_NR_CPUS of Debian's x86-64 kernels"""
MAX_BPF_STACK: Final = 512
MAX_ENTRIES: Final = 1 << 31


class UnemulatedMap(Map):
    """An empty map with 4-byte indexes. ``no_value`` is the errno of a lookup from user space."""

    no_value: ClassVar[int] = errno.ENOENT
    __slots__ = ()

    def update_elem(self, key: bytes, value: bytes, flags: int) -> int:
        return -errno.EOPNOTSUPP

    def delete_elem(self, key: bytes) -> int:
        return -errno.EINVAL if int.from_bytes(key, "little") >= self.max_entries else 0

    def _value(self, key: bytes) -> bytes | int:
        return -self.no_value

    def _replace(self, key: bytes, value: bytes, flags: int) -> NoReturn:
        raise SyscallError(errno.EOPNOTSUPP, f"not emulated: elements of {self!r}")

    def _next_key(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.max_entries)


def _check_index(spec: MapSpec, values: tuple[int, ...], flags: int) -> int:
    """Checks of the kinds that are arrays of kernel objects."""
    fits = spec.max_entries and spec.key_size == 4 and spec.value_size in values and not spec.map_flags & ~flags
    return 0 if fits else -errno.EINVAL


class DevMap(UnemulatedMap):
    """Network devices by index."""

    kind = "devmap"
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return _check_index(spec, DEVMAP_VALUES, F_NUMA_NODE | USER_ACCESS)


class DevMapHash(DevMap):
    """Network devices by a number."""

    kind = "devmap_hash"
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return super().check(spec) or (-errno.EINVAL if spec.max_entries > MAX_ENTRIES else 0)

    def delete_elem(self, key: bytes) -> int:
        return -errno.ENOENT

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -errno.ENOENT


class CpuMap(UnemulatedMap):
    """Queues of CPUs; no more entries than CPUs the kernel was built for."""

    kind = "cpumap"
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return _check_index(spec, CPUMAP_VALUES, F_NUMA_NODE) or (-errno.E2BIG if spec.max_entries > NR_CPUS else 0)


class XskMap(UnemulatedMap):
    """AF_XDP sockets by index."""

    kind = "xskmap"
    no_value = errno.EOPNOTSUPP
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return _check_index(spec, (4,), F_NUMA_NODE | USER_ACCESS)


class _Sockets(UnemulatedMap):
    """User space can look up cookies, which take 8 bytes."""

    __slots__ = ()

    def _value(self, key: bytes) -> bytes | int:
        return -errno.ENOENT if self.value_size == COOKIE_SIZE else -errno.ENOSPC


class SockMap(_Sockets):
    """Sockets by index."""

    kind = "sockmap"
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return _check_index(spec, SOCKMAP_VALUES, F_NUMA_NODE | USER_ACCESS)

    def delete_elem(self, key: bytes) -> int:
        return -errno.EINVAL


class SockHash(_Sockets):
    """Sockets by key."""

    kind = "sockhash"
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        flags = F_NUMA_NODE | USER_ACCESS
        fits = spec.max_entries and spec.key_size and spec.value_size in SOCKMAP_VALUES and not spec.map_flags & ~flags
        if not fits:
            return -errno.EINVAL
        return -errno.E2BIG if spec.key_size > MAX_BPF_STACK else 0

    def delete_elem(self, key: bytes) -> int:
        return -errno.ENOENT

    def _next_key(self, key: bytes | None) -> bytes | int:
        return -errno.ENOENT


class ReuseportSockArray(_Sockets):
    """Listening sockets that share a port."""

    kind = "reuseport_sockarray"
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        return check_array(spec) if spec.value_size in SOCKMAP_VALUES else -errno.EINVAL

    def delete_elem(self, key: bytes) -> int:
        return -errno.E2BIG if int.from_bytes(key, "little") >= self.max_entries else -errno.ENOENT


class CgroupArray(UnemulatedMap):
    """Cgroups by index."""

    kind = "cgroup_array"
    no_value = ENOTSUPP
    __slots__ = ()

    @classmethod
    def check(cls, spec: MapSpec) -> int:
        if spec.value_size != 4 or spec.map_flags & PROG_ACCESS:
            return -errno.EINVAL
        return check_array(spec)

    def delete_elem(self, key: bytes) -> int:
        return -errno.E2BIG if int.from_bytes(key, "little") >= self.max_entries else -errno.ENOENT


UNEMULATED: Final = (DevMap, DevMapHash, CpuMap, XskMap, SockMap, SockHash, ReuseportSockArray, CgroupArray)
