# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs about what a loader without CAP_PERFMON may not do, and about paths that only speculation takes. `{get}`
leaves the address of a map's value in r0."""

from __future__ import annotations

from typing import Final

from bpfvm.obj.model import MapSpec
from tests.differential.verifier_cases import ARRAY, Case

HASH: Final = MapSpec("oracle", "hash", 4, 16, 4)
PROGS: Final = tuple(MapSpec("oracle", "prog_array", 4, 4, 4) for _ in range(2))
_GET: Final = (
    "r9 = r1 / *(u32 *)(r10 -4) = 0 / r2 = r10 / r2 += -4 / r1 = map[id:0] / call bpf_map_lookup_elem"
    " / if r0 != 0 goto found / r0 = 0 / exit / found: / r6 = r0"
)


def _case(name: str, text: str, prog_type: str = "socket_filter", maps: tuple[MapSpec, ...] = (ARRAY,)) -> Case:
    uses = maps if "{get}" in text or "map[" in text else ()
    return Case(name, text.replace("{get}", _GET), prog_type, uses)


LEAKS: Final = (
    _case("return ctx", "r0 = r1 / exit"),
    _case("return fp", "r0 = r10 / exit"),
    _case("ptr into map", "{get} / *(u64 *)(r0 +0) = r9 / r0 = 0 / exit"),
    _case("ptr into ctx", "*(u64 *)(r1 +48) = r1 / r0 = 0 / exit"),
    _case("ptr into packet", "r2 = *(u32 *)(r1 +76) / r3 = *(u32 *)(r1 +80) / r4 = r2 / r4 += 8 / if r4 > r3 goto out"
          " / *(u64 *)(r2 +0) = r1 / out: / r0 = 0 / exit", "sched_cls"),
    _case("xadd leak", "{get} / lock *(u64 *)(r0 +0) += r9 / r0 = 0 / exit"),
    _case("cmpxchg leak", "{get} / r0 = r9 / r1 = 0 / r0 = atomic64_cmpxchg((u64 *)(r6 +0), r0, r1) / r0 = 0 / exit"),
    _case("32-bit copy", "w2 = w1 / r0 = 0 / exit"),
    _case("sign extension", "r2 = (s8)r1 / r0 = 0 / exit"),
    _case("sign extension 32", "w2 = (s8)w1 / r0 = 0 / exit"),
    _case("neg", "r1 = -r1 / r0 = 0 / exit"),
    _case("swap", "r1 = be64 r1 / r0 = 0 / exit"),
    _case("ptr - ptr", "r2 = r10 / r2 -= r1 / r0 = 0 / exit"),
    _case("32-bit sub", "w1 -= 1 / r0 = 0 / exit"),
    _case("compare with number", "if r1 == 5 goto l / l: / r0 = 0 / exit"),
    _case("compare with ptr", "r2 = 0 / if r2 == r1 goto l / l: / r0 = 0 / exit"),
    _case("compare ptrs", "r2 = r10 / if r2 > r1 goto l / l: / r0 = 0 / exit"),
    _case("ptr to helper", "{get} / r1 = map[id:0] / r2 = r10 / r2 += -4 / r3 = r6 / r4 = r9"
          " / call bpf_map_update_elem / r0 = 0 / exit"),
    _case("part of a spilled ptr", "*(u64 *)(r10 -8) = r1 / *(u32 *)(r10 -8) = 0 / r0 = 0 / exit"),
    _case("spilled ptr to helper", "*(u64 *)(r10 -8) = r1 / r2 = r10 / r2 += -8 / r1 = map[id:0]"
          " / call bpf_map_lookup_elem / r0 = 0 / exit"),
    _case("xadd on spilled ptr", "*(u64 *)(r10 -8) = r1 / r2 = 1 / lock *(u64 *)(r10 -8) += r2 / r0 = 0 / exit"),
    _case("unwritten stack", "r2 = *(u64 *)(r10 -8) / r0 = 0 / exit"),
    _case("unwritten part", "*(u32 *)(r10 -8) = 0 / r2 = *(u64 *)(r10 -8) / r0 = 0 / exit"),
    _case("unwritten stack to helper", "r2 = r10 / r2 += -8 / r1 = map[id:0]"
          " / call bpf_map_lookup_elem / r0 = 0 / exit"),
    _case("map struct", "r1 = map[id:0] / r0 = *(u32 *)(r1 +24) / exit"),
    _case("variable stack", "r2 = *(u32 *)(r1 +0) / r2 &= 7 / r3 = r10 / r3 += r2 / r0 = 0 / exit"),
    _case("stack out of range", "r2 = r10 / r2 += 8 / r0 = 0 / exit"),
    _case("value out of range", "{get} / r0 += 64 / r0 = 0 / exit"),
    _case("mixed signs", "{get} / r1 = *(u32 *)(r9 +0) / r1 = -r1 / r1 += 3 / r0 += r1 / r0 = 0 / exit"),
    _case("ctx += reg", "r2 = 0 / r1 += r2 / r0 = 0 / exit"),
    _case("beyond bounds", "{get} / r1 = *(u32 *)(r9 +0) / r1 &= 7 / r0 -= r1 / r0 = 0 / exit"),
    _case("different maps", "r7 = map[id:0] / r2 = *(u32 *)(r1 +0) / if r2 == 0 goto l / r7 = map[id:1] / l:"
          " / r8 = r2 / r8 &= 7 / *(u32 *)(r10 -4) = 0 / r2 = r10 / r2 += -4 / r1 = r7 / call bpf_map_lookup_elem"
          " / if r0 == 0 goto out / r0 += 8 / r8 += r0 / r0 = *(u8 *)(r8 +0) / out: / r0 = 0 / exit",
          maps=(ARRAY, HASH)),
    _case("pointer here, number there", "{get} / r1 = *(u32 *)(r9 +0) / r1 &= 7 / if r1 == 0 goto l / r0 = 3 / l:"
          " / r0 += r1 / r0 = 0 / exit"),
    _case("tail call map mix", "r2 = map[id:0] / r3 = *(u32 *)(r1 +0) / if r3 == 0 goto l / r2 = map[id:1] / l:"
          " / r3 = 0 / call bpf_tail_call / r0 = 0 / exit", maps=PROGS),
    _case("perfmon helper", "call bpf_get_current_task / r0 = 0 / exit"),
    _case("skc cast", "r1 = 0 / call bpf_skc_to_tcp_sock / r0 = 0 / exit", "sched_cls"),
)  # fmt: skip
"""Refused."""

SPECULATION: Final = (
    _case("predicted", "r0 = 3 / if r0 > 5 goto l / r0 = 0 / l: / exit"),
    _case("predicted, by register", "r0 = 3 / r2 = 1 / if r0 > r2 goto l / r0 = 0 / l: / exit"),
    _case("dead code that leaks", "r0 = 0 / if r0 == 0 goto l / r0 = r1 / exit / l: / exit"),
    _case("dead code that stores", "r0 = 0 / if r0 == 0 goto l / *(u64 *)(r0 +0) = 0 / l: / exit"),
    _case("barrier met twice", "r0 = 0 / r2 = *(u32 *)(r1 +0) / if r2 > 7 goto m / r2 = 1 / m: / if r0 == 0 goto l"
          " / r0 = *(u64 *)(r0 +0) / l: / exit"),
    _case("moved", "{get} / r1 = *(u32 *)(r9 +0) / r1 &= 7 / r0 += r1 / r0 = *(u8 *)(r0 +0) / r0 = 0 / exit"),
    _case("moved back", "{get} / r0 += 16 / r1 = *(u32 *)(r9 +0) / r1 &= 7 / r0 -= r1 / r0 = *(u8 *)(r0 +0) / r0 = 0"
          " / exit"),
    _case("number += ptr", "{get} / r1 = *(u32 *)(r9 +0) / r1 &= 7 / r1 += r0 / r0 = *(u8 *)(r1 +0) / r0 = 0 / exit"),
    _case("known moved", "{get} / r1 = 4 / r0 += r1 / r0 = *(u8 *)(r0 +0) / r0 = 0 / exit"),
    _case("moved then checked", "{get} / r1 = *(u32 *)(r9 +0) / if r1 > 40 goto out / r0 += r1 / r0 = *(u8 *)(r0 +0)"
          " / out: / r0 = 0 / exit"),
    _case("unmoved is out", "{get} / r1 = *(u32 *)(r9 +0) / r1 &= 7 / r1 += 4 / r0 += r1 / r0 = *(u32 *)(r0 -4)"
          " / r0 = 0 / exit"),
    _case("copy of the unmoved", "{get} / r1 = *(u32 *)(r9 +0) / r1 &= 7 / r0 += r1 / r2 = r0 / r2 += 9"
          " / r0 = *(u8 *)(r2 +0) / r0 = 0 / exit"),
    _case("spilled unmoved", "{get} / r1 = *(u32 *)(r9 +0) / r1 &= 7 / r0 += r1 / *(u64 *)(r10 -16) = r0"
          " / r2 = *(u64 *)(r10 -16) / r0 = *(u8 *)(r2 +0) / r0 = 0 / exit"),
    _case("stores over unwritten stack", "r2 = 1 / if r2 == 1 goto l / r2 = 2 / l: / *(u64 *)(r10 -8) = 0"
          " / *(u64 *)(r10 -8) = r1 / *(u64 *)(r10 -8) = 0 / r0 = *(u64 *)(r10 -8) / r0 = 0 / exit"),
    _case("speculative store of a ptr", "r0 = 0 / *(u64 *)(r10 -8) = 0 / if r0 == 0 goto l / *(u64 *)(r10 -8) = r1 / l:"
          " / r0 = *(u64 *)(r10 -8) / r0 = 0 / exit"),
    _case("null check predicted", "{get} / if r0 == 0 goto l / r0 = 0 / l: / r0 = 0 / exit"),
    _case("packet end", "r2 = *(u32 *)(r1 +76) / r3 = *(u32 *)(r1 +80) / r4 = r2 / r4 += 8 / if r4 > r3 goto out"
          " / r0 = *(u64 *)(r2 +0) / out: / r0 = 0 / exit", "sched_cls"),
    _case("numbers by register", "r2 = *(u32 *)(r1 +0) / r3 = 1 / if r2 == 0 goto l / r3 = 2 / l: / r2 += r3 / r2 -= r3"
          " / r0 = 0 / exit"),
    _case("infinite loop", "r0 = 0 / if r0 == 0 goto out / l: / goto l / out: / exit"),
    _case("bounded loop", "r0 = 0 / l: / r0 += 1 / if r0 < 4 goto l / exit"),
)  # fmt: skip
