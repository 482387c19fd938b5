# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Open-coded iterators (kernel/bpf/bpf_iter.c, helpers.c, task_iter.c; 6.18)."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import s32, u32
from bpfvm.runtime.helpers.basic import BPF_MAX_LOOPS
from bpfvm.runtime.helpers.probe import read_kernel
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import KFUNCS, kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime
    from bpfvm.runtime.subsystem import Tasks


# --- numbers: struct bpf_iter_num is s32 cur, s32 end ------------------------------------------------------
@kfunc
def iter_num_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, start, end) → 0 or an errno; then the iterator is empty."""
    it, start, end = args[0], s32(args[1]), s32(args[2])
    code = -errno.EINVAL if start > end else -errno.E2BIG if end - start > BPF_MAX_LOOPS else 0
    rt.memory.store(it, 4, 0 if code else start - 1)
    rt.memory.store(it + 4, 4, 0 if code else end)
    return code


@kfunc
def iter_num_next(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → address of the next number, 0 at the end."""
    it = args[0]
    following, end = s32(rt.memory.load(it, 4) + 1), s32(rt.memory.load(it + 4, 4))
    if following >= end:
        rt.memory.store(it, 8, 0)
        return 0
    rt.memory.store(it, 4, following)
    return it


@kfunc
def iter_num_destroy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator): end it."""
    rt.memory.store(args[0], 8, 0)
    return 0


# --- bits: struct bpf_iter_bits is bits or the address of many, s32 their number, s32 the last one -------------------
BITS_NUMBER, BITS_LAST = 8, 12
MAX_WORDS = 511
WORD = 64


@kfunc
def iter_bits_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, address, number of words) → 0 or an errno; then the iterator is empty."""
    it, addr, words = args[0], args[1], u32(args[2])
    rt.memory.write(it, bytes(BITS_LAST))
    rt.memory.store(it + BITS_LAST, 4, -1)
    if not addr or not words:
        return -errno.EINVAL
    if words > MAX_WORDS:
        return -errno.E2BIG
    found = read_kernel(rt, addr, words * 8)
    if isinstance(found, int):
        return -errno.EFAULT if words == 1 else found
    place = it if words == 1 else rt.memory.alloc(words * 8, what="iterator's bits")
    rt.memory.write(place, found)
    if words > 1:
        rt.memory.store(it, 8, place)
    rt.memory.store(it + BITS_NUMBER, 4, words * WORD)
    return 0


@kfunc
def iter_bits_next(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → address of the number of the next bit that is set, 0 at the end."""
    it = args[0]
    number, last = rt.memory.load(it + BITS_NUMBER, 4), s32(rt.memory.load(it + BITS_LAST, 4))
    if not number or last >= number:
        return 0
    place = it if number == WORD else rt.memory.load(it, 8)
    left = int.from_bytes(rt.memory.read(place, number // 8), "little") >> last + 1
    found = last + (left & -left).bit_length() if left else number
    rt.memory.store(it + BITS_LAST, 4, found)
    return it + BITS_LAST if left else 0


@kfunc
def iter_bits_destroy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator): end it."""
    if rt.memory.load(args[0] + BITS_NUMBER, 4) > WORD:
        rt.memory.free(rt.memory.load(args[0], 8))
    return 0


# --- walks over kernel objects: the iterator's bytes are only marked, what is left to visit is kept beside ----------
ALL_PROCS, ALL_THREADS, PROC_THREADS = range(3)
"""BPF_TASK_ITER_*"""
DESCENDANTS_PRE, DESCENDANTS_POST, ANCESTORS_UP = 2, 3, 4
"""BPF_CGROUP_ITER_*"""
TASK_ITER_PROCS, TASK_ITER_THREADED = 1, 2
"""CSS_TASK_ITER_*"""


def _begin(rt: Runtime, it: int, found: Iterable[int] | int) -> int:
    """The iterator visits these objects; a negative errno makes it empty. 0 or the errno."""
    rt.memory.store(it, 8, 1)
    rt.iterators[it] = iter(() if isinstance(found, int) else found)
    return found if isinstance(found, int) else 0


def _next(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator) → the next object, 0 at the end."""
    return next(rt.iterators[args[0]], 0)


def _destroy(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator): end it."""
    rt.iterators.pop(args[0], None)
    return 0


for _kind in ("task", "task_vma", "css", "css_task"):
    KFUNCS[f"bpf_iter_{_kind}_next"] = _next
    KFUNCS[f"bpf_iter_{_kind}_destroy"] = _destroy


@kfunc
def iter_task_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, task or 0, what) → 0 or an errno: all processes, all threads, or the threads of the task's process."""
    tasks, task, what = rt.need_tasks("bpf_iter_task_new"), args[1], u32(args[2])
    if what == ALL_PROCS:
        return _begin(rt, args[0], tasks.processes())
    if what == ALL_THREADS:
        return _begin(rt, args[0], [each for leader in tasks.processes() for each in tasks.threads(leader)])
    if what != PROC_THREADS or not task:
        return _begin(rt, args[0], -errno.EINVAL)
    threads = tasks.threads(task)
    return _begin(rt, args[0], threads[threads.index(task) :] if task in threads else ())


@kfunc
def iter_task_vma_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, task, address) → 0, or -ENOENT without an address space: its areas that end above the address."""
    areas = rt.need_tasks("bpf_iter_task_vma_new").vmas(args[1])
    if areas is None:
        return _begin(rt, args[0], -errno.ENOENT)
    return _begin(rt, args[0], [area for end, area in areas if end > args[2]])


def _below(tasks: Tasks, cgroup: int, *, parents_first: bool) -> Iterator[int]:
    if parents_first:
        yield cgroup
    for child in tasks.cgroup_children(cgroup):
        yield from _below(tasks, child, parents_first=parents_first)
    if not parents_first:
        yield cgroup


def _above(tasks: Tasks, cgroup: int) -> Iterator[int]:
    while cgroup:
        yield cgroup
        cgroup = tasks.cgroup_parent(cgroup)


@kfunc
def iter_css_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, css, order) → 0 or an errno. Only the css of the cgroup itself, which begins where the cgroup does."""
    tasks, css, order = rt.need_tasks("bpf_iter_css_new"), args[1], u32(args[2])
    if order == ANCESTORS_UP:
        return _begin(rt, args[0], _above(tasks, css))
    if order not in (DESCENDANTS_PRE, DESCENDANTS_POST):
        return _begin(rt, args[0], -errno.EINVAL)
    return _begin(rt, args[0], _below(tasks, css, parents_first=order == DESCENDANTS_PRE))


@kfunc
def iter_css_task_new(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(iterator, css, which tasks) → 0 or an errno: tasks of the cgroup, or only first threads."""
    tasks, flags = rt.need_tasks("bpf_iter_css_task_new"), u32(args[2])
    if flags not in (0, TASK_ITER_PROCS, TASK_ITER_PROCS | TASK_ITER_THREADED):
        return _begin(rt, args[0], -errno.EINVAL)
    found = tasks.cgroup_tasks(args[1])
    leaders = tasks.processes() if flags & TASK_ITER_PROCS else found
    return _begin(rt, args[0], [task for task in found if task in leaders])
