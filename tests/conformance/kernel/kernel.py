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
from bpfvm.struct_ops.load import plan_struct_ops
from tests.conformance.kernel.corpus import KERNEL_BTF, default_corpus
from tests.conformance.kernel.testmod import with_testmod
from tests.conformance.kernel.testmod_ops import register_module_types

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
def _vmlinux() -> Btf:
    return Btf.parse(KERNEL_BTF.read_bytes(), name="vmlinux")


@cache
def kernel() -> Kernel:
    """One kernel per process, with the types indexed."""
    return _kernel(_vmlinux())


@cache
def test_kernel() -> Kernel:
    """The same with the module bpf_testmod, as the tree's own tests want it."""
    made = _kernel(with_testmod(_vmlinux(), default_corpus()))
    register_module_types(made)
    return made


def _kernel(btf: Btf) -> Kernel:
    memory = Memory(64 << 20, "off")
    made = Kernel(memory, btf, Runtime(memory, btf), checker="off")
    register_types(made)
    btf.find("task_struct", t.Struct)
    return made


def attached(spec: ObjectSpec, prog: str, machine: Kernel) -> tuple[int, int | None]:
    """(attach_btf_id, expected attach type) that libbpf gives a struct_ops program; (0, None) for others. Raises
    SyscallError."""
    if spec.programs[prog].prog_type != "struct_ops":
        return 0, None
    point = plan_struct_ops(spec, machine).attach.get(prog)
    return (point.attach_btf_id, point.expected_attach_type) if point else (0, None)
