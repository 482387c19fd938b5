# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Helpers that give packets other headers, tunnels and ways, in the running kernel and here."""

from __future__ import annotations

import random
import struct
from typing import Final

import pytest

from bpfvm.obj.model import MapSpec
from bpfvm.runtime.test_run.skb import FIELDS
from tests.differential.test_packets_oracle import FRAMES, agree, frame
from tests.differential.verifier_oracle import unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SKB: Final = "sched_cls"
SHAPE: Final = " / r1 = *(u32 *)(r6 +0) / r1 <<= 8 / r0 ^= r1 / r1 = *(u32 *)(r6 +16) / r1 <<= 4 / r0 ^= r1"
"""the length and the protocol are mixed into the result"""


def gso(size: int) -> bytes:
    ctx = bytearray(192)
    ctx[FIELDS["gso_size"] : FIELDS["gso_size"] + 4] = size.to_bytes(4, "little")
    return bytes(ctx)


@pytest.mark.parametrize("proto", [0x0008, 0xDD86, 0x0081, 0, 0x10008, 0x1_0000_DD86])
@pytest.mark.parametrize("flags", [0, 1])
def test_change_proto(proto: int, flags: int) -> None:
    call = f"r6 = r1 / r2 = {proto:#x} ll / r3 = {flags} / call bpf_skb_change_proto"
    for data in (*FRAMES, frame(0x86DD, 54)):
        agree(call + SHAPE, SKB, data)


@pytest.mark.parametrize("seed", range(8))
def test_adjust_room(seed: int) -> None:
    """One or two calls: what was encapsulated can't be once more, but can be taken out."""
    dice = random.Random(seed)
    seen = set()
    for _ in range(30):
        source = "r6 = r1"
        for _ in range(dice.choice((1, 1, 2))):
            flags = dice.choice((0, 0, 2, 2, 4, 4, 6, 0x80, 0x80, 0x100, 0x100, 0x180))
            flags |= dice.choice((0, 0, 0, 8, 0x10, 0x18, 1, 0x20, 0x40, 0x200))
            flags |= dice.choice((0, 0, 0, 14, 20, 60)) << 56
            more = dice.choice((20, 40, 28, 50, 0, -20, -40, -14, -46, 3, 3900, 4096, -4096))
            source += f" / r1 = r6 / r2 = {more} / r3 = {dice.choice((0, 1, 1, 2))} / r4 = {flags:#x} ll"
            source += " / call bpf_skb_adjust_room"
        seen.add(agree(source + SHAPE, SKB, dice.choice(FRAMES), dice.choice((b"", b"", b"", gso(10))))[1])
    assert len(seen) > 4


@pytest.mark.parametrize("kind", ["sched_cls", "cgroup_skb"])
def test_congestion(kind: str) -> None:
    for tos in range(8):
        for check in (0, 0xFFFF, 0x1234, 0xFFFD):
            four = bytearray(frame(0x0800, 60, tos))
            four[15], four[24:26] = tos, check.to_bytes(2, "big")
            six = bytearray(frame(0x86DD, 60, tos))
            six[14:16] = struct.pack(">H", 0x6000 | tos << 4 | 3)
            tagged = bytearray(bytes(12) + b"\x81\0\0\5\x08\0" + four[14:])
            tagged[15] = tos
            for data in (four, six, tagged, four[:34], six[:54]):
                agree("call bpf_skb_ecn_set_ce", kind, bytes(data))
    for data in FRAMES:
        agree("call bpf_skb_ecn_set_ce", kind, data)


KEY: Final = "r6 = r1 / " + " / ".join(f"*(u32 *)(r10 {at - 48}) = {{k[{at // 4}]}}" for at in range(0, 48, 4)) + " / "
SET: Final = "r1 = r6 / r2 = r10 / r2 += -48 / r3 = {size} / r4 = {flags} / call bpf_skb_set_tunnel_key / r7 = r0 / "
GET: Final = ("r1 = r6 / r2 = r10 / r2 += -48 / r3 = {size2} / r4 = {flags2} / call bpf_skb_get_tunnel_key / "
              "r7 += r0 / r7 <<= 8 / ")  # fmt: skip
SUM: Final = "r0 = r7" + "".join(f" / r0 *= 31 / r1 = *(u32 *)(r10 {at - 48}) / r0 += r1" for at in range(0, 48, 4))


@pytest.mark.parametrize("seed", range(6))
def test_tunnel_keys(seed: int) -> None:
    dice = random.Random(seed)
    seen = set()
    for _ in range(30):
        key = [dice.getrandbits(31) for _ in range(12)]
        key[5] = dice.choice((0, 5, 0x4005, 0x0101_0000))
        key[6] = dice.choice((0, 0, 7, 0xFFFF_FFF))
        values = {
            "k": key,
            "size": dice.choice((44, 44, 44, 28, 24, 22, 8, 20, 40)),
            "flags": dice.choice((0, 0, 1, 1, 2, 4, 8, 16, 15, 32)),
            "size2": dice.choice((44, 44, 44, 28, 24, 22, 8, 20, 40)),
            "flags2": dice.choice((0, 1, 16, 17, 2)),
        }
        source = KEY + (SET if dice.random() < 0.9 else "r7 = 0 / ") + GET + SUM
        seen.add(agree(source.format(**values), SKB, FRAMES[0])[1])
    assert len(seen) > 4


@pytest.mark.parametrize("first", [True, False])
def test_tunnel_options(first: bool) -> None:
    for size in (4, 8, 5):
        for room in (4, 8, 16, 1):
            values = {"k": range(1, 13), "size": 44, "flags": 0}
            source = KEY + (SET if first else "r7 = 0 / ")
            source = source.replace("*(u32 *)(r10 -28) = {k[5]}", "*(u32 *)(r10 -28) = 5")
            source = source.replace("*(u32 *)(r10 -24) = {k[6]}", "*(u32 *)(r10 -24) = 0")
            source += f"r1 = r6 / r2 = r10 / r2 += -48 / r3 = {size} / call bpf_skb_set_tunnel_opt / r7 += r0 / "
            source += (
                f"r7 <<= 4 / r1 = r6 / r2 = r10 / r2 += -16 / r3 = {room} / call bpf_skb_get_tunnel_opt / r7 += r0 / "
            )
            agree((source + SUM).format(**values), SKB, FRAMES[0])


@pytest.mark.parametrize("kind", ["sched_cls", "xdp"])
def test_mtu(kind: str) -> None:
    dice = random.Random(kind)
    for _ in range(60):
        length, device = dice.choice((0, 0, 1500, 65536, 65537, 70000)), dice.choice((0, 0, 1, 1, 9999, -1))
        more, flags = dice.choice((0, 0, 20, -20, 65400, 65480, 70000, -70000)), dice.choice((0, 0, 0, 1, 2))
        source = f"*(u64 *)(r10 -8) = {length} / r2 = {device} / r3 = r10 / r3 += -8 / r4 = {more} / r5 = {flags} / "
        source += "call bpf_check_mtu / r1 = *(u32 *)(r10 -8) / r1 <<= 8 / r0 ^= r1"
        agree(source, kind, dice.choice(FRAMES[:3]), gso(10) if kind == "sched_cls" and dice.random() < 0.3 else b"")


@pytest.mark.parametrize("kind", ["devmap", "devmap_hash", "cpumap", "xskmap"])
def test_redirection_by_empty_maps(kind: str) -> None:
    for flags in (0, 1, 2, 3, 4, 8, 10, 16, 24, 32):
        for key in (0, 1, 70):
            source = f"r1 = map[id:0] / r2 = {key} / r3 = {flags} / call bpf_redirect_map"
            agree(source, "xdp", FRAMES[0], maps=(MapSpec("m", kind, 4, 4, 2),))


@pytest.mark.parametrize("index", [0, 1, 2, -1])
def test_empty_arrays_of_cgroups(index: int) -> None:
    maps = (MapSpec("m", "cgroup_array", 4, 4, 2),)
    agree(f"r2 = map[id:0] / r3 = {index} / call bpf_skb_under_cgroup", SKB, FRAMES[0], maps=maps)
    agree(f"r1 = map[id:0] / r2 = {index} / call bpf_current_task_under_cgroup", SKB, FRAMES[0], maps=maps)


CALLS: Final = {
    "sk_assign": "r6 = r1 / r2 = *(u64 *)(r1 +168) / r0 = 7 / if r2 == 0 goto +3 / r1 = r6 / r3 = {flags} / "
                 "call bpf_sk_assign",
    "xfrm": "*(u64 *)(r10 -8) = 5 / r2 = {flags} / r3 = r10 / r3 += -8 / r4 = 8 / r5 = {flags} / "
            "call bpf_skb_get_xfrm_state / r1 = *(u64 *)(r10 -8) / r1 <<= 8 / r0 ^= r1",
    "clone_redirect": "r2 = 9999 / r3 = {flags} / call bpf_clone_redirect",
    "syncookie": "r1 = *(u64 *)(r1 +168) / r0 = 7 / if r1 == 0 goto +13 / *(u64 *)(r10 -64) = 0 / "
                 "*(u64 *)(r10 -56) = 0 / *(u64 *)(r10 -48) = 0 / *(u64 *)(r10 -40) = 0 / *(u64 *)(r10 -32) = 0 / "
                 "*(u64 *)(r10 -24) = 0 / "
                 "r2 = r10 / r2 += -64 / r3 = 20 / r4 = r10 / r4 += -40 / r5 = 20 / call bpf_tcp_{which}_syncookie",
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_what_no_packet_has(name: str) -> None:
    for flags in (0, 1, 2):
        for which in ("check", "gen"):
            agree(CALLS[name].format(flags=flags, which=which), SKB, FRAMES[0])


def test_a_sockets_cgroup_is_the_packets() -> None:
    source = ("r6 = r1 / call bpf_skb_cgroup_id / r7 = r0 / r1 = *(u64 *)(r6 +168) / r0 = 7 / if r1 == 0 goto +5 / "
              "call bpf_sk_fullsock / if r0 == 0 goto +3 / r1 = r0 / call bpf_sk_cgroup_id / r0 ^= r7")  # fmt: skip
    assert agree(source, "cgroup_skb", FRAMES[0])[1] == 0


OPTIONS: Final = (
    (), (2, 4, 5, 0xB4), (1, 1, 2, 4, 3, 0), (3, 3, 7, 2, 4, 20, 0, 0), (0, 2, 4, 5, 0xB4, 0, 0, 0), (2, 9, 1, 1),
    (9, 0, 2, 4), (2, 3, 5, 2, 4, 5, 0xB4, 1), (1, 1, 1, 2), (2, 4, 0x20, 0),
)  # fmt: skip
HEADERS: Final = "r1 = r10 / r1 += -128 / r2 = r10 / r2 += -80 / "


def cookie(version: int, tcp: bytes, size: int, after: str) -> str:
    """A program that makes a cookie for headers on its stack; `after` what it does with it (r0)."""
    words = struct.unpack("<5Q", tcp)
    lines = [f"*(u64 *)(r10 -{at}) = {at * 77}" for at in range(128, 80, -8)]
    lines += [f"r2 = {word:#x} ll / *(u64 *)(r10 {8 * at - 80}) = r2" for at, word in enumerate(words)]
    return " / ".join([*lines, f"{HEADERS}r3 = {size} / call bpf_tcp_raw_gen_syncookie_ipv{version}", after])


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("options", OPTIONS)
def test_cookies_without_sockets(version: int, options: tuple[int, ...]) -> None:
    """A cookie is the kernel's secret: its MSS and errnos are compared, and whether it is recognised."""
    size = 20 + len(options)
    for doff, given in ((size >> 2, size), (size >> 2, size - 1), (4, 16), (6, size)):
        tcp = struct.pack(">HHIIBBHHH", 1, 2, 99, 0, doff << 4, 2, 0, 0, 0) + bytes(options).ljust(20, b"\0")
        agree(cookie(version, tcp, given, "r0 s>>= 32"), "xdp", FRAMES[0])
        for wrong in (0, 8):
            after = f"if r0 s< 0 goto end / w0 += {1 + wrong} / r0 = be32 r0 / *(u32 *)(r10 -72) = r0 / r0 = 100 / "
            after += f"r0 = be32 r0 / *(u32 *)(r10 -76) = r0 / {HEADERS}call bpf_tcp_raw_check_syncookie_ipv{version}"
            result = agree(cookie(version, tcp, given, after + " / end: r7 = r0"), "xdp", FRAMES[0])[1]
            assert given != doff * 4 or doff < 5 or result == (-13 if wrong else 0)


@pytest.mark.parametrize("first", [0x45, 0x46, 0x4F, 0x44, 0x60, 0x50])
@pytest.mark.parametrize("size", [20, 24, 40, 60, 19, 8])
def test_outer_headers_on_the_way_in(first: int, size: int) -> None:
    for check in (0, 0x1234):
        lines = [f"*(u64 *)(r10 -{at}) = {at * 0x10101}" for at in range(64, 0, -8)]
        lines += [f"*(u8 *)(r10 -64) = {first}", f"*(u16 *)(r10 -54) = {check}", "r6 = r1 / r2 = 2 / r3 = r10"]
        source = " / ".join([*lines, f"r3 += -64 / r4 = {size} / call bpf_lwt_push_encap"]) + SHAPE
        for data in FRAMES[:2]:
            agree(source, "lwt_in", data)
    agree("*(u64 *)(r10 -8) = 0 / r2 = 3 / r3 = r10 / r3 += -8 / r4 = 8 / call bpf_lwt_push_encap", "lwt_in", FRAMES[0])
