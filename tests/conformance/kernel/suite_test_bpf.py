# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Suite c: the eBPF cases of lib/test_bpf.c: whatever the verifier accepts must give the expected value when it runs.

They were written for the kernel's interpreter and JITs, so some of them no verifier accepts, and none says what a
verifier should say: only those that load are held against their value.
"""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.conform.pool import Record, Task
from bpfvm.conform.test_run import NotRun, run_for_retval
from bpfvm.isa.insn import decode
from bpfvm.obj.model import Program
from tests.conformance.kernel.corpus import Corpus, default_corpus
from tests.conformance.kernel.kernel import kernel
from tests.conformance.kernel.tables import test_bpf_cases
from tests.conformance.kernel.verdict import judge_program

NAME = "c"
PROFILE = "6.18"
CHUNK = 20
NO_DATA = 1
"""FLAG_NO_DATA"""
ETHERNET_HEADER = bytes(14)
"""in front of the data: a socket filter doesn't see it"""


def tasks(corpus: Corpus) -> Iterator[Task]:
    """Tasks of a few cases each; a key is the case's number and name."""
    keys = [f"{number}:{case['name']}" for number, case in enumerate(test_bpf_cases(corpus))]
    for start in range(0, len(keys), CHUNK):
        yield Task("test_bpf", keys[start : start + CHUNK], judge_one)


def judge_one(_name: str, key: str) -> Record:
    """Verify one case, and run it if it is accepted."""
    case = test_bpf_cases(default_corpus())[int(key.partition(":")[0])]
    if not case["insns"]:
        return {"ours": "skipped", "category": "longer than we look at", "slots": case["slots"]}
    program = Program(name="case", prog_type="socket_filter", insns=decode(bytes.fromhex(case["insns"])))
    verdict = judge_program(program, PROFILE)
    record: Record = verdict.record() | {"agree": False}
    if verdict.ours != "success":
        return record
    data = b"" if case["aux"] & NO_DATA else bytes.fromhex(case["data"])
    for size, expected in case["runs"]:
        try:
            got = run_for_retval(verdict.accepted(), kernel().btf, frame=ETHERNET_HEADER + data[:size])
        except NotRun as reason:
            return record | {"run_category": f"not run: {reason}"}
        if got & 0xFFFF_FFFF != expected:
            return record | {"run_category": "retval differs", "retval_got": got, "retval_expected": expected}
    return record | {"agree": True}
