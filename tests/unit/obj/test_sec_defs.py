# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Section names: exact rows, rows that take a suffix, and names that mean nothing."""

from __future__ import annotations

import pytest

from bpfvm.isa.prog_types import PROG_TYPES
from bpfvm.obj.sec_defs import ATTACH_TYPES, BPF_F_XDP_HAS_FRAGS, SEC_DEFS, sec_def


def test_every_row_has_a_known_type() -> None:
    assert len(SEC_DEFS) > 100
    assert {row.prog_type for row in SEC_DEFS} <= set(PROG_TYPES)
    assert len({row.prefix for row in SEC_DEFS}) == len(SEC_DEFS)


@pytest.mark.parametrize(
    ("name", "number"), [("cgroup_inet_ingress", 0), ("trace_fentry", 24), ("lsm_mac", 27), ("struct_ops", 44)]
)
def test_attach_types_have_kernel_numbers(name: str, number: int) -> None:
    assert ATTACH_TYPES[name] == number


@pytest.mark.parametrize(
    ("section", "prog_type", "attach", "sleepable"),
    [
        ("struct_ops", "struct_ops", 0, False),
        ("struct_ops/any/thing", "struct_ops", 0, False),
        ("struct_ops.s/x", "struct_ops", 0, True),
        ("kprobe.multi/x", "kprobe", 42, False),
        ("tc", "sched_cls", 0, False),
        ("tcx/ingress", "sched_cls", 46, False),
        ("xdp", "xdp", 37, False),
        ("lsm.s/file_open", "lsm", 27, True),
        ("lsm_cgroup/x", "lsm", 43, False),
        ("syscall", "syscall", 0, True),
        ("cgroup/connect_unix", "cgroup_sock_addr", 49, False),
        ("struct_opsx", "unspec", 0, False),
        ("tc/nope", "unspec", 0, False),
        ("xdp.frag", "unspec", 0, False),
        ("", "unspec", 0, False),
    ],
)
def test_rows(section: str, prog_type: str, attach: int, sleepable: bool) -> None:
    row = sec_def(section)
    assert (row.prog_type, row.attach_type, row.sleepable) == (prog_type, attach, sleepable)


def test_frags_are_a_program_flag() -> None:
    assert sec_def("xdp.frags/cpumap").prog_flags == BPF_F_XDP_HAS_FRAGS
    assert sec_def("xdp/cpumap").prog_flags == 0
