# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The fast engine: an Interpreter whose frames run translated functions.

Results, traps, events and counts are the interpreter's. What can't be translated, and what needs every instruction
looked at (`on_insn`), the interpreter itself runs: from the instruction where it matters to the end of that frame.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections.abc import Callable, Sequence
from functools import cache
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

from bpfvm.engine.arena import ArenaAccess
from bpfvm.engine.fast.access import Window
from bpfvm.engine.fast.text import Target
from bpfvm.engine.fast.translate import Translation, flow_of, tail_calls, translate
from bpfvm.engine.image import Image
from bpfvm.engine.interp import MAX_DEPTH, Frame, Interpreter
from bpfvm.engine.services import EngineMemory, Packet, Services, TailCalls
from bpfvm.engine.step import TAIL
from bpfvm.engine.throw import Thrown
from bpfvm.engine.trap import Fault, Unsupported, trap_at
from bpfvm.errors import BpfvmError, Trap
from bpfvm.isa import word
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.memory import Memory
from bpfvm.memory.fault import MemoryFault

Function = Callable[..., int]
WORD: Final = 8
"""Bytes of the largest access: direct ones end before the last word of memory."""


MAX_IMAGES: Final = 256
"""Images whose translations are kept; the oldest goes first."""


class Code:
    """An image's functions, translated when they are first called. fuel: do they count instructions?"""

    def __init__(self, machine: FastEngine, image: Image, fuel: bool) -> None:
        self.image = image
        self.frame = Frame(machine, image)
        self.functions: dict[int, Function] = {}
        self.lines: dict[CodeType, Translation] = {}
        self._fuel = fuel
        self._machine = machine
        self._window = machine.window()
        self._names: dict[str, Any] = machine.names(self)
        self._target = Target(image, self._window, fuel, {}, self._direct)
        self._tails: dict[int, bool] = {}

    def function(self, slot: int) -> Function:
        """The Python function that starts at `slot`."""
        found = self.functions.get(slot)
        if found is None:
            made = translate(self._target, slot)
            exec(compile(made.source, f"<bpf {self.image.name}>", "exec"), self._names)
            found = self.functions[slot] = self._names[made.name]
            self.lines[found.__code__] = made
        return found

    def source(self, slot: int) -> str:
        """The Python source of the function at `slot`."""
        return translate(self._target, slot).source

    def _direct(self, slot: int) -> bool:
        """May the function be called as a Python function? If so its name is bound to what translates it on the way."""
        if slot not in self._tails:
            self._tails[slot] = tail_calls(flow_of(self._target, slot))
            name = f"f{slot}"
            if not self._tails[slot] and name not in self._names:
                self._names[name] = lambda *args: self.function(slot)(*args)
        return not self._tails[slot]

    def located(self, trace: TracebackType | None) -> tuple[int, int, TracebackType] | None:
        """Slot, rest of the block and traceback of the innermost translated function in `trace`."""
        found = None
        while trace is not None:
            made = self.lines.get(trace.tb_frame.f_code)
            if made is not None:
                found = made.slots[trace.tb_lineno - 1], made.rests[trace.tb_lineno - 1], trace
            trace = trace.tb_next
        return found


class FastEngine(Interpreter):
    """Runs images on one memory with one set of services; see `Interpreter` for all that can be set and asked."""

    def __init__(
        self,
        memory: EngineMemory,
        services: Services,
        *,
        packet: Packet | None = None,
        tail_calls: TailCalls | None = None,
    ) -> None:
        super().__init__(memory, services, packet=packet, tail_calls=tail_calls)
        self._views = _views(memory)
        self._plain: dict[Image, Code] = {}
        self._counting: dict[Image, Code] = {}
        self._handed_over: tuple[int, ...] = ()

    def run(self, image: Image, ctx: int, *, fuel: int | None = None) -> int:
        """As Interpreter.run; this is its short way for a run that nobody counts or watches."""
        if fuel is not None and self._fuel is None and image.ends_within(fuel):
            fuel = None
        code = self._plain.get(image)
        depth = self._depth
        if code is None or fuel is not None or self._fuel is not None or self.on_insn or depth == MAX_DEPTH:
            return super().run(image, ctx, fuel=fuel)
        caller, count = self._frame, self._tail_count
        self._frame, self._depth, self._tail_count = code.frame, depth + 1, 0
        try:
            result = (code.functions.get(0) or code.function(0))(depth + 1, ctx)
            return result if result >= 0 else self._go_on(depth + 1)
        except BpfvmError as why:
            self._stopped(code, why)
            raise
        except Thrown as thrown:
            self._depth = depth
            return self.caught(image, thrown.cookie)
        finally:
            self._frame, self._depth, self._tail_count = caller, depth, count

    def enter(self, image: Image, start: int, args: Sequence[int]) -> int:
        """Run the function at slot `start` in a frame of its own with r1..r5 = args; its r0."""
        if self.on_insn is not None or self._depth == MAX_DEPTH:
            return super().enter(image, start, args)
        caller, depth = self._frame, self._depth
        code = self.code(image)
        self._frame, self._depth = code.frame, depth + 1
        try:
            result = (code.functions.get(start) or code.function(start))(depth + 1, *args)
            return result if result >= 0 else self._go_on(depth + 1)
        except BpfvmError as why:
            self._stopped(code, why)
            raise
        except Thrown as thrown:
            if start and depth:
                raise
            self._depth = depth
            return self.caught(image, thrown.cookie)
        finally:
            self._frame, self._depth = caller, depth

    def _place_of(self, python: FrameType) -> tuple[Image, int] | None:
        for code in (*self._plain.values(), *self._counting.values()):
            made = code.lines.get(python.f_code)
            if made is not None:
                return code.image, made.slots[python.f_lineno - 1]
        return super()._place_of(python)

    def _go_on(self, depth: int) -> int:
        """Run the programs that tail calls of this frame lead to; the last one's r0."""
        result = TAIL
        while result < 0:
            code = self.code(self._next_program())
            self._frame = code.frame
            try:
                result = code.function(0)(depth, *self._handed_over)
            except BpfvmError as why:
                self._stopped(code, why)
                raise
            except Thrown as thrown:
                self._depth = depth - 1
                return self.caught(code.image, thrown.cookie)
        return result

    def code(self, image: Image) -> Code:
        """The translation of `image` that fits the present run."""
        made = self._plain if self._fuel is None else self._counting
        code = made.get(image)
        if code is None:
            if len(made) == MAX_IMAGES:
                del made[next(iter(made))]
            code = made[image] = Code(self, image, self._fuel is not None)
        return code

    def _stopped(self, code: Code, why: BpfvmError) -> None:
        """Set the count right for a block that was not finished, and raise the Trap if `why` is to become one."""
        if isinstance(why, Trap):
            return
        found = code.located(why.__traceback__)
        if found is None:
            return
        slot, rest, trace = found
        if self._fuel is not None and rest:
            self._fuel = trace.tb_frame.f_locals["fuel"] + rest
        if isinstance(why, Fault | MemoryFault):
            raise trap_at(code.image, slot, why) from why

    def window(self) -> Window | None:
        """How translated code reaches memory directly, if it can."""
        memory = self.memory
        if not self._views or not isinstance(memory, Memory):
            return None
        return Window(memory.BASE, memory.end, memory.shadow is not None)

    def names(self, code: Code) -> dict[str, Any]:
        """What translated functions find around them."""
        image, memory = code.image, self.memory
        base = Memory.BASE
        return {
            **self._views,
            "BASE": base, "END": base + WORD, "STACK": self._stack, "M": self, "MEMORY": memory, "IMAGE": image,
            "FRAME": code.frame, "LOAD": memory.load, "LOAD_NOFAULT": memory.load_nofault, "STORE": memory.store,
            "HELPER": self.services.helper, "KFUNC": self.services.kfunc, "from_bytes": int.from_bytes,
            "SWAPPED": _swapped(), "ARENA": ArenaAccess(memory, image.arena[0] if image.arena else 0),
            "INTERPRET": self._interpreting(image), "TAIL": self._hand_over,
            "TOO_DEEP": lambda slot: trap_at(image, slot, Unsupported(f"more than {MAX_DEPTH} frames")),
            **{f"{name}{width}": getattr(word, f"{name}{width}")
               for name in ("udiv", "umod", "sdiv", "smod") for width in (32, 64)},
        }  # fmt: skip

    def _interpreting(self, image: Image) -> Function:
        def interpret(slot: int, depth: int, *regs: int) -> int:
            """Finish the frame from `slot` on with r0..r9 and the may_goto budget; r0, or what a tail call gives."""
            self._depth = depth
            frame = [*regs[:10], self._stack + depth * MAX_BPF_STACK, regs[10]]
            if self._follow(image, slot, frame) == TAIL:
                return self._hand_over(*frame[:10])
            return frame[0]

        return interpret

    def _hand_over(self, *regs: int) -> int:
        """Keep r0..r9 for the program that a tail call goes to."""
        self._handed_over = (*regs[1:6], regs[0], *regs[6:])
        return TAIL


@cache
def _swapped() -> array[int]:
    """Every 16-bit number with its bytes reversed."""
    table = array("H", range(1 << 16))
    table.byteswap()
    return table


def _views(memory: EngineMemory) -> dict[str, memoryview]:
    """Memory as words of 1, 2, 4 and 8 bytes, and its shadow; nothing where Python's words are not BPF's."""
    if not isinstance(memory, Memory) or sys.byteorder != "little":
        return {}
    held = (ctypes.c_ubyte * memory.size).from_address(memory.host_address)
    octets = memoryview(held).cast("B")
    views: dict[str, memoryview] = {"m1": octets, "m2": octets.cast("H"), "m4": octets.cast("I")}
    views["m8"] = octets.cast("Q")
    if memory.shadow is not None:
        views["sh"] = memoryview(memory.shadow.bytes)
    return views
