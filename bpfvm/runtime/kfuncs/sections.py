# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs that begin and end sections, change types, count elements (kernel/bpf/helpers.c, map_iter.c,
kernel/bpf/rqspinlock.c; 6.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.engine.throw import Thrown
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc
from bpfvm.runtime.maps import HashMap

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime


@kfunc
def rcu_read_lock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Enter a read-side critical section."""
    rt.rcu_depth += 1
    return 0


@kfunc
def rcu_read_unlock(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Leave it."""
    rt.rcu_depth -= 1
    return 0


@kfunc
def preempt_disable(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """Programs aren't preempted here anyway."""
    return 0


@kfunc
def preempt_enable(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """See preempt_disable."""
    return 0


@kfunc
def rdonly_cast(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(object, BTF id) → the object, which the verifier now takes for that type."""
    return args[0]


@kfunc
def cast_to_kern_ctx(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(context) → the context, which the verifier now takes for the kernel's type."""
    return args[0]


@kfunc
def map_sum_elem_count(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(map) → number of elements of a hash table, 0 for other kinds."""
    found = rt.map_at(args[0])
    return len(found) if isinstance(found, HashMap) else 0


@kfunc
def throw(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(cookie): end the program. Raises Thrown."""
    raise Thrown(args[0])
