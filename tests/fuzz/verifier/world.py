# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A machine in the middle of a run, held against one state of the verifier: registers, pointers, stack slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.isa.word import U64_MAX
from bpfvm.obj.model import MapSpec
from verifier.numbers.cnum import trunc
from verifier.state.reg import RegState
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_MAP,
    NOT_INIT,
    PTR_MAYBE_NULL,
    PTR_TO_BTF_ID,
    PTR_TO_CTX,
    PTR_TO_MAP_VALUE,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_PACKET_META,
    PTR_TO_STACK,
    PTR_UNTRUSTED,
    SCALAR_VALUE,
)
from verifier.state.states import STACK_SPILL, STACK_ZERO, StackSlot

UNSAID: Final = frozenset((NOT_INIT, PTR_TO_BTF_ID))
"""Types about whose values nothing is claimed: kernel objects are random bytes here, pointers in them, too."""


class Memory(Protocol):
    """Where the stack is read from."""

    def read(self, addr: int, size: int) -> bytes: ...


@dataclass(slots=True)
class World:
    """values: r0..r10; depth: running frames, the outermost at `stack`; packet: (start, end), both 0 without one; maps:
    (address of the map, addresses of its elements or () if they come and go) of each map, by identity of its spec."""

    memory: Memory
    stack: int
    ctx: int
    packet: tuple[int, int]
    maps: Mapping[int, tuple[int, tuple[int, ...]]]
    depth: int = 0
    values: Sequence[int] = ()

    def top(self, frame: int) -> int:
        """r10 of a frame."""
        return self.stack + (frame + 1) * MAX_BPF_STACK

    def wrong_register(self, regs: Sequence[RegState]) -> str:
        """The first register whose value isn't in the state, "" if all are."""
        for i, reg in enumerate(regs):
            if not self.holds(reg, self.values[i]):
                return f"R{i}={reg.fmt()}, it is {self.values[i]:#x}"
        return ""

    def wrong_stack(self, stacks: Sequence[Sequence[StackSlot]]) -> str:
        """The first stack slot whose bytes aren't in the state, "" if all are."""
        for frame, slots in enumerate(stacks):
            if not slots:
                continue
            size = 8 * len(slots)
            data = self.memory.read(self.top(frame) - size, size)
            for spi, slot in enumerate(slots):
                at = size - 8 * (spi + 1)
                if not self._holds_slot(slot, data[at : at + 8]):
                    kinds, held = slot.types[::-1].hex(), data[at : at + 8].hex()
                    return f"frame {frame} fp-{8 * (spi + 1)} {kinds} {slot.reg.fmt()}, it is {held}"
        return ""

    def _holds_slot(self, slot: StackSlot, data: bytes) -> bool:
        if any(data[7 - i] for i, kind in enumerate(slot.types) if kind == STACK_ZERO):
            return False
        size = slot.types.count(STACK_SPILL)
        value = int.from_bytes(data[:size], "little")
        if slot.reg.type == SCALAR_VALUE and 0 < size < 8:
            return trunc(slot.reg.num, size).contains(value)
        return not size or self.holds(slot.reg, value)

    def holds(self, reg: RegState, value: int) -> bool:
        """The value is one that the state allows."""
        base = reg.type & BASE_TYPE_MASK
        if reg.type == SCALAR_VALUE:
            return reg.num.contains(value)
        if base in UNSAID:
            return True
        if not value:
            return bool(reg.type & (PTR_MAYBE_NULL | PTR_UNTRUSTED))
        return any(reg.num.contains(value - start - reg.off & U64_MAX) for start in self._starts(reg, base, value))

    def _starts(self, reg: RegState, base: int, value: int) -> Sequence[int]:
        """Addresses that the pointer's offset may count from."""
        if base == PTR_TO_STACK:
            return (self.top(reg.frameno),)
        if base == PTR_TO_CTX:
            return (self.ctx,)
        if base == PTR_TO_PACKET and reg.ptr.range > 0 and value - reg.off + reg.ptr.range > self.packet[1]:
            return ()
        if base in (PTR_TO_PACKET, PTR_TO_PACKET_META):
            return (self.packet[0],)
        if base == PTR_TO_PACKET_END:
            return (self.packet[1],)
        if base in (CONST_PTR_TO_MAP, PTR_TO_MAP_VALUE):
            return self._of_map(reg.ptr.map, base) or (value - reg.off - reg.num.umin,)
        return (value - reg.off - reg.num.umin,)

    def _of_map(self, spec: MapSpec | None, base: int) -> Sequence[int]:
        if spec is None or id(spec) not in self.maps:
            return ()
        address, elements = self.maps[id(spec)]
        return (address,) if base == CONST_PTR_TO_MAP else elements
