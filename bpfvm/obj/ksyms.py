# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel symbols that an object names, found in the kernel's BTF (libbpf's bpf_object__resolve_ksyms_btf_id, 1.7)."""

from __future__ import annotations

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.flavour import essential_name
from bpfvm.core_reloc.compat import types_are_compat
from bpfvm.errors import BadInput
from bpfvm.isa.opcodes import BPF_CALL, BPF_JMP
from bpfvm.obj.model import ObjectSpec, ProgramSpec, TargetProgram

POISON_CALL_KFUNC = 2002000000
"""imm of the impossible call that libbpf puts where a weak kernel function is missing (plus the extern's number)"""
CALL = BPF_JMP | BPF_CALL

_ATTACH_NAMES: dict[tuple[str, int], tuple[str, type[t.BtfType]]] = {
    ("tracing", 23): ("btf_trace_", t.Typedef),
    ("tracing", 28): ("bpf_iter_", t.Func),
    ("lsm", 27): ("bpf_lsm_", t.Func),
    ("lsm", 43): ("bpf_lsm_", t.Func),
}
"""program type and attach type (trace_raw_tp, trace_iter, lsm_mac, lsm_cgroup) → prefix and kind of the BTF name"""


def resolve_ksym(spec: ObjectSpec, kernel: Btf, name: str) -> int:
    """The kernel BTF id of an extern, 0 for a weak one that is missing or doesn't fit. Raises BadInput."""
    sort = spec.ksyms[name]
    assert spec.btf is not None  # externs are only found through BTF
    if sort.endswith("func"):
        return _function(spec.btf, kernel, name, weak=sort.startswith("weak"))
    return _variable(spec.btf, kernel, name, weak=sort.startswith("weak"))


def is_typeless(spec: ObjectSpec, name: str) -> bool:
    """The extern is declared `extern const void NAME`: only its address is asked for."""
    assert spec.btf is not None  # externs are only found through BTF
    found = spec.btf.type(spec.btf.find(name, t.Var))
    return isinstance(found, t.Var) and not spec.btf.skip_mods(found.type)


def _function(local: Btf, kernel: Btf, name: str, *, weak: bool) -> int:
    found = kernel.find(essential_name(name), t.Func)
    if not found:
        if weak:
            return 0
        raise BadInput(f"extern (func ksym) '{name}': not found in kernel or module BTFs")
    wanted, offered = local.type(local.find(name, t.Func)), kernel.type(found)
    assert isinstance(wanted, t.Func) and isinstance(offered, t.Func)
    if not types_are_compat(local, wanted.type, kernel, offered.type):
        if weak:
            return 0
        text = f"func_proto [{wanted.type}] incompatible with vmlinux [{offered.type}]"
        raise BadInput(f"extern (func ksym) '{name}': {text}")
    return found


def _variable(local: Btf, kernel: Btf, name: str, *, weak: bool) -> int:
    wanted = local.type(local.find(name, t.Var))
    assert isinstance(wanted, t.Var)
    local_id = local.skip_mods(wanted.type)
    found = kernel.find(name, t.Var) if local_id else 0
    if not found:
        if weak:
            return 0
        if not local_id:
            raise BadInput(f"extern (ksym) '{name}': not found in kallsyms")
        raise BadInput(f"extern (var ksym) '{name}': not found in kernel BTF")
    offered = kernel.type(found)
    assert isinstance(offered, t.Var)
    kernel_id = kernel.skip_mods(offered.type)
    if not types_are_compat(local, local_id, kernel, kernel_id):
        have, want = kernel.type(kernel_id), local.type(local_id)
        text = f"expected [{local_id}] {want.kind_name.lower()} {want.name}"
        text += f", but kernel has [{kernel_id}] {have.kind_name.lower()} {have.name}"
        raise BadInput(f"extern (var ksym) '{name}': incompatible types, {text}")
    return found


def attach_id(prog: ProgramSpec, kernel: Btf) -> int:
    """The BTF id of what a tracing or LSM program's section name attaches it to; 0 when it names nothing.

    Raises BadInput when the kernel's BTF lacks it (libbpf's find_kernel_btf_id).
    """
    if not prog.attach_to or prog.prog_type not in ("tracing", "lsm"):
        return 0
    prefix, kind = _ATTACH_NAMES.get((prog.prog_type, prog.expected_attach_type), ("", t.Func))
    found = kernel.find(prefix + prog.attach_to, kind)
    if not found:
        text = f"failed to find kernel BTF type ID of '{prog.attach_to}': -3"
        raise BadInput(f"prog '{prog.name}': {text}", section=prog.section)
    return found


def replaced_id(prog: ProgramSpec, target: TargetProgram) -> int:
    """The id, among the target's types, of the function that an extension's section names; 0 when it names none.

    Raises BadInput when there is no such function (libbpf_find_prog_btf_id).
    """
    if not prog.attach_to:
        return 0
    found = target.program.btf.find(prog.attach_to, t.Func) if target.program.btf is not None else 0
    if not found:
        raise BadInput(f"prog '{prog.name}': {prog.attach_to} is not found in prog's BTF", section=prog.section)
    return found
