# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""bpf_snprintf_btf of kernel types over random bytes: length and text as the running kernel writes them."""

from __future__ import annotations

import random

import pytest

from bpfvm.btf import types as t
from tests.differential.run_oracle import agree
from tests.differential.verifier_oracle import kernel_btf, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
STRUCTS = ("list_head", "bpf_insn", "iphdr", "ipv6hdr", "timespec64", "btf_type", "bpf_iter_num", "xdp_md", "kuid_t",
           "bpf_flow_keys", "path", "qstr", "rb_root_cached", "bpf_cgroup_storage_key", "sockaddr", "in6_addr",
           "btf_array", "seqcount", "callback_head", "mutex", "ethhdr", "tcphdr", "poll_list",
           "new_utsname", "vm_event_state")  # fmt: skip
OTHERS = (("int", t.Int), ("char", t.Int), ("u64", t.Typedef), ("pid_t", t.Typedef), ("tcp_ca_state", t.Enum),
          ("bpf_prog_type", t.Enum), ("uuid_t", t.Typedef), ("atomic_t", t.Typedef))  # fmt: skip
OUT, PTR = 256, 240


def _types() -> list[tuple[str, int]]:
    btf = kernel_btf()
    found = [(name, btf.find(name, t.Struct)) for name in STRUCTS]
    found += [(name, btf.find(name, kind)) for name, kind in OTHERS]
    return [(name, type_id) for name, type_id in found if type_id and btf.size_of(type_id) <= PTR]


@pytest.mark.parametrize("flags", [4, 5, 6, 12, 16])
def test_objects_as_text(flags: int) -> None:
    """F_PTR_RAW always, as hashes are each kernel's own."""
    dice = random.Random(flags)
    seen = 0
    for _, type_id in _types():
        for _ in range(1):
            data = bytes(dice.choice((0, 0, 0, 1, 65, 97, 0x20, 0x7F, 0xE4, 255)) for _ in range(PTR))
            if dice.random() < 0.3:
                data = bytes(PTR)
            size = dice.choice((255, 255, 255, 40, 1))
            source = f"value r6 / r7 = r6 / r7 += {PTR} / *(u64 *)(r7 +0) = r6 / *(u32 *)(r7 +8) = {type_id} / "
            source += (
                f"*(u32 *)(r7 +12) = 0 / r1 = r6 / r1 += {OUT} / r2 = {size} / r3 = r7 / r4 = 16 / r5 = {flags} / "
            )
            source += "call bpf_snprintf_btf / r1 = 0 / *(u64 *)(r7 +0) = r1"
            returned, value = agree(source, data)
            seen += returned > 0 and bool(value[OUT])
    assert seen or flags == 16


@pytest.mark.parametrize("type_id", [0, 0x7FFFFFFF])
@pytest.mark.parametrize("size", [16, 8])
def test_what_cannot_be_shown(type_id: int, size: int) -> None:
    source = f"value r6 / r7 = r6 / r7 += {PTR} / *(u64 *)(r7 +0) = r6 / *(u32 *)(r7 +8) = {type_id} / r1 = r6 / "
    source += f"r1 += {OUT} / r2 = 64 / r3 = r7 / r4 = {size} / r5 = 0 / call bpf_snprintf_btf"
    agree(f"{source} / r1 = 0 / *(u64 *)(r7 +0) = r1")
