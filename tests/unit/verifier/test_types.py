# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Program types without a kernel at hand: contexts, attach types, helpers, results."""

from __future__ import annotations

import pytest

from bpfvm.isa.asm import asm
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.prog_types import PROG_TYPES
from bpfvm.obj.model import Program
from tests.struct_ops.btf_builder import BtfBuilder  # the smallest kernel BTF there is
from verifier import PROFILES, Rejection, VerifierEnv
from verifier.calls.helper_protos import HELPER_PROTOS, VARIANT_PROTOS
from verifier.calls.helper_sets import BASE_6_12, BASE_6_18, helpers_6_12, helpers_6_18
from verifier.calls.kfunc_sets import KFUNCS_BY_TYPE
from verifier.memory.ctx_rows import SK_BUFF_USE
from verifier.memory.ctx_tables import ctx_kind
from verifier.program.attach_types import effective, may_load
from verifier.program.tracing_args import NULL_ARGS, SINCE_6_18, UNTIL_6_12, maybe_error, maybe_null
from verifier.verify import check

WITHOUT_CONTEXT = {"unspec", "ext", "xdp", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt"}
"""Types that have none, or one that depends on the attach type."""


def verdict(text: str, prog_type: str, attach_type: int = 0, *, kernel: str = "6.18") -> Rejection | None:
    program = Program("test", prog_type, asm(text.replace(" / ", "\n")), expected_attach_type=attach_type)
    return check(program, VerifierEnv(BtfBuilder().build(), PROFILES[kernel]), log_level=0)[0]


def test_every_program_type_has_a_context_and_helpers() -> None:
    for name in PROG_TYPES.keys() - WITHOUT_CONTEXT:
        assert ctx_kind(name, 0) is not None, name
    for name in PROG_TYPES.keys() - {"unspec"}:
        assert name in helpers_6_18(), name
        assert name in KFUNCS_BY_TYPE or name == "ext", name


def test_context_fields_do_not_overlap() -> None:
    kinds = [ctx_kind(name, 0) for name in PROG_TYPES.keys() - WITHOUT_CONTEXT]
    kinds += [ctx_kind("cgroup_sock_addr", at) for at in (8, 9, 14, 15)] + [ctx_kind("cgroup_sock", 2)]
    for kind in kinds:
        assert kind is not None
        end = 0
        for field in sorted(kind.fields, key=lambda field: field.start):
            assert end <= field.start < field.end <= kind.size
            end = field.end


def test_fields_that_types_use_exist() -> None:
    for prog_type, (reads, writes) in SK_BUFF_USE.items():
        assert set(writes.split()) <= set(reads.split()), prog_type
        kind = ctx_kind(prog_type, 0)
        assert kind is not None
        assert len(kind.fields) == len(reads.split()), prog_type


def test_helper_tables_name_real_helpers() -> None:
    assert BASE_6_12 < BASE_6_18
    for names in (*helpers_6_18().values(), *helpers_6_12().values()):
        assert names <= HELPER_ID.keys()
    assert HELPER_PROTOS.keys() <= HELPER_ID.keys()
    assert {name for _, name in VARIANT_PROTOS} <= HELPER_ID.keys()


def test_tracepoints_of_both_kernels() -> None:
    assert UNTIL_6_12.isdisjoint(SINCE_6_18)
    assert NULL_ARGS.keys() >= SINCE_6_18
    assert maybe_null("kfree_skb", old=True) == maybe_null("kfree_skb", old=False) == 0b1000
    assert (maybe_null("sched_process_wait", old=True), maybe_null("sched_process_wait", old=False)) == (1, 0)
    assert (maybe_error("signal_deliver", old=True), maybe_error("signal_deliver", old=False)) == (2, 0)
    assert maybe_null("nothing", old=False) == 0


@pytest.mark.parametrize(
    ("prog_type", "attach_type", "fits"),
    [
        ("cgroup_sock", 0, True),
        ("cgroup_sock", 1, False),
        ("cgroup_sock_addr", 0, False),
        ("cgroup_sock_addr", 10, True),
        ("sk_lookup", 0, False),
        ("sk_lookup", 36, True),
        ("sk_reuseport", 0, True),
        ("xdp", 77, True),
    ],
)
def test_attach_types(prog_type: str, attach_type: int, fits: bool) -> None:
    assert may_load(prog_type, effective(prog_type, attach_type)) is fits
    assert (verdict("r0 = 1 / exit", prog_type, attach_type) is None) is fits


@pytest.mark.parametrize(
    ("prog_type", "attach_type", "value", "fits"),
    [
        ("sched_cls", 0, 99, True),
        ("cgroup_skb", 0, 1, True),
        ("cgroup_skb", 0, 2, False),
        ("cgroup_skb", 1, 3, True),
        ("cgroup_sock_addr", 8, 3, True),
        ("cgroup_sock_addr", 10, 2, False),
        ("cgroup_sock_addr", 19, 0, False),
        ("cgroup_sock_addr", 19, 1, True),
        ("cgroup_device", 0, 2, False),
        ("sk_lookup", 36, 2, False),
        ("netfilter", 45, 1, True),
        ("kprobe", 0, 9, True),
        ("kprobe", 56, 9, False),
    ],
)
def test_results(prog_type: str, attach_type: int, value: int, fits: bool) -> None:
    found = verdict(f"r0 = {value} / exit", prog_type, attach_type)
    assert (found is None) is fits
    if found is not None:
        assert found.message.startswith(
            f"At program exit the register R0 has smin={value} smax={value} should have been"
        )


def test_sockets_are_given_back() -> None:
    lookup = "r2 = r10 / r2 += -8 / *(u64 *)(r10 -8) = 0 / r3 = 8 / r4 = 0 / r5 = 0 / call bpf_sk_lookup_tcp"
    ok = f"{lookup} / if r0 == 0 goto x / r1 = r0 / call bpf_sk_release / x: / r0 = 0 / exit"
    assert verdict(ok, "sched_cls") is None
    leak = verdict(f"{lookup} / r0 = 0 / exit", "sched_cls")
    assert leak is not None
    assert leak.message.startswith("Unreleased reference id=2 alloc_insn=")


def test_helpers_that_moved() -> None:
    text = "call bpf_get_current_uid_gid / r0 = 0 / exit"
    assert verdict(text, "sched_cls") is None
    refused = verdict(text, "sched_cls", kernel="6.12")
    assert refused is not None
    assert refused.message == "program of this type cannot use helper bpf_get_current_uid_gid#15"
    assert verdict(text, "kprobe", kernel="6.12") is None
