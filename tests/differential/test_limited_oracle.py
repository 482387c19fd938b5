# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A process with CAP_BPF and CAP_NET_ADMIN but without CAP_PERFMON: the running kernel (6.18) and our verifier give the
same verdict, errno and log there, speculative paths included."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

import bpf_progs
from bpfvm.conform.expectation import read_tags
from bpfvm.conform.messages import first_missing
from bpfvm.isa.helper_ids import HELPERS
from bpfvm.isa.insn import Insn
from bpfvm.isa.map_types import MAP_TYPES
from bpfvm.obj.model import MapSpec
from bpfvm.obj.open import open_object
from tests import kernel_oracle as ko
from tests.differential import verifier_oracle
from tests.differential.limited_cases import LEAKS, SPECULATION
from tests.differential.limited_generate import MAPS, generate_limited
from tests.differential.limited_oracle import LimitedProcess, unusable
from tests.differential.types_oracle import HOOKS, Hook
from tests.differential.verifier_cases import ARRAY, PLAIN, Case
from tests.differential.verifier_generate import generate
from tests.differential.verifier_oracle import Both, assemble, normal
from verifier.capabilities import missing_for_map, missing_for_type, parse_caps

CAPS = ("bpf", "net_admin")
LIMITED = parse_caps(",".join(CAPS))
WHY_NOT = verifier_oracle.unusable() or unusable(*CAPS)
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
MAX_STEPS = 1000
GIVES_UP = "loop1000"
"""Looked at for a million steps here before it is refused."""
SUITE = Path(bpf_progs.__file__).parent / "built/verifier/speculation.bpf.o"
CASES = [case for case in (*PLAIN, *LEAKS, *SPECULATION) if case.name != GIVES_UP]
END = (Insn(0xB7, 0, 0, 0, 1), Insn(0x95))
CANNOT = "cannot use helper"
WITH_HELPERS = ("socket_filter 0", "cgroup_skb 1", "sched_cls 0", "cgroup_sockopt 21", "syscall 0 sleepable")


@pytest.fixture(scope="module")
def process() -> Iterator[LimitedProcess]:
    limited = LimitedProcess(*CAPS)
    yield limited
    limited.close()


def _same(got: Both, what: object) -> None:
    assert got.same_verdict(), (what, got.rejection, got.errno, got.log[-600:])
    assert normal(got.our_log) == normal(got.log), what


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_programs(process: LimitedProcess, case: Case) -> None:
    insns = assemble(case.text)
    if process.ask("steps", insns, case.prog_type, case.maps) <= MAX_STEPS:
        _same(process.both(insns, case.prog_type, case.maps), case.name)


def test_the_cases_are_of_both_kinds(process: LimitedProcess) -> None:
    """Of those about speculation some are accepted, with paths that only speculation takes; the leaks are refused."""
    logs = [process.both(assemble(case.text), case.prog_type, case.maps) for case in SPECULATION]
    assert sum(got.accepted and "(speculative execution)" in got.log for got in logs) > 5
    assert not any(process.both(assemble(case.text), case.prog_type, case.maps).accepted for case in LEAKS)


@pytest.mark.parametrize("name", open_object(SUITE).programs)
def test_our_suite_about_speculation(process: LimitedProcess, name: str) -> None:
    """What is said there of who has no capability holds for who has CAP_BPF."""
    spec = open_object(SUITE)
    assert spec.btf is not None
    expected = read_tags(spec.btf, name)
    assert expected is not None
    got = process.both_object(SUITE, name)
    _same(got, name)
    assert got.accepted != expected.unpriv.failure
    assert first_missing(got.log, expected.unpriv.messages) is None


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_generated_programs(process: LimitedProcess, first: int) -> None:
    for seed in range(first, first + 20):
        pointers = generate_limited(seed)
        if process.ask("steps", pointers, "socket_filter", MAPS) <= MAX_STEPS:
            _same(process.both(pointers, "socket_filter", MAPS, every_state=seed & 3 == 0), seed)
        numbers = generate(seed)
        if seed & 1 and process.ask("steps", numbers, "socket_filter", (ARRAY,)) <= MAX_STEPS:
            _same(process.both(numbers, "socket_filter", (ARRAY,), every_state=seed & 3 == 1), seed)


@pytest.mark.parametrize("hook", HOOKS, ids=str)
def test_program_types(process: LimitedProcess, hook: Hook) -> None:
    got = process.both_hooked(END, hook)
    assert got.same_verdict(), (got.errno, got.rejection)
    assert (got.errno == errno.EPERM) == bool(missing_for_type(LIMITED, hook.prog_type))


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if str(hook) in WITH_HELPERS], ids=str)
def test_helper_sets(process: LimitedProcess, hook: Hook) -> None:
    for number, name in HELPERS.items():
        got = process.both_hooked((Insn(0x85, 0, 0, 0, number), *END), hook)
        assert got.same_verdict(), (name, got.errno, got.rejection)
        assert (CANNOT in got.log) == (got.rejection is not None and CANNOT in got.rejection.message), name


def test_map_types(process: LimitedProcess) -> None:
    insns = assemble("r1 = map[id:0] / r0 = 0 / exit")
    refused = set()
    known = MAP_TYPES.keys() & ko.MT.keys()
    for name in known:
        try:
            process.both(insns, "socket_filter", (MapSpec("oracle", name, 4, 4, 1),))
        except OSError as error:
            if error.errno == errno.EPERM:
                refused.add(name)
    assert refused == {name for name in known if missing_for_map(LIMITED, name)}
