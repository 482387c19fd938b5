# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs about open-coded iterators, for the running kernel's verifier and ours: every rule kept, and broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bpfvm.obj.model import MapSpec
from tests.differential.verifier_cases import ARRAY, Case

PROGS: Final = MapSpec("oracle", "prog_array", 4, 4, 1)
END: Final = "r0 = 0 / exit"
LOCK, UNLOCK = "kcall bpf_rcu_read_lock", "kcall bpf_rcu_read_unlock"


def call(off: int, name: str) -> str:
    """A call of an iterator's kfunc with the iterator at fp+off."""
    return f"r1 = r10 / r1 += {off} / kcall bpf_iter_{name}"


NEW: Final = "r1 = r10 / r1 += -8 / r2 = 0 / r3 = 10 / kcall bpf_iter_num_new"
NEXT: Final = call(-8, "num_next")
DESTROY: Final = call(-8, "num_destroy")
BITS: Final = "*(u64 *)(r10 -24) = 5 / r1 = r10 / r1 += -16 / r2 = r10 / r2 += -24 / r3 = 1 / kcall bpf_iter_bits_new"
RANDOM: Final = "call bpf_get_prandom_u32"


def loop(body: str, new: str = NEW, off: int = -8, name: str = "num") -> str:
    """for (…) body: `L` is the next round, `D` the end."""
    step, end = call(off, f"{name}_next"), call(off, f"{name}_destroy")
    return f"{new} / L: {step} / if r0 == 0x0 goto D / {body} / goto L / D: {end} / {END}"


_INNER: Final = (
    "r1 = r10 / r1 += -16 / r2 = 0 / r3 = 5 / kcall bpf_iter_num_new / "
    f"M: {call(-16, 'num_next')} / if r0 == 0x0 goto E / r6 += 1 / goto M / E: {call(-16, 'num_destroy')}"
)
_LOOKUP: Final = "*(u32 *)(r10 -16) = r6 / r1 = map[id:0] / r2 = r10 / r2 += -16 / call bpf_map_lookup_elem"

_NUMBERS: Final = {
    "empty": loop("r6 = *(u32 *)(r0 +0)"),
    "count": "r6 = 0 / " + loop("r6 += 1"),
    "sum": "r6 = 0 / " + loop("r7 = *(u32 *)(r0 +0) / r6 += r7 / if r6 > 0x64 goto D"),
    "nested": "r6 = 0 / " + loop(_INNER),
    "inner loop": "r6 = 0 / " + loop("r7 = 0 / M: r7 += 1 / if r7 < 0xa goto M"),
    "inner loop for ever": "r6 = 0 / " + loop("r7 = 0 / M: r7 = 0 / if r7 < 0xa goto M"),
    "may_goto inside": "r8 = 1 / " + loop("may_goto +1 / goto D / r8 += 1 / goto L"),
    "imprecise index": "r6 = -16 / " + loop("r0 = r10 / r0 += r6 / *(u8 *)(r0 +0) = 0 / r6 -= 1"),
    "index of another round": f"r7 = -16 / {RANDOM} / r6 = r0 / "
    + loop(
        f"if r6 == 0x2a goto M / r7 = -32 / {RANDOM} / r6 = r0 / goto L / "
        f"M: r0 = r10 / r0 += r7 / *(u64 *)(r0 +0) = 1 / {RANDOM} / r6 = r0"
    ),
    "precise index": "r8 = 1 / "
    + loop("r8 += 1 / if r8 > 0x8 goto D / r1 = r10 / r1 += -64 / r1 += r8 / *(u8 *)(r1 +0) = 1"),
    "drained twice": f"{NEW} / L: {NEXT} / if r0 != 0x0 goto L / {NEXT} / if r0 != 0x0 goto X / {DESTROY} / {END} / "
    "X: r0 = *(u32 *)(r10 +8) / exit",
    "not destroyed": f"{NEW} / {END}",
    "next of nothing": f"{NEXT} / {END}",
    "destroy of nothing": f"{DESTROY} / {END}",
    "made twice": f"{NEW} / {NEW} / {DESTROY} / {END}",
    "destroyed twice": f"{NEW} / {DESTROY} / {DESTROY} / {END}",
    "next after destroy": f"{NEW} / {DESTROY} / {NEXT} / {END}",
    "misaligned": f"r1 = r10 / r1 += -12 / r2 = 0 / r3 = 10 / kcall bpf_iter_num_new / {END}",
    "too deep": f"r1 = r10 / r1 += -520 / r2 = 0 / r3 = 10 / kcall bpf_iter_num_new / {END}",
    "above the stack": f"r1 = r10 / r2 = 0 / r3 = 10 / kcall bpf_iter_num_new / {END}",
    "next above the stack": f"{NEW} / {call(8, 'num_next')} / {DESTROY} / {END}",
    "not on the stack": f"r2 = 0 / r3 = 10 / kcall bpf_iter_num_new / {END}",
    "somewhere": f"{RANDOM} / r0 &= 8 / r1 = r10 / r1 += -16 / r1 += r0 / r2 = 0 / r3 = 10 / kcall bpf_iter_num_new"
    f" / {END}",
    "overwritten": f"{NEW} / *(u64 *)(r10 -8) = 0 / {DESTROY} / {END}",
    "byte overwritten": f"{NEW} / *(u8 *)(r10 -5) = 0 / {NEXT} / {DESTROY} / {END}",
    "spilled over": f"{NEW} / *(u64 *)(r10 -8) = r10 / {DESTROY} / {END}",
    "half spilled over": f"{NEW} / r6 = 5 / *(u32 *)(r10 -8) = r6 / {DESTROY} / {END}",
    "perhaps overwritten": f"{NEW} / {RANDOM} / r0 &= 7 / r1 = r10 / r1 += -10 / r1 += r0 / *(u8 *)(r1 +0) = 0 / "
    f"{DESTROY} / {END}",
    "read": f"{NEW} / r6 = *(u64 *)(r10 -8) / {DESTROY} / {END}",
    "byte read": f"{NEW} / r6 = *(u8 *)(r10 -6) / {DESTROY} / {END}",
    "read by a helper": f"{NEW} / r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / call bpf_trace_printk / {DESTROY} / {END}",
    "written by a helper": f"{NEW} / r1 = r10 / r1 += -16 / r2 = 16 / call bpf_get_current_comm / {DESTROY} / {END}",
    "element after destroy": f"{NEW} / {NEXT} / if r0 == 0x0 goto D / r6 = r0 / {DESTROY} / r0 = *(u32 *)(r6 +0) / exit"
    f" / D: {DESTROY} / {END}",
    "element not tested": f"{NEW} / {NEXT} / r6 = *(u32 *)(r0 +0) / {DESTROY} / {END}",
    "element written": loop("*(u32 *)(r0 +0) = 0"),
    "element too long": loop("r7 = *(u64 *)(r0 +0)"),
    "element spilled": loop("*(u64 *)(r10 -24) = r0 / r7 = *(u64 *)(r10 -24) / r7 = *(u32 *)(r7 +0)"),
    "made by a function": f"r1 = r10 / r1 += -8 / call F / {DESTROY} / {END} / "
    "F: r2 = 0 / r3 = 10 / kcall bpf_iter_num_new / r0 = 0 / exit",
    "advanced by a function": f"{NEW} / L: r1 = r10 / r1 += -8 / call F / if r0 != 0x0 goto L / {DESTROY} / {END} / "
    "F: kcall bpf_iter_num_next / if r0 == 0x0 goto G / r0 = 1 / exit / G: r0 = 0 / exit",
    "lost by a function": f"call F / {END} / F: {NEW} / {END}",
    "bits": loop("r6 = *(u32 *)(r0 +0)", BITS, -16, "bits"),
    "bits of nothing": f"r1 = r10 / r1 += -16 / r2 = 0 / r3 = 1 / kcall bpf_iter_bits_new / "
    f"{call(-16, 'bits_destroy')} / {END}",
    "bits in half a place": f"*(u64 *)(r10 -24) = 5 / r1 = r10 / r1 += -8 / r2 = r10 / r2 += -24 / r3 = 1 / "
    f"kcall bpf_iter_bits_new / {END}",
    "bits as numbers": f"{BITS} / {call(-16, 'num_next')} / {END}",
    "bits from the middle": f"{BITS} / {call(-8, 'bits_next')} / {END}",
    "numbers in bits": f"{BITS} / {NEW} / {END}",
}


def _tasks() -> Iterator[tuple[str, str]]:
    for what, task in (("all", "r0 = 0"), ("current", "call bpf_get_current_task_btf")):
        new = f"{task} / r1 = r10 / r1 += -24 / r2 = r0 / r3 = 0 / kcall bpf_iter_task_new"
        step, end = call(-24, "task_next"), call(-24, "task_destroy")
        each = f"L: {step} / if r0 == 0x0 goto D"
        yield f"{what} tasks without a lock", f"{new} / {end} / {END}"
        yield (
            f"{what} tasks",
            f"{LOCK} / {new} / {each} / r7 = *(u32 *)(r0 +{{task_struct.pid}}) / goto L / D: {end} / {UNLOCK} / {END}",
        )
        yield f"{what} tasks, next unlocked", f"{LOCK} / {new} / {UNLOCK} / {step} / {END}"
        yield f"{what} tasks, destroyed unlocked", f"{LOCK} / {new} / {UNLOCK} / {end} / {END}"
        yield f"{what} tasks, locked again", f"{LOCK} / {new} / {UNLOCK} / {LOCK} / {end} / {UNLOCK} / {END}"
        yield (
            f"{what} tasks, element unlocked",
            f"{LOCK} / {new} / {step} / if r0 == 0x0 goto D / r6 = r0 / {end} / {UNLOCK} / "
            f"r7 = *(u32 *)(r6 +{{task_struct.pid}}) / {END} / D: {end} / {UNLOCK} / {END}",
        )
        yield (
            f"{what} tasks, acquired",
            f"{LOCK} / {new} / {each} / r1 = r0 / kcall bpf_task_acquire / if r0 == 0x0 goto L / r1 = r0 / "
            f"kcall bpf_task_release / goto L / D: {end} / {UNLOCK} / {END}",
        )


_NOWHERE: Final = "r1 = r10 / r2 = 0 / r3 = 0 / kcall bpf_iter_task_new"
_AREAS: Final = "call bpf_get_current_task_btf / r1 = r10 / r1 += -8 / r2 = r0 / r3 = 0 / kcall bpf_iter_task_vma_new"
_CGROUP: Final = "r1 = 1 / kcall bpf_cgroup_from_id / if r0 == 0x0 goto X / r7 = r0 / r6 = r0 / r6 += {cgroup.self}"
_PUT: Final = "r1 = r7 / kcall bpf_cgroup_release"


def _states(name: str, off: int, body: str) -> str:
    """A walk over the states below one control group."""
    new = f"r1 = r10 / r1 += {off} / r2 = r6 / r3 = 1 / kcall bpf_iter_{name}_new"
    step, end = call(off, f"{name}_next"), call(off, f"{name}_destroy")
    return f"{_CGROUP} / {new} / L: {step} / if r0 == 0x0 goto D / {body} / goto L / D: {end} / {_PUT}"


_KERNEL: Final = {
    **dict(_tasks()),
    "tasks above the stack without a lock": f"{_NOWHERE} / {END}",
    "areas": loop("r6 = *(u64 *)(r0 +0)", _AREAS, -8, "task_vma"),
    "css": f"{LOCK} / {_states('css', -24, 'r8 = *(u64 *)(r0 +{cgroup_subsys_state.cgroup})')} / X: {UNLOCK} / {END}",
    "css without a lock": f"{_states('css', -24, 'r8 = 0')} / X: {END}",
    "css tasks": f"{_states('css_task', -8, 'r8 = *(u32 *)(r0 +{task_struct.pid})')} / X: {END}",
    "caches": loop("r8 = *(u32 *)(r0 +0)", "r1 = r10 / r1 += -8 / kcall bpf_iter_kmem_cache_new", -8, "kmem_cache"),
    "caches locked": f"{LOCK} / {call(-8, 'kmem_cache_new')} / {call(-8, 'kmem_cache_destroy')} / {UNLOCK} / {END}",
    "preemption off": f"kcall bpf_preempt_disable / {NEW} / L: {NEXT} / if r0 != 0x0 goto L / {DESTROY} / "
    f"kcall bpf_preempt_enable / {END}",
}

ITERATORS: Final = (
    *(Case(name, text, "raw_tracepoint") for name, text in _NUMBERS.items()),
    Case(
        "map values",
        "r8 = 0 / "
        + loop(
            f"r6 = *(u32 *)(r0 +0) / {_LOOKUP} / if r0 == 0x0 goto L / r7 = *(u32 *)(r0 +0) / if r7 > 0x28 goto L / "
            "r0 += r7 / r7 = *(u8 *)(r0 +0) / r8 += r7"
        ),
        "raw_tracepoint",
        (ARRAY,),
    ),
    Case(
        "tail call",
        f"r6 = r1 / {NEW} / r1 = r6 / r2 = map[id:0] / r3 = 0 / call bpf_tail_call / {DESTROY} / {END}",
        "raw_tracepoint",
        (PROGS,),
    ),
    *(Case(f"{kind} {name}", text, kind) for kind in ("syscall", "tracepoint") for name, text in _KERNEL.items()),
)
"""All of them agree with 6.18."""
UNSOUND: Final = (
    Case("next at fp+0", f"{NEW} / {call(0, 'num_next')} / {DESTROY} / {END}", "raw_tracepoint"),
    Case("destroyed at fp+0", f"{NEW} / {call(0, 'num_destroy')} / {END}", "raw_tracepoint"),
)
"""6.18 accepts these, and they then read above the stack."""
