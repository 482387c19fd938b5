# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel that the corpus is verified against: the running kernel's types."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.conform.struct_ops_types import register_types
from bpfvm.memory import Memory
from bpfvm.obj.kconfig import read_kconfig
from bpfvm.obj.model import ObjectSpec
from bpfvm.runtime import Runtime
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.load import LoadPlan, plan_struct_ops
from tests.conformance.kernel.corpus import KERNEL_BTF

KERNEL_CONFIG = Path("/proc/config.gz")
KALLSYMS = Path("/proc/kallsyms")


@cache
def kconfig() -> dict[str, int | str]:
    """The running kernel's configuration, which libbpf reads for .kconfig variables; empty when it can't be read."""
    return read_kconfig(KERNEL_CONFIG) if os.access(KERNEL_CONFIG, os.R_OK) else {}


@cache
def kallsyms() -> dict[str, int]:
    """Addresses of the running kernel's symbols, which libbpf asks for externs without a type; zeros are left out."""
    if not os.access(KALLSYMS, os.R_OK):
        return {}
    rows = (line.split()[:3] for line in KALLSYMS.read_text().splitlines())
    return {name: int(address, 16) for address, _, name in rows if int(address, 16)}


@cache
def kernel() -> Kernel:
    """One kernel per process, with the types indexed."""
    btf = Btf.parse(KERNEL_BTF.read_bytes(), name="vmlinux")
    memory = Memory(64 << 20, "off")
    made = Kernel(memory, btf, Runtime(memory, btf), checker="off")
    register_types(made)
    btf.find("task_struct", t.Struct)
    return made


def struct_ops_plan(spec: ObjectSpec) -> LoadPlan:
    """Which struct_ops program implements what. Raises SyscallError."""
    return plan_struct_ops(spec, kernel())


def attached(spec: ObjectSpec, prog: str) -> tuple[int, int | None]:
    """(attach_btf_id, expected attach type) that libbpf gives a struct_ops program; (0, None) for others."""
    if spec.programs[prog].prog_type != "struct_ops":
        return 0, None
    point = struct_ops_plan(spec).attach.get(prog)
    return (point.attach_btf_id, point.expected_attach_type) if point else (0, None)
