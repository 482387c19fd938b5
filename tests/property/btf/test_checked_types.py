# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random types: what the kernel would take can be read, written, merged and printed; the rest is BadInput at worst."""

from __future__ import annotations

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.btf.check import check_btf
from bpfvm.btf.dedup import dedup
from bpfvm.btf.dump_c import dump_c
from bpfvm.btf.dump_raw import dump_raw
from bpfvm.btf.write import rewrite, serialise
from bpfvm.errors import BadInput
from tests.differential.btf_generate import Generator

SEEDS = range(1500)


def sizes(btf: Btf) -> set[tuple[str, int]]:
    """Names and sizes of the structs."""
    found = (btf.type(i) for i in btf.ids())
    return {(each.name, each.size) for each in found if isinstance(each, t.Struct)}


def test_types_that_the_kernel_takes() -> None:
    taken = 0
    for seed in SEEDS:
        data = Generator(seed).blob()
        if not check_btf(data).ok:
            continue
        taken += 1
        btf = Btf.parse(data)
        assert rewrite(btf) == data
        assert dump_raw(btf).count("\n[") + 1 == len(btf) - 1
        for type_id in btf.ids():
            if isinstance(btf.type(type_id), t.Struct):
                assert btf.size_of(type_id) >= 0
        kept, ids = dedup([btf.type(i) for i in btf.ids()])
        merged = serialise(kept)
        assert max(ids) == len(kept)
        assert check_btf(merged).ok, seed
        assert sizes(Btf.parse(merged)) == sizes(btf)
    assert taken > 50


def test_types_that_nobody_checked() -> None:
    for seed in SEEDS:
        try:
            btf = Btf.parse(Generator(seed).blob())
            dump_raw(btf)
            dump_c(btf)
        except BadInput:
            continue
