# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on arenas (kernel/bpf/arena.c, 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.engine.trap import Unsupported
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc
from bpfvm.runtime.maps.arena import ArenaMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


def _arena(rt: Runtime, addr: int) -> ArenaMap:
    found = rt.map_at(addr)
    if not isinstance(found, ArenaMap):
        raise Unsupported(f"{found!r} is no arena")
    return found


@kfunc
def arena_alloc_pages(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, user address or 0, number, node, 0) → user address, or 0."""
    return 0 if args[4] else _arena(rt, args[0]).alloc_pages(args[1], u32(args[2]), s32(args[3]))


@kfunc
def arena_free_pages(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, user address, number)"""
    if args[1] and u32(args[2]):
        _arena(rt, args[0]).free_pages(args[1], u32(args[2]))
    return 0


@kfunc
def arena_reserve_pages(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map, user address, number) → 0 or an errno."""
    return _arena(rt, args[0]).reserve_pages(args[1], u32(args[2])) if u32(args[2]) else 0
