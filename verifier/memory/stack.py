# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Stack slots: spills of any size, fills, plain bytes, variable offsets. kernel/bpf/verifier.c check_stack_read,
check_stack_write, check_stack_range_initialized and what they call (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.isa.word import U64_MAX, s64
from verifier.calls.dynptrs import destroy_dynptr
from verifier.env import Env
from verifier.memory.region import MAX_VAR_OFF
from verifier.numbers.scalar_ids import clear_id, with_id_before_mov
from verifier.rejection import EACCES, EFAULT, EINVAL
from verifier.search.backtrack import mark_chain_precision
from verifier.state.reg import NOT_INITIALIZED, RegState, const, unknown
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    CONST_PTR_TO_MAP,
    PTR_TO_ARENA,
    PTR_TO_BTF_ID,
    PTR_TO_BUF,
    PTR_TO_CTX,
    PTR_TO_FLOW_KEYS,
    PTR_TO_FUNC,
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_PACKET,
    PTR_TO_PACKET_END,
    PTR_TO_PACKET_META,
    PTR_TO_SOCK_COMMON,
    PTR_TO_SOCKET,
    PTR_TO_STACK,
    PTR_TO_TCP_SOCK,
    PTR_TO_XDP_SOCK,
    SCALAR_VALUE,
)
from verifier.state.states import (
    EMPTY_SLOT,
    MISC_SLOT,
    ONLY_MISC,
    STACK_DYNPTR,
    STACK_INVALID,
    STACK_IRQ_FLAG,
    STACK_ITER,
    STACK_MISC,
    STACK_SPILL,
    STACK_ZERO,
    Frame,
    StackSlot,
)
from verifier.steps.leaks import is_secret
from verifier.text.state_print import linfo

MAX_STACK: Final = 512
SPILLABLE: Final = frozenset(
    (
        *(PTR_TO_MAP_VALUE, PTR_TO_STACK, PTR_TO_CTX, PTR_TO_PACKET, PTR_TO_PACKET_META, PTR_TO_PACKET_END),
        *(PTR_TO_FLOW_KEYS, CONST_PTR_TO_MAP, PTR_TO_SOCKET, PTR_TO_SOCK_COMMON, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK),
        *(PTR_TO_BTF_ID, PTR_TO_BUF, PTR_TO_MEM, PTR_TO_FUNC, PTR_TO_MAP_KEY, PTR_TO_ARENA),
    )
)
_ALL_SPILL: Final = bytes((STACK_SPILL,)) * 8
SPECIAL_KINDS: Final = (STACK_DYNPTR, STACK_ITER, STACK_IRQ_FLAG)


def is_null(reg: RegState) -> bool:
    """The number 0 (kernel register_is_null)."""
    return reg.type == SCALAR_VALUE and not reg.num.var_off.mask and not reg.num.var_off.value


def frame_of(env: Env, reg: RegState) -> Frame:
    """The frame a stack pointer points into."""
    return env.state.frames[reg.frameno]


def grow_stack(env: Env, frame: Frame, size: int) -> None:
    """The frame has slots for `size` bytes; the function's depth is remembered."""
    size = (size + 7) & ~7
    slots = size >> 3
    stack = frame.stack
    if len(stack) < slots:
        stack.extend([EMPTY_SLOT] * (slots - len(stack)))
        subprog = env.subprogs[frame.subprogno]
        subprog.stack_depth = max(subprog.stack_depth, size)


def check_stack_access_within_bounds(
    env: Env, regno: int, off: int, size: int, *, write: bool, helper: bool = False
) -> None:
    """The bytes lie in the 512 of the frame. Raises Rejection."""
    reg = env.frame.regs[regno]
    num = reg.num
    indirect = helper and env.profile.indirect_stack_texts
    how = " indirect access to" if indirect else (" write to" if write else " read from")
    known = not num.var_off.mask
    if known:
        low = s64((num.var_off.value + off) & U64_MAX)
        high = low + size
    else:
        if num.smax >= MAX_VAR_OFF or num.smin <= -MAX_VAR_OFF:
            env.reject(EACCES, f"invalid unbounded variable-offset{how} stack R{regno}")
        low = num.smin + off
        high = num.smax + off + size
    errno = 0
    lowest = -MAX_STACK if write or env.allow_uninit_stack else -8 * len(frame_of(env, reg).stack)
    if low < lowest or low > -1:
        errno = EACCES
    elif high > 0:
        errno = EINVAL
    elif size < 0:
        errno = EFAULT
    if errno:
        if known:
            env.reject(errno, f"invalid{how} stack R{regno} off={off} size={size}")
        env.reject(errno, f"invalid variable-offset{how} stack R{regno} var_off={num.var_off} off={off} size={size}")
    grow_stack(env, frame_of(env, reg), -low)


def _mark_misc(kind: int) -> int:
    return kind if kind in (STACK_ZERO, STACK_INVALID) else STACK_MISC


def _spill(frame: Frame, spi: int, reg: RegState, size: int) -> None:
    """The low `size` bytes of a register are in the slot now."""
    if size == 8:
        frame.stack[spi] = StackSlot(_ALL_SPILL, reg)
        return
    kinds = frame.stack[spi].types
    rest = bytes([_mark_misc(kind) for kind in kinds[: 8 - size]])
    frame.stack[spi] = StackSlot(rest + bytes((STACK_SPILL,)) * size, reg)


def _may_be_bypassed(slot: StackSlot, slot_no: int, size: int, reg: RegState | None) -> bool:
    """A CPU that reads ahead of this store would see something else than a plain number, or this is a pointer."""
    if reg is not None and reg.type & BASE_TYPE_MASK in SPILLABLE:
        return True
    return any(slot.types[(slot_no - i) & 7] not in (STACK_MISC, STACK_ZERO) for i in range(size))


def _scrubbed(slot: StackSlot) -> bytes:
    """Types of a slot in which something else than a register is about to be written."""
    if slot.types[7] == STACK_SPILL or slot.types[7] in SPECIAL_KINDS:
        return bytes([kind if kind == STACK_INVALID else STACK_MISC for kind in slot.types])
    return slot.types


def check_stack_write(env: Env, regno: int, off: int, size: int, value_regno: int) -> None:
    """A store of `value_regno` (or of the instruction's immediate if negative) to the stack."""
    reg = env.frame.regs[regno]
    frame = frame_of(env, reg)
    if reg.num.var_off.mask:
        env.fastcalls.note_access(frame.subprogno, env.insn_idx, reg.num.smin + off)
        _write_var_off(env, frame, reg, off, size, value_regno)
    else:
        off = s64((off + reg.num.var_off.value) & U64_MAX)
        env.fastcalls.note_access(frame.subprogno, env.insn_idx, off)
        _write_fixed_off(env, frame, off, size, value_regno)


def overwrite(env: Env, regno: int, size: int) -> bool:
    """A helper writes `size` bytes to the stack, which is `size` stores of a byte. They are done by slots, if they are
    at a known offset and nothing but plain bytes, numbers and pointers is there; if not, False, and nothing is done."""
    reg = env.frame.regs[regno]
    if reg.type != PTR_TO_STACK or reg.num.var_off.mask or not (env.bypass_spec and env.allow_ptr_leaks):
        return False
    frame = frame_of(env, reg)
    low = s64((reg.off + reg.num.var_off.value) & U64_MAX)
    high = low + size
    if low < -MAX_STACK or high > 0 or low >= high:
        return False
    grow_stack(env, frame, -low)
    first, last = (-low - 1) >> 3, -high >> 3
    if any(slot.types[0] == STACK_DYNPTR for slot in frame.stack[last : first + 1]):
        return False
    env.fastcalls.note_access(frame.subprogno, env.insn_idx, low)
    for spi in range(last, first + 1):
        env.scratched_slots |= 1 << spi
        start, end = max(low, -8 * spi - 8), min(high, -8 * spi)
        if end - start == 8:
            frame.stack[spi] = MISC_SLOT
            continue
        kinds = bytearray(_scrubbed(frame.stack[spi]))
        for i in range(start, end):
            kinds[(-i - 1) & 7] = STACK_MISC
        frame.stack[spi] = StackSlot(bytes(kinds), NOT_INITIALIZED)
    return True


def _stored(env: Env, value_regno: int) -> tuple[RegState | None, bool]:
    """(the register stored or None, whether the instruction stores an immediate)."""
    if value_regno >= 0:
        return env.frame.regs[value_regno], False
    op = env.ops[env.insn_idx]
    return None, op is not None and op.name == "st"


def _write_fixed_off(env: Env, frame: Frame, off: int, size: int, value_regno: int) -> None:
    slot_no = -off - 1
    spi = slot_no >> 3
    cur = env.frame
    reg, is_st = _stored(env, value_regno)
    slot = frame.stack[spi]
    if not env.allow_ptr_leaks and size != 8 and slot.is_spilled() and slot.reg.type != SCALAR_VALUE:
        env.reject(EACCES, "attempt to corrupt spilled pointer on stack")
    if not env.bypass_spec and _may_be_bypassed(slot, slot_no, size, reg):
        env.nospec_result[env.insn_idx] = 1
    if slot.types[0] == STACK_DYNPTR:
        destroy_dynptr(env, frame, spi)
        slot = frame.stack[spi]
        reg, is_st = _stored(env, value_regno)  # it may have been a slice of that dynptr
    env.scratched_slots |= 1 << spi
    if size == 8 and env.liveness is not None:
        env.liveness.mark_write(frame.frameno, 1 << spi)
    aligned = not off & 7
    spills_numbers = aligned and env.bpf_capable
    if reg is not None and spills_numbers and reg.type == SCALAR_VALUE:
        if reg.num.umax >> (8 * size):
            _spill(frame, spi, reg.with_(id=0), size)
        else:
            reg = with_id_before_mov(env, value_regno)
            _spill(frame, spi, reg, size)
    elif reg is None and spills_numbers and is_st:
        _spill(frame, spi, const(env.insns[env.insn_idx].imm), size)
    elif reg is not None and reg.type & BASE_TYPE_MASK in SPILLABLE:
        if size != 8:
            linfo(env, env.insn_idx, "; ")
            env.reject(EACCES, "invalid size of register spill")
        if frame is not cur and reg.type == PTR_TO_STACK:
            env.reject(EINVAL, "cannot spill pointers to stack into stack frame of the caller")
        _spill(frame, spi, reg, size)
    else:
        kind = STACK_MISC
        kinds = bytearray(_scrubbed(slot))
        if (reg is not None and is_null(reg)) or (reg is None and is_st and env.insns[env.insn_idx].imm == 0):
            mark_chain_precision(env, value_regno)
            kind = STACK_ZERO
        for i in range(size):
            kinds[(slot_no - i) & 7] = kind
        frame.stack[spi] = StackSlot(bytes(kinds), NOT_INITIALIZED)
        return
    entry = env.push_history()
    entry.spi, entry.frame = spi, frame.frameno


def _write_var_off(env: Env, frame: Frame, ptr: RegState, off: int, size: int, value_regno: int) -> None:
    low = ptr.num.smin + off
    high = ptr.num.smax + off + size
    reg, is_st = _stored(env, value_regno)
    zero = (reg is not None and is_null(reg)) or (reg is None and is_st and env.insns[env.insn_idx].imm == 0)
    zero_used = False
    for i in range(low, high):
        destroy_dynptr(env, frame, (-i - 1) >> 3)
    for i in range(low, high):
        slot_no = -i - 1
        spi = slot_no >> 3
        env.scratched_slots |= 1 << spi
        slot = frame.stack[spi]
        kind = slot.types[slot_no & 7]
        if not env.allow_ptr_leaks and kind not in (STACK_MISC, STACK_ZERO):
            text = f"spilled ptr in range of var-offset stack write; insn {env.insn_idx}, ptr off: {i}"
            env.log.write(text)  # the kernel's has no newline
            env.reject_quietly(EINVAL, text)
        if zero and kind == STACK_SPILL and slot.is_spilled_scalar() and is_null(slot.reg):
            zero_used = True
            continue
        kinds = bytearray(_scrubbed(slot))
        new = STACK_MISC
        if zero and kind == STACK_ZERO:
            new, zero_used = STACK_ZERO, True
        kinds[slot_no & 7] = new
        frame.stack[spi] = StackSlot(bytes(kinds), NOT_INITIALIZED)
    if zero_used:
        mark_chain_precision(env, value_regno)


def check_stack_read(env: Env, regno: int, off: int, size: int, dst_regno: int) -> None:
    """A load from the stack into `dst_regno` (negative: a helper looks at it)."""
    reg = env.frame.regs[regno]
    frame = frame_of(env, reg)
    var_off = reg.num.var_off
    if var_off.mask:
        if dst_regno < 0:
            env.reject(
                EACCES,
                "variable offset stack pointer cannot be passed into helper function; "
                f"var_off={var_off} off={off} size={size}",
            )
        check_stack_range_initialized(env, regno, off, size, zero_ok=False, helper=False, clobber=False)
        _load_bytes(env, frame, reg.num.smin + off, reg.num.smax + off + size, dst_regno)
        env.fastcalls.note_access(frame.subprogno, env.insn_idx, reg.num.smin + off)
        return
    off = s64((off + var_off.value) & U64_MAX)
    env.fastcalls.note_access(env.frame.subprogno, env.insn_idx, off)
    _read_fixed_off(env, frame, off, size, dst_regno)


def _load_bytes(env: Env, frame: Frame, low: int, high: int, dst_regno: int) -> None:
    """The bytes low..high as a number: 0 if they are all known to be."""
    zeros = True
    for i in range(low, high):
        slot_no = -i - 1
        spi = slot_no >> 3
        env.scratched_slots |= 1 << spi
        if frame.stack[spi].types[slot_no & 7] != STACK_ZERO:
            zeros = False
            break
    env.frame.regs[dst_regno] = const(0) if zeros else unknown()


def _check_readable(env: Env, types: bytes, off: int, size: int, also: int = -1) -> None:
    slot_no = -off - 1
    for i in range(size):
        kind = types[(slot_no - i) & 7]
        readable = kind in (STACK_MISC, STACK_ZERO, also) or (kind == STACK_INVALID and env.allow_uninit_stack)
        if not readable:
            env.reject(EACCES, f"invalid read from stack off {off}+{i} size {size}")


def _read_fixed_off(env: Env, frame: Frame, off: int, size: int, dst_regno: int) -> None:
    slot_no = -off - 1
    spi = slot_no >> 3
    slot = frame.stack[spi]
    types = slot.types
    env.scratched_slots |= 1 << spi
    if env.liveness is not None:
        env.liveness.mark_read(env, frame.frameno, env.insn_idx, 1 << spi)
    restored = True
    if types[7] == STACK_SPILL:
        if size != 8 or types[0] != STACK_SPILL:
            restored = _fill_part(env, slot, off, size, dst_regno)
            if dst_regno < 0:
                return
        elif dst_regno >= 0:
            env.frame.regs[dst_regno] = slot.reg
        elif is_secret(env, slot.reg):
            env.reject(EACCES, f"leaking pointer from stack off {off}")
    else:
        _check_readable(env, types, off, size)
        if dst_regno >= 0:
            _load_bytes(env, frame, off, off + size, dst_regno)
        return
    if restored:
        entry = env.push_history()
        entry.spi, entry.frame = spi, frame.frameno


def _fill_part(env: Env, slot: StackSlot, off: int, size: int, dst_regno: int) -> bool:
    """A fill of another size than the spill. True if the register's value comes from the spilled one."""
    reg, types, regs = slot.reg, slot.types, env.frame.regs
    if reg.type != SCALAR_VALUE:
        linfo(env, env.insn_idx, "; ")
        env.reject(EACCES, "invalid size of register fill")
    if dst_regno < 0:
        return False
    spill_size = 8 - types.index(STACK_SPILL)
    if size <= spill_size and not off & 7:
        regs[dst_regno] = clear_id(reg) if reg.num.umax >> (8 * size) else reg
        return True
    _check_readable(env, types, off, size, STACK_SPILL)
    slot_no = -off - 1
    kinds = [types[(slot_no - i) & 7] for i in range(size)]
    if all(kind == STACK_SPILL for kind in kinds) and is_null(reg):
        regs[dst_regno] = const(0)
        return True
    regs[dst_regno] = const(0) if all(kind == STACK_ZERO for kind in kinds) else unknown()
    return False


def check_stack_range_initialized(
    env: Env,
    regno: int,
    off: int,
    size: int,
    *,
    zero_ok: bool,
    helper: bool,
    clobber: bool,
    raw: bool = False,
) -> bool:
    """A helper gets the bytes, or a load with a variable offset takes some of them.

    clobber: they may be overwritten; raw: they need not be initialised. True if the caller must do the writing byte
    by byte (a raw buffer at a known offset).
    """
    reg = env.frame.regs[regno]
    frame = frame_of(env, reg)
    indirect = helper and env.profile.indirect_stack_texts
    how = " indirect" if indirect else ""
    clobber = clobber or indirect
    if size == 0 and not zero_ok:
        env.reject(EACCES, "invalid zero-sized read")
    check_stack_access_within_bounds(env, regno, off, size, write=clobber, helper=helper)
    num = reg.num
    known = not num.var_off.mask
    if not known and not env.bypass_spec:
        text = f"variable offset stack access prohibited for !root, var_off={num.var_off}"
        env.reject(EACCES, f"R{regno}{how} {text}")
    low = s64((num.var_off.value + off) & U64_MAX) if known else num.smin + off
    high = (low if known else num.smax + off) + size
    i = low
    if known and raw:
        while i < high:
            if frame.stack[(-i - 1) >> 3].types[(-i - 1) & 7] == STACK_DYNPTR:
                env.reject(EACCES, f"potential write to dynptr at off={i} disallowed")
            i = (i | 7) + 1
        return True
    while i < high:
        slot_no = -i - 1
        spi = slot_no >> 3
        slot = frame.stack[spi]
        kind = slot.types[slot_no & 7]
        if kind == STACK_MISC:
            pass
        elif kind == STACK_ZERO or (kind == STACK_INVALID and env.allow_uninit_stack):
            if clobber:
                kinds = bytearray(slot.types)
                kinds[slot_no & 7] = STACK_MISC
                frame.stack[spi] = StackSlot(bytes(kinds), slot.reg)
        elif slot.is_spilled() and not is_secret(env, slot.reg):
            if clobber:
                scrubbed = bytes([k if k == STACK_INVALID else STACK_MISC for k in slot.types])
                frame.stack[spi] = StackSlot(scrubbed, unknown())
        else:
            where = f"off {low}+{i - low}" if known else f"var_off {num.var_off}+{i - low}"
            env.reject(EACCES, f"invalid{how} read from stack R{regno} {where} size {size}")
        if env.liveness is not None:
            env.liveness.mark_read(env, frame.frameno, env.insn_idx, 1 << spi)
        types = frame.stack[spi].types
        uniform = types in ONLY_MISC or (types[0] == STACK_SPILL and not clobber)
        i = (i | 7) + 1 if uniform else i + 1  # the other bytes of such a slot would give the same again
    return False
