# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""CO-RE: each kind of relocation, compiled by clang against one set of types and relocated to another."""

from __future__ import annotations

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.builder import Builder
from bpfvm.core_reloc import relocate
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn
from bpfvm.obj.link import explain_core, link_program
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c

FLAGS = """
enum { BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT }; enum { ID_LOCAL, ID_REMOTE };
enum { T_EXISTS, T_SIZE, T_MATCHES };
enum { E_EXISTS, E_VALUE };
#define FIELD(expr, what) __builtin_preserve_field_info(expr, what)
#define TYPE_ID(type, what) __builtin_btf_type_id(*(type *)0, what)
#define TYPE(type, what) __builtin_preserve_type_info(*(type *)0, what)
#define ENUM(type, value, what) __builtin_preserve_enum_value(*(type *)value, what)
"""
KERNEL = """
enum colour { RED = 5, GREEN = 7, BLUE = -1 }; enum wide { WIDE = 0x123456789abcull };
struct inner { long pad; int deep[4]; };
struct shape { long pad; u16 width; union { struct { s8 small; int hidden; }; long other; }; struct inner in[3];
               u64 bits_a : 10; u64 bits_b : 20; s64 bits_c : 5; u64 grown; int shrunk; int *ptr; u32 tail[]; };
union both { int a; long b; }; typedef int number; struct only_fwd;
struct twin { int pad; int x; }; struct twin___second { int pad; int x; };
struct torn { int x; }; struct torn___second { int pad; int x; };
struct shape v1; enum colour v2; enum wide v3; union both v4; number v5; struct only_fwd *v6;
struct twin v7; struct twin___second v8; struct torn v9; struct torn___second v10;
typedef int (*callback)(struct shape *, int); callback v11;
"""
LOCAL = (
    FLAGS
    + """
enum colour___mine { RED = 1, GREEN___mine = 2, PINK = 3 }; enum wide { WIDE = 1ull << 40 };
struct inner { int deep[4]; } PAI;
struct shape___mine { int hidden; struct inner in[3]; u16 width; u32 bits_a : 3; u32 bits_b : 3; int bits_c : 3;
                      u32 grown; u32 shrunk; int *ptr; int missing; u32 tail[]; } PAI;
union both { long b; } PAI; typedef long number; struct nowhere { int x; } PAI; typedef int nothing;
struct twin { int x; } PAI; struct torn { int x; } PAI; typedef int (*callback)(struct shape___mine *, int);
"""
)


def kernel_btf() -> Btf:
    section = read_elf(compile_c(KERNEL).read_bytes(), "kernel").section(".BTF")
    assert section is not None
    return Btf.parse(bytes(section.data))


def ask(expression: str) -> tuple[str, int | None]:
    """Verdict and value of the one relocation in an expression over ``s``, a pointer to the local struct."""
    spec = open_object(compile_c(f'{LOCAL} SEC("tc") u64 f(struct shape___mine *s) {{ return {expression}; }}'))
    (result,) = explain_core(spec, "f", kernel_btf())
    return result.verdict, result.new


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("FIELD(s->hidden, BYTE_OFFSET)", 20),
        ("FIELD(s->in[2].deep[1], BYTE_OFFSET)", 32 + 2 * 24 + 12 - 8),
        ("FIELD(s->width, BYTE_SIZE)", 2),
        ("FIELD(s->in, BYTE_SIZE)", 72),
        ("FIELD(s->hidden, EXISTS)", 1),
        ("FIELD(s->missing, EXISTS)", 0),
        ("FIELD(s->hidden, SIGNED)", 1),
        ("FIELD(s->width, SIGNED)", 0),
        ("FIELD(s->bits_c, SIGNED)", 1),
        ("FIELD(s->bits_b, RSHIFT)", 44),
        ("FIELD(s->bits_b, LSHIFT)", 64 - 30),
        ("FIELD(s->bits_a, BYTE_SIZE)", 8),
        ("FIELD(s->tail[5], EXISTS)", 1),
        ("FIELD(((struct nowhere *)s)->x, EXISTS)", 0),
        ("FIELD(((union both *)s)->b, BYTE_SIZE)", 8),
        ("FIELD(((struct twin *)s)->x, BYTE_OFFSET)", 4),
        ("TYPE(struct shape___mine, T_EXISTS)", 1),
        ("TYPE(struct nowhere, T_EXISTS)", 0),
        ("TYPE(number, T_EXISTS)", 1),
        ("TYPE(nothing, T_EXISTS)", 0),
        ("TYPE(struct inner, T_SIZE)", 24),
        ("TYPE(struct nowhere, T_SIZE)", 0),
        ("TYPE(struct inner, T_MATCHES)", 1),
        ("TYPE(struct shape___mine, T_MATCHES)", 0),
        ("TYPE(union both, T_MATCHES)", 1),
        ("TYPE(number, T_MATCHES)", 0),
        ("TYPE(callback, T_MATCHES)", 1),
        ("TYPE(enum colour___mine, T_MATCHES)", 0),
        ("TYPE_ID(struct nowhere, ID_REMOTE)", 0),
        ("ENUM(enum colour___mine, RED, E_VALUE)", 5),
        ("ENUM(enum colour___mine, GREEN___mine, E_VALUE)", 7),
        ("ENUM(enum colour___mine, GREEN___mine, E_EXISTS)", 1),
        ("ENUM(enum colour___mine, PINK, E_EXISTS)", 0),
        ("ENUM(enum wide, WIDE, E_VALUE)", 0x123456789ABC),
    ],
)
def test_kinds(expression: str, value: int) -> None:
    verdict, number = ask(expression)
    assert number == value
    assert verdict in ("relocated", "unchanged")


def test_type_ids() -> None:
    kernel = kernel_btf()
    assert ask("TYPE_ID(struct shape___mine, ID_REMOTE)")[1] == kernel.find("shape")
    spec = open_object(compile_c(f'{LOCAL} SEC("tc") u64 f(void *s) {{ return TYPE_ID(struct inner, ID_LOCAL); }}'))
    assert spec.btf is not None
    (result,) = explain_core(spec, "f", kernel)
    assert result.new == spec.btf.find("inner")


@pytest.mark.parametrize(
    "expression", ["s->missing", "FIELD(s->missing, BYTE_OFFSET)", "ENUM(enum colour___mine, PINK, E_VALUE)"]
)
def test_what_is_missing_poisons(expression: str) -> None:
    assert ask(expression) == ("poisoned", None)


def program(body: str) -> tuple[tuple[Insn, ...], dict[int, str]]:
    spec = open_object(compile_c(f'{LOCAL} SEC("tc") u64 f(struct shape___mine *s) {{ {body} }}'))
    linked = link_program(spec, "f", kernel_btf())
    return linked.insns, dict(linked.poison)


def test_loads_grow_with_unsigned_fields() -> None:
    insns, poison = program("return s->grown;")
    load = next(i for i in insns if i.code & 7 == 1)
    assert not poison
    assert (load.code, load.off) == (0x79, 104)  # 8 bytes wide now


def test_loads_do_not_change_signed_fields() -> None:
    spec = open_object(
        compile_c(
            f'{FLAGS} struct shape {{ s8 shrunk; }} PAI; SEC("tc") int f(struct shape *s) {{ return s->shrunk; }}'
        )
    )
    (result,) = explain_core(spec, "f", kernel_btf())
    assert result.poisoned
    assert "4 bytes in the kernel but 1 here" in result.reason


def test_stores_are_relocated() -> None:
    insns, _ = program("s->width = 3; s->ptr = 0; return 0;")
    assert {i.off for i in insns if i.code & 7 in (2, 3)} == {8, 120}


def test_poisoned_ld_imm64_loses_both_slots() -> None:
    insns, poison = program("return ENUM(enum colour___mine, PINK, E_VALUE);")
    (slot,) = poison
    assert "enum colour___mine::PINK = 3" in poison[slot]
    assert insns[slot] == insns[slot + 1] == Insn(0x85, imm=0xBAD2310)


def test_candidates_that_disagree_are_refused() -> None:
    with pytest.raises(BadInput, match="field offset ambiguity: 32 != 0"):
        ask("((struct torn *)s)->x")


def test_explanation_names_every_candidate() -> None:
    spec = open_object(compile_c(f'{LOCAL} SEC("tc") u64 f(struct twin *s) {{ return FIELD(s->x, EXISTS); }}'))
    (result,) = explain_core(spec, "f", kernel_btf())
    assert [c.matches for c in result.candidates] == [True, True]
    assert "struct twin___second.x (0:1 @ offset 4)" in result.candidates[1].text


@pytest.mark.parametrize(
    ("kind", "access", "text"),
    [
        (0, "", "malformed access"),
        (0, "0:x", "malformed access"),
        (0, "0:9", "member 9 is beyond"),
        (0, "0:0:0", "unexpected kind int"),
        (8, "1", "a type relocation can't have the access '1'"),
        (10, "0", "not an enumerator"),
        (13, "0", "unrecognized CO-RE relocation kind 13"),
        (0, ":".join("0" * 65), "malformed access"),
    ],
)
def test_malformed_records(kind: int, access: str, text: str) -> None:
    builder = Builder()
    number = builder.integer("int", 4, signed=True)
    struct = builder.struct("s", [("a", number)])
    btf = builder.build()
    with pytest.raises(BadInput, match=text):
        relocate("prog 'x': relo #0", [Insn(0xB7, 1, 0, 0, 0)], 0, kind, struct, access, btf, btf)


@pytest.mark.parametrize(
    ("insn", "text"),
    [
        (Insn(0xB7, 1, 0, 0, 9), "unexpected insn"),
        (Insn(0xBF, 1, 2), "no immediate"),
        (Insn(0x95), "unrecognized insn"),
    ],
)
def test_instructions_that_hold_something_else(insn: Insn, text: str) -> None:
    builder = Builder()
    number = builder.integer("int", 4, signed=True)
    struct = builder.struct("s", [("a", number), ("b", number)])
    btf = builder.build()
    with pytest.raises(BadInput, match=text):
        relocate("prog 'x': relo #0", [insn], 0, 0, struct, "0:1", btf, btf)


def test_a_candidate_once_excluded_stays_excluded() -> None:
    """One flavour has ``a``, the other ``b``: no single type of the kernel can stand for the local one."""
    local = FLAGS + "struct part { int a; int b; } PAI;"
    body = f'{local} SEC("tc") u64 f(struct part *s) {{ return FIELD(s->a, BYTE_OFFSET) + FIELD(s->b, BYTE_OFFSET); }}'
    kernel = "struct part___1 { long x; int a; } v1; struct part___2 { long x, y; int b; } v2;"
    section = read_elf(compile_c(kernel).read_bytes(), "kernel").section(".BTF")
    assert section is not None
    spec = open_object(compile_c(body))
    results = explain_core(spec, "f", Btf.parse(bytes(section.data)))
    assert [(each.path, each.verdict) for each in results] == [("part.a", "relocated"), ("part.b", "poisoned")]
