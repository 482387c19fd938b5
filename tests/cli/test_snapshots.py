# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What people see: every command's text and JSON for shipped objects, compared with committed files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpf_progs.build import VMLINUX_HEAD
from bpfvm.paths import built_objects
from tests.cli.conftest import Bpfvm

COMMANDS = {
    "prog_list_two_orders.txt": "prog list two_orders.bpf.o",
    "prog_list_whitelist.txt": "prog list whitelist.bpf.o",
    "prog_list_leaked_task.txt": "prog list n10_leaked_task.bpf.o",
    "prog_list_relocs.txt": "prog list whitelist.bpf.o --relocs",
    "prog_list_two_orders.json": "prog list two_orders.bpf.o --json",
    "prog_dump_two_orders.txt": "prog dump two_orders.bpf.o",
    "prog_dump_opcodes.txt": "prog dump two_orders.bpf.o get_order_b --opcodes",
    "prog_dump_whitelist_linked.txt": "prog dump whitelist.bpf.o --linked",
    "prog_dump_kfunc_linked.txt": "prog dump n10_leaked_task.bpf.o n10 --linked",
    "prog_dump_whitelist_linked.json": "prog dump whitelist.bpf.o ask_whitelist --linked --opcodes -j",
    "core_explain.txt": "core explain whitelist.bpf.o",
    "core_explain.json": "core explain whitelist.bpf.o ask_whitelist -j",
    "btf_dump_raw.txt": "btf dump two_orders.bpf.o",
    "btf_check.txt": "btf check whitelist.bpf.o --log",
    "btf_check.json": "btf check update_pair.bpf.o -j",
    "btf_dump_names.txt": "btf dump two_orders.bpf.o bpf_thp_ops tva_type",
    "btf_dump.json": "btf dump whitelist.bpf.o --format json",
    "btf_dump_kernel_thp.h": "btf dump --kernel --format c bpf_thp_ops",
    "btf_dump_kernel_names.txt": "btf dump --kernel bpf_thp_ops bpf_struct_ops_bpf_thp_ops",
    "prog_verify_two_orders.txt": "prog verify two_orders.bpf.o",
    "prog_verify_leaked_task.txt": "prog verify n10_leaked_task.bpf.o",
    "prog_verify_leaked_task.json": "prog verify n10_leaked_task.bpf.o -j",
    "prog_verify_log_level_2.txt": "prog verify not_eligible.bpf.o --log-level 2",
    "prog_run_two_orders.txt": "prog run two_orders.bpf.o get_order_a --set order_a=4 --repeat 3",
    "prog_run_two_orders.json": "prog run two_orders.bpf.o get_order_b --arg 0 --arg 1 --arg 0x200 -j",
    "prog_run_trace.txt": "prog run not_eligible.bpf.o thp_not_eligible --arg 0 --arg 1 --trace",
    "struct_ops_list.txt": "struct_ops list",
    "struct_ops_list.json": "struct_ops list -j",
    "struct_ops_list_update_pair.txt": "struct_ops list update_pair.bpf.o",
    "struct_ops_dump.txt": "struct_ops dump two_orders.bpf.o pol_a --set pol_a.pid=7",
    "struct_ops_dump.json": "struct_ops dump two_orders.bpf.o -j",
    "struct_ops_register.txt": "struct_ops register whitelist.bpf.o /sys/fs/bpf --set whitelist.pid=1",
    "struct_ops_register.json": "struct_ops register whitelist.bpf.o -j --set whitelist.pid=1",
    "thp_run.txt": "thp run two_orders.bpf.o",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_output(bpfvm: Bpfvm, snapshot: Callable[[str, str], None], name: str) -> None:
    done = bpfvm(*COMMANDS[name].split())
    assert "Traceback" not in done.err
    snapshot(name, f"{done.out}exit code {done.code}\n" if name.endswith(".txt") else done.out)


def test_the_kernel_header_is_the_one_that_policies_compile_against(bpfvm: Bpfvm) -> None:
    header = built_objects().parent / "lib" / "vmlinux.h"
    assert VMLINUX_HEAD + bpfvm("btf", "dump", "--kernel", "--format", "c").out == header.read_text()
