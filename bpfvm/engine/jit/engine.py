# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The compiling engine: runs images as native code, with the interpreter's results, traps and limits."""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final, cast

from bpfvm.engine.arena import AREA, BEFORE
from bpfvm.engine.image import Image, callback_slot
from bpfvm.engine.interp import BPF_MAX_LOOPS, MAX_DEPTH, MAX_TAIL_CALL_CNT, Frame, Interpreter, OnInsn
from bpfvm.engine.jit.arrays import arrays_of, knows_maps
from bpfvm.engine.jit.build import Build, Wanted, plan
from bpfvm.engine.jit.callbacks import Callbacks
from bpfvm.engine.jit.code import Batch, Code, First
from bpfvm.engine.jit.effort import BEST, TIERS, Tier, effort
from bpfvm.engine.jit.emit import FIRST
from bpfvm.engine.jit.flow import callback_starts, tail_calls
from bpfvm.engine.jit.llvm import compile_object, identity, require
from bpfvm.engine.jit.module import assembly
from bpfvm.engine.jit.refusal import refused
from bpfvm.engine.jit.state import Slot, new_state
from bpfvm.engine.jit.store import Store, default_folder
from bpfvm.engine.services import Packet, Services, TailCalls
from bpfvm.engine.throw import Thrown
from bpfvm.engine.trap import Fault, Unsupported, trap_at
from bpfvm.errors import InternalError, UsageError
from bpfvm.isa.insn import encode
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.isa.word import U64_MAX
from bpfvm.memory import Memory
from bpfvm.memory.fault import PAGE_SIZE
from bpfvm.memory.mapping import host_address

LIMIT: Final = Slot.LIMIT
MANY: Final = 256
"""contexts of a batch for which the best build is made at once"""


class JitEngine:
    """Runs images on one memory with one set of services; `Interpreter`'s parameters and methods.

    cache_dir: where object code is kept, by default the user's cache folder; "" keeps nothing. tier: "quick" or "best"
    compiles in that way only; None starts quick and compiles again what is hot. While on_insn is set, and where a
    program looks at its call chain, the interpreter runs. Raises UsageError without llvmlite.
    """

    def __init__(
        self,
        memory: Memory,
        services: Services,
        *,
        packet: Packet | None = None,
        tail_calls: TailCalls | None = None,
        cache_dir: str | Path | None = None,
        tier: Tier | None = None,
    ) -> None:
        if tier is not None and tier not in TIERS:
            raise UsageError(f"tier `{tier}`; there are {', '.join(TIERS)}")
        require()
        self.memory = memory
        self.services = services
        self.packet = packet
        self.tail_calls = tail_calls
        self._on_insn: OnInsn | None = None
        self._tier: Tier | None = tier
        self._store = Store(Path(cache_dir or default_folder())) if cache_dir != "" else None
        self._stack = memory.alloc(MAX_DEPTH * MAX_BPF_STACK, what="bpf stack")
        self._stack_end = self._stack + MAX_DEPTH * MAX_BPF_STACK
        self._codes: dict[int, Code] = {}
        self._counted: dict[int, Code] = {}
        self._firsts: dict[int, First] = {}
        self._ready = self._firsts
        self.top = self._stack
        self.image: Image | None = None
        self.pending: BaseException | None = None
        self._frame: Frame | None = None
        self._stepper: Interpreter | None = None
        self._walker: Interpreter | None = None
        self._tail_count = 0
        self._counting = False
        self.state = new_state()
        self._address = self.state.buffer_info()[0]
        self._callbacks = Callbacks(self)
        self._prepare()

    def _prepare(self) -> None:
        state = self.state
        state[Slot.HOST] = self.memory.host_address + PAGE_SIZE
        if self.memory.shadow is not None:
            state[Slot.SHADOW] = host_address(self.memory.shadow.bytes) + (PAGE_SIZE >> 3)
        state[Slot.STACK_END] = self._stack_end
        self.may_goto_budget = BPF_MAX_LOOPS
        for slot, address in self._callbacks.addresses().items():
            state[slot] = address

    @property
    def on_insn(self) -> OnInsn | None:
        """Called before each instruction when set."""
        return self._on_insn

    @on_insn.setter
    def on_insn(self, watcher: OnInsn | None) -> None:
        self._on_insn = watcher
        self._choose()

    def _choose(self) -> None:
        """Which images may take the shortest way in: none while instructions or frames are watched or counted."""
        quiet = not self._counting and self._on_insn is None and self._walker is None
        self._ready = self._firsts if quiet else {}

    @property
    def may_goto_budget(self) -> int:
        """may_goto steps of each frame."""
        return self.state[Slot.BUDGET]

    @may_goto_budget.setter
    def may_goto_budget(self, steps: int) -> None:
        self.state[Slot.BUDGET] = steps

    @property
    def frame(self) -> Frame:
        """The innermost running frame. Raises UsageError when nothing runs."""
        if self._on_insn is not None:
            return self._stepping().frame
        image, frame = self.image, self._frame
        if image is None:
            raise UsageError("no program is running")
        if frame is None or frame.image is not image:
            frame = self._frame = Frame(cast(Interpreter, self), image)
        return frame

    @property
    def _depth(self) -> int:
        """Frames at this time, as helpers see it."""
        if self._on_insn is not None:
            return self._stepping()._depth
        return (self.top - self._stack) >> MAX_BPF_STACK.bit_length() - 1

    @property
    def _fuel(self) -> int | None:
        """Instructions that may still run, as helpers see it."""
        if self._on_insn is not None:
            return self._stepping()._fuel
        return self.state[Slot.FUEL] if self._counting else None

    # --- running ----------------------------------------------------------------------------------------------------
    def run(self, image: Image, ctx: int, *, fuel: int | None = None) -> int:
        """Run `image` from its start with r1 = ctx; r0 as u64. Fuel and errors as `Interpreter.run`."""
        if fuel is not None and not self._counting and image.ends_within(fuel):
            fuel = None
        first = self._ready.get(id(image))
        top, caller = self.top, self.image
        fp = top + MAX_BPF_STACK
        if first is None or fuel is not None or fp > self._stack_end:
            return self._run(image, ctx, fuel)
        self.top, self.image = fp, image
        self.state[LIMIT] = self.memory._end - PAGE_SIZE  # as in measure, without the price of a property
        try:
            r0 = first(self._address, fp, ctx)
        finally:
            self.top, self.image = top, caller
        return r0 if self.pending is None else self._unwound(image, 0)

    def _run(self, image: Image, ctx: int, fuel: int | None) -> int:
        """As `run`, of any image."""
        if self._on_insn is not None:
            return self._stepping().run(image, ctx, fuel=fuel)
        if fuel is not None:
            return self._run_counted(image, ctx, fuel)
        tail_count, self._tail_count = self._tail_count, 0
        try:
            r0 = self.enter(image, 0, (ctx, 0, 0, 0, 0))
        finally:
            self._tail_count = tail_count
        code = self._codes.get(id(image))
        if code is not None and not code.quick and not tail_calls(image):
            self._firsts[id(image)] = code.first
        return r0

    def _run_counted(self, image: Image, ctx: int, fuel: int) -> int:
        state = self.state
        saved = (state[Slot.FUEL], self._counting, self._tail_count)
        state[Slot.FUEL], self._counting, self._tail_count = max(fuel, 0), True, 0
        self._choose()
        try:
            return self.enter(image, 0, (ctx, 0, 0, 0, 0))
        finally:
            state[Slot.FUEL], self._counting, self._tail_count = saved
            self._choose()

    def call_func(self, image: Image, handle: int, args: Sequence[int]) -> int:
        """Run the callback `handle` of `image` with up to 5 arguments; its r0. Raises Trap if it is no callback."""
        if self._on_insn is not None:
            return self._stepping().call_func(image, handle, args)
        start = callback_slot(image, handle)
        if start is None:
            raise trap_at(image, 0, Fault(f"{handle:#x} is not a function of this program"))
        padded = (*(each & U64_MAX for each in args), 0, 0, 0, 0, 0)
        return self.enter(image, start, padded[:5])

    def enter(self, image: Image, start: int, args: Sequence[int]) -> int:
        """Run the function at slot `start` in a frame of its own with r1..r5 = args; its r0."""
        if image.walks_stack:
            return self._walk(image, start, args)
        if self._walker is not None:
            self.top = self._stack + self._walker._depth * MAX_BPF_STACK
        top, caller = self.top, self.image
        fp = top + MAX_BPF_STACK
        if fp > self._stack_end:
            raise trap_at(image, start, Unsupported(f"more than {MAX_DEPTH} frames"))
        code = self._known().get(id(image)) or self._load(image, start)
        if start not in code.runs:
            code = self._load(image, start)
        self.top, self.image = fp, image
        self.measure()
        try:
            r0 = self._run_quick(code, start, fp, args) if code.quick else code.runs[start](self._address, fp, *args)
        finally:
            self.top, self.image = top, caller
        return r0 if self.pending is None else self._unwound(image, start)

    def _walk(self, image: Image, start: int, args: Sequence[int]) -> int:
        """As `enter`, of an image whose frames must be known: an interpreter runs it in the frames that follow."""
        before, top, stepper = self._walker, self.top, self._stepping()
        saved = (stepper._depth, stepper._fuel, stepper._tail_count)
        if before is None:
            stepper._depth = self._depth
        stepper._fuel, stepper._tail_count, self._walker = self._fuel, self._tail_count, stepper
        self._choose()
        try:
            return stepper.enter(image, start, args)
        finally:
            if stepper._fuel is not None:
                self.state[Slot.FUEL] = stepper._fuel
            stepper._depth, stepper._fuel, stepper._tail_count = saved
            self._walker, self.top = before, top
            self._choose()

    def callers(self) -> list[tuple[Image, int]]:
        """Compiled code keeps no book of its calls. Raises Unsupported."""
        raise Unsupported("the call chain of compiled code")

    def _run_quick(self, code: Code, start: int, fp: int, args: Sequence[int]) -> int:
        """Run a build that is to be replaced when it gets hot."""
        if code.hot:
            code.improve()
        run, before = code.runs[start], perf_counter_ns()
        r0 = run(self._address, fp, *args)
        code.ns += perf_counter_ns() - before
        code.calls += 1
        return r0

    def measure(self) -> None:
        """Tell compiled code how much emulated memory there is now."""
        self.state[LIMIT] = self.memory.end - FIRST

    def _unwound(self, image: Image, start: int) -> int:
        """What Python raised while compiled code was running goes on from here; but what bpf_throw threw ends where
        the program started."""
        error, self.pending = self.pending, None
        self.state[Slot.ABORT] = 0
        if isinstance(error, Thrown) and not (start and self.image is not None):
            callback = image.exception_cb
            return self.enter(image, callback, (error.cookie, 0, 0, 0, 0)) if callback else error.cookie
        if error is None:
            raise InternalError("compiled code gave up for no reason")
        raise error

    def batch(self, image: Image, contexts: Sequence[int]) -> array[int]:
        """Run `image` once for each context address; all r0 (u64, `array("Q")`). An array("Q") is not copied.

        The first run that can't go on ends the batch with its error. Cheapest for many contexts: nothing comes
        back to Python in between, unless the program makes tail calls or instructions are counted.
        """
        if image.walks_stack:
            return array("Q", [self.run(image, ctx) for ctx in contexts])
        given = contexts if isinstance(contexts, array) and contexts.typecode == "Q" else array("Q", contexts)
        code = self.prepare(image)
        if code.quick and (code.hot or (len(given) >= MANY and len(image.insns) <= BEST)):
            code.improve()
        fp = self.top + MAX_BPF_STACK
        if code.batch is None or self._counting or fp > self._stack_end or tail_calls(image):
            return array("Q", [self.run(image, ctx) for ctx in given])
        results = array("Q", bytes(8 * len(given)))
        done = self._drive(code.batch, image, given, results, 0)
        while self.pending is not None:
            results[done] = self._unwound(image, 0)
            done = self._drive(code.batch, image, given, results, done + 1)
        return results

    def _drive(self, batch: Batch, image: Image, given: array[int], results: array[int], done: int) -> int:
        """Run a batch from context number `done` on; at which it stopped."""
        top, caller = self.top, self.image
        fp, from_, to = top + MAX_BPF_STACK, given.buffer_info()[0] + 8 * done, results.buffer_info()[0] + 8 * done
        self.top, self.image = fp, image
        self.measure()
        try:
            return done + batch(self._address, fp, from_, to, len(given) - done)
        finally:
            self.top, self.image = top, caller

    def prepare(self, image: Image) -> Code:
        """Compile `image` now, or load it from disk, so that its first run needn't; the code."""
        return self._known().get(id(image)) or self._load(image, 0)

    # --- what compiled code and the interpreter's steps ask for -----------------------------------------------------
    def packet_load(self, ctx: int, offset: int, size: int) -> int | None:
        """`size` packet bytes at `offset` for ld_abs and ld_ind. Raises Unsupported without a packet hook."""
        if self.packet is None:
            raise Unsupported("packet access in a run without a packet")
        return self.packet(ctx, offset, size)

    def tail_target(self, prog_array: int, index: int) -> Image | None:
        """Where a tail call goes; None if there is no program or no call is left."""
        if self.tail_calls is None:
            raise Unsupported("bpf_tail_call in a run without program arrays")
        if self._tail_count >= MAX_TAIL_CALL_CNT:
            return None
        found = self.tail_calls(prog_array, index)
        self._tail_count += found is not None
        return found

    def _stepping(self) -> Interpreter:
        """The interpreter that runs everything while somebody watches each instruction, in this engine's frames."""
        if self._stepper is None:
            self._stepper = Interpreter(self.memory, self.services, stack=self._stack)
        stepper = self._stepper
        stepper.services, stepper.packet, stepper.tail_calls = self.services, self.packet, self.tail_calls
        stepper.on_insn, stepper.may_goto_budget = self.on_insn, self.may_goto_budget
        return stepper

    # --- compiling --------------------------------------------------------------------------------------------------
    def _load(self, image: Image, start: int) -> Code:
        """The code of `image` with a function at `start`, compiled or from disk."""
        codes = self._known()
        known = codes.get(id(image))
        wanted = self._wanted(image, frozenset({0, start} | (known.entries if known else set())))
        code = Code(
            len(image.insns),
            wanted.entries | callback_starts(image),
            self._describe(image, wanted),
            partial(self._plan, weakref.ref(image), wanted),
            self._store,
            self._tier,
            known,
        )
        self._firsts.pop(id(image), None)
        code.ref = weakref.ref(image, partial(_forget, (codes, self._firsts), id(image)))
        codes[id(image)] = code
        return code

    def _wanted(self, image: Image, entries: frozenset[int]) -> Wanted:
        return Wanted(
            entries,
            kasan=self.memory.shadow is not None,
            fuel=self._counting,
            arrays=arrays_of(image, self.services),
            loops=knows_maps(self.services),
        )

    def object_code(self, image: Image, tier: Tier, arch: str = "") -> bytes:
        """The code of `image` as an object file whose line table gives slots (counted from 1); nothing is kept.

        arch: as `compile_object`. Raises UsageError."""
        build = plan(image, self._wanted(image, frozenset({0})), partial(refused, self, image))
        text = assembly(build, with_batch=False, with_slots=True)
        return compile_object(text, effort(tier, len(image.insns)), arch=arch)

    def _known(self) -> dict[int, Code]:
        """Compiled code by the identity of its image."""
        return self._counted if self._counting else self._codes

    def _describe(self, image: Image, wanted: Wanted) -> bytes:
        """Everything that the code depends on."""
        facts = (identity(), sorted(wanted.entries), wanted.kasan, wanted.fuel, wanted.loops,
                 sorted(wanted.arrays.items()), sorted(callback_starts(image)), image.verified, sorted(image.probe_mem),
                 image.arena, sorted(image.arena_mem), BEFORE, AREA)  # fmt: skip
        return repr(facts).encode() + encode(image.insns)

    def _plan(self, image: Callable[[], Image | None], wanted: Wanted) -> Build:
        alive = image()
        if alive is None:
            raise UsageError("the program to be compiled is gone")
        return plan(alive, wanted, partial(refused, self, alive))


def _forget(tables: Sequence[dict[int, Any]], at: int, _: object) -> None:
    """The image is gone: so is its code."""
    for table in tables:
        table.pop(at, None)
