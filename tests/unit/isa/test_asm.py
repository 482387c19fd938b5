# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The assembler reads what the disassembler writes, and more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.errors import BadInput
from bpfvm.isa.asm import asm
from bpfvm.isa.disasm import disasm, listing, pseudo_imm64
from bpfvm.isa.insn import Insn
from bpfvm.isa.table import OPS, Op

S16, S32 = st.integers(-(1 << 15), (1 << 15) - 1), st.integers(-(1 << 31), (1 << 31) - 1)
REGISTER = st.integers(0, 10)
FIELDS = {"dst": REGISTER, "src": REGISTER, "off": S16, "imm": S32}


@st.composite
def instructions(draw: st.DrawFn, op: Op) -> tuple[Insn, ...]:
    """The slots of one instruction of row `op` whose fields say everything its text says."""
    fields = {name: draw(FIELDS[name]) for name in op.fields - set(op.ignored)}
    if op.match:
        fields[op.match[0]] = op.match[1]
    insn = Insn(op.code, **fields)
    if op.name != "ld_imm64":
        return (insn,)
    if insn.src in (1, 4, 5):
        return insn, Insn(0)
    return insn, Insn(0, imm=abs(draw(S32)) & 0x7FFFFFFF)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.text)
def test_reads_its_own_text(op: Op) -> None:
    @settings(derandomize=True, max_examples=10, deadline=None)
    @given(instructions(op))
    def check(slots: tuple[Insn, ...]) -> None:
        if op.name == "call_kfunc" and slots[0].imm == 0:
            return
        assert asm(disasm(slots, 0, imm64=pseudo_imm64)) == slots

    check()


def test_labels_comments_and_numbers() -> None:
    program = asm("""
        ; a comment
        r1 = 16               // another
    loop: r1 += -0x1          # and another
        if r1 != 0 goto loop
        if w1 s> -5 goto +1
        call function
        r0 = 5 ll
        call bpf_map_lookup_elem#1
        call loop_end
        *(u8 *)(r1) = 0xff
        may_goto loop_end
        r2 = subprog[function]
    loop_end:
    function: exit
    """)
    assert listing(program, imm64=pseudo_imm64) == [
        "0: (b7) r1 = 16",
        "1: (07) r1 += -1",
        "2: (55) if r1 != 0x0 goto pc-2",
        "3: (66) if w1 s> 0xfffffffb goto pc+1",
        "4: (85) call pc+8",
        "5: (18) r0 = 0x5",
        "7: (85) call bpf_map_lookup_elem#1",
        "8: (85) call pc+4",
        "9: (72) *(u8 *)(r1 +0) = 255",
        "10: (e5) may_goto pc+2",
        "11: (18) r2 = subprog[+1]",
        "13: (95) exit",
    ]


def test_calls() -> None:
    assert asm("call bpf_loop\ncall 181\ncall bpf_loop#181\ncall loop") == (Insn(0x85, imm=181),) * 4
    assert asm("call bpf_task_acquire#77") == (Insn(0x85, src=2, imm=77),)
    assert asm("call bpf_loop#1") == (Insn(0x85, src=2, imm=1),)
    assert asm("call unknown#-5") == (Insn(0x85, imm=-5),)


def test_a_log_assembles() -> None:
    text = "0: (b7) r0 = 0                        ; R0=0\n1: (95) exit"
    assert asm(text) == (Insn(0xB7), Insn(0x95))


def test_signs_and_spaces() -> None:
    assert asm("r0 = 010") == (Insn(0xB7, imm=10),)
    assert asm("r0=*(u32*)skb[r3 - 2]") == (Insn(0x40, src=3, imm=-2),)
    assert asm("r0  =  *( u64 * )( r1 - 8 )") == (Insn(0x79, 0, 1, -8),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r0 = 1\nr0 ? 1", "line 2: not an instruction: 'r0 ? 1'"),
        ("r0 = r11", "there is no r11"),
        ("r0 = 4294967296", "doesn't fit the instruction's imm; for 64 bits write 'rN = 4294967296 ll'"),
        ("*(u64 *)(r1 +40000) = 1", "40000 doesn't fit the instruction's off"),
        ("goto nowhere", "no label 'nowhere'"),
        ("call nowhere", "no label 'nowhere'"),
        ("a: a: exit", "label 'a' is defined twice"),
        ("r0 = -r1", "both registers must be the same"),
        ("r1 = *(u32 *)skb[0]", "only r0 can stand"),
        ("r1 = atomic64_xchg((u64 *)(r2 +0), r3)", "both registers must be the same"),
        ("r0 = 0x10000000000000000 ll", "doesn't fit 64 bits"),
        ("r0 = x ll", "'x' is not a number"),
        ("call f#x", "'x' is not a number"),
        ("call !", "not a call"),
        ("r1 = map[3]", "not a map, variable or function reference"),
        ("r1 = addr_space_cast(r2, 70000, 1)", "address space 70000"),
        ("exit 1", "not an instruction"),
        ("r0 =", "not an instruction"),
        ("w1 = (s32)w2", "not an instruction"),
        ("r0 = " + "9" * 5000, "line of 5005 characters"),
    ],
)
def test_errors_name_line_and_cause(text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        asm(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("line ")


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(alphabet="rw0123 =+-*(){}[]<>s&|%/:;#ulgotocapxbf_\n!é", max_size=60))
def test_any_text_assembles_or_is_bad_input(text: str) -> None:
    try:
        asm(text)
    except BadInput:
        return
