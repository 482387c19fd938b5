# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Padding: bytes of a struct that belong to no member (check_zero_holes in kernel/bpf/bpf_struct_ops.c)."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.btf import Btf
from bpfvm.btf import types as t


def holes(btf: Btf, struct: t.Struct) -> Iterator[tuple[int, int]]:
    """(start, end) byte ranges between members and after the last one. Holes inside members are theirs."""
    end = 0
    for member in struct.members:
        start = member.bit_offset >> 3
        if start > end:
            yield end, start
        end = start + btf.size_of(member.type)
    if struct.size > end:
        yield end, struct.size


def check_zero_holes(btf: Btf, struct: t.Struct, data: bytes) -> bool:
    """Whether any padding byte of ``data`` is set."""
    return any(any(data[start:end]) for start, end in holes(btf, struct))
