# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Linking: subprograms appended in libbpf's order, and every relocated instruction."""

from __future__ import annotations

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.builder import Builder
from bpfvm.elf import read_elf
from bpfvm.errors import BadInput, UsageError
from bpfvm.isa.opcodes import LD_IMM64
from bpfvm.obj.link import explain_core, link_program
from bpfvm.obj.model import ObjectSpec, Program
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import KERNEL, POLICY


@pytest.fixture(scope="module")
def spec() -> ObjectSpec:
    return open_object(compile_c(POLICY), name="pol")


@pytest.fixture(scope="module")
def kernel() -> Btf:
    section = read_elf(compile_c(KERNEL).read_bytes(), "kernel").section(".BTF")
    assert section is not None
    return Btf.parse(bytes(section.data))


@pytest.fixture(scope="module")
def program(spec: ObjectSpec, kernel: Btf) -> Program:
    return link_program(spec, "get_order", kernel, attach_btf_id=9, expected_attach_type=1)


def slot_of(spec: ObjectSpec, kind: str, symbol: str) -> int:
    return next(r.insn for r in spec.programs["get_order"].relocs if (r.kind, r.symbol) == (kind, symbol))


def test_subprograms_in_order_of_first_call(spec: ObjectSpec, program: Program) -> None:
    assert spec.btf is not None
    names = [spec.btf.name_of(info.type_id) for info in program.func_info]
    called: list[str] = []

    functions = {**spec.programs, **spec.subprogs}

    def visit(name: str) -> None:
        called.append(name)
        for reloc in functions[name].relocs:
            if reloc.kind in ("call", "func") and reloc.symbol not in called:
                visit(reloc.symbol)

    visit("get_order")
    assert names == called
    assert program.func_info[0].insn == 0
    assert program.func_info[1].insn == len(spec.programs["get_order"].insns)


def test_calls_land_on_function_starts(program: Program) -> None:
    starts = {info.insn for info in program.func_info}
    calls = [i for i, insn in enumerate(program.insns) if insn.code == 0x85 and insn.src == 1]
    assert len(calls) >= 4
    assert all(i + 1 + program.insns[i].imm in starts for i in calls)


def test_function_addresses_are_relative(spec: ObjectSpec, program: Program) -> None:
    slot = slot_of(spec, "func", "callback")
    assert program.insns[slot].src == 4
    target = slot + 1 + program.insns[slot].imm
    assert spec.btf is not None
    assert {i.insn: spec.btf.name_of(i.type_id) for i in program.func_info}[target] == "callback"


def test_map_loads_are_indexes(spec: ObjectSpec, program: Program) -> None:
    slot = slot_of(spec, "map", "counts")
    assert (program.insns[slot].code, program.insns[slot].src) == (LD_IMM64, 1)
    assert program.maps[program.insns[slot].imm].name == "counts"
    config = slot_of(spec, "data", "config")
    low, high = program.insns[config], program.insns[config + 1]
    assert low.src == 2
    assert program.maps[low.imm].section == ".data"
    assert program.maps[low.imm].initial is not None
    limits = program.maps[low.imm].initial or b""
    assert int.from_bytes(limits[high.imm : high.imm + 4], "little") == 1


def test_kernel_functions_are_ids(spec: ObjectSpec, kernel: Btf, program: Program) -> None:
    insn = program.insns[slot_of(spec, "kfunc", "kf_present")]
    assert (insn.src, insn.off, insn.imm) == (2, 0, kernel.find("kf_present", t.Func))


def test_missing_weak_functions_are_zero_and_poison(spec: ObjectSpec, program: Program) -> None:
    load, call = slot_of(spec, "ksym_var", "kf_absent"), slot_of(spec, "kfunc", "kf_absent")
    assert program.unresolved == {load: "kf_absent", call: "kf_absent"}
    assert (program.insns[load].src, program.insns[load].imm, program.insns[load + 1].imm) == (0, 0, 0)
    assert (program.insns[call].src, program.insns[call].imm) == (0, 2002000003)


def test_fields_are_relocated_and_missing_ones_poisoned(program: Program) -> None:
    ((slot, text),) = program.poison.items()
    assert text.startswith("<byte_off> [") and text.endswith("struct task_struct.gone (0:1 @ offset 4)")
    assert program.insns[slot].imm == 0xBAD2310
    loads = [i.off for i in program.insns if i.code & 7 == 1 and i.off]
    assert 32 in loads  # task->pid, task->mm at 24 and total_vm at 24
    assert loads.count(24) == 2


def test_explanations(spec: ObjectSpec, kernel: Btf) -> None:
    verdicts = {r.path: (r.verdict, r.old, r.new) for r in explain_core(spec, "get_order", kernel)}
    assert verdicts["task_struct.pid"] == ("relocated", 0, 32)
    assert verdicts["task_struct.gone"] == ("poisoned", 4, None)
    assert verdicts["mm_struct.total_vm"] == ("relocated", 0, 24)


def test_line_info_is_shifted(program: Program) -> None:
    slots = [line.insn for line in program.line_info]
    assert slots == sorted(slots)
    assert {info.insn for info in program.func_info} <= set(slots)


def test_attach_data(spec: ObjectSpec, kernel: Btf, program: Program) -> None:
    assert (program.attach_btf_id, program.expected_attach_type, program.license) == (9, 1, "Dual BSD/GPL")
    traced = link_program(spec, "traced", kernel)
    assert (traced.attach_btf_id, traced.expected_attach_type, traced.sleepable) == (
        kernel.find("kf_present", t.Func),
        24,
        True,
    )


def test_what_cannot_be_linked(spec: ObjectSpec, kernel: Btf) -> None:
    with pytest.raises(UsageError, match="no program 'nope'"):
        link_program(spec, "nope", kernel)
    with pytest.raises(BadInput, match="missing BPF prog type, check ELF section name 'nonsense'"):
        link_program(spec, "typeless", kernel)
    bare = Builder().build()
    with pytest.raises(BadInput, match=r"extern \(func ksym\) 'kf_present': not found in kernel or module BTFs"):
        link_program(spec, "get_order", bare)
    with pytest.raises(BadInput, match="failed to find kernel BTF type ID of 'kf_present': -3"):
        link_program(spec, "traced", bare)


def test_strong_config_values_are_needed_only_where_used(kernel: Btf) -> None:
    source = """extern int CONFIG_HZ __kconfig;
    SEC("tc") int uses(void *c) { return CONFIG_HZ; } SEC("tc") int leaves(void *c) { return 0; }"""
    path = compile_c(source)
    spec = open_object(path)
    assert spec.kconfig_unset == ("CONFIG_HZ",)
    assert link_program(spec, "leaves", kernel).insns
    with pytest.raises(BadInput, match=r"extern 'CONFIG_HZ' \(strong\): not resolved"):
        link_program(spec, "uses", kernel)
    assert link_program(open_object(path, kconfig={"CONFIG_HZ": 250}), "uses", kernel).maps[0].initial == b"\xfa\0\0\0"


def test_incompatible_kernel_function(kernel: Btf) -> None:
    source = 'extern int kf_present(int a, int b) __ksym; SEC("tc") int f(void *c) { return kf_present(1, 2); }'
    with pytest.raises(BadInput, match=r"func_proto .* incompatible with vmlinux"):
        link_program(open_object(compile_c(source)), "f", kernel)


def test_exception_callbacks_are_appended(kernel: Btf) -> None:
    source = """__noinline int cb(u64 cookie) { return 1; } __noinline int other(int x) { return x; }
    SEC("tc") __attribute__((btf_decl_tag("exception_callback:cb"))) int f(void *c) { return 0; }"""
    spec = open_object(compile_c(source))
    program = link_program(spec, "f", kernel)
    assert spec.btf is not None
    assert [spec.btf.name_of(i.type_id) for i in program.func_info] == ["f", "cb"]
