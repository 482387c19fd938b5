# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a comparison says about NULL, against the running kernel: pointers that are known not to be, equal pointers."""

from __future__ import annotations

import pytest

from bpfvm.obj.model import MapSpec
from tests.differential.verifier_cases import HASH, RINGBUF, Case
from tests.differential.verifier_oracle import assemble, both, normal, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
LOOKUP = "*(u64 *)(r10 -8) = 0 / r1 = map[id:0] / r2 = r10 / r2 += -8 / call bpf_map_lookup_elem"
KNOWN = f"{LOOKUP} / if r0 == 0x0 goto Z / r6 = r0"
RECORD = "r1 = map[id:0] / r2 = 8 / r3 = 0 / call bpf_ringbuf_reserve / if r0 == 0x0 goto Z / r6 = r0"
AGAIN = "if r6 == 0x0 goto X / Z: r0 = 0 / exit / X: r0 = r9 / exit"
FAR = "call bpf_get_prandom_u32 / w0 = w0 / r6 += r0"
LOAD = "r0 = *(u32 *)(r0 +0) / Z: r0 = 0 / exit"
CASES = (
    Case("value", f"{KNOWN} / {AGAIN}", maps=(HASH,)),
    Case("far value", f"{KNOWN} / {FAR} / {AGAIN}", maps=(HASH,)),
    Case("map", f"r6 = map[id:0] / {AGAIN.replace('Z: ', '')}", maps=(HASH,)),
    Case("record", f"{RECORD} / if r6 == 0x0 goto X / r1 = r6 / r2 = 0 / call bpf_ringbuf_submit / Z: r0 = 0 / exit / "
         "X: r0 = r9 / exit", maps=(RINGBUF,)),
    Case("socket", f"{KNOWN} / {AGAIN}", "xdp", (MapSpec("oracle", "xskmap", 4, 4, 4),)),
    Case("context", f"r6 = r1 / {AGAIN.replace('Z: ', '')}"),
    Case("stack", f"r6 = r10 / {AGAIN.replace('Z: ', '')}"),
    Case("packet", f"r6 = *(u32 *)(r1 +0) / {AGAIN.replace('Z: ', '')}", "xdp"),
    Case("task", f"call bpf_get_current_task_btf / r6 = r0 / {AGAIN.replace('Z: ', '')}", "tracepoint"),
    Case("equal to a value", f"{KNOWN} / {LOOKUP} / if r0 != r6 goto Z / {LOAD}", maps=(HASH,)),
    Case("equal to a far value", f"{KNOWN} / {FAR} / {LOOKUP} / if r0 != r6 goto Z / {LOAD}", maps=(HASH,)),
    Case("equal to the stack", f"{LOOKUP} / if r0 != r10 goto Z / {LOAD}", maps=(HASH,)),
    Case("equal to the context", f"r6 = r1 / {LOOKUP} / if r6 != r0 goto Z / {LOAD}", maps=(HASH,)),
    Case("equal to the packet", f"r6 = *(u32 *)(r1 +0) / {LOOKUP} / if r0 != r6 goto Z / {LOAD}", "xdp", (HASH,)),
    Case("equal to one not tested", f"{LOOKUP} / r6 = r0 / {LOOKUP} / if r0 != r6 goto Z / {LOAD}", maps=(HASH,)),
    Case("equal to a task", f"call bpf_get_current_task_btf / r6 = r0 / {LOOKUP} / if r0 != r6 goto Z / {LOAD}",
         "tracepoint", (HASH,)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_verdict_and_log(case: Case) -> None:
    got = both(assemble(case.text), case.prog_type, case.maps)
    assert got.same_verdict(), (got.rejection, got.errno, got.log[-600:])
    assert normal(got.our_log) == normal(got.log)
