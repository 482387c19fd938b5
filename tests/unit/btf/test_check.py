# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel's complaints, with the place in the file; they are compared with a kernel in tests/differential."""

from __future__ import annotations

from errno import EEXIST, EINVAL
from pathlib import Path

import pytest

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.check import check_btf, validate
from bpfvm.btf.write import serialise
from bpfvm.errors import BadInput
from bpfvm.obj.open import open_object
from tests.unit.obj.bpf_cc import compile_c

INT = t.Int("int", 4, 32, 1)
LOG = """\
magic: 0xeb9f
version: 1
flags: 0x0
hdr_len: 24
type_off: 0
type_len: 40
str_off: 40
str_len: 9
btf_total_size: 73
[1] INT int size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] STRUCT foo size=2 vlen=1
\t(anon) type_id=1 bits_offset=0
[2] STRUCT foo size=2 vlen=1
\t(anon) type_id=1 bits_offset=0 Member exceeds struct_size
"""


def test_log_and_place() -> None:
    data = serialise([INT, t.Struct("foo", 2, (t.Member("", 1, 0),))])
    verdict = check_btf(data)
    assert (verdict.errno, verdict.log, verdict.offset) == (EINVAL, LOG, 24 + 16)
    with pytest.raises(
        BadInput, match=r"\.BTF: offset 0x28: \[2\] STRUCT foo member \(anon\): Member exceeds .* \[EINVAL"
    ):
        validate(data)


def test_loops() -> None:
    verdict = check_btf(serialise([t.Typedef("a", 2), t.Typedef("b", 1)]))
    assert (verdict.errno, verdict.complaint) == (EEXIST, "[1] TYPEDEF a: Loop detected")


def test_what_compilers_make_is_taken() -> None:
    spec = open_object(compile_c('struct s { int a : 3; struct s *next; } s; SEC("tc") int f(void *c) { return s.a; }'))
    assert spec.btf is not None
    validate(spec.btf)


def test_emulated_kernel_is_taken() -> None:
    validate(Btf.parse((Path(__file__).parents[3] / "thpmm/kernel/emulated.btf").read_bytes()))
