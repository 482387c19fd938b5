# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Dynptrs, strings, bits and CPU masks: the same calls on the running kernel and on our runtime."""

from __future__ import annotations

import random
import struct
from typing import Final

import pytest

from bpfvm.btf import types as t
from bpfvm.btf.layout import member
from tests.differential.run_oracle import agree
from tests.differential.verifier_oracle import kernel_btf, unusable

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
FILL: Final = bytes(range(256)) * 2


# --- dynptrs --------------------------------------------------------------------------------------------------------
FROM_MEM: Final = "value r1 / r2 = {size} / r3 = 0 / r4 = r10 / r4 += -16 / call bpf_dynptr_from_mem / r6 = r0"
STEPS: Final = {
    "read": "r1 = r10 / r1 += -48 / r2 = 8 / r3 = r10 / r3 += -16 / r4 = {a} / r5 = {f} / "
            "call bpf_dynptr_read / r6 ^= r0",
    "write": "*(u64 *)(r10 -48) = 0x55AA / r1 = r10 / r1 += -16 / r2 = {a} / r3 = r10 / r3 += -48 / r4 = 8 / "
             "r5 = {f} / call bpf_dynptr_write / r6 ^= r0",
    "data": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = 8 / call bpf_dynptr_data / if r0 == 0 goto +1 / "
            "*(u64 *)(r0 +0) = 77",
    "slice": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = r10 / r3 += -48 / r4 = 8 / kfunc bpf_dynptr_slice / "
             "if r0 == 0 goto +2 / r1 = *(u64 *)(r0 +0) / r6 ^= r1",
    "rdwr": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = r10 / r3 += -48 / r4 = 8 / kfunc bpf_dynptr_slice_rdwr / "
            "if r0 == 0 goto +1 / *(u64 *)(r0 +0) = 99",
    "adjust": "r1 = r10 / r1 += -16 / r2 = {b} / r3 = {a} / kfunc bpf_dynptr_adjust / r6 ^= r0",
    "size": "r1 = r10 / r1 += -16 / kfunc bpf_dynptr_size / r6 ^= r0",
    "null": "r1 = r10 / r1 += -16 / kfunc bpf_dynptr_is_null / r0 &= 1 / r6 ^= r0",
    "rdonly": "r1 = r10 / r1 += -16 / kfunc bpf_dynptr_is_rdonly / r0 &= 1 / r6 ^= r0",
    "memset": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = {b} / r4 = 0x17 / kfunc bpf_dynptr_memset / r6 ^= r0",
    "copy": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = r10 / r3 += -16 / r4 = {b} / r5 = {c} / "
            "kfunc bpf_dynptr_copy / r6 ^= r0",
    "probe": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = {c} / value r4 / r4 += 100 / kfunc bpf_probe_read_kernel_dynptr / "
             "r6 ^= r0",
    "probe_str": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = {c} / value r4 / r4 += 200 / "
                 "kfunc bpf_probe_read_kernel_str_dynptr / r6 ^= r0",
    "probe_user": "r1 = r10 / r1 += -16 / r2 = {a} / r3 = {c} / r4 = 0 / kfunc bpf_probe_read_user_dynptr / r6 ^= r0",
}  # fmt: skip


def _random(dice: random.Random, text: str) -> str:
    return text.format(
        a=dice.choice((0, 1, 8, 50, 92, 93, 99, 100, 101, 508, 600)),
        b=dice.choice((0, 1, 7, 30, 92, 100, 101)),
        c=dice.choice((0, 1, 8, 40, 100, 101)),
        f=dice.choice((0, 0, 0, 1)),
    )


@pytest.mark.parametrize("name", [name for name in STEPS if name != "rdwr"])
@pytest.mark.parametrize("size", [0, 100, 512])
def test_dynptrs_of_memory(name: str, size: int) -> None:
    dice = random.Random(f"{name} {size}")
    for _ in range(4):
        adjust = _random(dice, STEPS["adjust"]) if dice.random() < 0.5 else "r7 = 0"
        end = "r1 = r10 / r1 += -16 / kfunc bpf_dynptr_size / r0 ^= r6"
        agree(" / ".join((FROM_MEM.format(size=size), adjust, _random(dice, STEPS[name]), end)), FILL)


@pytest.mark.parametrize("flags", [0, 1])
def test_dynptrs_with_flags_point_to_nothing(flags: int) -> None:
    made = f"value r1 / r2 = 8 / r3 = {flags} / r4 = r10 / r4 += -16 / call bpf_dynptr_from_mem / r6 = r0"
    for name, step in STEPS.items():
        if name != "rdwr":
            agree(f"{made} / {step.format(a=0, b=0, c=4, f=0)} / r0 = r6", FILL[:40])


@pytest.mark.parametrize("name", ["read", "write", "slice", "rdwr", "adjust", "size", "rdonly", "memset"])
@pytest.mark.parametrize(("kind", "maker"), [("xdp", "xdp"), ("sched_cls", "skb"), ("socket_filter", "skb")])
def test_dynptrs_of_packets(kind: str, maker: str, name: str) -> None:
    if (kind, name) == ("socket_filter", "rdwr"):
        pytest.skip("the verifier refuses it")
    dice = random.Random(f"{kind} {name}")
    made = f"r2 = 0 / r3 = r10 / r3 += -16 / kfunc bpf_dynptr_from_{maker} / r6 = r0"
    for _ in range(4):
        adjust = _random(dice, STEPS["adjust"]) if dice.random() < 0.5 else "r7 = 0"
        end = "r1 = r10 / r1 += -16 / kfunc bpf_dynptr_size / r0 ^= r6"
        source = " / ".join((made, adjust, _random(dice, STEPS[name]), end))
        agree(source, kind=kind, data=bytes(12) + bytes(range(1, 101)))


def test_clones_are_independent() -> None:
    clone = "r1 = r10 / r1 += -16 / r2 = r10 / r2 += -32 / kfunc bpf_dynptr_clone / r6 ^= r0"
    shrink = "r1 = r10 / r1 += -32 / r2 = 10 / r3 = 30 / kfunc bpf_dynptr_adjust / r6 ^= r0"
    sizes = "r1 = r10 / r1 += -32 / kfunc bpf_dynptr_size / r6 <<= 8 / r6 ^= r0 / r1 = r10 / r1 += -16 / "
    sizes += "kfunc bpf_dynptr_size / r6 <<= 8 / r0 ^= r6"
    assert agree(f"{FROM_MEM.format(size=100)} / {clone} / {shrink} / {sizes}")[0] == 20 << 8 | 100


# --- strings --------------------------------------------------------------------------------------------------------
ONE_STRING: Final = ("strlen",)
TWO_STRINGS: Final = ("strcmp", "strcasecmp", "strspn", "strcspn", "strstr")
WITH_BYTE: Final = ("strchr", "strchrnul", "strrchr")
LETTERS: Final = (b"aAbB", b"ab", b"aB\xe4\xc4\xd7")


def _strings(dice: random.Random) -> bytes:
    """Three strings at 0, 100 and 200."""
    alphabet = dice.choice(LETTERS)
    words = [bytes(dice.choices(alphabet, k=dice.choice((0, 1, 2, 3, 8)))) for _ in range(3)]
    return b"".join(word.ljust(100, b"\0") for word in words)


@pytest.mark.parametrize("name", [*ONE_STRING, *TWO_STRINGS, *WITH_BYTE, "strnlen", "strnchr", "strnstr"])
def test_strings(name: str) -> None:
    dice = random.Random(name)
    for _ in range(16):
        byte, size = dice.choice((0, 97, 66, 120)), dice.choice((0, 1, 2, 3, 9, 70000))
        second = {
            **dict.fromkeys(TWO_STRINGS, "value r2 / r2 += 100"),
            **dict.fromkeys(WITH_BYTE, f"r2 = {byte}"),
            "strnlen": f"r2 = {size}",
            "strnchr": f"r2 = {size} / r3 = {byte}",
            "strnstr": f"value r2 / r2 += 100 / r3 = {size}",
        }.get(name, "r2 = 0")
        agree(f"value r1 / {second} / kfunc bpf_{name}", _strings(dice))


@pytest.mark.parametrize("addr", ["0", "1", "0x7ffffffff000", "0xffffffffff600000", "0xffff800000000000"])
@pytest.mark.parametrize("name", [*ONE_STRING, *TWO_STRINGS, *WITH_BYTE, "strnlen", "strnchr", "strnstr"])
def test_strings_that_are_nowhere(name: str, addr: str) -> None:
    bad = f"r1 = {addr} ll / r2 = 0 / kfunc bpf_rdonly_cast / "
    second = "value r2" if name in (*TWO_STRINGS, "strnstr") else "r2 = 7"
    agree(f"{bad}r1 = r0 / {second} / r3 = 5 / kfunc bpf_{name}", b"ab")


# --- bits -----------------------------------------------------------------------------------------------------------
NEXT: Final = "r1 = r10 / r1 += -16 / kfunc bpf_iter_bits_next / {r} = 0 / if r0 == 0 goto +1 / {r} = *(s32 *)(r0 +0)"


@pytest.mark.parametrize("words", [0, 1, 2, 8, 64])
def test_bits(words: int) -> None:
    dice = random.Random(words)
    for _ in range(5):
        bits = dice.randbytes(words * 8 % 512) if dice.random() < 0.7 else bytes(words * 8 % 512)
        new = f"r6 = 0 / r1 = r10 / r1 += -16 / value r2 / r3 = {words} / kfunc bpf_iter_bits_new / r7 = r0"
        end = (
            "r1 = r10 / r1 += -16 / kfunc bpf_iter_bits_destroy / r0 = r7 / r8 <<= 8 / r9 <<= 20 / r0 ^= r8 / r0 ^= r9"
        )
        agree(" / ".join((new, NEXT.format(r="r8"), NEXT.format(r="r9"), end)), bits)


@pytest.mark.parametrize("words", [511, 512])
def test_too_many_bits(words: int) -> None:
    """The first words are the array's, what follows is the kernel's own memory."""
    new = f"r1 = r10 / r1 += -16 / value r2 / r3 = {words} / kfunc bpf_iter_bits_new / r7 = r0 / "
    agree(new + "r1 = r10 / r1 += -16 / kfunc bpf_iter_bits_destroy / r0 = r7")


# --- CPU masks ------------------------------------------------------------------------------------------------------
def test_cpu_masks() -> None:
    dice = random.Random(1)
    unary = ("first", "first_zero", "weight", "empty", "full")
    binary = ("equal", "intersects", "subset", "first_and")
    for _ in range(12):
        lines = ["kfunc bpf_cpumask_create / if r0 == 0 goto +{} / r6 = r0 / r7 = 0"]
        body = []
        for _ in range(6):
            name = dice.choice(("set_cpu", "clear_cpu", "test_cpu", "test_and_set_cpu", "test_and_clear_cpu", "setall",
                                "clear", *unary, *binary, "and", "or", "xor", "copy"))  # fmt: skip
            if name.endswith("_cpu"):
                body.append(f"r1 = {dice.choice((0, 1, 2, 63, 9000))} / r2 = r6 / kfunc bpf_cpumask_{name}")
            elif name in ("and", "or", "xor"):
                body.append(f"r1 = r6 / r2 = r6 / r3 = r6 / kfunc bpf_cpumask_{name}")
            else:
                body.append(f"r1 = r6 / r2 = r6 / kfunc bpf_cpumask_{name}")
            if name not in ("set_cpu", "clear_cpu", "setall", "clear", "or", "xor", "copy"):
                is_number = name.startswith("first") or name == "weight"
                body.append("r7 <<= 3 / r7 ^= r0" if is_number else "r0 &= 1 / r7 <<= 3 / r7 ^= r0")
        body.append("r1 = r6 / kfunc bpf_cpumask_weight / r7 <<= 3 / r7 ^= r0")
        body.append("r1 = r6 / kfunc bpf_cpumask_release / r0 = r7")
        rest = " / ".join(body)
        source = f"{lines[0]} / {rest}".format(2 + len(rest.split(" / ")))
        agree(source)


# --- what isn't there ------------------------------------------------------------------------------------------------
CT: Final = ("{ctx} / value r2 / r3 = {tuple} / value r4 / r4 += 64 / r5 = {opts} / kfunc bpf_{kind}_ct_lookup / "
             "if r0 != 0 goto +2 / r0 = 7 / goto +3 / r1 = r0 / kfunc bpf_ct_release / r0 = 8")  # fmt: skip


@pytest.mark.parametrize(("kind", "prog_type"), [("skb", "sched_cls"), ("xdp", "xdp")])
def test_connections_that_are_not_tracked(kind: str, prog_type: str) -> None:
    dice = random.Random(kind)
    for _ in range(60):
        netns, reserved = dice.choice((-1, -1, -1, -2, 9999)), dice.choice((0, 0, 0, 1, 256, 1 << 16))
        opts = struct.pack("<iiBBHB", netns, 5, dice.choice((6, 17, 1)), 0, dice.choice((0, 0, 1)), 0)
        filled = bytes(range(64)) + opts + reserved.to_bytes(3, "little")
        sizes = {"tuple": dice.choice((12, 12, 36, 8)), "opts": dice.choice((16, 16, 12, 8, 20))}
        agree(CT.format(ctx="r6 = r1", kind=kind, **sizes), filled, kind=prog_type, data=bytes(64))


def test_ipsec_states_that_are_not_there() -> None:
    for size in (36, 35, 40, 4, 8):
        for netns in (-1, -2, 9999):
            filled = struct.pack("<iiI", 5, netns, 0) + bytes(range(24))
            source = f"value r2 / r3 = {size} / kfunc bpf_xdp_get_xfrm_state / if r0 != 0 goto +2 / r0 = 7 / goto +3 / "
            source += "r1 = r0 / kfunc bpf_xdp_xfrm_state_release / r0 = 8"
            agree(source, filled, kind="xdp", data=bytes(64))


@pytest.mark.parametrize("number", [0, 1, 2, 3, 1 << 32])
def test_keyrings_of_the_system(number: int) -> None:
    source = f"r1 = {number:#x} ll / kfunc bpf_lookup_system_key / if r0 != 0 goto +2 / r0 = 7 / goto +3 / r1 = r0 / "
    agree(source + "kfunc bpf_key_put / r0 = 8")


def test_numbers_that_are_given_back() -> None:
    for number in (0, 5, -3):
        agree(f"r1 = {number} / kfunc bpf_modify_return_test_tp")


def test_caches_of_addresses_that_have_none() -> None:
    for address in ("0", "1", "0xffff800000000000"):
        agree(f"r1 = {address} ll / kfunc bpf_get_kmem_cache / r6 = 7 / if r0 != 0 goto +1 / r6 = 8 / r0 = r6")


def test_narrow_results_leave_the_upper_half_zero() -> None:
    """A kernel function that returns an int gives 32 bits; 64 of them are looked at here."""
    made = "value r1 / r2 = 8 / r3 = 1 / r4 = r10 / r4 += -16 / call bpf_dynptr_from_mem / "
    found = agree(made + "r1 = r10 / r1 += -16 / r2 = 1 / r3 = 2 / kfunc bpf_dynptr_adjust / r0 >>= 28")
    assert found[0] == 15


# --- the kernel's context of XDP programs ---------------------------------------------------------------------------
def _field(struct: str, name: str) -> int:
    btf = kernel_btf()
    return member(btf, btf.find(struct, t.Struct), name).offset


MIX: Final = "r8 *= 31 / r8 += {} / "


def test_the_kernels_context_of_a_packet() -> None:
    """Distances between its pointers, before and after the packet's start and end have moved; the device."""
    data, end, meta, start = (_field("xdp_buff", name) for name in ("data", "data_end", "data_meta", "data_hard_start"))
    seen = f"r1 = *(u64 *)(r7 +{end}) / r2 = *(u64 *)(r7 +{data}) / r3 = *(u64 *)(r7 +{meta}) / "
    seen += f"r4 = *(u64 *)(r7 +{start}) / r1 -= r2 / r3 -= r2 / r2 -= r4 / "
    seen += MIX.format("r1") + MIX.format("r2") + MIX.format("r3")
    queue = f"r2 = *(u32 *)(r7 +{_field('xdp_buff', 'frame_sz')}) / {MIX.format('r2')}"
    queue += f"r1 = *(u64 *)(r7 +{_field('xdp_buff', 'rxq')}) / "
    queue += f"r2 = *(u32 *)(r1 +{_field('xdp_rxq_info', 'queue_index')}) / {MIX.format('r2')}"
    queue += f"r1 = *(u64 *)(r1 +{_field('xdp_rxq_info', 'dev')}) / "
    for name, size in (("ifindex", 32), ("mtu", 32), ("hard_header_len", 16), ("name", 16)):
        queue += f"r2 = *(u{size} *)(r1 +{_field('net_device', name)}) / {MIX.format('r2')}"
    for head, tail in ((0, 0), (-20, 30), (8, -8), (4000, 0)):
        moves = f"r1 = r6 / r2 = {head} / call bpf_xdp_adjust_head / r1 = r6 / r2 = {tail} / "
        source = f"r6 = r1 / r8 = 0 / kfunc bpf_cast_to_kern_ctx / r7 = r0 / {seen}{queue}{moves}"
        agree(f"{source}call bpf_xdp_adjust_tail / {seen}r0 = r8", kind="xdp", data=bytes(range(80)))


SK_BUFF: Final = {
    "len": 32, "data_len": 32, "mark": 32, "priority": 32, "hash": 32, "protocol": 16, "skb_iif": 32, "vlan_proto": 16,
    "vlan_tci": 16, "transport_header": 16, "tstamp": 64,
}  # fmt: skip
MOVES: Final = {
    "socket_filter": ("",),
    "sched_cls": (
        "r1 = r6 / r2 = 50 / r3 = 0 / call bpf_skb_change_tail / ",
        "r1 = r6 / r2 = 7 / call bpf_set_hash / ",
        "r1 = r6 / r2 = 0xA888 / r3 = 5 / call bpf_skb_vlan_push / ",
        "r1 = r6 / r2 = 20 / r3 = 1 / r4 = 0 / call bpf_skb_adjust_room / ",
        "r1 = r6 / r2 = 0xDD86 / r3 = 0 / call bpf_skb_change_proto / ",
    ),
    "lwt_xmit": (
        "r1 = r6 / r2 = 16 / r3 = 0 / call bpf_skb_change_tail / ",
        "r1 = r6 / call bpf_set_hash_invalid / ",
    ),
}


@pytest.mark.parametrize("kind", MOVES)
def test_the_kernels_sk_buff(kind: str) -> None:
    """Its fields before and after helpers have changed the packet. Headers and pointers are compared by distance."""
    seen = ""
    for name, size in SK_BUFF.items():
        seen += f"r2 = *(u{size} *)(r7 +{_field('sk_buff', name)}) / {MIX.format('r2')}"
    seen += f"r1 = *(u64 *)(r7 +{_field('sk_buff', 'data')}) / r2 = *(u64 *)(r7 +{_field('sk_buff', 'head')}) / "
    seen += "r1 -= r2 / " + MIX.format("r1")
    for name, size in (("mac_header", 16), ("network_header", 16), ("tail", 32)):
        seen += f"r2 = *(u{size} *)(r7 +{_field('sk_buff', name)}) / r2 -= r1 / {MIX.format('r2')}"
    seen += f"r1 = *(u64 *)(r7 +{_field('sk_buff', 'dev')}) / "
    for name, size in (("ifindex", 32), ("mtu", 32), ("name", 16)):
        seen += f"r2 = *(u{size} *)(r1 +{_field('net_device', name)}) / {MIX.format('r2')}"
    data = bytes(12) + b"\x08\0\x45" + bytes(range(60))
    for move in MOVES[kind]:
        source = f"r6 = r1 / r8 = 0 / kfunc bpf_cast_to_kern_ctx / r7 = r0 / {seen}{move}{seen}r0 = r8"
        assert agree(source, kind=kind, data=data)[0]


# --- ciphers: only algorithms that are there already, so that the kernel needn't look for them ------------------------
CIPHERS: Final = (
    (b"skcipher", 0, 16, 0), (b"skcipher", 0, 24, 0), (b"skcipher", 0, 32, 0), (b"skcipher", 0, 15, 0),
    (b"skcipher", 0, 0, 0), (b"skcipher", 0, 257, 0), (b"skcipher", 1, 16, 0), (b"skcipher", 0, 16, 4),
    (b"none", 0, 16, 0),
)  # fmt: skip
"""type, reserved bytes, size of the key, size of an authentication tag"""


@pytest.mark.parametrize("algo", [b"ecb(aes)", b"cbc(aes)"])
def test_what_contexts_of_ciphers_can_be_made_of(algo: bytes) -> None:
    for kind, used, length, auth in CIPHERS:
        params = struct.pack("<14sH128s256sII", kind, used, algo, bytes(range(256)), length, auth)
        for size in (408, 404):
            source = f"value r1 / r2 = {size} / r3 = r10 / r3 += -8 / *(u64 *)(r10 -8) = 7 / "
            source += "kfunc bpf_crypto_ctx_create / if r0 != 0 goto +2 / r0 = *(s32 *)(r10 -8) / goto +3 / r1 = r0 / "
            agree(source + "kfunc bpf_crypto_ctx_release / r0 = 100", params)
