# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is handed to the kernel has no externs any more, and is what it takes."""

from __future__ import annotations

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.check import check_btf
from bpfvm.obj.kernel_btf import kernel_btf_bytes
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c
from tests.unit.obj.sources import POLICY


def test_externs_become_ordinary() -> None:
    spec = open_object(compile_c(POLICY))
    assert spec.btf is not None
    assert not check_btf(spec.btf.data).ok
    data = kernel_btf_bytes(spec.btf)
    assert check_btf(data).complaint == ""
    made = Btf.parse(data)
    ksyms, kconfig = (made.type(made.find(name, t.Datasec)) for name in (".ksyms", ".kconfig"))
    assert isinstance(ksyms, t.Datasec) and isinstance(kconfig, t.Datasec)
    assert [(made.name_of(each.type), each.offset, each.size) for each in ksyms.vars] == [
        ("dummy_ksym", 0, 4),
        ("dummy_ksym", 4, 4),
    ]
    assert kconfig.size == max(each.offset + each.size for each in kconfig.vars)
    function = made.type(made.find("kf_present", t.Func))
    assert isinstance(function, t.Func) and function.linkage == 1
    proto = made.type(function.type)
    assert isinstance(proto, t.FuncProto) and [each.name for each in proto.params] == ["dummy_ksym"]


def test_kernel_variables_become_ints() -> None:
    source = (
        'extern const struct rq runqueues __ksym; SEC("tc") int f(void *c) { return *(volatile long *)&runqueues; }'
    )
    spec = open_object(compile_c(f"struct rq {{ long clock; }}; {source}"))
    assert spec.btf is not None
    made = Btf.parse(kernel_btf_bytes(spec.btf))
    var = made.type(made.find("runqueues", t.Var))
    assert isinstance(var, t.Var) and var.linkage == 1
    assert made.size_of(var.type) == 4
    assert check_btf(made.data).ok


def test_without_externs_nothing_changes() -> None:
    spec = open_object(compile_c('int x; SEC("tc") int f(void *c) { return x; }'))
    assert spec.btf is not None
    assert kernel_btf_bytes(spec.btf) == spec.btf.data
