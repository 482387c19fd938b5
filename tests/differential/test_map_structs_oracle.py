# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loads from the kernel's struct of every kind of map against the running kernel."""

from __future__ import annotations

import pytest

from bpfvm.obj.model import MapSpec
from tests.differential.verifier_oracle import assemble, both, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SIZES: dict[str, tuple[int, int, int, int]] = {
    **dict.fromkeys(("array", "percpu_array"), (4, 8, 1, 0)),
    **dict.fromkeys(("prog_array", "perf_event_array", "cgroup_array", "devmap", "devmap_hash"), (4, 4, 1, 0)),
    **dict.fromkeys(("cpumap", "xskmap", "sockmap", "sockhash"), (4, 4, 1, 0)),
    **dict.fromkeys(("hash", "percpu_hash", "lru_hash", "lru_percpu_hash"), (8, 8, 2, 0)),
    **dict.fromkeys(("ringbuf", "user_ringbuf"), (0, 0, 4096, 0)),
    **dict.fromkeys(("queue", "stack", "bloom_filter"), (0, 4, 1, 0)),
    "lpm_trie": (8, 8, 1, 1),
    "stack_trace": (4, 8, 1, 0),
    "reuseport_sockarray": (4, 8, 1, 0),
    "cgroup_storage": (16, 64, 0, 0),
}
"""map type → key size, value size, entries, flags."""
TEXTS = (
    "r1 = map[id:0] / r2 = *(u32 *)(r1 +1) / r3 = *(u64 *)(r1 +8) / r4 = *(u64 *)(r1 +0) / r0 = 0 / exit",
    "r1 = map[id:0] / r2 = *(u64 *)(r1 -8) / r0 = 0 / exit",
    "r1 = map[id:0] / *(u64 *)(r1 +0) = 0 / r0 = 0 / exit",
)


@pytest.mark.parametrize("map_type", SIZES)
@pytest.mark.parametrize("text", TEXTS)
def test_struct_of_a_map(map_type: str, text: str) -> None:
    answer = both(assemble(text), "sched_cls", [MapSpec("oracle", map_type, *SIZES[map_type])])
    assert answer.same_verdict(), (answer.log, answer.rejection)
    assert answer.same_log()


ALIKE = (
    "r6 = *(u32 *)(r1 +0) / *(u32 *)(r10 -4) = 0 / r2 = r10 / r2 += -4 / r1 = map[id:0] / if r6 == 1 goto a / "
    "r1 = map[id:1] / a: r7 = 0 / call bpf_map_lookup_elem / if r6 == 2 goto b / r7 = 1 / b: if r0 == 0 goto x / "
    "r7 = *(u8 *)(r0 +0) / x: r0 = 0 / exit"
)


def test_two_maps_that_are_declared_alike_are_two_maps() -> None:
    maps = [MapSpec("oracle", "hash", 4, 8, 1), MapSpec("oracle", "hash", 4, 8, 1)]
    answer = both(assemble(ALIKE), "sched_cls", maps, every_state=True)
    assert answer.same_verdict(), (answer.log, answer.rejection)
    assert answer.same_log()
