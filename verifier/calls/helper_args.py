# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Arguments of helpers: kernel/bpf/verifier.c check_func_arg, check_reg_type, check_helper_mem_access,
check_mem_size_reg (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.map_types import BPF_F_INNER_MAP
from bpfvm.obj.model import MapSpec
from verifier.calls.arg_kinds import COMPATIBLE, MEM_TYPES, HelperProto, Kind, parse_kind
from verifier.calls.dynptr_args import check_dynptr_arg, check_release
from verifier.calls.dynptrs import KIND_FLAGS
from verifier.calls.helper_state import CallMeta
from verifier.calls.kptr import check_kptr_type, xchg_dest
from verifier.calls.locks import in_rbtree_callback, process_lock
from verifier.calls.timers import check_map_field
from verifier.env import Env
from verifier.memory.access import check_mem_access, check_ptr_alignment
from verifier.memory.btf_access import check_ptr_to_btf_access, ids_match
from verifier.memory.map_access import check_map_access, check_map_access_type, is_constant_map
from verifier.memory.packet import check_packet_access, may_access_packet
from verifier.memory.region import MAX_VAR_SIZE, check_mem_region_access, check_ptr_off_reg
from verifier.memory.sockets import check_buffer_access
from verifier.memory.special_fields import TIMER
from verifier.memory.stack import check_stack_range_initialized, is_null
from verifier.rejection import EACCES, EFAULT, EINVAL
from verifier.search.backtrack import Backtrack, mark_chain_precision, walk_back
from verifier.state.reg import RegState
from verifier.state.reg_type import (
    BASE_TYPE_MASK,
    MEM_ALIGNED,
    MEM_ALLOC,
    MEM_PERCPU,
    MEM_RCU,
    MEM_RDONLY,
    MEM_RINGBUF,
    MEM_UNINIT,
    MEM_WRITE,
    NON_OWN_REF,
    OBJ_RELEASE,
    PTR_MAYBE_NULL,
    PTR_TO_ARENA,
    PTR_TO_BTF_ID,
    PTR_TO_BUF,
    PTR_TO_CTX,
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_PACKET,
    PTR_TO_PACKET_META,
    PTR_TO_STACK,
    PTR_TRUSTED,
    SCALAR_VALUE,
    is_pkt_pointer,
    type_str,
)
from verifier.state.states import STACK_SPILL, STACK_ZERO
from verifier.steps.leaks import check_no_leak

SOCKMAP_VALUE: Final = parse_kind("BTF_ID_SOCK_COMMON")
_OFFSET_FREE: Final = frozenset(
    (
        *(PTR_TO_STACK, PTR_TO_PACKET, PTR_TO_PACKET_META, PTR_TO_MAP_KEY, PTR_TO_MAP_VALUE, PTR_TO_MEM),
        *(PTR_TO_MEM | MEM_RDONLY, PTR_TO_MEM | MEM_RINGBUF, PTR_TO_BUF, PTR_TO_BUF | MEM_RDONLY),
        *(PTR_TO_ARENA, SCALAR_VALUE),
    )
)
_OFFSET_FIXED: Final = frozenset(
    PTR_TO_BTF_ID | flags
    for flags in (0, MEM_ALLOC, PTR_TRUSTED, MEM_RCU, MEM_ALLOC | NON_OWN_REF, MEM_ALLOC | NON_OWN_REF | MEM_RCU)
)


def check_arg_off(env: Env, reg: RegState, regno: int, *, release: bool) -> None:
    """The pointer's offset is one that this kind of argument may have (check_func_arg_reg_off)."""
    if release:
        if reg.off:
            env.reject(EINVAL, f"R{regno} must have zero offset when passed to release func or trusted arg to kfunc")
        check_ptr_off_reg(env, reg, regno)
    elif reg.type not in _OFFSET_FREE:
        check_ptr_off_reg(env, reg, regno, fixed_off_ok=reg.type in _OFFSET_FIXED)


def check_helper_mem_access(env: Env, regno: int, size: int, write: bool, zero_ok: bool, meta: CallMeta | None) -> None:
    """The callee may use `size` bytes at the pointer in `regno`."""
    reg = env.frame.regs[regno]
    type_ = reg.type
    base = type_ & BASE_TYPE_MASK
    if base == PTR_TO_STACK:
        raw = meta is not None and meta.raw_mode
        if check_stack_range_initialized(
            env, regno, reg.off, size, zero_ok=zero_ok, helper=True, clobber=write, raw=raw
        ):
            assert meta is not None
            meta.access_size, meta.access_regno = size, regno
    elif base == PTR_TO_MAP_VALUE:
        check_map_access_type(env, regno, reg.off, size, write)
        check_map_access(env, regno, reg.off, size, zero_ok, helper=True)
    elif base == PTR_TO_MAP_KEY:
        if write:
            env.reject(EACCES, f"R{regno} cannot write into {type_str(type_)}")
        check_mem_region_access(env, regno, reg.off, size, reg.ptr.map.key_size if reg.ptr.map else 0)
    elif base == PTR_TO_MEM:
        if write and type_ & MEM_RDONLY:
            env.reject(EACCES, f"R{regno} cannot write into {type_str(type_)}")
        check_mem_region_access(env, regno, reg.off, size, reg.ptr.mem_size, zero_ok)
    elif base in (PTR_TO_PACKET, PTR_TO_PACKET_META):
        check_packet_access(env, regno, reg.off, size, zero_ok)
    elif base == PTR_TO_BTF_ID:
        check_ptr_to_btf_access(env, regno, reg.off, size, False, -1)
    elif base == PTR_TO_BUF:
        if write and type_ & MEM_RDONLY:
            env.reject(EACCES, f"R{regno} cannot write into {type_str(type_)}")
        check_buffer_access(env, "rdonly" if type_ & MEM_RDONLY else "rdwr", regno, reg.off, size)
    elif base == PTR_TO_CTX and env.ctx_kind is not None and not env.ctx_kind.fields:
        if size == 0:
            if not zero_ok:
                env.reject(EACCES, "")
        else:
            check_mem_access(env, regno, size - 1, 1, write, -1)
    elif not (zero_ok and size == 0 and is_null(reg)):
        env.reject(EACCES, f"R{regno} type={type_str(type_)} expected={type_str(PTR_TO_STACK)}")


def check_mem_size(env: Env, regno: int, write: bool, zero_ok: bool, meta: CallMeta) -> None:
    """`regno` holds the size of the memory that `regno - 1` points at."""
    num = env.frame.regs[regno].num
    meta.msize_max = num.umax
    if num.smin < 0:
        env.reject(EACCES, f"R{regno} min value is negative, either use unsigned or 'var &= const'")
    if num.umin == 0 and not zero_ok:
        env.reject(EACCES, f"R{regno} invalid zero-sized read: u64=[{num.umin},{num.umax}]")
    if num.umax >= MAX_VAR_SIZE:
        env.reject(EACCES, f"R{regno} unbounded memory access, use 'var &= const' or 'if (var < const)'")
    check_helper_mem_access(env, regno - 1, num.umax, write, zero_ok, None if num.var_off.mask else meta)
    mark_chain_precision(env, regno)


def _expected(types: tuple[int, ...]) -> str:
    return ", ".join([type_str(type_) for type_ in types])


def check_reg_type(env: Env, regno: int, kind: Kind, meta: CallMeta, helper: str) -> None:
    """The register's type is one the argument may have."""
    reg = env.frame.regs[regno]
    types = COMPATIBLE[kind.name]
    name_is_source = kind.name == "KPTR_XCHG_SRC"
    type_ = reg.type
    if kind.flags & MEM_RDONLY:
        type_ &= ~MEM_RDONLY
    if kind.flags & PTR_MAYBE_NULL:
        type_ &= ~PTR_MAYBE_NULL
    if kind.name == "PTR_TO_MEM":
        type_ &= ~KIND_FLAGS
    if name_is_source and type_ & MEM_ALLOC:
        type_ &= ~(MEM_ALLOC | MEM_PERCPU)
    if type_ not in types:
        env.reject(EACCES, f"R{regno} type={type_str(reg.type)} expected={_expected(types)}")
    if reg.type & BASE_TYPE_MASK != PTR_TO_BTF_ID:
        return
    if types == MEM_TYPES:
        if not kind.flags & MEM_RDONLY:
            env.reject(EACCES, f"{helper}() may write into memory pointed by R{regno} type={type_str(reg.type)}")
        return
    if reg.type & MEM_ALLOC or kind.name == "PTR_TO_PERCPU_BTF_ID":
        if reg.type & PTR_MAYBE_NULL:
            env.reject(EFAULT, "verifier bug: invalid PTR_TO_BTF_ID register for type match")
        if name_is_source and meta.kptr is not None:
            check_kptr_type(env, meta.kptr, reg, regno)
        return
    if reg.type & PTR_MAYBE_NULL and (not kind.flags & PTR_MAYBE_NULL or kind.flags & OBJ_RELEASE):
        env.reject(EACCES, f"Possibly NULL pointer passed to helper arg{regno}")
    if name_is_source and meta.kptr is not None:
        check_kptr_type(env, meta.kptr, reg, regno)
        return
    need = env.kernel_btf.find(kind.struct, t.Struct)
    assert reg.ptr.btf is not None
    strict = bool(kind.flags & OBJ_RELEASE) and helper != "bpf_sk_release"
    if not need or not ids_match(env, reg.ptr.btf, reg.ptr.btf_id, reg.off, env.kernel_btf, need, strict):
        have = reg.ptr.btf.name_of(reg.ptr.btf_id)
        env.reject(EACCES, f"R{regno} is of type {have} but {kind.struct} is expected")


def _note_reference(env: Env, reg: RegState, regno: int, kind: Kind, meta: CallMeta) -> None:
    if kind.flags & OBJ_RELEASE:
        if kind.name == "PTR_TO_DYNPTR":
            check_release(env, reg, regno)
        elif not reg.ref_obj_id and not is_null(reg):
            env.reject(EINVAL, f"R{regno} must be referenced when passed to release function")
        meta.release_regno = regno
    if reg.ref_obj_id and kind.name != "KPTR_XCHG_DEST":
        if meta.ref_obj_id:
            text = f"more than one arg with ref_obj_id R{regno} {reg.ref_obj_id} {meta.ref_obj_id}"
            env.log.write(text)  # the kernel's has no newline
            env.reject_quietly(EACCES, text)
        meta.ref_obj_id = reg.ref_obj_id


def check_arg(env: Env, arg: int, proto: HelperProto, meta: CallMeta, helper: str) -> None:
    """Argument number `arg` (from 0). Raises Rejection."""
    regno = arg + 1
    kind = proto.args[arg]
    reg = env.read(regno)
    name = kind.name
    if name == "ANYTHING":
        check_no_leak(env, regno, "into helper function")
        return
    if is_pkt_pointer(reg.type) and not (may_access_packet(env, write=False) and proto.packet):
        env.reject(EACCES, "helper access to the packet is not allowed")
    if name == "PTR_TO_MAP_VALUE":
        if meta.map is None:
            env.reject(EACCES, "invalid map_ptr to access map->type")
        if meta.map.map_type in ("sockmap", "sockhash"):
            if kind.flags:
                env.reject(EINVAL, "invalid arg_type for sockmap/sockhash")
            kind = SOCKMAP_VALUE
    if is_null(reg) and kind.flags & PTR_MAYBE_NULL:
        if env.profile.precise_nulls:
            mark_chain_precision(env, regno)
    else:
        check_reg_type(env, regno, kind, meta, helper)
        # what a dynptr on the stack holds is released, not the stack pointer
        release = kind.flags & OBJ_RELEASE and not (name == "PTR_TO_DYNPTR" and reg.type == PTR_TO_STACK)
        check_arg_off(env, reg, regno, release=bool(release))
    _note_reference(env, reg, regno, kind, meta)
    _by_kind(env, regno, kind, proto, meta)


def _by_kind(env: Env, regno: int, kind: Kind, proto: HelperProto, meta: CallMeta) -> None:
    reg, name = env.frame.regs[regno], kind.name
    if name == "CONST_MAP_PTR":
        if meta.map is not None and (meta.map is not reg.ptr.map or meta.map_uid != reg.ptr.map_uid):
            ids = f"map_uid={meta.map_uid} doesn't match map pointer in R{regno} map_uid={reg.ptr.map_uid}"
            env.reject(EINVAL, f"timer pointer in R1 {ids}")
        meta.map, meta.map_uid = reg.ptr.map, reg.ptr.map_uid
    elif name == "PTR_TO_MAP_KEY":
        if meta.map is None:
            env.reject(EACCES, "invalid map_ptr to access map->key")
        check_helper_mem_access(env, regno, meta.map.key_size, False, False, None)
        if env.profile.null_elision and _has_all_elements(meta.map):
            meta.const_key = _constant_key(env, reg, meta.map.key_size)
    elif name == "PTR_TO_MAP_VALUE":
        if is_null(reg) and kind.flags & PTR_MAYBE_NULL:
            return
        assert meta.map is not None
        meta.raw_mode = bool(kind.flags & MEM_UNINIT)
        check_helper_mem_access(env, regno, meta.map.value_size, bool(kind.flags & MEM_WRITE), False, meta)
    elif name == "PTR_TO_MEM":
        meta.raw_mode = bool(kind.flags & MEM_UNINIT)
        if kind.size:
            check_helper_mem_access(env, regno, kind.size, bool(kind.flags & MEM_WRITE), False, meta)
            if kind.flags & MEM_ALIGNED:
                check_ptr_alignment(env, reg, 0, kind.size, True)
    elif name == "CONST_SIZE" or name == "CONST_SIZE_OR_ZERO":
        write = bool(proto.args[regno - 2].flags & MEM_WRITE)
        check_mem_size(env, regno, write, name == "CONST_SIZE_OR_ZERO", meta)
    elif name == "CONST_ALLOC_SIZE_OR_ZERO":
        if reg.num.var_off.mask:
            env.reject(EACCES, f"R{regno} is not a known constant'")
        meta.mem_size = reg.num.var_off.value
        mark_chain_precision(env, regno)
    elif name == "PTR_TO_DYNPTR":
        check_dynptr_arg(env, regno, kind.flags & ~MEM_WRITE)
    elif name == "PTR_TO_FUNC":
        meta.subprogno = reg.ptr.subprogno
    elif name == "PTR_TO_CONST_STR":
        check_const_str(env, reg, regno)
    elif name == "PTR_TO_SPIN_LOCK":
        if in_rbtree_callback(env):
            env.reject(EACCES, "can't spin_{lock,unlock} in rbtree cb")
        process_lock(env, regno, acquire=proto.name == "spin_lock")
    elif name == "PTR_TO_TIMER":
        meta.map, meta.map_uid = check_map_field(env, regno, TIMER), reg.ptr.map_uid
    elif name == "KPTR_XCHG_DEST":
        meta.kptr, meta.map = xchg_dest(env, regno)


def _has_all_elements(map_: MapSpec) -> bool:
    """Every key below the map's size has an element (can_elide_value_nullness); a map that may stand for others as the
    inner map of one may have another size than they."""
    return map_.map_type in ("array", "percpu_array") and not map_.map_flags & BPF_F_INNER_MAP


def _constant_key(env: Env, reg: RegState, key_size: int) -> int:
    """The value of a key that is a known number on the stack; -1 if it isn't (get_constant_map_key)."""
    if reg.type != PTR_TO_STACK or reg.num.var_off.mask:
        return -1
    off = reg.off + reg.num.var_off.value
    frame = env.state.frames[reg.frameno]
    spi, start = (-off - 1) >> 3, (-off - 1) & 7
    slot = frame.stack[spi]
    if _run(slot.types, start, STACK_ZERO) >= key_size:
        return 0
    num = slot.reg.num
    if not slot.is_spilled_scalar() or _run(slot.types, start, STACK_SPILL) != key_size or num.var_off.mask:
        return -1
    bt = Backtrack(len(env.state.frames) - 1)
    bt.slots[reg.frameno] = 1 << spi
    walk_back(env, bt, env.state)
    return num.var_off.value


def _run(types: bytes, start: int, kind: int) -> int:
    """How many bytes from index `start` down are of the kind."""
    count = 0
    while count <= start and types[start - count] == kind:
        count += 1
    return count


def check_const_str(env: Env, reg: RegState, regno: int) -> str:
    """The string in a read-only map that a constant pointer names."""
    map_ = reg.ptr.map
    if reg.type != PTR_TO_MAP_VALUE or map_ is None:
        env.reject(EINVAL, "")
    if not is_constant_map(map_):
        env.reject(EACCES, f"R{regno} does not point to a readonly map'")
    if reg.num.var_off.mask:
        env.reject(EACCES, f"R{regno} is not a constant address'")
    off = reg.off + reg.num.var_off.value
    check_map_access(env, regno, reg.off, map_.value_size - reg.off, False, helper=True)
    data = (map_.initial or b"").ljust(map_.value_size, b"\0")[off:]
    end = data.find(b"\0")
    if end < 0:
        env.reject(EINVAL, "string is not zero-terminated")
    return data[:end].decode("latin-1")
