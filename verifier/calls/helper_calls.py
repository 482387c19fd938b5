# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Calls of helpers: kernel/bpf/verifier.c check_helper_call and what depends on the helper (6.18)."""

from __future__ import annotations

from typing import Final

from bpfvm.btf import types as t
from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.insn import Insn
from bpfvm.isa.map_types import BPF_F_RDONLY_PROG
from bpfvm.isa.prog_types import PROG_TYPES
from bpfvm.isa.table import Op
from bpfvm.isa.word import U32_MAX, U64_MAX
from verifier.calls.arg_kinds import HelperProto
from verifier.calls.callbacks import check_drain, check_find_vma, check_for_each, check_loop
from verifier.calls.dynptr_args import HELPERS_WITH_DYNPTRS
from verifier.calls.dynptrs import release_dynptr
from verifier.calls.format_check import check_snprintf
from verifier.calls.helper_args import check_arg
from verifier.calls.helper_hooks import check_set_retval, hook_allows, open_to_all
from verifier.calls.helper_state import CallMeta
from verifier.calls.kptr import give_to_field, xchg_result
from verifier.calls.map_compat import check_map_compat
from verifier.calls.timers import push_async
from verifier.env import Env
from verifier.memory.access import check_mem_access
from verifier.memory.map_fields import may_hold_lock
from verifier.memory.packet import clear_all_pkt_pointers
from verifier.memory.percpu import percpu_result
from verifier.memory.sockets import CASTS, SOCK_RESULTS, acquires
from verifier.memory.stack import is_null, overwrite
from verifier.numbers import cnum, tnum
from verifier.program.attach_types import MODIFY_RETURN, TRACE_FENTRY, TRACE_FEXIT
from verifier.program.cfg import CHANGES_PACKET
from verifier.program.func_args import match_static_args
from verifier.program.subprogs import leave_function
from verifier.rejection import EACCES, EINVAL, ENOTSUPP
from verifier.search.backtrack import mark_chain_precision
from verifier.search.paths import push_path
from verifier.state.references import acquire_ref, check_leak, release_ref
from verifier.state.reg import Pointee, RegState, pointer, scalar, unknown
from verifier.state.reg_type import PTR_MAYBE_NULL, PTR_TO_BTF_ID, PTR_TO_MAP_VALUE, PTR_TO_MEM

MAX_ERRNO: Final = 4095
UNDER_LOCK: Final = ("spin_unlock",)
ERRNO_OR_SIZE: Final = frozenset(
    ("get_stack", "get_task_stack", "probe_read_str", "probe_read_kernel_str", "probe_read_user_str")
)
MAP_CHANGES: Final = frozenset(("map_delete_elem", "map_update_elem", "map_push_elem", "map_pop_elem"))


def _proto(env: Env, insn: Insn) -> HelperProto:
    number = insn.imm
    name = HELPERS.get(number)
    if name is None:
        env.reject(EINVAL, f"invalid func {_func_text(number)}#{number}")
    prog_type = env.program.prog_type
    offered = env.profile.may_call(prog_type, number) or name in env.extra_helpers
    if not offered or name in env.denied_helpers:
        env.reject(EINVAL, f"{env.profile.unknown_helper_text} bpf_{name}#{number}")
    proto = env.helper_proto(number)
    if proto is None:
        env.unsupported(f"helper bpf_{name}#{number}")
    return proto


def _func_text(number: int) -> str:
    return "unknown" if number else "bpf_unspec"


def check_call(env: Env, insn: Insn, op: Op) -> int:
    """A call of a helper."""
    del op
    env.jmps_processed += 1
    if env.state.active_locks and HELPERS.get(insn.imm) not in UNDER_LOCK:
        env.reject(EINVAL, "function calls are not allowed while holding a lock")
    proto = _proto(env, insn)
    helper = f"bpf_{proto.name}"
    label = f"{helper}#{insn.imm}"
    if proto.gpl and not env.gpl and not open_to_all(env, proto.name):
        env.reject(EINVAL, "cannot call GPL-restricted function from non-GPL compatible program")
    if not hook_allows(env, proto.name):
        env.reject(EINVAL, "helper call is not allowed in probe")
    _check_sleep(env, proto, label)
    meta = CallMeta(insn.imm, packet=proto.packet)
    for arg in range(len(proto.args)):
        check_arg(env, arg, proto, meta, helper)
    _note_map(env, meta, proto.name)
    _note_key(env, meta, proto.name)
    if meta.access_size and not overwrite(env, meta.access_regno, meta.access_size):
        for i in range(meta.access_size):
            check_mem_access(env, meta.access_regno, i, 1, True, -1)
    if meta.release_regno:
        _release(env, proto, meta, label)
    _by_helper(env, insn, proto, meta)
    first = env.frame.regs[1]
    env.clear_caller_saved()
    _result(env, proto, meta, first)
    check_map_compat(env, meta.map, proto.name, insn.imm)
    if proto.name == "get_func_ip":
        _check_func_ip(env, label)
    if proto.name == "tail_call" and env.profile.tail_call_forks:
        return _tail_call(env)
    if insn.imm in CHANGES_PACKET or meta.changes_packet:
        clear_all_pkt_pointers(env)
    env.scratched_regs |= 1
    return env.insn_idx + 1


def _tail_call(env: Env) -> int:
    """A tail call that fails goes on as if nothing had happened. One that succeeds ends the function it is in; the
    program it calls may have moved the packet."""
    env.scratched_regs |= 1
    if len(env.state.frames) == 1:
        return env.insn_idx + 1
    push_path(env, env.insn_idx + 1, env.insn_idx)
    env.frame.regs[0] = unknown()
    target = leave_function(env)
    clear_all_pkt_pointers(env)
    return target


def _check_func_ip(env: Env, label: str) -> None:
    """bpf_get_func_ip() needs a function with an address (check_get_func_ip)."""
    prog_type = env.program.prog_type
    if prog_type == "tracing":
        if env.attach_type not in (TRACE_FENTRY, TRACE_FEXIT, MODIFY_RETURN):
            env.reject(ENOTSUPP, f"func {label} supported only for fentry/fexit/fmod_ret programs")
    elif prog_type != "kprobe":
        env.reject(ENOTSUPP, f"func {label} not supported for program type {PROG_TYPES[prog_type]}")


def _check_sleep(env: Env, proto: HelperProto, label: str) -> None:
    if not proto.sleeps:
        return
    state = env.state
    if not env.in_sleepable():
        env.reject(EINVAL, "helper call might sleep in a non-sleepable prog")
    if state.active_rcu_lock:
        env.reject(EINVAL, f"sleepable helper {label} in rcu_read_lock region")
    if state.active_preempt_locks:
        env.reject(EINVAL, f"sleepable helper {label} in non-preemptible region")
    if state.active_irq_id:
        env.reject(EINVAL, f"sleepable helper {label} in IRQ-disabled region")


def _note_map(env: Env, meta: CallMeta, name: str) -> None:
    """Which map this call is made with, if it is always the same (record_func_map)."""
    if meta.map is not None:
        if name in MAP_CHANGES and meta.map.map_flags & BPF_F_RDONLY_PROG:
            env.reject(EACCES, "write into map forbidden")
        seen = env.call_map.setdefault(env.insn_idx, meta.map)
        if seen is not meta.map:
            env.call_map[env.insn_idx] = None


def check_tail_calls(env: Env) -> None:
    """After the walk: who is kept from speculating past a program array's end needs to know which array it is
    (do_misc_fixups)."""
    if env.bypass_spec:
        return
    for i, map_ in sorted(env.call_map.items()):
        if map_ is None and env.seen[i] and HELPERS.get(env.insns[i].imm) == "tail_call":
            env.reject(EINVAL, "tail_call abusing map_ptr")


def _note_key(env: Env, meta: CallMeta, name: str) -> None:
    """The slot a tail call takes, if it is known, is relied upon (record_func_key). The refusal has no newline."""
    if name != "tail_call":
        return
    if meta.map is None or meta.map.map_type != "prog_array":
        env.log.write("expected prog array map for tail call")
        env.reject_quietly(EINVAL, "expected prog array map for tail call")
    index = env.frame.regs[3]
    if index.is_const() and index.const_value() < meta.map.max_entries:
        mark_chain_precision(env, 3)


def _release(env: Env, proto: HelperProto, meta: CallMeta, label: str) -> None:
    if proto.args[meta.release_regno - 1].name == "PTR_TO_DYNPTR":
        release_dynptr(env, env.frame.regs[meta.release_regno])
    elif meta.ref_obj_id:
        release = give_to_field if meta.kptr is not None else release_ref
        if not release(env, meta.ref_obj_id):
            env.reject(EINVAL, f"func {label} reference has not been acquired before")
    elif not is_null(env.frame.regs[meta.release_regno]):
        env.reject(EINVAL, f"func {label} reference has not been acquired before")


def _by_helper(env: Env, insn: Insn, proto: HelperProto, meta: CallMeta) -> None:
    name = proto.name
    if name == "tail_call":
        check_leak(env, exception=False, check_lock=True, prefix="tail_call")
    elif name == "loop":
        check_loop(env, insn, meta.subprogno)
    elif name == "for_each_map_elem":
        check_for_each(env, insn, meta)
    elif name == "find_vma":
        check_find_vma(env, insn, meta)
    elif name == "user_ringbuf_drain":
        check_drain(env, insn, meta)
    elif name in HELPERS_WITH_DYNPTRS:
        HELPERS_WITH_DYNPTRS[name](env, meta)
    elif name == "timer_set_callback":
        match_static_args(env, meta.subprogno)
        push_async(env, meta.subprogno, env.frame.regs[1], sleepable=False)
    elif name == "snprintf":
        check_snprintf(env)
    elif name == "get_local_storage":
        if not is_null(env.frame.regs[2]):
            env.reject(EINVAL, "get_local_storage() doesn't support non-zero flags")
    elif name == "set_retval":
        check_set_retval(env)


def _result(env: Env, proto: HelperProto, meta: CallMeta, first: RegState) -> None:
    """What the call leaves in r0; `first` is what r1 was."""
    regs, ret = env.frame.regs, proto.ret
    flags = ret.flags
    if ret.name == "VOID":
        return
    if ret.name == "INTEGER":
        regs[0] = _integer(env, proto, meta)
        return
    if ret.name == "PTR_TO_MAP_VALUE":
        map_ = meta.map
        assert map_ is not None
        if proto.name == "map_lookup_elem" and 0 <= meta.const_key < map_.max_entries:
            flags &= ~PTR_MAYBE_NULL
        reg = pointer(PTR_TO_MAP_VALUE | flags, ptr=Pointee(map=map_, map_uid=meta.map_uid))
        if not flags & PTR_MAYBE_NULL and may_hold_lock(reg):
            reg = reg.with_(id=env.new_id())
    elif ret.name == "PTR_TO_MEM":
        size = meta.mem_size & U32_MAX  # a register remembers that many bits of it
        reg = pointer(PTR_TO_MEM | flags, ptr=Pointee(mem_size=size, dynptr_id=meta.dynptr_id))
    elif meta.kptr is not None:
        reg = xchg_result(env, meta.kptr)
        reg = reg.with_(type=reg.type | flags)
    elif ret.name == "PTR_TO_MEM_OR_BTF_ID":
        reg = percpu_result(env, first, flags)
    elif ret.name in SOCK_RESULTS:
        reg = pointer(SOCK_RESULTS[ret.name] | flags)
    else:
        type_id = env.kernel_btf.find(ret.struct, t.Struct)
        if not type_id:
            env.reject(EINVAL, f"invalid return type of func bpf_{proto.name}: no struct {ret.struct}")
        reg = pointer(PTR_TO_BTF_ID | flags, ptr=Pointee(btf=env.kernel_btf, btf_id=type_id))
    if flags & PTR_MAYBE_NULL:
        reg = reg.with_(id=env.new_id())
    if proto.name in CASTS or proto.name == "dynptr_data":
        reg = reg.with_(ref_obj_id=meta.ref_obj_id)
    elif acquires(proto.name, meta.map):
        id_ = acquire_ref(env)
        reg = reg.with_(id=id_, ref_obj_id=id_)
    regs[0] = reg


def _integer(env: Env, proto: HelperProto, meta: CallMeta) -> RegState:
    if proto.name in ERRNO_OR_SIZE:
        high = meta.msize_max
        return scalar(cnum.sync(tnum.UNKNOWN, -MAX_ERRNO, high, 0, U64_MAX, -MAX_ERRNO, high, 0, U32_MAX))
    if proto.name == "get_smp_processor_id":
        return scalar(cnum.of_range(0, env.profile.cpus - 1))
    return unknown()
