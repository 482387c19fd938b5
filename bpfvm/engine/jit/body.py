# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""LLVM assembly of one function, line by line: values, labels, registers, and the words of the state.

BPF registers are allocas, which LLVM turns into values; inside a block the last value of each is remembered, and
written back at its end, so there is less to read for LLVM. A value is a name (`%v7`) or a decimal constant.
"""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import U64_MAX, s32, s64

RARE: Final = "!prof !0"
"""the first target of this branch is hardly ever taken"""
STATE: Final = "!alias.scope !3"
"""an access to the state"""
FIXED: Final = "!alias.scope !3, !invariant.load !4"
"""a load of a word that doesn't change while compiled code runs"""
SHADOW: Final = "!alias.scope !6, !noalias !3"
"""a load of shadow memory, which only Python changes"""
EMULATED: Final = "!noalias !7"
"""an access to emulated memory"""
FRAME: Final = "!alias.scope !9, !noalias !7"
"""an access to the function's own frame, which no other access reaches"""
BESIDE_FRAME: Final = "!noalias !10"
"""any other access of a function with such a frame"""
NOT_FRAME: Final = "!noalias !9"
"""a call from such a function that has nothing to do with its frame"""
METADATA: Final = """
!0 = !{!"branch_weights", i32 1, i32 2000000}
!1 = distinct !{!1}
!2 = distinct !{!2, !1}
!3 = !{!2}
!4 = !{}
!5 = distinct !{!5, !1}
!6 = !{!5}
!7 = !{!2, !5}
!8 = distinct !{!8, !1}
!9 = !{!8}
!10 = !{!2, !5, !8}
"""


class Body:
    """The lines of one function and what is known at the end of them. current: the label of the block being written.
    location: what is put behind each instruction, to tell where it comes from."""

    __slots__ = ("_count", "_dirty", "_known", "current", "lines", "location")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.current = ""
        self.location = ""
        self._count = 0
        self._known: dict[int, str] = {}
        self._dirty: set[int] = set()

    # --- lines ------------------------------------------------------------------------------------------------------
    def do(self, text: str) -> None:
        """An instruction without a value."""
        self.lines.append(f"  {text}{self.location}")

    def new(self, text: str) -> str:
        """An instruction with a value; its name."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}{self.location}")
        return name

    def label(self) -> str:
        """A fresh label, to be placed later."""
        self._count += 1
        return f"x{self._count}"

    def place(self, label: str) -> None:
        """What follows can be reached by `label`."""
        self.current = label
        self.lines.append(f"{label}:")

    def branch(self, condition: str, yes: str, no: str, hint: str = "") -> None:
        """Leave the block for one of two labels."""
        self.do(f"br i1 {condition}, label %{yes}, label %{no}{', ' + hint if hint else ''}")

    def rarely(self, condition: str, to: str) -> None:
        """Leave for `to` if `condition`, which is unlikely; else go on."""
        on = self.label()
        self.branch(condition, to, on, RARE)
        self.place(on)

    # --- registers --------------------------------------------------------------------------------------------------
    def get(self, reg: int) -> str:
        """The value of a register."""
        value = self._known.get(reg)
        if value is None:
            value = self._known[reg] = self.new(f"load i64, ptr %r{reg}")
        return value

    def put(self, reg: int, value: str) -> None:
        """Give a register a value."""
        self._known[reg] = value
        self._dirty.add(reg)

    def flush(self) -> None:
        """Write the registers back: other blocks will look for them there."""
        for reg in sorted(self._dirty):
            self.do(f"store i64 {self._known[reg]}, ptr %r{reg}")
        self._dirty.clear()

    def start(self, label: str) -> None:
        """Begin a block that others jump to: nothing is known about the registers."""
        self._known.clear()
        self._dirty.clear()
        self.place(label)

    def constant(self, reg: int) -> int | None:
        """The register's value as u64 if it is known here."""
        value = self._known.get(reg, "%")
        return None if value[0] == "%" else int(value) & U64_MAX

    # --- state ------------------------------------------------------------------------------------------------------
    def word_at(self, slot: int) -> str:
        """Address of a word of the state."""
        return self.new(f"getelementptr i64, ptr %state, i64 {slot}")

    def fixed(self, slot: int, kind: str = "i64") -> str:
        """A word that stays the same while compiled code runs."""
        return self.new(f"load {kind}, ptr {self.word_at(slot)}, {FIXED}")

    def word(self, slot: int) -> str:
        """A word that Python may just have changed."""
        return self.new(f"load volatile i64, ptr {self.word_at(slot)}, {STATE}")

    def set_word(self, slot: int, value: str) -> None:
        """Change a word that Python may look at."""
        self.do(f"store volatile i64 {value}, ptr {self.word_at(slot)}, {STATE}")


def const(value: int) -> str:
    """A 64-bit constant."""
    return str(s64(value))


def low32(body: Body, value: str) -> str:
    """The low half of an i64 value as i32."""
    if value[0] != "%":
        return str(s32(int(value)))
    return body.new(f"trunc i64 {value} to i32")


def widen(body: Body, value: str, kind: str = "i32", how: str = "zext") -> str:
    """A narrower value as i64."""
    return body.new(f"{how} {kind} {value} to i64")
