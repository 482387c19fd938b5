# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs with packets in a test run of the running kernel and in ours: return value, packet and context after it."""

from __future__ import annotations

import random
import struct
from typing import Final

import pytest

from bpfvm.btf import types as t
from bpfvm.btf.layout import member
from bpfvm.engine.image import link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.errors import SyscallError
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn, encode
from bpfvm.isa.word import s32
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Runtime
from bpfvm.runtime.test_run import convert_ctx_access, make_context
from bpfvm.runtime.test_run.sk_lookup import checked
from bpfvm.runtime.test_run.skb import FIELDS, GIVEN
from tests import kernel_oracle
from tests.differential.verifier_oracle import environment, kernel_specs, unusable
from verifier.verify import verify

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SKB_TYPES: Final = ("socket_filter", "sched_cls", "sched_act", "cgroup_skb", "lwt_in", "lwt_xmit")
Result = tuple[int, int | None, bytes, bytes]
"""(errno, return value, packet, context)"""


def frame(protocol: int, size: int, seed: int = 1) -> bytes:
    """An Ethernet frame whose addresses are zero and whose contents are random."""
    head = struct.pack(">H", protocol) + (b"\x45" if protocol == 0x0800 else b"\x60")
    return (bytes(12) + head + random.Random(seed).randbytes(size))[:size]


FRAMES: Final = (frame(0x0800, 64), frame(0x86DD, 80), frame(0x8100, 60), frame(3, 14), frame(0x0800, 20), bytes(64))


def text(source: str) -> tuple[Insn, ...]:
    return (*asm(source.replace(" / ", "\n")), Insn(0x95, 0, 0, 0, 0))


def theirs(
    insns: tuple[Insn, ...],
    kind: str,
    data: bytes,
    ctx: bytes = b"",
    attach: int = 0,
    maps: tuple[MapSpec, ...] = (),
) -> Result:
    made = kernel_specs(maps)
    done = kernel_oracle.test_run(
        encode(insns), kind, data=data, ctx=ctx or None, expected_attach_type=attach, maps=made, log_level=1
    )
    assert "R" not in done.log, done.log
    return done.errno, done.retval, done.data_out, done.ctx_out


def ours(
    insns: tuple[Insn, ...],
    kind: str,
    data: bytes,
    ctx: bytes = b"",
    attach: int = 0,
    maps: tuple[MapSpec, ...] = (),
) -> Result:
    env = environment()
    verified = verify(Program("test", kind, insns, maps=maps, expected_attach_type=attach), env)
    memory = Memory(16 << 20, "kasan")
    runtime = Runtime(memory, env.kernel_btf)
    try:
        context = make_context(runtime, kind, data, ctx)
    except SyscallError as refused:
        return refused.errno, None, b"", b""
    machine = Interpreter(memory, runtime, packet=runtime.packet_load)
    made = [runtime.create_map(spec) for spec in maps]
    values = [each.direct_value() for each in made]
    image = link_image(convert_ctx_access(verified), [each.addr for each in made], values, lambda _: 0)
    returned = s32(machine.run(image, context.addr))
    result = 0, returned, context.data_out(), context.ctx_out()[: len(ctx)]
    context.close()
    return result


def agree(source: str, kind: str, data: bytes, ctx: bytes = b"", maps: tuple[MapSpec, ...] = ()) -> Result:
    insns = text(f"{source} / r0 &= 1" if kind == "cgroup_skb" else source)
    found = ours(insns, kind, data, ctx, maps=maps)
    assert found == theirs(insns, kind, data, ctx, maps=maps), (kind, source, data.hex())
    return found


READABLE: Final = sorted({*FIELDS.values(), 12, 44, 48, 64} - {FIELDS["sk"], 152, 180, 184})
FOR_SOME: Final = {
    FIELDS["wire_len"]: ("sched_cls", "sched_act"),
    **dict.fromkeys((88, 92, 96, 100, 116), ()),
    FIELDS["gso_segs"]: ("sched_cls", "sched_act", "cgroup_skb"),
    FIELDS["gso_size"]: ("sched_cls", "sched_act", "cgroup_skb"),
}


@pytest.mark.parametrize("kind", SKB_TYPES)
@pytest.mark.parametrize("offset", READABLE)
def test_fields_of_the_context(kind: str, offset: int) -> None:
    if kind not in FOR_SOME.get(offset, SKB_TYPES):
        pytest.skip("not a field for this type")
    for data in FRAMES[:3]:
        agree(f"r0 = *(u32 *)(r1 +{offset})", kind, data)


@pytest.mark.parametrize("offset", [0, 4, 8, 12, 16, 20, 24, 28, 40, 44, 48, 52, 56, 68, 72, 76])
def test_fields_of_the_socket(offset: int) -> None:
    source = "r1 = *(u64 *)(r1 +168) / r0 = 0 / if r1 == 0 goto +5 / call bpf_sk_fullsock / if r0 == 0 goto +3 / "
    for data in FRAMES:
        agree(source + f"r1 = r0 / r0 = *(u{16 if offset == 48 else 32} *)(r1 +{offset}) / goto +0", "sched_cls", data)


@pytest.mark.parametrize("kind", SKB_TYPES)
def test_contexts_come_back(kind: str) -> None:
    dice = random.Random(kind)
    for _ in range(30):
        ctx = bytearray(192)
        for name, size in GIVEN.items():
            if dice.random() < 0.5:
                value = dice.choice((1, 1, 0, 40, 64, 70000, 1 << 20)) if size == 4 else dice.getrandbits(60)
                ctx[FIELDS[name] : FIELDS[name] + size] = value.to_bytes(size, "little")
        if dice.random() < 0.3:
            ctx[dice.randrange(192)] = 1
        agree("r0 = *(u32 *)(r1 +8)", kind, FRAMES[0], bytes(ctx))


@pytest.mark.parametrize("kind", (*SKB_TYPES, "xdp"))
def test_sizes_of_frames(kind: str) -> None:
    for size in (0, 1, 13, 14, 15, 100, 1500):
        agree("r0 = 7", kind, frame(0x0800, size))


def test_pointers_and_metadata_of_xdp() -> None:
    for data in FRAMES:
        agree("r2 = *(u32 *)(r1 +4) / r3 = *(u32 *)(r1 +0) / r0 = r2 / r0 -= r3", "xdp", data)
        for meta, end, ingress in ((0, 0, 0), (4, 0, 0), (8, -1, 0), (3, 0, 0), (64, 0, 0), (0, 0, 1), (0, 0, 9)):
            ctx = struct.pack("<6I", meta, len(data) - end, 0, ingress, 0, 0)
            agree("r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +8) / r0 = r2 / r0 -= r3", "xdp", data, ctx)


@pytest.mark.parametrize("offset", [8, 12, 16, 20, 32, 36, 40, 44, 56, 60, 64])
def test_fields_of_a_socket_lookup(offset: int) -> None:
    """The program passes when the field holds what we say; errnos of contexts that may not be."""
    dice = random.Random(offset)
    for _ in range(6):
        ctx = bytearray(dice.randbytes(72))
        ctx[:8], ctx[64:] = bytes(8), bytes(8)
        ctx[8:16] = struct.pack("<II", dice.choice((2, 10, 10, 2, 3)), 6)
        ctx[38:40], ctx[60:64] = bytes(2), struct.pack("<I", dice.choice((80, 443, 0xFFFF, 0x10000)))
        if dice.random() < 0.2:
            ctx[dice.choice((0, 64, 71))] = 1
        try:
            shown, refused = checked(bytes(ctx)), 0
        except SyscallError as error:
            shown, refused = bytes(72), error.errno
        size = 2 if offset == 36 else 4
        value = int.from_bytes(shown[offset : offset + size], "little")
        source = f"r1 = *(u{8 * size} *)(r1 +{offset}) / w2 = {value} / r0 = 0 / if r1 != r2 goto +1 / r0 = 1"
        done = kernel_oracle.test_run(encode(text(source)), "sk_lookup", ctx=bytes(ctx), expected_attach_type=36)
        assert (done.errno, done.retval) == (refused, None if refused else 1), (offset, ctx.hex(), done.log)


def test_netfilter_programs_see_an_outgoing_packet() -> None:
    """Only a bit comes back, so the program asks for one thing at a time."""
    btf = environment().kernel_btf
    pf, hook = (member(btf, btf.find("nf_hook_state", t.Struct), name).offset for name in ("pf", "hook"))
    length = member(btf, btf.find("sk_buff", t.Struct), "len").offset
    for data in (bytes(range(20)), bytes(64), bytes(19), frame(0x86DD, 60)):
        for where, size, at, wanted in ((8, 32, length, len(data)), (0, 8, pf, 2), (0, 8, hook, 3), (0, 8, pf, 10)):
            source = f"r1 = *(u64 *)(r1 +{where}) / r1 = *(u{size} *)(r1 +{at}) / r0 = 0 / if r1 != {wanted} goto +1"
            insns = text(f"{source} / r0 = 1")
            assert ours(insns, "netfilter", data, attach=45) == theirs(insns, "netfilter", data, attach=45), (where, at)


CALLS: Final = {
    "skb_load_bytes": ("sched_cls", "r2 = {a} / r3 = r10 / r3 += -16 / r4 = 8 / call bpf_skb_load_bytes / r6 = r0 / "
                       "r0 = *(u64 *)(r10 -16) / r0 ^= r6"),
    "relative": ("socket_filter", "r2 = {a} / r3 = r10 / r3 += -16 / r4 = 8 / r5 = {f} / "
                 "call bpf_skb_load_bytes_relative / r6 = r0 / r0 = *(u64 *)(r10 -16) / r0 ^= r6"),
    "skb_store_bytes": ("sched_cls", "*(u64 *)(r10 -8) = 0x12345 / r2 = {a} / r3 = r10 / r3 += -8 / r4 = 8 / "
                        "r5 = {f} / call bpf_skb_store_bytes"),
    "pull": ("sched_cls", "r2 = {a} / call bpf_skb_pull_data"),
    "l3": ("sched_cls", "r2 = {a} / r3 = {b} / r4 = {c} / r5 = {f} / call bpf_l3_csum_replace"),
    "l4": ("sched_cls", "r2 = {a} / r3 = {b} / r4 = {c} / r5 = {f} / call bpf_l4_csum_replace"),
    "csum_diff": ("sched_cls", "*(u64 *)(r10 -8) = {b} / *(u64 *)(r10 -16) = {c} / r1 = r10 / r1 += -16 / r2 = {f} / "
                  "r2 &= 15 / r3 = r10 / r3 += -8 / r4 = {a} / r4 &= 7 / r5 = {b} / call bpf_csum_diff"),
    "csum_diff of zeros": ("sched_cls", "*(u64 *)(r10 -8) = 0 / r1 = r10 / r1 += -8 / r2 = {f} / r2 &= 7 / r3 = 0 / "
                           "r4 = 0 / r5 = 0 / call bpf_csum_diff"),
    "csum_level": ("sched_cls", "r6 = r1 / r2 = {f} / call bpf_csum_level / r7 = r0 / r1 = r6 / r2 = {g} / "
                   "call bpf_csum_level / r7 ^= r0 / r1 = r6 / r2 = 0 / call bpf_csum_level / r0 ^= r7"),
    "change_type": ("sched_cls", "r2 = {f} / call bpf_skb_change_type"),
    "change_tail": ("sched_cls", "r6 = r1 / r2 = {a} / r3 = 0 / call bpf_skb_change_tail / "
                    "r1 = *(u32 *)(r6 +0) / r0 ^= r1"),
    "change_head": ("sched_cls", "r6 = r1 / r2 = {f} / r3 = 0 / call bpf_skb_change_head / "
                    "r1 = *(u32 *)(r6 +0) / r0 ^= r1"),
    "change_head_l3": ("lwt_xmit", "r2 = {f} / r3 = 0 / call bpf_skb_change_head"),
    "adjust_room": ("sched_cls", "r6 = r1 / r2 = {s} / r3 = {g} / r4 = {h} / call bpf_skb_adjust_room / "
                    "r1 = *(u32 *)(r6 +0) / r0 ^= r1"),
    "vlan": ("sched_cls", "r6 = r1 / r2 = {v} / r3 = {c} / call bpf_skb_vlan_push / r1 = r6 / r2 = {w} / r3 = {b} / "
             "call bpf_skb_vlan_push / r1 = r6 / call bpf_skb_vlan_pop / r0 = *(u32 *)(r6 +16) / "
             "r1 = *(u32 *)(r6 +24) / r1 <<= 8 / r0 ^= r1 / r1 = *(u32 *)(r6 +0) / r1 <<= 16 / r0 ^= r1"),
    "vlan_pop": ("sched_cls", "r6 = r1 / call bpf_skb_vlan_pop / r1 = r6 / call bpf_skb_vlan_pop / "
                 "r0 = *(u32 *)(r6 +24) / r1 = *(u32 *)(r6 +0) / r1 <<= 16 / r0 ^= r1"),
    "adjust_head": ("xdp", "r2 = {s} / call bpf_xdp_adjust_head"),
    "adjust_tail": ("xdp", "r2 = {s} / call bpf_xdp_adjust_tail"),
    "adjust_meta": ("xdp", "r6 = r1 / r2 = {s} / call bpf_xdp_adjust_meta / r7 = r0 / r1 = r6 / r2 = {t} / "
                    "call bpf_xdp_adjust_head / r0 ^= r7"),
    "xdp_bytes": ("xdp", "r6 = r1 / *(u64 *)(r10 -8) = 0x12345 / r2 = {a} / r3 = r10 / r3 += -8 / r4 = 8 / "
                  "call bpf_xdp_store_bytes / r7 = r0 / r1 = r6 / r2 = {f} / r3 = r10 / r3 += -8 / r4 = 5 / "
                  "call bpf_xdp_load_bytes / r0 ^= r7 / r1 = *(u64 *)(r10 -8) / r0 ^= r1 / r1 = r6"),
    "redirect": ("xdp", "r1 = 1 / r2 = {g} / call bpf_redirect"),
    "redirect_tc": ("sched_cls", "r1 = 1 / r2 = {g} / call bpf_redirect"),
    "realm": ("sched_cls", "call bpf_get_route_realm"),
    "classid": ("sched_cls", "call bpf_get_cgroup_classid"),
    "uid": ("sched_cls", "call bpf_get_socket_uid"),
    "tstamp": ("sched_cls", "r6 = r1 / r2 = {f} / r3 = {g} / call bpf_skb_set_tstamp / r1 = *(u64 *)(r6 +152) / "
               "r1 <<= 8 / r0 ^= r1"),
    "update": ("sched_cls", "r2 = {c} / call bpf_csum_update"),
    "buff_len": ("xdp", "call bpf_xdp_get_buff_len"),
    "ld_abs": ("socket_filter", "r6 = r1 / r0 = *(u16 *)skb[{a}]"),
    "ld_net": ("sched_cls", "r6 = r1 / r0 = *(u16 *)skb[{n}]"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_helpers(name: str) -> None:
    kind, source = CALLS[name]
    dice = random.Random(name)
    seen = set()
    for turn in range(24):
        values = {
            "a": dice.choice((0, 2, 6, 8, 10, 13, 14, 24, 40, 50, 56, 57, 64, 72, 80, 4000, 70000)),
            "b": dice.choice((0, 0, 1, 0xFF, 0x1234, 0x7FFFFFFF, -1)),
            "c": dice.choice((0, 1, 0xFFFF, 0xABCD, 0x12345678, -2)),
            "f": dice.choice((0, 1, 2, 3, 4, 4, 8, 16, 18, 36, 128, 256)),
            "g": dice.choice((0, 1, 2, 3, 4)),
            "h": dice.choice((0, 0, 1, 32)),
            "s": dice.choice((0, 4, -4, 8, -8, 20, -20, 3, -100, 216, -216, -217, -252, 4000, -50, 200)),
            "t": dice.choice((0, 4, -4, -100, 50)),
            "v": dice.choice((0, 0x81, 0xA888)),
            "w": dice.choice((0, 0x81, 0xA888)),
            "n": dice.choice((-0x100000, -0x200000, -0x100000 + 8, -0x200000 + 12, -0x200000 + 300, -8)),
        }
        found = agree(source.format(**values), kind, FRAMES[turn % len(FRAMES)])
        seen.add(found[1])
    assert len(seen) > 1 or name in ("realm", "classid", "uid", "update")
