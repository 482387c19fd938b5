# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs for the differential test of the verifier: every check has one that passes it and one that does not.

A case's text is assembler with `/` between instructions, or a tuple of raw instructions (code, dst, src, off, imm).
`kcall NAME` calls a kernel function, `{struct.field}` is the offset of a field.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bpfvm.obj.model import MapSpec

ARRAY: Final = MapSpec("oracle", "array", 4, 48, 4)
HASH: Final = MapSpec("oracle", "hash", 8, 16, 4)
RINGBUF: Final = MapSpec("oracle", "ringbuf", 0, 0, 4096)
ONE: Final = MapSpec("oracle", "array", 4, 8, 1)


class Case(NamedTuple):
    """One program; member: index of the struct_ops member, for struct_ops."""

    name: str
    text: str | tuple[tuple[int, ...], ...]
    prog_type: str = "socket_filter"
    maps: tuple[MapSpec, ...] = ()
    member: str = "ssthresh"


PLAIN: Final = (
    Case("spill32", "r1 = *(u32 *)(r1 +0) / *(u32 *)(r10 -8) = r1 / r0 = *(u32 *)(r10 -8) / exit"),
    Case(
        "spill narrow",
        "r1 = *(u32 *)(r1 +0) / *(u64 *)(r10 -8) = r1 / r0 = *(u8 *)(r10 -8) / r2 = *(u32 *)(r10 -4) / "
        "r2 = *(u16 *)(r10 -6) / exit",
    ),
    Case("spill ptr", "*(u64 *)(r10 -8) = r1 / r2 = *(u64 *)(r10 -8) / r0 = *(u32 *)(r2 +0) / exit"),
    Case("fill part ptr", "*(u64 *)(r10 -8) = r1 / r2 = *(u32 *)(r10 -8) / r0 = 0 / exit"),
    Case("spill part ptr", "*(u32 *)(r10 -8) = r1 / r0 = 0 / exit"),
    Case("uninit stack", "r0 = *(u64 *)(r10 -8) / exit"),
    Case("oob stack", "*(u64 *)(r10 -520) = 0 / r0 = 0 / exit"),
    Case("oob stack2", "*(u64 *)(r10 +0) = 0 / r0 = 0 / exit"),
    Case("mis stack", "*(u64 *)(r10 -12) = 0 / r0 = 0 / exit"),
    Case("r2 uninit", "r0 = r2 / exit"),
    Case("r0 missing", "exit"),
    Case("fp write", "r10 = 0 / r0 = 0 / exit"),
    Case("fp sub", "r2 = r10 / r2 -= 8 / r0 = 0 / exit"),
    Case(
        "var stack read",
        "r3 = *(u32 *)(r1 +0) / r3 &= 7 / r2 = r10 / r2 += -16 / r2 += r3 / r0 = *(u8 *)(r2 +0) / exit",
    ),
    Case(
        "var stack write",
        "r3 = *(u32 *)(r1 +0) / r3 &= 7 / r2 = r10 / r2 += -16 / r2 += r3 / *(u8 *)(r2 +0) = 0 / "
        "r0 = *(u64 *)(r10 -16) / exit",
    ),
    Case("var stack write unb", "r3 = *(u32 *)(r1 +0) / r2 = r10 / r2 += r3 / *(u8 *)(r2 +0) = 0 / r0 = 0 / exit"),
    Case("ctx oob", "r0 = *(u32 *)(r1 +200) / exit"),
    Case("ctx write", "*(u32 *)(r1 +0) = 0 / r0 = 0 / exit"),
    Case("ctx cb", "*(u32 *)(r1 +48) = 0 / r0 = *(u8 *)(r1 +50) / r0 = *(u64 *)(r1 +56) / exit"),
    Case("ctx tc_classid", "r0 = *(u32 *)(r1 +72) / exit"),
    Case("ctx mod", "r1 += 4 / r0 = *(u32 *)(r1 +0) / exit"),
    Case("ctx var", "r2 = *(u32 *)(r1 +0) / r1 += r2 / r0 = *(u32 *)(r1 +0) / exit"),
    Case("ctx sk", "r2 = *(u64 *)(r1 +168) / r0 = 0 / exit"),
    Case("scalar deref", "r2 = 5 / r0 = *(u32 *)(r2 +0) / exit"),
    Case("ptr mul", "r1 *= 2 / r0 = 0 / exit"),
    Case("ptr and", "r1 &= 2 / r0 = 0 / exit"),
    Case("ptr 32", "w1 += 2 / r0 = 0 / exit"),
    Case("ptr-ptr", "r2 = r10 / r2 -= r1 / r0 = r2 / exit"),
    Case("ptr+ptr", "r2 = r10 / r2 += r1 / r0 = 0 / exit"),
    Case("scalar-ptr", "r2 = 1 / r2 -= r1 / r0 = 0 / exit"),
    Case("big off", "r1 += 536870912 / r0 = 0 / exit"),
    Case("unb off", "r2 = *(u64 *)(r1 +48) / r1 += r2 / r0 = 0 / exit"),
    Case("div0", "r0 = 1 / r0 /= 0 / exit"),
    Case("shift", "r0 = 1 / r0 <<= 64 / exit"),
    Case(
        "array elide",
        "*(u32 *)(r10 -4) = 0 / r2 = r10 / r2 += -4 / r1 = map[id:0] / call bpf_map_lookup_elem / "
        "r1 = *(u32 *)(r0 +0) / r0 = 0 / exit",
        maps=(ARRAY,),
    ),
    Case(
        "hash null",
        "*(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / call bpf_map_lookup_elem / "
        "r1 = *(u32 *)(r0 +0) / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "hash ok",
        "*(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / call bpf_map_lookup_elem / "
        "if r0 == 0 goto o / r1 = *(u64 *)(r0 +8) / *(u32 *)(r0 +12) = 1 / o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "hash oob",
        "*(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / call bpf_map_lookup_elem / "
        "if r0 == 0 goto o / r1 = *(u64 *)(r0 +9) / o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "hash neg",
        "*(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / call bpf_map_lookup_elem / "
        "if r0 == 0 goto o / r1 = *(u8 *)(r0 -1) / o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "null arith",
        "*(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / call bpf_map_lookup_elem / r0 += 4 / "
        "r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "var map",
        "r6 = *(u32 *)(r1 +0) / *(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / "
        "call bpf_map_lookup_elem / if r0 == 0 goto o / if r6 > 8 goto o / r0 += r6 / r1 = *(u64 *)(r0 +0) / "
        "o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "var map bad",
        "r6 = *(u32 *)(r1 +0) / *(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / "
        "call bpf_map_lookup_elem / if r0 == 0 goto o / if r6 > 9 goto o / r0 += r6 / r1 = *(u64 *)(r0 +0) / "
        "o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "var map neg",
        "r6 = *(u32 *)(r1 +0) / *(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / "
        "call bpf_map_lookup_elem / if r0 == 0 goto o / if w6 s> 8 goto o / r6 <<= 32 / r6 s>>= 32 / "
        "r0 += r6 / r1 = *(u64 *)(r0 +0) / o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "var map unb",
        "r6 = *(u64 *)(r1 +48) / *(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / "
        "call bpf_map_lookup_elem / if r0 == 0 goto o / r0 += r6 / r1 = *(u64 *)(r0 +0) / o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "update",
        "*(u64 *)(r10 -8) = 0 / *(u64 *)(r10 -24) = 0 / *(u64 *)(r10 -16) = 0 / r1 = map[id:0] / r2 = r10 / "
        "r2 += -8 / r3 = r10 / r3 += -24 / r4 = 0 / call bpf_map_update_elem / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "update short",
        "*(u64 *)(r10 -8) = 0 / r1 = map[id:0] / r2 = r10 / r2 += -8 / r3 = r10 / r3 += -8 / r4 = 0 / "
        "call bpf_map_update_elem / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case("lookup no map", "r1 = 0 / r2 = 0 / call bpf_map_lookup_elem / r0 = 0 / exit"),
    Case("lookup key scalar", "r1 = map[id:0] / r2 = 0 / call bpf_map_lookup_elem / r0 = 0 / exit", maps=(HASH,)),
    Case("helper unavail", "r1 = 1 / call bpf_override_return / r0 = 0 / exit"),
    Case("helper unknown", "call 9999 / r0 = 0 / exit"),
    Case("helper clobber", "r6 = 1 / call bpf_get_prandom_u32 / r0 = r1 / exit"),
    Case("cpu id", "call bpf_get_smp_processor_id / exit"),
    Case(
        "ringbuf",
        "r1 = map[id:0] / r2 = 8 / r3 = 0 / call bpf_ringbuf_reserve / if r0 == 0 goto o / "
        "*(u64 *)(r0 +0) = 1 / r1 = r0 / r2 = 0 / call bpf_ringbuf_submit / o: / r0 = 0 / exit",
        maps=(RINGBUF,),
    ),
    *(
        Case(
            f"ringbuf of {size}",
            f"r1 = map[id:0] / r2 = {size} ll / r3 = 0 / call bpf_ringbuf_reserve / if r0 == 0 goto l"
            " / *(u64 *)(r0 +8) = 0 / r1 = r0 / r2 = 0 / call bpf_ringbuf_submit / l: / r0 = 0 / exit",
            "socket_filter",
            (RINGBUF,),
        )
        for size in ("0x100000008", "0xffffffffffffffff")
    ),
    Case(
        "ringbuf leak",
        "r1 = map[id:0] / r2 = 8 / r3 = 0 / call bpf_ringbuf_reserve / if r0 == 0 goto o / "
        "*(u64 *)(r0 +0) = 1 / o: / r0 = 0 / exit",
        maps=(RINGBUF,),
    ),
    Case(
        "ringbuf use after",
        "r1 = map[id:0] / r2 = 8 / r3 = 0 / call bpf_ringbuf_reserve / if r0 == 0 goto o / r6 = r0 / "
        "r1 = r0 / r2 = 0 / call bpf_ringbuf_submit / *(u64 *)(r6 +0) = 1 / o: / r0 = 0 / exit",
        maps=(RINGBUF,),
    ),
    Case(
        "ringbuf null",
        "r1 = map[id:0] / r2 = 8 / r3 = 0 / call bpf_ringbuf_reserve / r1 = r0 / r2 = 0 / "
        "call bpf_ringbuf_submit / r0 = 0 / exit",
        maps=(RINGBUF,),
    ),
    Case(
        "ringbuf oob",
        "r1 = map[id:0] / r2 = 8 / r3 = 0 / call bpf_ringbuf_reserve / if r0 == 0 goto o / "
        "*(u64 *)(r0 +4) = 1 / r1 = r0 / r2 = 0 / call bpf_ringbuf_submit / o: / r0 = 0 / exit",
        maps=(RINGBUF,),
    ),
    Case(
        "ringbuf var",
        "r2 = *(u32 *)(r1 +0) / r1 = map[id:0] / r3 = 0 / call bpf_ringbuf_reserve / r0 = 0 / exit",
        maps=(RINGBUF,),
    ),
    Case(
        "ringbuf lookup",
        "r1 = map[id:0] / r2 = r10 / r2 += -8 / call bpf_map_lookup_elem / r0 = 0 / exit",
        maps=(RINGBUF,),
    ),
    Case("comm", "r1 = r10 / r1 += -16 / r2 = 16 / call bpf_get_current_comm / r0 = *(u64 *)(r10 -16) / exit"),
    Case("comm size0", "r1 = r10 / r1 += -16 / r2 = 0 / call bpf_get_current_comm / r0 = 0 / exit"),
    Case("comm big", "r1 = r10 / r1 += -16 / r2 = 17 / call bpf_get_current_comm / r0 = 0 / exit"),
    Case(
        "comm var",
        "r2 = *(u32 *)(r1 +0) / r2 &= 15 / r2 += 1 / r1 = r10 / r1 += -16 / call bpf_get_current_comm / r0 = 0 / exit",
    ),
    Case(
        "comm var bad",
        "r2 = *(u32 *)(r1 +0) / r2 &= 31 / r1 = r10 / r1 += -16 / call bpf_get_current_comm / r0 = 0 / exit",
    ),
    Case("comm neg", "r2 = *(u64 *)(r1 +48) / r1 = r10 / r1 += -16 / call bpf_get_current_comm / r0 = 0 / exit"),
    Case("printk", "*(u64 *)(r10 -8) = 0 / r1 = r10 / r1 += -8 / r2 = 8 / call bpf_trace_printk / r0 = 0 / exit"),
    Case("probe_str", "r1 = r10 / r1 += -16 / r2 = 16 / r3 = 0 / call bpf_probe_read_kernel_str / exit"),
    Case("loop1000", "r0 = 0 / l: / r0 += 1 / if r0 < 100 goto l / exit"),
    Case("infinite", "r0 = 0 / l: / r0 &= 0 / if r0 == 0 goto l / exit"),
    Case("inf2", "r0 = *(u32 *)(r1 +0) / l: / r2 = 1 / if r0 != 5 goto l / exit"),
    Case(
        "prune",
        "r6 = *(u32 *)(r1 +0) / r7 = 0 / if r6 > 5 goto a / r7 = 1 / a: / if r6 > 7 goto b / r7 = 2 / b: / "
        "r0 = 0 / if r6 > 9 goto c / r0 = 1 / c: / r0 += r7 / exit",
    ),
    Case(
        "linked",
        "r6 = *(u32 *)(r1 +0) / r7 = r6 / r7 += 4 / if r6 > 5 goto a / r0 = r7 / exit / a: / r0 = r6 / exit",
    ),
    Case(
        "linked prec",
        "r6 = *(u32 *)(r1 +0) / r7 = r6 / *(u64 *)(r10 -8) = 0 / r2 = r10 / r2 += -8 / r1 = map[id:0] / "
        "call bpf_map_lookup_elem / if r0 == 0 goto o / if r6 > 8 goto o / r0 += r7 / r1 = *(u64 *)(r0 +0) / "
        "o: / r0 = 0 / exit",
        maps=(HASH,),
    ),
    Case(
        "bpf2bpf",
        "r6 = r1 / r1 = 5 / call f / r0 += 1 / exit / f: / r0 = r1 / r0 += 1 / if r0 > 3 goto x / r0 = 2 / x: / exit",
    ),
    Case(
        "bpf2bpf stackptr",
        "r1 = r10 / r1 += -8 / call f / r0 = *(u64 *)(r10 -8) / exit / f: / *(u64 *)(r1 +0) = 7 / r0 = 0 / exit",
    ),
    Case("bpf2bpf ret stack", "call f / exit / f: / r0 = r10 / exit"),
    Case(
        "bpf2bpf spill fp up",
        "r1 = r10 / r1 += -8 / call f / r0 = 0 / exit / f: / r2 = r10 / *(u64 *)(r1 +0) = r2 / r0 = 0 / exit",
    ),
    Case("recursion", "call f / exit / f: / call f / exit"),
    Case("deep", "*(u64 *)(r10 -300) = 0 / r0 = 0 / exit"),
    Case("stack sum", "*(u64 *)(r10 -304) = 0 / call f / exit / f: / *(u64 *)(r10 -304) = 0 / r0 = 0 / exit"),
    Case("unreach", "r0 = 0 / exit / r0 = 1 / exit"),
    Case("fallthrough", "r0 = 0"),
    Case("jump oor", ((0x5, 0, 0, 5, 0), (0x95, 0, 0, 0, 0))),
    Case("mid ldimm", ((0x5, 0, 0, 1, 0), (0x18, 0, 0, 0, 0), (0x0, 0, 0, 0, 0), (0x95, 0, 0, 0, 0))),
    Case("bad op", ((0xFF, 0, 0, 0, 0), (0x95, 0, 0, 0, 0))),
    Case("resv mov", ((0xB7, 0, 1, 0, 0), (0x95, 0, 0, 0, 0))),
    Case("resv alu", ((0xB7, 0, 0, 0, 0), (0x7, 0, 0, 3, 0), (0x95, 0, 0, 0, 0))),
    Case("resv jmp", ((0xB7, 0, 0, 0, 0), (0x15, 0, 3, 0, 0), (0x95, 0, 0, 0, 0))),
    Case("resv exit", ((0xB7, 0, 0, 0, 0), (0x95, 1, 0, 0, 0))),
    Case("resv call", ((0x85, 1, 0, 0, 7), (0x95, 0, 0, 0, 0))),
    Case("resv ldx", ((0x61, 0, 1, 0, 7), (0x95, 0, 0, 0, 0))),
    Case("resv st", ((0x7A, 10, 1, -8, 7), (0xB7, 0, 0, 0, 0), (0x95, 0, 0, 0, 0))),
    Case("resv stx", ((0x7B, 10, 1, -8, 7), (0xB7, 0, 0, 0, 0), (0x95, 0, 0, 0, 0))),
    Case(
        "bad atomic",
        ((0xB7, 1, 0, 0, 0), (0x7B, 10, 1, -8, 0), (0xDB, 10, 1, -8, 51), (0xB7, 0, 0, 0, 0), (0x95, 0, 0, 0, 0)),
    ),
    Case("reg 12", ((0xBF, 0, 12, 0, 0), (0x95, 0, 0, 0, 0))),
    Case(
        "atomic",
        "r1 = 1 / *(u64 *)(r10 -8) = r1 / lock *(u64 *)(r10 -8) += r1 / r2 = 5 / "
        "r2 = atomic64_fetch_add((u64 *)(r10 -8), r2) / r0 = 3 / "
        "r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2) / exit",
    ),
    Case("atomic ctx", "r0 = 0 / lock *(u32 *)(r1 +48) += r0 / exit"),
    Case("ldacq", "*(u64 *)(r10 -8) = 1 / r0 = load_acquire((u64 *)(r10 -8)) / exit"),
    Case("strel", "r0 = 1 / store_release((u64 *)(r10 -8), r0) / r0 = *(u64 *)(r10 -8) / exit"),
    Case("ld_abs", "r6 = r1 / r0 = *(u8 *)skb[4] / exit"),
    Case("ld_abs r6", "r0 = *(u8 *)skb[4] / exit"),
    Case("may_goto", "r0 = 0 / l: / r0 += 1 / may_goto o / goto l / o: / exit"),
    Case(
        "xdp pkt",
        "r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +4) / r4 = r2 / r4 += 14 / if r4 > r3 goto o / "
        "r0 = *(u8 *)(r2 +13) / exit / o: / r0 = 1 / exit",
        prog_type="xdp",
    ),
    Case(
        "xdp pkt oob",
        "r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +4) / r4 = r2 / r4 += 14 / if r4 > r3 goto o / "
        "r0 = *(u8 *)(r2 +14) / exit / o: / r0 = 1 / exit",
        prog_type="xdp",
    ),
    Case("xdp pkt no", "r2 = *(u32 *)(r1 +0) / r0 = *(u8 *)(r2 +0) / exit", prog_type="xdp"),
    Case(
        "xdp var",
        "r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +4) / r5 = *(u32 *)(r1 +12) / r5 &= 15 / r4 = r2 / "
        "r4 += r5 / r0 = r4 / r4 += 14 / if r4 > r3 goto o / r0 = *(u8 *)(r0 +13) / exit / o: / r0 = 1 / exit",
        prog_type="xdp",
    ),
    Case(
        "xdp lt",
        "r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +4) / r4 = r2 / r4 += 14 / if r3 < r4 goto o / "
        "r0 = *(u8 *)(r2 +13) / exit / o: / r0 = 1 / exit",
        prog_type="xdp",
    ),
    Case(
        "xdp adj",
        "r6 = r1 / r2 = *(u32 *)(r1 +0) / r3 = *(u32 *)(r1 +4) / r7 = r2 / r2 = 4 / "
        "call bpf_xdp_adjust_head / r0 = *(u8 *)(r7 +0) / exit",
        prog_type="xdp",
    ),
    Case("syscall ctx", "r0 = *(u64 *)(r1 +8) / *(u64 *)(r1 +16) = r0 / r0 = 0 / exit", prog_type="syscall"),
    Case("rawtp", "r0 = *(u64 *)(r1 +8) / r2 = *(u32 *)(r1 +4) / exit", prog_type="raw_tracepoint"),
    Case("rawtp oob", "r0 = *(u64 *)(r1 +96) / exit", prog_type="raw_tracepoint"),
)
"""Types whose context is a table."""

KERNEL_OBJECTS: Final = (
    Case(
        "rcu pointer against NULL: both ways",
        "call bpf_get_current_task_btf / r1 = *(u64 *)(r0 +{task_struct.cgroups}) / if r1 == 0x0 goto pc+1 / r2 = r1"
        " / r0 = 0 / exit",
        prog_type="raw_tracepoint",
    ),
    Case(
        "kfunc 0 that is reached",
        ((0x85, 0, 2, 0, 0), (0xB7, 0, 0, 0, 1), (0x95, 0, 0, 0, 0)),
        prog_type="raw_tracepoint",
    ),
    Case(
        "kfunc 0 in dead code",
        ((0xB7, 0, 0, 0, 1), (0x55, 0, 0, 1, 0), (0x85, 0, 2, 0, 0), (0x95, 0, 0, 0, 0)),
        prog_type="raw_tracepoint",
    ),
    Case("ssthresh", "r6 = *(u64 *)(r1 +0) / r0 = *(u32 *)(r6 +{sock.sk_mark}) / exit", prog_type="struct_ops"),
    Case(
        "ptr field",
        "r6 = *(u64 *)(r1 +0) / r2 = *(u64 *)(r6 +{sock.sk_user_data}) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "ptr field2",
        "r6 = *(u64 *)(r1 +0) / r2 = *(u64 *)(r6 +{sock.sk_socket}) / r2 = *(u64 *)(r2 +0) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case("write", "r6 = *(u64 *)(r1 +0) / *(u32 *)(r6 +{sock.sk_mark}) = 1 / r0 = 0 / exit", prog_type="struct_ops"),
    Case("ctx4", "r6 = *(u64 *)(r1 +8) / r0 = 0 / exit", prog_type="struct_ops"),
    Case("ctx4 far", "r6 = *(u64 *)(r1 +24) / r0 = 0 / exit", prog_type="struct_ops"),
    Case("ctx w", "*(u64 *)(r1 +0) = 0 / r0 = 0 / exit", prog_type="struct_ops"),
    Case("ctx half", "r6 = *(u32 *)(r1 +0) / r0 = 0 / exit", prog_type="struct_ops"),
    Case("ctx half2", "r6 = *(u32 *)(r1 +4) / r0 = 0 / exit", prog_type="struct_ops"),
    Case("void ret", "exit", prog_type="struct_ops", member="cong_avoid"),
    Case(
        "args",
        "r0 = *(u32 *)(r1 +8) / r0 = *(u64 *)(r1 +16) / r0 = *(u64 *)(r1 +24) / exit",
        prog_type="struct_ops",
        member="cong_avoid",
    ),
    Case("no ret", "exit", prog_type="struct_ops"),
    Case("ptr ret", "r0 = *(u64 *)(r1 +0) / exit", prog_type="struct_ops"),
    Case("bad member", "r0 = 0 / exit", prog_type="struct_ops", member="99"),
    Case("data member", "r0 = 0 / exit", prog_type="struct_ops", member="name"),
    Case("neg", "r6 = *(u64 *)(r1 +0) / r0 = *(u32 *)(r6 -4) / exit", prog_type="struct_ops"),
    Case("beyond", "r6 = *(u64 *)(r1 +0) / r0 = *(u32 *)(r6 +20000) / exit", prog_type="struct_ops"),
    Case(
        "var",
        "r6 = *(u64 *)(r1 +0) / r2 = *(u32 *)(r6 +{sock.sk_mark}) / r2 &= 7 / r6 += r2 / r0 = *(u32 *)(r6 +0) / exit",
        prog_type="struct_ops",
    ),
    Case(
        "moved",
        "r6 = *(u64 *)(r1 +0) / r6 += 8 / r0 = *(u32 *)(r6 +{sock.sk_mark-8}) / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task pid",
        "call bpf_get_current_task_btf / r6 = r0 / r0 = *(u32 *)(r6 +{task_struct.pid}) / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task mm",
        "call bpf_get_current_task_btf / r6 = r0 / r2 = *(u64 *)(r6 +{task_struct.mm}) / "
        "r2 = *(u64 *)(r2 +0) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task cgroups",
        "call bpf_get_current_task_btf / r6 = r0 / r2 = *(u64 *)(r6 +{task_struct.cgroups}) / "
        "r3 = *(u64 *)(r2 +{css_set.dfl_cgrp}) / r4 = *(u64 *)(r3 +{cgroup.kn}) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task real_parent",
        "call bpf_get_current_task_btf / r6 = r0 / r2 = *(u64 *)(r6 +{task_struct.real_parent}) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task comm",
        "call bpf_get_current_task_btf / r6 = r0 / r2 = *(u8 *)(r6 +{task_struct.comm+3}) / "
        "r2 = *(u64 *)(r6 +{task_struct.comm}) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task user ptr",
        "call bpf_get_current_task_btf / r6 = r0 / r2 = *(u64 *)(r6 +{task_struct.set_child_tid}) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task acquire",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = r6 / kcall bpf_task_acquire / if r0 == 0 goto o / "
        "r1 = r0 / kcall bpf_task_release / o: / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task acquire leak",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = r6 / kcall bpf_task_acquire / if r0 == 0 goto o / "
        "r1 = r0 / o: / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task acquire null",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = r6 / kcall bpf_task_acquire / r1 = r0 / "
        "kcall bpf_task_release / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task release bad",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = r6 / kcall bpf_task_release / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case("task acquire scalar", "r1 = 5 / kcall bpf_task_acquire / r0 = 0 / exit", prog_type="struct_ops"),
    Case("task acquire null2", "r1 = 0 / kcall bpf_task_acquire / r0 = 0 / exit", prog_type="struct_ops"),
    Case(
        "acq plain",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = *(u64 *)(r6 +{task_struct.parent}) / "
        "kcall bpf_task_acquire / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case("acq wrongtype", "r1 = *(u64 *)(r1 +0) / kcall bpf_task_acquire / r0 = 0 / exit", prog_type="struct_ops"),
    Case(
        "acq rcu",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = *(u64 *)(r6 +{task_struct.real_parent}) / "
        "kcall bpf_task_acquire / if r0 == 0 goto o / r1 = r0 / kcall bpf_task_release / o: / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "cg from id",
        "r1 = 1 / kcall bpf_cgroup_from_id / if r0 == 0 goto o / r6 = r0 / call bpf_get_current_task_btf / "
        "r1 = r0 / r2 = r6 / kcall bpf_task_under_cgroup / r1 = r6 / kcall bpf_cgroup_release / o: / "
        "r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "cg ancestor",
        "call bpf_get_current_task_btf / r6 = r0 / r2 = *(u64 *)(r6 +{task_struct.cgroups}) / "
        "r1 = *(u64 *)(r2 +{css_set.dfl_cgrp}) / r2 = 1 / kcall bpf_cgroup_ancestor / if r0 == 0 goto o / "
        "r1 = r0 / kcall bpf_cgroup_release / o: / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case("rcu lock", "kcall bpf_rcu_read_lock / kcall bpf_rcu_read_unlock / r0 = 0 / exit", prog_type="struct_ops"),
    Case("rcu nested", "kcall bpf_rcu_read_lock / kcall bpf_rcu_read_lock / r0 = 0 / exit", prog_type="struct_ops"),
    Case("rcu missing", "kcall bpf_rcu_read_lock / r0 = 0 / exit", prog_type="struct_ops"),
    Case("rcu unmatched", "kcall bpf_rcu_read_unlock / r0 = 0 / exit", prog_type="struct_ops"),
    Case("preempt", "kcall bpf_preempt_disable / kcall bpf_preempt_enable / r0 = 0 / exit", prog_type="struct_ops"),
    Case("preempt missing", "kcall bpf_preempt_disable / r0 = 0 / exit", prog_type="struct_ops"),
    Case("preempt sleep", "kcall bpf_preempt_enable / r0 = 0 / exit", prog_type="struct_ops"),
    Case(
        "sleepable kfunc",
        "r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / r4 = 0 / kcall bpf_copy_from_user_str / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "copy_from_user",
        "r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / call bpf_copy_from_user / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "syscall copy_from_user_str",
        "r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / r4 = 0 / kcall bpf_copy_from_user_str / r0 = 0 / exit",
        prog_type="syscall",
    ),
    Case(
        "syscall copy_from_user",
        "r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / call bpf_copy_from_user / r0 = 0 / exit",
        prog_type="syscall",
    ),
    Case(
        "syscall rcu",
        "call bpf_get_current_task_btf / r6 = r0 / kcall bpf_rcu_read_lock / "
        "r1 = *(u64 *)(r6 +{task_struct.real_parent}) / r7 = r1 / kcall bpf_rcu_read_unlock / "
        "r0 = *(u32 *)(r7 +{task_struct.pid}) / exit",
        prog_type="syscall",
    ),
    Case(
        "syscall norcu",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = *(u64 *)(r6 +{task_struct.real_parent}) / r7 = r1 / "
        "r0 = *(u32 *)(r7 +{task_struct.pid}) / exit",
        prog_type="syscall",
    ),
    Case(
        "syscall rcu sleep",
        "kcall bpf_rcu_read_lock / r1 = r10 / r1 += -8 / r2 = 8 / r3 = 0 / call bpf_copy_from_user / r0 = 0 / exit",
        prog_type="syscall",
    ),
    Case("kfunc not allowed", "kcall bpf_task_acquire / r0 = 0 / exit"),
    Case(
        "cpumask",
        "kcall bpf_cpumask_create / if r0 == 0 goto o / r6 = r0 / r1 = 1 / r2 = r6 / "
        "kcall bpf_cpumask_set_cpu / r1 = r6 / kcall bpf_cpumask_first / r1 = r6 / "
        "kcall bpf_cpumask_release / o: / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "cpus_ptr",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = *(u64 *)(r6 +{task_struct.cpus_ptr}) / "
        "kcall bpf_cpumask_first / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "from_pid",
        "r1 = 1 / kcall bpf_task_from_pid / if r0 == 0 goto o / r6 = *(u32 *)(r0 +{task_struct.pid}) / "
        "r1 = r0 / kcall bpf_task_release / o: / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "from_pid nocheck",
        "r1 = 1 / kcall bpf_task_from_pid / r6 = *(u32 *)(r0 +{task_struct.pid}) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case("from_pid arith", "r1 = 1 / kcall bpf_task_from_pid / r0 += 8 / r0 = 0 / exit", prog_type="struct_ops"),
    Case("from_pid ptr arg", "r1 = r10 / kcall bpf_task_from_pid / r0 = 0 / exit", prog_type="struct_ops"),
    Case(
        "pt_regs",
        "call bpf_get_current_task_btf / r6 = r0 / r1 = r6 / call bpf_task_pt_regs / r0 = *(u64 *)(r0 +0) / exit",
        prog_type="struct_ops",
    ),
    Case(
        "task helper bad",
        "r1 = *(u64 *)(r1 +0) / call bpf_task_pt_regs / r0 = *(u64 *)(r0 +0) / exit",
        prog_type="struct_ops",
    ),
    Case(
        "probe trusted",
        "r6 = *(u64 *)(r1 +0) / r1 = r10 / r1 += -8 / r2 = 8 / r3 = r6 / call bpf_probe_read_kernel / "
        "r0 = *(u64 *)(r10 -8) / exit",
        prog_type="struct_ops",
    ),
    Case(
        "ringbuf output btf",
        "r6 = *(u64 *)(r1 +0) / r1 = map[id:0] / r2 = r6 / r3 = 8 / r4 = 0 / call bpf_ringbuf_output / r0 = 0 / exit",
        prog_type="struct_ops",
        maps=(RINGBUF,),
    ),
    Case(
        "strlen",
        "*(u64 *)(r10 -8) = 0 / r1 = r10 / r1 += -8 / kcall bpf_strlen / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case(
        "helper extra",
        "r1 = *(u64 *)(r1 +0) / r2 = 0 / call bpf_tcp_send_ack / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
    Case("map ptr", "r2 = map[id:0] / r0 = *(u32 *)(r2 +0) / exit", prog_type="struct_ops", maps=(ONE,)),
    Case("map ptr w", "r2 = map[id:0] / *(u32 *)(r2 +0) = 1 / r0 = 0 / exit", prog_type="struct_ops", maps=(ONE,)),
    Case(
        "same insn",
        "r2 = *(u64 *)(r1 +0) / r3 = *(u32 *)(r2 +{sock.sk_mark}) / if r3 > 3 goto a / r2 = r1 / a: / "
        "r0 = *(u64 *)(r2 +0) / r0 = 0 / exit",
        prog_type="struct_ops",
    ),
)
"""Contexts with a prototype, kernel objects, kernel functions."""
