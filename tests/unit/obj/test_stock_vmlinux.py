# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A policy compiled against the full vmlinux.h of the running kernel, relocated to the emulated kernel."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf.dump_c import dump_c
from bpfvm.elf import read_elf
from bpfvm.obj.link import explain_core, link_program
from bpfvm.obj.open import open_object
from tests.unit.btf.c_roundtrip import unique_structs
from tests.unit.obj.bpf_cc import compile_c

ROOT = Path(__file__).parents[3]
VMLINUX = Path("/sys/kernel/btf/vmlinux")
POLICY = """
#define SEC(name) __attribute__((section(name), used))
struct bpf_thp_ops { int pid; int (*thp_get_order)(struct vm_area_struct *vma, int type, unsigned long orders); };
SEC("struct_ops/thp_get_order") int get_order(unsigned long long *ctx)
{
    struct vm_area_struct *vma = (void *)ctx[0]; struct task_struct *task = (void *)ctx[1];
    return vma->vm_mm->total_vm + vma->vm_start + task->pid + task->rt_priority;
}
SEC(".struct_ops.link") struct bpf_thp_ops policy = { .thp_get_order = (void *)get_order };
char LICENSE[] SEC("license") = "GPL";
"""
SECONDS = 1.5
"""the target is 0.4 s on an idle machine; tests share theirs with others"""


@pytest.fixture(scope="module")
def path() -> Path:
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    btf = Btf.parse(VMLINUX.read_bytes())
    small = (s for s in unique_structs(btf) if 0 < s.size < 2048 and not s.is_union)
    extra = "".join(f"struct {s.name} v_{number};\n" for number, s in enumerate(islice(small, 1500)))
    return compile_c(dump_c(btf) + POLICY + extra, plain=True)


def test_fields_move_to_where_the_emulated_kernel_has_them(path: Path) -> None:
    kernel = Btf.parse((ROOT / "thpmm/kernel/emulated.btf").read_bytes())
    results = {r.path: r for r in explain_core(open_object(path), "get_order", kernel)}
    for name in ("vm_area_struct.vm_mm", "vm_area_struct.vm_start", "mm_struct.total_vm", "task_struct.pid"):
        assert results[name].new is not None, name
    assert results["task_struct.rt_priority"].poisoned


def test_half_a_megabyte_of_types_is_quick(path: Path) -> None:
    kernel = Btf.parse((ROOT / "thpmm/kernel/emulated.btf").read_bytes())
    section = read_elf(path.read_bytes(), str(path)).section(".BTF")
    assert section is not None and section.size > 400_000
    start = time.perf_counter()
    assert link_program(open_object(path), "get_order", kernel).poison
    assert time.perf_counter() - start < SECONDS
