# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arguments of every tracepoint and iterator of the running kernel (6.18): what a load of each gives."""

from __future__ import annotations

from typing import Final

import pytest

from bpfvm.btf import types as t
from bpfvm.isa.insn import Insn
from tests.differential.types_oracle import Hook, both_hooked
from tests.differential.verifier_oracle import kernel_btf, normal, unusable
from verifier.program.tracing_args import ERR_ARGS, ITER_TARGETS, NULL_ARGS

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
PREFIX: Final = "btf_trace_"
END: Final = (Insn(0xB7, 0, 0, 0, 0), Insn(0x95, 0, 0, 0, 0))
RAW_TP, ITER, PARTS, EVERY = 23, 28, 8, 6
NEEDS_A_MAP: Final = ("bpf_map_elem", "bpf_sk_storage_map", "sockmap")
"""Iterator targets that a host without special rights refuses."""


def _tracepoints() -> list[str]:
    """Those with an argument that may be NULL or an error, and every sixth of the others."""
    if WHY_NOT:
        return []
    btf = kernel_btf()
    every = [found.name for i in btf.ids() if isinstance(found := btf.type(i), t.Typedef)]
    names = [name.removeprefix(PREFIX) for name in every if name.startswith(PREFIX)]
    return [name for i, name in enumerate(names) if name in NULL_ARGS or name in ERR_ARGS or not i % EVERY]


def _load(off: int, size: int = 8) -> tuple[Insn, ...]:
    return (Insn(0x79 if size == 8 else 0x61, 2, 1, off, 0), *END)


def _compare(hook: Hook, count: int) -> None:
    for slot in range(count):
        got = both_hooked(_load(slot * 8), hook, level=2)
        assert got.same_verdict(), (str(hook), slot, got.rejection, got.log[-300:])
        ours, theirs = normal(got.our_log), normal(got.log)
        assert _result(ours) == _result(theirs), (str(hook), slot)


def _result(log: str) -> list[str]:
    """The log without the lines about templates, which depend on the kernel's symbol table."""
    return [line for line in log.splitlines() if not line.startswith(("Cannot find btf of", "func '"))]


@pytest.mark.parametrize("part", range(PARTS))
def test_tracepoint_arguments(part: int) -> None:
    btf = kernel_btf()
    for name in _tracepoints()[part::PARTS]:
        pointer = btf.resolve(btf.find(PREFIX + name, t.Typedef))
        proto = btf.resolve(pointer.type) if isinstance(pointer, t.Ptr) else None
        assert isinstance(proto, t.FuncProto)
        _compare(Hook("tracing", RAW_TP, 0, f"typedef {PREFIX}{name}"), len(proto.params) + 1)


@pytest.mark.parametrize("target", [name for name in ITER_TARGETS if name not in NEEDS_A_MAP])
def test_iterator_arguments(target: str) -> None:
    btf = kernel_btf()
    func = btf.type(btf.find(f"bpf_iter_{target}", t.Func))
    if not isinstance(func, t.Func):
        pytest.skip(f"this kernel has no iterator {target}")
    proto = btf.type(func.type)
    assert isinstance(proto, t.FuncProto)
    _compare(Hook("tracing", ITER, 0, f"func bpf_iter_{target}"), len(proto.params) + 1)


@pytest.mark.parametrize(("off", "size"), [(0, 4), (4, 4), (96, 8), (-8, 8), (1, 8), (80, 8)])
def test_places_that_are_no_argument(off: int, size: int) -> None:
    for hook in (
        Hook("tracing", ITER, 0, "func bpf_iter_task"),
        Hook("tracing", RAW_TP, 0, f"typedef {PREFIX}sched_switch"),
    ):
        got = both_hooked(_load(off, size), hook, level=2)
        assert got.same_verdict(), (got.rejection, got.log[-300:])
        assert normal(got.our_log) == normal(got.log)


TARGETS: Final = (
    Hook("tracing", RAW_TP),
    Hook("tracing", RAW_TP, 0, "func bpf_iter_task"),
    Hook("tracing", RAW_TP, 0, "typedef pid_t"),
    Hook("tracing", ITER, 0, "typedef pid_t"),
    Hook("tracing", 0, 0, "func bpf_iter_task"),
)


@pytest.mark.parametrize("hook", TARGETS, ids=str)
def test_wrong_targets(hook: Hook) -> None:
    got = both_hooked(END, hook, level=2)
    assert not got.accepted
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-300:])
    assert normal(got.our_log) == normal(got.log)
