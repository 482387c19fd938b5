# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Texts that the kernel's log has, by hand; the differential test compares with the running kernel."""

from __future__ import annotations

import pytest

from bpfvm.isa.disasm import disasm, listing, pseudo_imm64
from bpfvm.isa.insn import Insn


@pytest.mark.parametrize(
    ("insn", "text"),
    [
        (Insn(0xB7, 0, imm=42), "r0 = 42"),
        (Insn(0xBC, 1, 2), "w1 = w2"),
        (Insn(0x0C, 1, 2), "w1 += w2"),
        (Insn(0x84, 0), "w0 = -w0"),
        (Insn(0xBF, 0, 1, 8), "r0 = (s8)r1"),
        (Insn(0x37, 0, off=1, imm=-3), "r0 s/= -3"),
        (Insn(0x9F, 0, 1, 1), "r0 s%= r1"),
        (Insn(0xC7, 3, imm=63), "r3 s>>= 63"),
        (Insn(0xD7, 0, imm=16), "r0 = bswap16 r0"),
        (Insn(0xDC, 0, imm=16), "r0 = be16 r0"),
        (Insn(0xD4, 9, imm=64), "r9 = le64 r9"),
        (Insn(0x15, 1, off=2), "if r1 == 0x0 goto pc+2"),
        (Insn(0x66, 3, off=-1, imm=-1), "if w3 s> 0xffffffff goto pc-1"),
        (Insn(0x4D, 3, 4, 5), "if r3 & r4 goto pc+5"),
        (Insn(0x05, off=-7), "goto pc-7"),
        (Insn(0x06, imm=70000), "gotol pc+70000"),
        (Insn(0xE5, off=3), "may_goto pc+3"),
        (Insn(0x79, 0, 1, 8), "r0 = *(u64 *)(r1 +8)"),
        (Insn(0x91, 0, 1, -8), "r0 = *(s8 *)(r1 -8)"),
        (Insn(0x62, 10, off=-4, imm=-1), "*(u32 *)(r10 -4) = -1"),
        (Insn(0x73, 10, 3, -1), "*(u8 *)(r10 -1) = r3"),
        (Insn(0xDB, 1, 2), "lock *(u64 *)(r1 +0) += r2"),
        (Insn(0xC3, 1, 2, 4, 0x41), "r2 = atomic_fetch_or((u32 *)(r1 +4), r2)"),
        (Insn(0xDB, 1, 2, 0, 0x01), "r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)"),
        (Insn(0xDB, 1, 2, 0, 0xF1), "r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)"),
        (Insn(0xDB, 1, 2, 0, 0x100), "r1 = load_acquire((u64 *)(r2 +0))"),
        (Insn(0xD3, 1, 2, 0, 0x110), "store_release((u8 *)(r1 +0), r2)"),
        (Insn(0x28, imm=12), "r0 = *(u16 *)skb[12]"),
        (Insn(0x40, src=3, imm=-2), "r0 = *(u32 *)skb[r3 + -2]"),
        (Insn(0x85, imm=1), "call bpf_map_lookup_elem#1"),
        (Insn(0x85, imm=211), "call bpf_cgrp_storage_delete#211"),
        (Insn(0x85), "call bpf_unspec#0"),
        (Insn(0x85, imm=195896080), "call unknown#195896080"),
        (Insn(0x85, src=1, imm=5), "call pc+5"),
        (Insn(0x85, src=2, imm=1234), "call kernel-function#1234"),
        (Insn(0x8D, 3), "callx r3"),
        (Insn(0x0D, 3), "gotox r3"),
        (Insn(0x95), "exit"),
        (Insn(0xBF, 1, 2, 1, 1), "r1 = addr_space_cast(r2, 0, 1)"),
        (Insn(0xBF, 1, 2, 1, 0x10000), "r1 = addr_space_cast(r2, 1, 0)"),
        (Insn(0x3C, 5, 9, 3), "w5 /= w9"),
        (Insn(0x97, 6, off=-8, imm=-1), "r6 %= -1"),
        (Insn(0xBF, 5, 9, 3), "r5 = r9"),
        (Insn(0xBC, 5, 7, 32), "w5 = (s32)w7"),
        (Insn(0xDC, 6, imm=17), "r6 = be17 r6"),
        (Insn(0xD7, 3, imm=31), "r3 = bswap31 r3"),
        (Insn(0xCB, 1, 2, 4), "lock *(u16 *)(r1 +4) += r2"),
        (Insn(0xD3, 1, 2, 4, 0xE1), "r2 = atomic_xchg((u8 *)(r1 +4), r2)"),
        (Insn(0x85, 0, 7, imm=16), "call unknown#16"),
        (Insn(0xE5, 6, 9, 1, 65), "if r6 (null) 0x41 goto pc+1"),
        (Insn(0xFF), "BUG_alu64_ff"),
        (Insn(0x18, 1), "BUG_ld_18"),
    ],
)
def test_text(insn: Insn, text: str) -> None:
    assert disasm((insn,), 0) == text


def test_names_from_outside() -> None:
    kfunc, local = Insn(0x85, src=2, imm=77), Insn(0x85, src=1, imm=3)
    assert disasm((kfunc,), 0, call_name=lambda insn, i: "bpf_task_acquire") == "call bpf_task_acquire#77"
    assert disasm((local,), 0, call_name=lambda insn, i: "+3 <callee>") == "call pc+3 <callee>"
    assert disasm((kfunc,), 0, call_name=lambda insn, i: None) == "call kernel-function#77"


@pytest.mark.parametrize(
    ("low", "high", "raw", "pseudo"),
    [
        (Insn(0x18, 2, imm=0x23456789), Insn(0, imm=1), "r2 = 0x123456789", "r2 = 0x123456789"),
        (Insn(0x18, 2, imm=-1), Insn(0, imm=-1), "r2 = 0xffffffffffffffff", "r2 = 0xffffffffffffffff"),
        (Insn(0x18, 1, 1, imm=3), Insn(0), "r1 = 0x3", "r1 = map[id:3]"),
        (Insn(0x18, 1, 2, imm=3), Insn(0, imm=8), "r1 = 0x800000003", "r1 = map[id:3][0]+8"),
        (Insn(0x18, 1, 3, imm=3), Insn(0), "r1 = 0x3", "r1 = var[id:3]"),
        (Insn(0x18, 1, 4, imm=-3), Insn(0), "r1 = 0xfffffffd", "r1 = subprog[-3]"),
        (Insn(0x18, 1, 5, imm=3), Insn(0), "r1 = 0x3", "r1 = map[idx:3]"),
    ],
)
def test_constants(low: Insn, high: Insn, raw: str, pseudo: str) -> None:
    assert disasm((low, high), 0) == raw
    assert disasm((low, high), 0, imm64=pseudo_imm64) == pseudo


def test_constant_shown_as_asked() -> None:
    pair = (Insn(0x18, 1, 1, imm=3), Insn(0))
    assert disasm(pair, 0, imm64=lambda low, high: "0x0") == "r1 = 0x0"


def test_listing_counts_slots() -> None:
    assert listing((Insn(0x18, 1, imm=3), Insn(0), Insn(0x95))) == ["0: (18) r1 = 0x3", "2: (95) exit"]
