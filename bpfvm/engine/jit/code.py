# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The compiled code of one image, and how hot it is."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, PYFUNCTYPE, c_uint64, c_void_p
from typing import Final

from bpfvm.engine.jit.build import Build
from bpfvm.engine.jit.effort import Tier, effort, is_hot
from bpfvm.engine.jit.llvm import Native, compile_object
from bpfvm.engine.jit.module import assembly
from bpfvm.engine.jit.store import Store, key

Run = Callable[[int, int, int, int, int, int, int], int]
"""(state, fp, r1 … r5) -> r0"""
Batch = Callable[[int, int, int, int, int], int]
"""(state, fp, address of contexts, address of results, count) -> how many were done"""
First = Callable[[int, int, int], int]
"""(state, fp, r1) -> r0"""
_RUN: Final = PYFUNCTYPE(c_uint64, *[c_void_p] * 7)
_FIRST: Final = PYFUNCTYPE(c_uint64, *[c_void_p] * 3)
_BATCH: Final = CFUNCTYPE(c_uint64, *[c_void_p] * 5)
# c_void_p takes any u64 and is the argument type that ctypes converts fastest


class Code:
    """Callable functions of an image. runs: by first slot. first: the one at slot 0. batch: see `module`; only
    the best build has it.

    slots: how many the program has. quick: not the best build yet; then calls and ns say how often it was called and
    how long it ran. older: code of the same image with fewer entries. Replaced code stays in memory, as it may be
    running further out.
    """

    __slots__ = (
        "_key",
        "_native",
        "_older",
        "_plan",
        "_slots",
        "_store",
        "batch",
        "calls",
        "entries",
        "first",
        "ns",
        "quick",
        "ref",
        "runs",
    )

    def __init__(
        self,
        slots: int,
        entries: frozenset[int],
        describe: bytes,
        plan: Callable[[], Build],
        store: Store | None,
        tier: Tier | None,
        older: Code | None = None,
    ) -> None:
        self._older: list[Code | Native] = [older] if older is not None else []
        self._slots = slots
        self.entries = entries
        self._key = describe
        self._plan = plan
        self._store = store
        self.calls = 0
        self.ns = 0
        self.ref: object = None
        kept = self._kept("best") if tier is None else None
        self._install(kept or self._object(tier or "quick"), "best" if kept is not None else tier or "quick")
        self.quick = tier is None and kept is None

    @property
    def hot(self) -> bool:
        """Is it worth the better build?"""
        return is_hot(self._slots, self.calls, self.ns)

    def improve(self) -> None:
        """Put the best build in the place of the quick one."""
        self._older.append(self._native)
        self._install(self._object("best"), "best")
        self.quick = False

    def _install(self, code: bytes, tier: Tier) -> None:
        exports = ["first", *(f"run{start}" for start in self.entries), *["batch"] * (tier == "best")]
        native = Native(code, exports)
        self._native = native
        self.runs: dict[int, Run] = {start: _RUN(native.addresses[f"run{start}"]) for start in self.entries}
        self.first: First = _FIRST(native.addresses["first"])
        self.batch: Batch | None = _BATCH(native.addresses["batch"]) if tier == "best" else None

    def _kept(self, tier: Tier) -> bytes | None:
        return self._store.get(key(self._key, tier)) if self._store is not None else None

    def _object(self, tier: Tier) -> bytes:
        code = self._kept(tier)
        if code is None:
            code = self._compiled(tier)
            if self._store is not None:
                self._store.put(key(self._key, tier), code)
        return code

    def _compiled(self, tier: Tier) -> bytes:
        text = assembly(self._plan(), with_batch=tier == "best")
        return compile_object(text, effort(tier, self._slots))
