# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random BTF whose records are fine by themselves, most of the time, and refer to each other as chance has it."""

from __future__ import annotations

import random

from bpfvm.btf import types as t
from bpfvm.btf.write import serialise

_NAMES = ("a", "b", "long_name", "_x", "T1")
_SECTIONS = (".data", ".bss", "maps", "odd name")


class Generator:
    """``blob()`` gives a .BTF section; the same seed gives the same one."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._count = self._rng.randint(2, 14)

    def blob(self) -> bytes:
        first = t.Int("int", 4, 32, 1)
        return serialise([first, *(self._one() for _ in range(self._count - 1))])

    def _id(self) -> int:
        """Mostly a type that is there, sometimes void, the plain int or one beyond the end."""
        chance = self._rng.random()
        if chance < 0.25:
            return 1
        return 0 if chance < 0.3 else self._rng.randint(1, self._count + (chance > 0.97))

    def _name(self, empty: float = 0.02) -> str:
        if self._rng.random() < empty:
            return ""
        return "4x" if self._rng.random() < 0.01 else self._rng.choice(_NAMES)

    def _one(self) -> t.BtfType:
        makers = (
            (self._int, 2), (self._ptr, 3), (self._array, 2), (self._struct, 4), (self._enum, 1), (self._modifier, 5),
            (self._func, 1), (self._proto, 2), (self._var, 2), (self._datasec, 1), (self._float, 1), (self._tag, 2),
            (self._fwd, 1),
        )  # fmt: skip
        make = self._rng.choices([each for each, _ in makers], [weight for _, weight in makers])[0]
        return make()

    def _int(self) -> t.BtfType:
        size = self._rng.choice((1, 2, 4, 8, 16))
        bits = 8 * size if self._rng.random() < 0.8 else self._rng.randint(1, 8 * size)
        offset = 0 if self._rng.random() < 0.9 else self._rng.randint(0, 8 * size - bits)
        return t.Int(self._name(), size, bits, self._rng.choice((0, 1, 2, 4)), offset)

    def _ptr(self) -> t.BtfType:
        return t.Ptr(self._id())

    def _modifier(self) -> t.BtfType:
        kind = self._rng.choice((t.Const, t.Volatile, t.Restrict, t.Typedef, t.TypeTag))
        if kind is t.TypeTag:
            return t.TypeTag("tag", self._id(), self._rng.random() < 0.2)
        return t.Typedef(self._name(), self._id()) if kind is t.Typedef else kind(self._id())

    def _array(self) -> t.BtfType:
        index = 1 if self._rng.random() < 0.8 else self._id()
        return t.Array(self._id(), index, self._rng.choice((0, 1, 2, 3, 1 << 30, 0xFFFFFFFF)))

    def _struct(self) -> t.BtfType:
        rng, flag = self._rng, self._rng.random() < 0.4
        union, members, at = rng.random() < 0.3, [], 0
        for _ in range(rng.randint(0, 4)):
            width = rng.choice((0, 1, 3, 8, 32, 33, 64)) if flag and rng.random() < 0.6 else 0
            members.append(t.Member(self._name(0.3), self._id(), 0 if union else at, width))
            at += width or rng.choice((0, 8, 32, 32, 64, 64, 128))
        size = rng.choice((0, at // 8, at // 8 + 8, at // 8 + 8, 64))
        return t.Struct(self._name(0.2), size, tuple(members), union, flag)

    def _enum(self) -> t.BtfType:
        wide, signed = self._rng.random() < 0.5, self._rng.random() < 0.5
        values = tuple((name, self._rng.choice((0, 5, -1 if signed else 1 << 31))) for name in _NAMES[:2])
        return t.Enum(self._name(0.2), self._rng.choice((1, 2, 4, 4, 8)), values, signed, wide)

    def _func(self) -> t.BtfType:
        return t.Func(self._name(), self._id(), self._rng.choice((0, 1, 1, 1)))

    def _proto(self) -> t.BtfType:
        params = [t.Param(self._name(0.2), self._id()) for _ in range(self._rng.randint(0, 3))]
        if self._rng.random() < 0.2:
            params.append(t.Param("" if self._rng.random() < 0.8 else "x", 0))
        return t.FuncProto(self._id(), tuple(params))

    def _var(self) -> t.BtfType:
        return t.Var(self._name(), self._id(), self._rng.choice((0, 1, 1, 1)))

    def _datasec(self) -> t.BtfType:
        entries, at = [], 0
        for _ in range(self._rng.randint(0, 2)):
            size = self._rng.choice((1, 4, 8, 8))
            entries.append(t.VarSecinfo(self._id(), at, size))
            at += size
        return t.Datasec(self._rng.choice(_SECTIONS), max(at, 1), tuple(entries))

    def _float(self) -> t.BtfType:
        return t.Float("float", self._rng.choice((2, 4, 8, 12, 16)))

    def _tag(self) -> t.BtfType:
        return t.DeclTag("tag", self._id(), self._rng.choice((-1, -1, 0, 1, 2)), self._rng.random() < 0.2)

    def _fwd(self) -> t.BtfType:
        return t.Fwd(self._name(), self._rng.random() < 0.5)
