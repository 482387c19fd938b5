# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel checks, where, where we do, and which programs of our suite are about it (Linux 6.18)."""

from __future__ import annotations

from typing import Final, NamedTuple


class Check(NamedTuple):
    """One row. kernel: functions of kernel/bpf/verifier.c unless a file is named before them; ours: modules of
    `verifier/`; programs: expression for the names of cases; tests: more tests than the suite; gap: a known difference
    that no program of the suite shows."""

    name: str
    kernel: str
    ours: str
    programs: str
    tests: str = ""
    gap: str = ""


CHECKS: Final = (
    Check(
        "instructions: opcodes, registers, reserved fields",
        "bpf_opcode_in_insntable, check_alu_op, do_check",
        "program/insn_check steps/transfer",
        "^instructions:|^atomics:operation",
        "test_isa_oracle",
        "`gotox` and `callx` are refused",
    ),
    Check(
        "control flow: unreachable code, ends, jumps into an instruction",
        "check_cfg, push_insn, visit_insn",
        "program/cfg",
        "^control_flow:",
        "test_verifier_oracle",
    ),
    Check(
        "layout of functions, calls, who keeps which register",
        "add_subprog, check_subprogs, check_func_call, prepare_func_exit",
        "program/cfg program/subprogs",
        "^subprograms:|^control_flow:jump_too_far",
        "test_verifier_functions_oracle",
    ),
    Check(
        "stack depth of call chains",
        "check_max_stack_depth",
        "program/cfg program/subprogs",
        "^subprograms:(stacks|nested|recur)",
    ),
    Check(
        "function and line info",
        "check_btf_func_early, check_btf_func, check_btf_line",
        "program/check_btf",
        "^function_info:",
    ),
    Check(
        "ld_imm64: numbers, maps, values, functions",
        "resolve_pseudo_ldimm64, check_ld_imm",
        "program/pseudo_imm64",
        "^wide_loads:",
    ),
    Check(
        "numbers: known bits, four ranges, 64 and 32 bits",
        "kernel/bpf/tnum.c; adjust_scalar_min_max_vals, reg_bounds_sync",
        "numbers/tnum numbers/cnum numbers/scalar_alu",
        "^scalars:",
        "test_scalar_oracle, tests/property/verifier",
    ),
    Check(
        "branches: which way, what each teaches",
        "is_branch_taken, regs_refine_cond_op, reg_set_min_max",
        "numbers/scalar_jump steps/jump",
        "^scalars:(compared|impossible|upper)",
        "test_scalar_oracle, tests/property/verifier",
    ),
    Check("linked registers", "collect_linked_regs, sync_linked_regs", "numbers/scalar_ids", "^linked_registers:"),
    Check(
        "nullness of pointers",
        "mark_ptr_or_null_regs",
        "steps/jump",
        "null|^btf_pointers:|_or_null|^struct_ops:maybe",
        "test_null_oracle, test_callbacks_oracle",
    ),
    Check(
        "stack: spills and fills of all sizes, zeros, unknown offsets",
        "check_stack_read, check_stack_write, save_register_state",
        "memory/stack",
        "^stack:",
        "test_verifier_oracle",
    ),
    Check(
        "alignment",
        "check_ptr_alignment, check_generic_ptr_alignment",
        "memory/access",
        "^alignment:|^stack:not_aligned",
    ),
    Check(
        "atomic operations",
        "check_atomic_rmw, check_atomic_load, check_atomic_store",
        "steps/loads",
        "^atomics:",
    ),
    Check(
        "map values: bounds, read-only and write-only maps, constants",
        "check_map_access, check_map_access_type, bpf_map_direct_read",
        "memory/map_access",
        "^map_values:|^wide_loads:(value_of|beyond)",
    ),
    Check(
        "special fields of map values",
        "check_map_kptr_access; kernel/bpf/btf.c btf_parse_fields",
        "memory/special_fields memory/map_fields",
        "^(locks|callbacks|kernel_pointers):(read_as|timer_as|half|written|locked_and|exchanged)",
        "test_btf_check_oracle",
    ),
    Check(
        "maps and program types that go together",
        "check_map_prog_compatibility, check_map_func_compatibility",
        "calls/map_compat",
        "^tail_calls:|^helper_arguments:key_on",
    ),
    Check(
        "packets and their meta data",
        "check_packet_access, find_good_pkt_pointers",
        "memory/packet",
        "^packets:",
        "test_verifier_oracle",
    ),
    Check(
        "contexts of all program types",
        "check_ctx_access; net/core/filter.c *_is_valid_access",
        "memory/ctx memory/ctx_rows memory/ctx_tables memory/ctx_structs",
        "^contexts:",
        "test_ctx_oracle, test_types_oracle",
        "negative offsets of a tracepoint's context, which 6.18 accepts, are refused",
    ),
    Check("sockets", "check_sock_access; net/core/filter.c bpf_sock_is_valid_access", "memory/sockets", "^sockets:"),
    Check(
        "kernel objects by BTF: trusted, RCU, untrusted",
        "check_ptr_to_btf_access; kernel/bpf/btf.c btf_struct_access",
        "memory/btf_access",
        "^btf_pointers:",
        "test_tracing_oracle",
    ),
    Check(
        "objects with a copy per CPU",
        "check_ptr_to_btf_access, check_reg_type",
        "memory/percpu",
        "^percpu_objects:",
    ),
    Check(
        "memory of known size",
        "check_mem_region_access, check_mem_size_reg",
        "memory/region",
        "^ring_memory:|^global_functions:|^dynptrs:(slice|behind)",
    ),
    Check(
        "ring buffer records",
        "check_func_arg, release_reference",
        "state/references calls/helper_args",
        "^ring_memory:",
    ),
    Check(
        "dynptrs: all kinds, slices, clones",
        "process_dynptr_func, mark_stack_slots_dynptr, unmark_stack_slots_dynptr",
        "calls/dynptrs calls/dynptr_args state/stack_objects",
        "^dynptrs:",
        "test_stack_objects_oracle",
        "a clone in another frame, which 6.18 keeps when its record is submitted, is gone",
    ),
    Check(
        "arenas",
        "check_alu_op, check_mem_access, resolve_pseudo_ldimm64",
        "memory/arena",
        "^arenas:",
        "test_arena_oracle",
    ),
    Check(
        "arguments of helpers: types, sizes, constants, strings",
        "check_helper_call, check_func_arg, check_mem_size_reg, check_reg_const_str",
        "calls/helper_args calls/helper_protos calls/helper_sets calls/arg_kinds",
        "^helper_arguments:",
        "test_helper_sets_oracle",
    ),
    Check(
        "arguments of kernel functions",
        "check_kfunc_call, check_kfunc_args, get_kfunc_ptr_arg_type",
        "calls/kfunc_calls calls/kfunc_table calls/kfuncs",
        "^kfunc_arguments:",
        "test_stack_objects_oracle",
    ),
    Check(
        "casts of pointers",
        "check_special_kfunc",
        "calls/kfunc_casts",
        "^casts:",
        gap="a number that untrusted memory is added to is unknown; 6.18 goes on with what it knew before",
    ),
    Check(
        "references: acquired, released, leaked",
        "acquire_reference, release_reference, check_reference_leak",
        "state/references",
        "^references:|^sockets:|^ring_memory:(kept|submitted|reserved)",
    ),
    Check(
        "kernel pointers in map values",
        "process_kptr_func, map_kptr_match_type",
        "calls/kptr",
        "^kernel_pointers:|^percpu_objects:exch",
    ),
    Check(
        "allocated objects: lists, trees, reference counts",
        "check_kfunc_args, ref_convert_owning_non_owning, process_kf_arg_ptr_to_list_node",
        "calls/graph memory/alloc_objects program/object_calls",
        "^graph_objects:",
    ),
    Check("spin locks", "process_spin_lock, check_resource_leak", "calls/locks", "^locks:"),
    Check(
        "locks that may fail (bpf_res_spin_lock)",
        "process_spin_lock, acquire_lock_state, release_lock_state",
        "calls/locks",
        "^resilient_locks:",
        "test_res_locks_oracle",
    ),
    Check(
        "RCU and preemption regions",
        "check_kfunc_call, in_rcu_cs",
        "calls/kfunc_calls calls/kfunc_state",
        "^regions:(rcu|preempt|sleeps)|^btf_pointers:.*rcu",
    ),
    Check(
        "interrupt flags",
        "process_irq_flag, mark_stack_slot_irq_flag",
        "calls/irq_flags state/stack_objects",
        "^regions:interrupts",
        "test_irq_flags_oracle",
    ),
    Check(
        "sleeping",
        "in_sleepable, check_helper_call, check_attach_btf_id",
        "calls/helper_calls calls/kfunc_calls program/attach",
        "^sleepable:|^struct_ops:sleeps|^work_queues:may",
    ),
    Check(
        "global functions by their arguments' types",
        "do_check_common, btf_prepare_func_args, check_func_call",
        "program/func_args",
        "^global_functions:",
        "test_verifier_functions_oracle",
    ),
    Check(
        "calls/callbacks",
        "push_callback_call, set_*_callback_state",
        "calls/callbacks",
        "^callbacks:(sum|result|number|what)",
        "",
        "where the address of a removed function is refused, the instruction's number doesn't count what Linux inlined",
    ),
    Check(
        "timers and work queues: asynchronous callbacks",
        "push_async_cb, set_timer_callback_state, process_timer_func",
        "calls/timers",
        "^callbacks:timer|^work_queues:",
    ),
    Check(
        "open-coded iterators",
        "process_iter_arg, process_iter_next_call, mark_stack_slots_iter",
        "calls/iterators state/stack_objects search/widen",
        "^iterators:",
        "test_stack_objects_oracle",
        "one at fp+0 (above the stack), which 6.18 takes for the one at fp-8, is refused",
    ),
    Check(
        "loops: bounds, states that repeat, the limit of instructions",
        "is_state_visited, states_maybe_looping; kernel/bpf/liveness.c",
        "search/prune search/equal search/scc search/liveness search/backtrack",
        "^loops:|^control_flow:.*loop|^iterators:loop",
        "test_verifier_oracle",
    ),
    Check("may_goto", "check_cond_jmp_op", "steps/jump", "^loops:(may_goto|counter)"),
    Check(
        "steps/exceptions",
        "check_kfunc_call, check_return_code",
        "steps/exceptions",
        "^exceptions:",
        "test_throw_oracle",
    ),
    Check(
        "tail calls",
        "check_helper_call, check_map_func_compatibility",
        "calls/helper_calls calls/map_compat",
        "^tail_calls:|^function_info:tail",
    ),
    Check(
        "struct_ops members",
        "check_struct_ops_btf_id; net/bpf/bpf_dummy_struct_ops.c",
        "program/attach",
        "^struct_ops:",
        "tests/struct_ops, bpf_progs/negative",
    ),
    Check(
        "returned values",
        "check_return_code",
        "steps/return_code",
        "^results:|^callbacks:(timer_result|result)",
    ),
    Check(
        "capabilities: leaks, loops, types and helpers of who lacks them",
        "check_stack_read, is_pointer_value, bpf_token_capable; kernel/bpf/syscall.c bpf_prog_load",
        "capabilities steps/leaks",
        "^unprivileged:|^(packets|results|stack):.*unprivileged",
        "test_limited_oracle",
        "without CAP_BPF no kernel was asked: sources, and suites a and b",
    ),
    Check(
        "speculation: mispredicted branches, pointers moved by registers, barriers",
        "sanitize_ptr_alu, sanitize_speculative_path, error_recoverable_with_nospec",
        "steps/sanitize",
        "^speculation:",
        "test_limited_oracle",
        "verdicts only: nothing is put into the program",
    ),
)
"""The order of docs/parity.md. What has no program of its own there: extensions (freplace), whose target is another
program that only exists when it is loaded."""
