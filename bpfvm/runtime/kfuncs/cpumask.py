# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on CPU masks (kernel/bpf/cpumask.c, 6.18). Only the bits of CPUs that can exist are looked at."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bpfvm.btf import types as t
from bpfvm.engine.services import CallFrame
from bpfvm.errors import SyscallError
from bpfvm.isa.word import u32
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import KFUNCS, kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

NR_CPUS: Final = 8192
"""bits of a mask when the kernel's BTF doesn't say: CONFIG_NR_CPUS of Debian's x86-64 kernels"""


def _mask_size(rt: Runtime) -> int:
    """sizeof(struct cpumask)"""
    type_id = rt.btf.find("cpumask", t.Struct) if rt.btf is not None else 0
    return rt.btf.size_of(type_id) if rt.btf is not None and type_id else NR_CPUS // 8


def _load(rt: Runtime, mask: int) -> int:
    return rt.memory.load(mask, 8) & (1 << rt.cpus) - 1


def _store(rt: Runtime, mask: int, bits: int) -> None:
    rt.memory.store(mask, 8, bits)


def _first(bits: int, none: int) -> int:
    """Number of the lowest bit, ``none`` without one."""
    return (bits & -bits).bit_length() - 1 if bits else none


# --- references -----------------------------------------------------------------------------------------------------
@kfunc
def cpumask_create(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """→ an empty mask with one reference, or 0."""
    size = _mask_size(rt)
    try:
        mask = rt.memory.alloc(size + 8, what="bpf_cpumask")
    except SyscallError:
        return 0
    rt.memory.store(mask + size, 4, 1)
    return mask


@kfunc
def cpumask_acquire(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask) → the mask with a reference more."""
    count = args[0] + _mask_size(rt)
    rt.memory.store(count, 4, rt.memory.load(count, 4) + 1)
    return args[0]


@kfunc
def cpumask_release(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask): one reference less; the last one frees it."""
    count = args[0] + _mask_size(rt)
    left = rt.memory.load(count, 4) - 1
    rt.memory.store(count, 4, left)
    if not left:
        rt.memory.free(args[0])
    return 0


# --- single CPUs ----------------------------------------------------------------------------------------------------
@kfunc
def cpumask_first(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask) → its lowest CPU, or the number of CPUs."""
    return _first(_load(rt, args[0]), rt.cpus)


@kfunc
def cpumask_first_zero(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask) → the lowest CPU that isn't in it, or the number of CPUs."""
    return _first(~_load(rt, args[0]) & (1 << rt.cpus) - 1, rt.cpus)


@kfunc
def cpumask_first_and(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask, mask) → the lowest CPU that is in both, or the number of CPUs."""
    return _first(_load(rt, args[0]) & _load(rt, args[1]), rt.cpus)


def _change(rt: Runtime, cpu: int, mask: int, *, add: bool) -> int:
    """Put a CPU in or take it out; was it in? Nothing happens for a CPU that can't exist."""
    cpu = u32(cpu)
    if cpu >= rt.cpus:
        return 0
    bits = _load(rt, mask)
    _store(rt, mask, bits | 1 << cpu if add else bits & ~(1 << cpu))
    return bits >> cpu & 1


@kfunc
def cpumask_set_cpu(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cpu, mask): put it in."""
    _change(rt, args[0], args[1], add=True)
    return 0


@kfunc
def cpumask_clear_cpu(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cpu, mask): take it out."""
    _change(rt, args[0], args[1], add=False)
    return 0


@kfunc
def cpumask_test_cpu(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cpu, mask) → is it in?"""
    cpu = u32(args[0])
    return _load(rt, args[1]) >> cpu & 1 if cpu < rt.cpus else 0


@kfunc
def cpumask_test_and_set_cpu(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cpu, mask) → was it in? It is now."""
    return _change(rt, args[0], args[1], add=True)


@kfunc
def cpumask_test_and_clear_cpu(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cpu, mask) → was it in? It isn't now."""
    return _change(rt, args[0], args[1], add=False)


# --- whole masks ----------------------------------------------------------------------------------------------------
@kfunc
def cpumask_setall(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask): all CPUs."""
    _store(rt, args[0], (1 << rt.cpus) - 1)
    return 0


@kfunc
def cpumask_clear(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask): no CPU."""
    _store(rt, args[0], 0)
    return 0


@kfunc
def cpumask_copy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(to, from)"""
    _store(rt, args[0], _load(rt, args[1]))
    return 0


def _combine(combined: Callable[[int, int], int]) -> Callable[[Runtime, Args, CallFrame], int]:
    def store(rt: Runtime, args: Args, frame: CallFrame) -> int:
        """(to, one, other) → is any CPU left? (only "and" says so)"""
        bits = combined(_load(rt, args[1]), _load(rt, args[2]))
        _store(rt, args[0], bits)
        return int(bool(bits))

    return store


KFUNCS["bpf_cpumask_and"] = _combine(lambda one, other: one & other)
KFUNCS["bpf_cpumask_or"] = _combine(lambda one, other: one | other)
KFUNCS["bpf_cpumask_xor"] = _combine(lambda one, other: one ^ other)


@kfunc
def cpumask_equal(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(one, other) → are they the same?"""
    return int(_load(rt, args[0]) == _load(rt, args[1]))


@kfunc
def cpumask_intersects(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(one, other) → is a CPU in both?"""
    return int(bool(_load(rt, args[0]) & _load(rt, args[1])))


@kfunc
def cpumask_subset(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(one, other) → is all of one in the other?"""
    return int(not _load(rt, args[0]) & ~_load(rt, args[1]))


@kfunc
def cpumask_empty(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask) → is no CPU in it?"""
    return int(not _load(rt, args[0]))


@kfunc
def cpumask_full(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask) → are all CPUs in it?"""
    return int(_load(rt, args[0]) == (1 << rt.cpus) - 1)


@kfunc
def cpumask_weight(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask) → how many CPUs are in it."""
    return _load(rt, args[0]).bit_count()


@kfunc
def cpumask_any_distribute(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask) → a CPU of it, or the number of CPUs; the kernel goes round, here it is always the lowest."""
    return _first(_load(rt, args[0]), rt.cpus)


@kfunc
def cpumask_any_and_distribute(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(one, other) → a CPU of both, or the number of CPUs."""
    return _first(_load(rt, args[0]) & _load(rt, args[1]), rt.cpus)


@kfunc
def cpumask_populate(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(mask, bytes, their size) → 0, or an errno for bytes that aren't enough or aren't whole words."""
    size = args[2]
    if size * 8 < rt.cpus:
        return -errno.EACCES
    if size & 7 or args[1] & 7:
        return -errno.EINVAL
    _store(rt, args[0], rt.memory.load(args[1], 8))
    return 0
