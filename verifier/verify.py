# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The whole verification in the kernel's order: kernel/bpf/verifier.c bpf_check (6.18)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bpfvm.btf import Btf
from bpfvm.errors import Rejected
from bpfvm.isa.opcodes import BPF_COMPLEXITY_LIMIT_INSNS
from bpfvm.obj.model import Program, TargetProgram, VerifiedProgram
from verifier.calls.helper_calls import check_tail_calls
from verifier.capabilities import ALL_CAPS, BPF_MAXINSNS, Capabilities, missing_for_map, missing_for_type
from verifier.env import Env
from verifier.memory.arena import check_signed_loads
from verifier.profile import PROFILES, KernelProfile
from verifier.program.attach import StructOpsTypes, check_attach
from verifier.program.attach_types import effective, may_load
from verifier.program.cfg import (
    add_subprogs,
    check_cfg,
    check_max_stack_depth,
    check_subprogs,
    compute_postorder,
    compute_successors,
)
from verifier.program.check_btf import check_func_info, check_func_info_early, check_line_info
from verifier.program.dead_functions import check_taken_addresses
from verifier.program.fastcall import mark_fastcalls, shrink_stacks
from verifier.program.live_regs import compute_live_registers
from verifier.program.object_calls import makes_object
from verifier.program.pseudo_imm64 import resolve_imm64
from verifier.program.replaced import as_target
from verifier.program.run_length import longest_run
from verifier.rejection import E2BIG, EINVAL, EPERM, Rejection
from verifier.search.backtrack import back_steps
from verifier.search.collector import rare_collections
from verifier.search.liveness import Liveness
from verifier.search.observe import Observer
from verifier.search.scc import compute_scc
from verifier.search.walk import check_function
from verifier.state.reg_type import BASE_TYPE_MASK, PTR_TO_ARENA, PTR_TO_CTX
from verifier.text.log import Log
from verifier.text.statistics import note_rewrites, write_statistics


@dataclass(frozen=True, slots=True)
class VerifierEnv:
    """What a program is verified against: the kernel's BTF, a kernel profile, the registered struct_ops types; and
    the load flags BPF_F_STRICT_ALIGNMENT and BPF_F_TEST_STATE_FREQ; and the capabilities of who loads it.

    complexity_limit: instructions after which it is refused as too large (the kernel's is the default); observer: who
    watches the walk.
    """

    kernel_btf: Btf
    profile: KernelProfile = PROFILES["6.18"]
    struct_ops: StructOpsTypes | None = None
    strict_alignment: bool = False
    test_state_freq: bool = False
    caps: Capabilities = ALL_CAPS
    complexity_limit: int = BPF_COMPLEXITY_LIMIT_INSNS
    observer: Observer | None = None


def verify(program: Program, env: VerifierEnv, *, log_level: int = 1) -> VerifiedProgram:
    """Accept the program, or raise errors.Rejected with the message, the errno and the log.

    log_level: 0 no log, 1 the path to the rejection, 2 everything, +4 the functions' stack depth. At level 1 the walk
    is done without a log first and repeated with one only if the program is refused, which gives the same text.
    """
    return verified(program, _accept(program, env, log_level))


def verify_target(program: Program, env: VerifierEnv) -> TargetProgram:
    """As `verify`, for a program of which others replace functions."""
    return as_target(program, _accept(program, env, 1))


def _accept(program: Program, env: VerifierEnv, log_level: int) -> Env:
    rejection, run = check(program, env, log_level=0 if log_level == 1 else log_level)
    if rejection is not None and log_level == 1:
        rejection, run = check(program, env, log_level=1)
    if rejection is not None:
        raise Rejected(
            rejection.message, errno=rejection.errno, log=run.log.text(), prog=program.name, insn=rejection.insn
        )
    return run


def check(program: Program, env: VerifierEnv, *, log_level: int) -> tuple[Rejection | None, Env]:
    """The rejection as a value (None: accepted), and the run with its log and all it found out.

    Without CAP_BPF no types can be loaded; program and maps are then looked at as libbpf loads them, without any.
    """
    if not env.caps.bpf:
        program = without_types(program)
    run = Env(program, env.kernel_btf, env.profile, Log(log_level), env.caps)
    run.strict_alignment = env.strict_alignment
    run.test_state_freq = env.test_state_freq and env.caps.bpf
    run.complexity_limit = env.complexity_limit
    run.observer = env.observer
    rejection = may_ask(program, env.caps)
    if rejection is not None:
        return rejection, run
    if not may_load(program.prog_type, effective(program.prog_type, program.expected_attach_type)):
        return Rejection("", EINVAL), run
    try:
        with rare_collections():
            _phases(run, env.struct_ops)
    except Rejection as found:
        rejection = found
    write_statistics(run, accepted=rejection is None)
    return rejection, run


def without_types(program: Program) -> Program:
    """The program and its maps without BTF, functions' types and source lines."""
    maps = tuple(replace(map_, btf=None, key_type_id=0, value_type_id=0) for map_ in program.maps)
    return replace(program, maps=maps, btf=None, func_info=(), line_info=())


def may_ask(program: Program, caps: Capabilities) -> Rejection | None:
    """Whoever has these capabilities may make the program's maps, and load a program of its size and type
    (map_create, bpf_prog_load). The kernel writes no log here; the words are ours."""
    for map_ in program.maps:
        missing = missing_for_map(caps, map_.map_type, map_.map_flags)
        if missing:
            return Rejection(f"a map of type {map_.map_type} needs {missing}", EPERM)
    if not caps.bpf and len(program.insns) > BPF_MAXINSNS:
        return Rejection(f"more than {BPF_MAXINSNS} instructions need CAP_BPF", E2BIG)
    missing = missing_for_type(caps, program.prog_type)
    return Rejection(f"a program of type {program.prog_type} needs {missing}", EPERM) if missing else None


def _phases(run: Env, types: StructOpsTypes | None) -> None:
    program = run.program
    if not program.insns:
        run.reject(EINVAL, "")
    if len(program.insns) > BPF_COMPLEXITY_LIMIT_INSNS:
        run.reject(E2BIG, "")
    check_func_info_early(run)
    add_subprogs(run)
    check_subprogs(run)
    check_func_info(run)
    check_line_info(run)
    resolve_imm64(run)
    check_cfg(run)
    compute_successors(run)
    compute_postorder(run)
    run.liveness = Liveness(run)
    check_attach(run, types)
    mark_fastcalls(run)
    if not run.read_marks:
        compute_scc(run)
        compute_live_registers(run)
    run.back_steps = back_steps(run.insns)
    for i, insn in enumerate(run.insns):
        run.is_store[i] = insn.code & 7 in (2, 3) or run.calls_callback[i] or makes_object(run, insn)
    check_function(run, 0)
    if run.exception_callback:
        run.subprogs[run.exception_callback].called = True
    _global_functions(run)
    shrink_stacks(run)
    check_max_stack_depth(run)
    check_signed_loads(run)
    note_rewrites(run)
    check_tail_calls(run)
    if run.reached_no_kfunc:
        run.reject(EINVAL, "invalid kernel function call not eliminated in verifier pass")
    check_taken_addresses(run)


def _global_functions(run: Env) -> None:
    """Verify the global functions that were called, and those that they call."""
    again = True
    while again:
        again = False
        for index, sub in enumerate(run.subprogs):
            if index and sub.is_global and sub.called and not sub.verified:
                check_function(run, index)
                run.report(f"Func#{index} ('{sub.name}') is safe for any args that match its prototype")
                sub.verified = again = True


def _ctx_access(run: Env) -> frozenset[int]:
    """Slots of loads and stores through the context pointer."""
    return frozenset(slot for slot, kind in enumerate(run.ptr_types) if kind & BASE_TYPE_MASK == PTR_TO_CTX)


def verified(program: Program, run: Env) -> VerifiedProgram:
    """What an engine must know of a program that this run accepted."""
    return VerifiedProgram(
        program=program,
        insns=program.insns,
        subprog_starts=tuple(sub.start for sub in run.subprogs),
        stack_depths=tuple(sub.stack_depth for sub in run.subprogs),
        probe_mem=frozenset(run.probe_mem),
        ctx_access=_ctx_access(run),
        max_ctx_offset=run.max_ctx_offset,
        log=run.log.text(),
        stats={
            "processed": run.insn_processed,
            "max_states_per_insn": run.max_states_per_insn,
            "total_states": run.total_states,
            "peak_states": run.peak_states,
        },
        func_names=tuple(sub.name for sub in run.subprogs),
        longest_run=longest_run(run),
        arena_mem=frozenset(slot for slot, kind in enumerate(run.ptr_types) if kind == PTR_TO_ARENA),
        arena_alu=frozenset(run.arena_alu),
        exception_cb=run.subprogs[run.exception_callback].start if run.exception_callback else 0,
    )
