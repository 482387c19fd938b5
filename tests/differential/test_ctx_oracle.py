# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every byte of every context, read and written in every size: the running kernel (6.18) and our tables agree."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import MapSpec
from tests.differential.types_oracle import HOOKS, Hook, both_hooked, kernel_verdict
from tests.differential.verifier_oracle import normal, unusable
from verifier.memory.ctx_tables import FLOW_KEYS_SIZE, SOCK_KINDS, CtxKind, ctx_kind
from verifier.state.reg_type import PTR_TO_SOCK_COMMON, PTR_TO_SOCKET, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
LOADS: Final = {1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}
SIGNED: Final = {1: 0x91, 2: 0x89, 4: 0x81}
STORES: Final = {1: 0x73, 2: 0x6B, 4: 0x63, 8: 0x7B}
END: Final = (Insn(0xB7, 0, 0, 0, 1), Insn(0x95, 0, 0, 0, 0))
TABLE_HOOKS: Final = [hook for hook in HOOKS if (kind := ctx_kind(hook.prog_type, hook.attach_type)) and kind.fields]


class Behind(NamedTuple):
    """A pointer that a prologue leaves in r1, and what lies behind it."""

    name: str
    hook: Hook
    prologue: str
    kind: CtxKind
    maps: tuple[MapSpec, ...] = ()


_FULL: Final = CtxKind(FLOW_KEYS_SIZE, array=True, writable=True)
_SKB_SK: Final = "r1 = *(u64 *)(r1 +168) / if r1 != 0 goto +2 / r0 = 1 / exit"
BEHIND: Final = (
    Behind("sock", Hook("sk_msg"), "r1 = *(u64 *)(r1 +72)", SOCK_KINDS[PTR_TO_SOCKET]),
    Behind("sock_common", Hook("sched_cls"), _SKB_SK, SOCK_KINDS[PTR_TO_SOCK_COMMON]),
    Behind(
        "tcp_sock",
        Hook("sched_cls"),
        f"{_SKB_SK} / call bpf_tcp_sock / if r0 != 0 goto +2 / r0 = 1 / exit / r1 = r0",
        SOCK_KINDS[PTR_TO_TCP_SOCK],
    ),
    Behind(
        "xdp_sock",
        Hook("xdp"),
        "*(u32 *)(r10 -4) = 0 / r2 = r10 / r2 += -4 / r1 = map[id:0] / call bpf_map_lookup_elem / "
        "if r0 != 0 goto +2 / r0 = 1 / exit / r1 = r0",
        SOCK_KINDS[PTR_TO_XDP_SOCK],
        (MapSpec("oracle", "xskmap", 4, 4, 4),),
    ),
    Behind("flow_keys", Hook("flow_dissector"), "r1 = *(u64 *)(r1 +144)", _FULL),
)


def _accepts(kind: CtxKind, off: int, size: int, *, write: bool = False, sign: bool = False) -> bool:
    if not 0 <= off < kind.size or off & (size - 1) or kind.array:
        return kind.array and off + size <= kind.size
    field = kind.field_at(off)
    if field is None:
        return False
    return field.stores(off, size) if write else field.loads(off, size, sign)


def _differences(hook: Hook, kind: CtxKind, prologue: tuple[Insn, ...], maps: tuple[MapSpec, ...], signs: bool) -> list:  # type: ignore[type-arg]
    out = []
    for off in range(kind.size + 8):
        for size in (1, 2, 4, 8):
            if off & (size - 1):
                continue
            tries = [("load", LOADS[size], False), ("store", STORES[size], True)]
            if signs and size < 8:
                tries.append(("signed", SIGNED[size], False))
            for what, code, write in tries:
                body = (Insn(0xB7, 2, 0, 0, 0), Insn(code, 1, 2, off, 0)) if write else (Insn(code, 2, 1, off, 0),)
                kernel = kernel_verdict((*prologue, *body, *END), hook, maps, level=0)
                if kernel.ok != _accepts(kind, off, size, write=write, sign=what == "signed"):
                    out.append((what, off, size, kernel.ok))
    return out


@pytest.mark.parametrize("hook", TABLE_HOOKS, ids=str)
def test_context_tables(hook: Hook) -> None:
    kind = ctx_kind(hook.prog_type, hook.attach_type)
    assert kind is not None
    assert _differences(hook, kind, (), (), signs=True) == []


@pytest.mark.parametrize("case", BEHIND, ids=[case.name for case in BEHIND])
def test_socket_tables(case: Behind) -> None:
    prologue = asm(case.prologue.replace(" / ", "\n"))
    assert _differences(case.hook, case.kind, prologue, case.maps, signs=False) == []


@pytest.mark.parametrize("hook", TABLE_HOOKS, ids=str)
def test_what_a_load_gives_and_how_it_is_refused(hook: Hook) -> None:
    kind = ctx_kind(hook.prog_type, hook.attach_type)
    assert kind is not None
    for field in kind.fields:
        size = max(field.sizes + field.start_sizes)
        for off in (field.start, field.end):
            got = both_hooked((Insn(LOADS[size], 2, 1, off, 0), *END), hook, level=2)
            assert got.same_verdict(), (field, off, got.rejection, got.log[-300:])
            assert normal(got.our_log) == normal(got.log)


@pytest.mark.parametrize("case", BEHIND, ids=[case.name for case in BEHIND])
@pytest.mark.parametrize("end", ["r2 = *(u64 *)(r1 +1000)", "*(u64 *)(r1 +0) = 0", "r2 = r10 / r1 += 4", "r1 += -8"])
def test_how_socket_accesses_are_refused(case: Behind, end: str) -> None:
    text = f"{case.prologue} / {end} / r0 = 1 / exit"
    got = both_hooked(asm(text.replace(" / ", "\n")), case.hook, case.maps, level=2)
    assert got.same_verdict(), (got.rejection, got.log[-300:])
    assert normal(got.our_log) == normal(got.log)
