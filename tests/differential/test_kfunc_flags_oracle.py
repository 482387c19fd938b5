# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every kernel function called with nothing, with a task and with a task's untrusted leader: which arguments it takes,
and what it wants to be sure of, is what the running kernel says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from bpfvm.btf import types as t
from tests import kernel_oracle as ko
from tests.differential.types_oracle import Hook, both_hooked
from tests.differential.verifier_oracle import assemble, environment, kernel_btf, normal, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
HOOKS: Final = (
    Hook("syscall", 0, ko.F_SLEEPABLE),
    Hook("sched_cls"),
    Hook("xdp"),
    Hook("cgroup_sock_addr", 52),
    Hook("sock_ops"),
    Hook("struct_ops", 6, 0, "struct tcp_congestion_ops"),
    Hook("tracing", 28, ko.F_SLEEPABLE, "func bpf_iter_task"),
    Hook("netfilter", 45),
)
TASK: Final = "call bpf_get_current_task_btf"
PASSED: Final = {
    "nothing": "r1 = 0 / r2 = 0 / r3 = 0 / r4 = 0 / r5 = 0",
    "task": f"{TASK} / r1 = r0 / r2 = r0 / r3 = 8 / r4 = 8 / r5 = 0",
    "leader": f"{TASK} / r1 = *(u64 *)(r0 +{{task_struct.group_leader}}) / r2 = r1 / r3 = 8 / r4 = 8 / r5 = 0",
}


def calls() -> Iterator[tuple[str, Hook]]:
    """Each kernel function with the first hook that has it."""
    if WHY_NOT:
        return
    seen: set[str] = set()
    for hook in HOOKS:
        for name in sorted(environment().profile.kfunc_sets.get(hook.prog_type, frozenset()) - seen):
            if kernel_btf().find(name, t.Func):
                seen.add(name)
                yield name, hook


@pytest.mark.parametrize(("name", "hook"), list(calls()), ids=lambda value: value if isinstance(value, str) else "")
def test_arguments(name: str, hook: Hook) -> None:
    for what, setup in PASSED.items():
        got = both_hooked(assemble(f"{setup} / kcall {name} / r0 = 0 / exit"), hook, level=2)
        assert got.same_verdict(), (what, got.rejection, got.errno, got.log[-400:])
        assert normal(got.our_log) == normal(got.log), what
