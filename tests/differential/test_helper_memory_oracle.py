# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Memory that helpers read or write, on the stack: never written before, or zeroed; against the running kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.differential.verifier_oracle import assemble, both, unusable
from verifier.calls.arg_kinds import HelperProto
from verifier.calls.helper_protos import HELPER_PROTOS, VARIANT_PROTOS
from verifier.calls.helper_sets import helpers_6_18

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SIMPLE = frozenset(("PTR_TO_MEM", "PTR_TO_CTX", "ANYTHING", "CONST_SIZE", "CONST_SIZE_OR_ZERO"))
TYPES_TEXT = """
sched_cls xdp kprobe perf_event cgroup_sysctl cgroup_sock_addr cgroup_sockopt sock_ops sk_skb sk_msg sk_reuseport
flow_dissector sk_lookup lwt_in lwt_xmit lwt_seg6local cgroup_skb syscall
"""
ZEROED = " / ".join(f"*(u64 *)(r10 -{off}) = 0" for off in range(8, 72, 8)) + " / "


def cases() -> Iterator[tuple[str, str, HelperProto]]:
    """Each helper with memory and nothing harder to pass, for the first type that has it."""
    seen = set()
    for prog_type in TYPES_TEXT.split():
        for name in sorted(helpers_6_18()[prog_type]):
            proto = VARIANT_PROTOS.get((prog_type, name)) or HELPER_PROTOS.get(name)
            kinds = {arg.name for arg in proto.args} if proto is not None else set()
            if proto is None or "PTR_TO_MEM" not in kinds or not kinds <= SIMPLE or proto in seen:
                continue
            seen.add(proto)
            yield prog_type, name, proto


def passed(proto: HelperProto) -> str:
    """Instructions that set the arguments."""
    texts = []
    for i, arg in enumerate(proto.args, 1):
        if arg.name == "PTR_TO_CTX":
            texts.append(f"r{i} = r6")
        elif arg.name == "PTR_TO_MEM":
            texts.append(f"r{i} = r10 / r{i} += -64")
        else:
            texts.append(f"r{i} = {8 if arg.name.startswith('CONST_SIZE') else 0}")
    return " / ".join(texts)


@pytest.mark.parametrize(("prog_type", "name", "proto"), list(cases()), ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("before", ["", ZEROED], ids=["unwritten", "zeroed"])
def test_memory(prog_type: str, name: str, proto: HelperProto, before: str) -> None:
    result = 1 if prog_type == "cgroup_sock_addr" else 0
    # where the second path starts, all of the stack is shown
    ends = f"if r0 == 7 goto o / r0 = {result} / exit / o: / r0 = {result} / exit"
    answer = both(assemble(f"r6 = r1 / {before}{passed(proto)} / call bpf_{name} / {ends}"), prog_type)
    assert answer.same_verdict(), (answer.log, answer.rejection)
    assert answer.same_log()
