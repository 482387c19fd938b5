# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls as LLVM instructions: helpers and kfuncs go to Python, except hot ones; the program's functions don't."""

from __future__ import annotations

from typing import Final

from bpfvm.engine.image import callback_slot
from bpfvm.engine.jit.arrays import ArrayShape
from bpfvm.engine.jit.body import EMULATED, RARE, const, low32, widen
from bpfvm.engine.jit.emit import RESULT, Emitter
from bpfvm.engine.jit.stack import FP
from bpfvm.engine.jit.state import Slot, Why
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from bpfvm.isa.opcodes import MAX_BPF_STACK
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX

BPF_MAX_LOOPS: Final = 8 << 20
"""Most iterations of bpf_loop (include/linux/bpf.h)."""
EINVAL: Final = 22
E2BIG: Final = 7
KEY_SIZE: Final = 4
"""bytes of an array map's key"""


def call(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """r0 = a helper or kfunc."""
    if op.name == "call":
        if insn.imm == HELPER_ID["tail_call"]:
            _tail_call(em, slot)
            return
        array = em.build.wanted.arrays.get(em.body.constant(1) or 0)
        if insn.imm == HELPER_ID["map_lookup_elem"] and array is not None:
            _array_lookup(em, slot, array)
            return
        if insn.imm == HELPER_ID["loop"] and em.build.wanted.loops and (start := _callback(em, 2)) is not None:
            _loop(em, start)
            return
    em.body.put(0, _python(em, Slot.CALL, slot, (1, 2, 3, 4, 5)))


def callx(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """r0 = the helper whose number is in dst, which Python finds where registers are left."""
    em.body.set_word(Slot.REGS, em.body.get(insn.dst))
    em.body.put(0, _python(em, Slot.CALL, slot, (1, 2, 3, 4, 5)))


def _callback(em: Emitter, reg: int) -> int | None:
    """First slot of the function that a register stands for, if that is known."""
    handle = em.body.constant(reg)
    start = callback_slot(em.build.image, handle) if handle is not None else None
    return start if start in em.build.functions else None


def _python(em: Emitter, which: int, slot: int, regs: tuple[int, ...]) -> str:
    """Call Python with the slot, the frame and registers; its result."""
    body = em.body
    args = "".join(f", i64 {body.get(reg)}" for reg in regs)
    em.suspend()
    result = body.new(f"call i64 {body.fixed(which, 'ptr')}(i64 {slot}, i64 %fp{args})")
    em.unless_aborted()
    em.resume(loud=True)
    return result


def _tail_call(em: Emitter, slot: int) -> None:
    """Python runs the other program in this frame; its result is then the frame's."""
    body = em.body
    for reg in range(FP):
        body.set_word(Slot.REGS + reg, body.get(reg))
    result = _python(em, Slot.TAIL, slot, (1, 2, 3))
    taken, on = body.label(), body.label()
    body.branch(body.new(f"icmp ne i64 {body.word(Slot.TAKEN)}, 0"), taken, on)
    body.place(taken)
    body.set_word(Slot.TAKEN, "0")
    _return(em, result)
    body.place(on)


def _return(em: Emitter, value: str) -> None:
    em.suspend()
    em.body.do(f"ret {RESULT} {em.body.new(f'insertvalue {RESULT} {{ i64 0, i1 false }}, i64 {value}, 0')}")


def exit(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """Return r0."""
    _return(em, em.body.get(0))


def packet(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """r0 = packet bytes; outside the packet the frame ends with 0, which Python says with all bits set."""
    body = em.body
    offset = const(insn.imm)
    if op.name == "ld_ind":
        offset = widen(body, body.new(f"add i32 {low32(body, body.get(insn.src))}, {insn.imm}"), how="sext")
    em.suspend()
    found = body.new(f"call i64 {body.fixed(Slot.PACKET, 'ptr')}(i64 {slot}, i64 {body.get(6)}, i64 {offset})")
    em.unless_aborted()
    em.resume(loud=True)
    outside, on = body.label(), body.label()
    body.branch(body.new(f"icmp eq i64 {found}, -1"), outside, on)
    body.place(outside)
    _return(em, "0")
    body.place(on)
    body.put(0, found)


def call_local(em: Emitter, slot: int, op: Op, insn: Insn) -> None:
    """r0 = the function of this program at imm."""
    em.body.put(0, _enter(em, slot + 1 + insn.imm, [em.body.get(reg) for reg in range(1, 6)]))


def _enter(em: Emitter, start: int, args: list[str]) -> str:
    """Call a function of the program in the next frame; its result."""
    body = em.body
    frame = body.new(f"add i64 %fp, {MAX_BPF_STACK}")
    full, on = body.label(), body.label()
    body.branch(body.new(f"icmp ugt i64 {frame}, {body.fixed(Slot.STACK_END)}"), full, on, RARE)
    body.place(full)
    em.stop(Why.DEPTH, str(start), "0")
    body.do("br label %giveup")
    body.place(on)
    em.suspend()
    listed = ", ".join(f"i64 {arg}" for arg in args)
    both = body.new(f"call {RESULT} @f{start}(ptr %state, i64 {frame}, {listed})")
    body.rarely(body.new(f"extractvalue {RESULT} {both}, 1"), "giveup")
    em.resume(loud=start not in em.build.quiet)
    return body.new(f"extractvalue {RESULT} {both}, 0")


def _array_lookup(em: Emitter, slot: int, array: ArrayShape) -> None:
    """bpf_map_lookup_elem of an array map (kernel/bpf/arraymap.c array_map_lookup_elem)."""
    body = em.body
    key = em.checked(slot, em.offset(2, 0), KEY_SIZE)
    index = widen(body, body.new(f"load i32, ptr {key}, align 1, {EMULATED}"))
    inside = body.new(f"icmp ult i64 {index}, {array.max_entries}")
    value = body.new(f"add i64 {body.new(f'mul i64 {index}, {array.stride}')}, {const(array.values)}")
    body.put(0, body.new(f"select i1 {inside}, i64 {value}, i64 0"))


def _loop(em: Emitter, start: int) -> None:
    """bpf_loop(count, callback, ctx, flags) of a known callback (kernel/bpf/bpf_iter.c bpf_loop)."""
    body = em.body
    ctx, flags, count = body.get(3), body.get(4), low32(body, body.get(1))
    count = widen(body, count) if count[0] == "%" else const(int(count) & U32_MAX)
    sized, head, turn, more, done = (body.label() for _ in range(5))
    index, following = f"%i{head}", f"%n{head}"
    ways = [(const(-EINVAL), body.current)]
    body.branch(body.new(f"icmp ne i64 {flags}, 0"), done, sized)
    body.place(sized)
    ways.append((const(-E2BIG), sized))
    body.branch(body.new(f"icmp ugt i64 {count}, {BPF_MAX_LOOPS}"), done, head)
    body.place(head)
    body.do(f"{index} = phi i64 [ 0, %{sized} ], [ {following}, %{more} ]")
    ways.append((index, head))
    body.branch(body.new(f"icmp eq i64 {index}, {count}"), done, turn)
    body.place(turn)
    result = _enter(em, start, [index, ctx, "0", "0", "0"])
    body.do(f"{following} = add i64 {index}, 1")
    ways.append((following, body.current))
    body.branch(body.new(f"icmp ne i64 {result}, 0"), done, more)
    body.place(more)
    body.do(f"br label %{head}")
    body.place(done)
    body.put(0, body.new("phi i64 " + ", ".join(f"[ {value}, %{label} ]" for value, label in ways)))
