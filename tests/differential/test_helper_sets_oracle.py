# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which helper and which kfunc a program of which type may call, and what it takes: a probe per helper and type, given
to the running kernel (6.18) and to our verifier."""

from __future__ import annotations

from functools import cache
from typing import Final

import pytest

from bpfvm.btf import types as t
from bpfvm.isa.asm import asm
from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import MapSpec
from tests.differential.types_oracle import HOOKS, Hook, both_hooked, kernel_verdict, program
from tests.differential.verifier_oracle import environment, kernel_btf, normal, unusable
from verifier.calls.helper_protos import HELPER_PROTOS, VARIANT_PROTOS
from verifier.verify import check

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
END: Final = (Insn(0xB7, 0, 0, 0, 1), Insn(0x95, 0, 0, 0, 0))
ARRAY: Final = MapSpec("oracle", "array", 4, 16, 4)
NO_HELPER: Final = "program of this type cannot use helper"
NO_KFUNC: Final = "is not allowed"
_STACK: Final = "*(u64 *)(r10 -64) = 0 / *(u64 *)(r10 -56) = 0 / *(u64 *)(r10 -48) = 0 / *(u64 *)(r10 -40) = 0"
FILLS: Final = {
    "nothing": "",
    "zeros": "r1 = 0 / r2 = 0 / r3 = 0 / r4 = 0 / r5 = 0",
    "ctx, stack, size": f"{_STACK} / r2 = r10 / r2 += -64 / r3 = 16 / r4 = r2 / r5 = 8",
    "ctx, n, stack, size": f"{_STACK} / r3 = r10 / r3 += -64 / r2 = 1 / r4 = 8 / r5 = 0",
    "ctx, n, unwritten stack": "r3 = r10 / r3 += -64 / r2 = 1 / r4 = 8 / r5 = 0",
    "ctx, stack, 0": "r2 = r10 / r2 += -64 / r3 = 0 / r4 = 0 / r5 = 0",
    "stack, size, stack": f"{_STACK} / r1 = r10 / r1 += -64 / r2 = 16 / r3 = r1 / r4 = 8 / r5 = 0",
    "stack, 0": "r1 = r10 / r1 += -64 / r2 = 0 / r3 = 0 / r4 = 0 / r5 = 0",
    "ctx, unwritten stack": "r2 = r10 / r2 += -64 / r3 = 16 / r4 = 0 / r5 = 0",
    "stack, stack": f"{_STACK} / r3 = r10 / r3 += -64 / r2 = r3 / r4 = r3 / r5 = 8 / r1 = r3",
    "map, stack": f"{_STACK} / r1 = map[id:0] / r2 = r10 / r2 += -64 / r3 = r2 / r4 = 0 / r5 = 0",
    "map, 0": "r1 = map[id:0] / r2 = 0 / r3 = 0 / r4 = 0 / r5 = 0",
    "ctx, map, stack": f"{_STACK} / r2 = map[id:0] / r3 = r10 / r3 += -64 / r4 = 0 / r5 = 0",
    "ctx, map, 0, stack": f"{_STACK} / r2 = map[id:0] / r3 = 0 / r4 = r10 / r4 += -64 / r5 = 8",
    "ctx, map, 0": "r2 = map[id:0] / r3 = 0 / r4 = 0 / r5 = 0",
    "ctx, 0, misaligned": "r2 = 0 / r3 = r10 / r3 += -61 / r4 = 0 / r5 = 0",
}
"""What r1..r5 hold at the call (r1 is the context if nothing else is said)."""


def _call(number: int, src: int = 0) -> tuple[Insn, ...]:
    return (Insn(0x85, 0, src, 0, number), *END)


@pytest.mark.parametrize("hook", HOOKS, ids=str)
def test_helper_sets(hook: Hook) -> None:
    env = environment()
    wrong = []
    for number, name in HELPERS.items():
        insns = _call(number)
        kernel = NO_HELPER not in kernel_verdict(insns, hook).log
        rejection, _ = check(program(insns, hook), env, log_level=0)
        if kernel != (rejection is None or NO_HELPER not in rejection.message):
            wrong.append((name, kernel))
    assert wrong == []


@cache
def _kfuncs() -> dict[str, int]:
    btf = kernel_btf()
    tags = [found for i in btf.ids() if isinstance(found := btf.type(i), t.DeclTag) and found.name == "bpf_kfunc"]
    return {btf.name_of(tag.type): tag.type for tag in tags}


@pytest.mark.parametrize("hook", HOOKS, ids=str)
def test_kfunc_sets(hook: Hook) -> None:
    env = environment()
    wrong = []
    for name, btf_id in _kfuncs().items():
        insns = _call(btf_id, 2)
        kernel = NO_KFUNC not in kernel_verdict(insns, hook).log
        rejection, _ = check(program(insns, hook), env, log_level=0)
        if kernel != (rejection is None or NO_KFUNC not in rejection.message):
            wrong.append((name, kernel))
    assert wrong == []


def _protos() -> list[tuple[str, Hook]]:
    """Each prototype once, with a program type that may call it."""
    profile = environment().profile
    out, seen = [], set()
    for hook in HOOKS:
        for name in HELPER_PROTOS:
            variant = VARIANT_PROTOS.get((hook.prog_type, name))
            key = (name, variant and variant.args)
            if key not in seen and name in profile.helpers[hook.prog_type]:
                seen.add(key)
                out.append((name, hook))
    return out


@pytest.mark.parametrize("part", range(8))
def test_prototypes(part: int) -> None:
    """Verdict, errno and log of every prototype with every filling of the argument registers."""
    for name, hook in _protos()[part::8]:
        for fill, text in FILLS.items():
            source = f"{text} / call bpf_{name}" if text else f"call bpf_{name}"
            insns = (*asm(source.replace(" / ", "\n")), *END)
            got = both_hooked(insns, hook, (ARRAY,) if "map" in fill else ())
            assert got.same_verdict(), (name, str(hook), fill, got.rejection, got.log[-300:])
            assert normal(got.our_log) == normal(got.log), (name, str(hook), fill)


@pytest.mark.parametrize("part", range(4))
def test_gpl_only_helpers(part: int) -> None:
    for name, hook in _protos()[part::4]:
        got = both_hooked((*asm(f"call bpf_{name}"), *END), hook, license="Proprietary")
        assert got.same_verdict(), (name, str(hook), got.rejection, got.log[-300:])


def test_most_helpers_have_a_prototype() -> None:
    """Those without are refused by name."""
    offered = frozenset[str]().union(*environment().profile.helpers.values())
    assert len(offered & HELPER_PROTOS.keys()) >= 178
