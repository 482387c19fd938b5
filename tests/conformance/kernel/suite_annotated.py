# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Suite a: the annotated programs of selftests progs/*.c, under kernel profile 6.12, whose wording they have."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bpfvm.conform.expectation import ANY_POINTER, Expectation, Mode, read_tags
from bpfvm.conform.messages import first_missing
from bpfvm.conform.pool import Record, Task
from bpfvm.conform.test_run import TEST_VALUE, NotRun, run_for_retval
from bpfvm.errors import BpfvmError
from tests.conformance.kernel.corpus import Corpus, objects
from tests.conformance.kernel.kernel import test_kernel
from tests.conformance.kernel.testmod_run import plug_module
from tests.conformance.kernel.verdict import Verdict, judge, opened
from verifier.capabilities import ALL_CAPS, NO_CAPS, Capabilities

NAME = "a"
PROFILE = "6.12"
FILLED_MAPS = {"verifier_array_access.bpf.o": ("map_array_ro",), "verifier_value_ptr_arith.bpf.o": ("map_array_48b",)}
"""object → maps that the kernel's runner fills first (prog_tests/verifier.c)"""
OWN_CAPS = {"verifier_mtu.bpf.o": Capabilities(bpf=True, perfmon=False)}
"""object → what its runner may do, where that is not everything (prog_tests/verifier.c test_verifier_mtu)"""


def tasks(corpus: Corpus) -> Iterator[Task]:
    """A task per object that has annotated programs."""
    for path in objects(corpus):
        keys = annotated(str(path))
        if keys:
            yield Task(str(path), keys, judge_one)


def annotated(path: str) -> list[str]:
    """Programs of an object that are tests for this architecture."""
    try:
        spec = opened(path)
    except BpfvmError:
        return []
    if spec.btf is None:
        return []
    expected = {name: read_tags(spec.btf, name) for name in spec.programs}
    return [name for name, found in expected.items() if found and found.runs_here and not found.auxiliary]


def judge_one(path: str, prog: str) -> Record:
    """Our verdict, messages and return value beside the expected ones."""
    spec = opened(path)
    assert spec.btf is not None
    expected = read_tags(spec.btf, prog)
    assert expected is not None
    record: Record = {"priv": expected.is_priv}
    if expected.unpriv.tagged:
        record["unprivileged"] = _in_mode(path, prog, expected, expected.unpriv, NO_CAPS)
    if not expected.is_priv:
        return record
    record |= {"xlated": expected.priv.xlated, "jited": expected.priv.jited}
    caps = OWN_CAPS.get(Path(path).name, ALL_CAPS)
    return record | _in_mode(path, prog, expected, expected.priv, caps)


def _in_mode(path: str, prog: str, expected: Expectation, wanted: Mode, caps: Capabilities) -> Record:
    custom = str(Path(path).parent / expected.custom_btf) if expected.custom_btf else ""
    # what is to be refused gets its log at once
    level, flags = expected.log_level or int(bool(wanted.failure)), expected.flags
    verdict = judge(path, prog, PROFILE, flags=flags, log_level=level, selftests=True, caps=caps, custom_btf=custom)
    record = verdict.record() | {"expected": "failure" if wanted.failure else "success"}
    return record | _compare(path, wanted, verdict, caps)


def _compare(path: str, wanted: Mode, verdict: Verdict, caps: Capabilities) -> Record:
    refused = verdict.ours != "success"
    found: Record = {"agree": refused == wanted.failure, "has_messages": bool(wanted.messages)}
    found["expected_messages"] = wanted.messages
    if verdict.ours == "load":
        found["agree"] = False
    if not found["agree"]:
        found["full"] = False
        return found | ({"category": "unsafe"} if wanted.failure and not refused else {})
    missing = first_missing(verdict.log, wanted.messages)
    found["messages"] = missing is None
    if missing is not None:
        found |= {"missing": missing, "log_tail": verdict.log[-1500:]}
        found["category"] = verdict.category if verdict.category.startswith("unsupported") else "message differs"
    elif refused:
        found["category"] = ""
    found["full"] = missing is None
    if wanted.retval is not None and not wanted.failure:
        found |= _run(path, wanted.retval, verdict, caps)
        found["full"] = found["full"] and found["retval"]
    return found


def _run(path: str, wanted: int | str, verdict: Verdict, caps: Capabilities) -> Record:
    found: Record = {"has_retval": True, "retval": False, "retval_expected": wanted}
    try:
        spec = opened(path)
        filled = dict.fromkeys(FILLED_MAPS.get(Path(path).name, ()), TEST_VALUE)
        got = run_for_retval(
            verdict.accepted(),
            test_kernel().btf,
            filled=filled,
            specs=spec.maps,
            judge=lambda name: judge(path, name, PROFILE, caps=caps, selftests=True).accepted(),
            plug=partial(plug_module, spec),
        )
    except NotRun as reason:
        return found | {"run_category": f"not run: {reason}"}
    if wanted in (ANY_POINTER, got):
        return found | {"retval": True}
    return found | {"run_category": "retval differs", "retval_got": got}
