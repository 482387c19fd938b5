# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Suite b: the table tests of selftests verifier/*.c, judged as test_verifier.c do_test_single does (6.12)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.conform.expectation import FLAGS
from bpfvm.conform.messages import first_missing
from bpfvm.conform.pool import Record, Task
from bpfvm.conform.test_run import TEST_VALUE, NotRun, run_for_retval
from bpfvm.isa import map_types as mt
from bpfvm.isa.insn import Insn, decode
from bpfvm.isa.prog_types import PROG_TYPES
from bpfvm.obj.ksyms import attach_id
from bpfvm.obj.model import FuncInfo, MapSpec, Program, ProgramSpec
from tests.conformance.kernel.corpus import Corpus, default_corpus
from tests.conformance.kernel.kernel import test_kernel
from tests.conformance.kernel.tables import Case, raw_btf, verifier_tables
from tests.conformance.kernel.testmod_run import plug_functions
from tests.conformance.kernel.verdict import Verdict, judge_program
from verifier.capabilities import ALL_CAPS, NO_CAPS, Capabilities

NAME = "b"
PROFILE = "6.12"
CHUNK = 20
REJECT, VERBOSE_ACCEPT = 2, 3
STRICT, OWN_FLAGS = 2, 3
"""F_LOAD_WITH_STRICT_ALIGNMENT; bits that are the runner's own, all others are BPF_F_*"""
POINTER_VALUE = 0xCAFE4A
"""written 0xcafe4all there: hexadecimal with the suffix ll"""
NO_TEST_RUN = frozenset(
    (
        *("kprobe", "tracepoint", "perf_event", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "cgroup_sysctl"),
        *("cgroup_device", "sock_ops", "sk_skb", "sk_msg", "lsm", "ext"),
    )
)
"""types that BPF_PROG_TEST_RUN refuses with ENOTSUPP, which the kernel's runner lets pass"""
UNPRIV_TYPES = ("socket_filter", "cgroup_skb")

_VAL = 48
_MAPS = {
    "map_hash_8b": MapSpec("map_hash_8b", "hash", 8, 8, 1, mt.BPF_F_NO_PREALLOC),
    "map_hash_48b": MapSpec("map_hash_48b", "hash", 8, _VAL, 1, mt.BPF_F_NO_PREALLOC),
    "map_hash_16b": MapSpec("map_hash_16b", "hash", 8, 16, 1, mt.BPF_F_NO_PREALLOC),
    "map_array_48b": MapSpec("map_array_48b", "array", 4, _VAL, 1),
    "map_sockmap": MapSpec("map_sockmap", "sockmap", 4, 4, 1),
    "map_sockhash": MapSpec("map_sockhash", "sockhash", 4, 4, 1),
    "map_xskmap": MapSpec("map_xskmap", "xskmap", 4, 4, 1),
    "map_stacktrace": MapSpec("map_stacktrace", "stack_trace", 4, 8, 1),
    "prog1": MapSpec("prog1", "prog_array", 4, 4, 4, slots={0: "42", 1: "loop", 2: "24"}),
    "prog2": MapSpec("prog2", "prog_array", 4, 4, 8, slots={7: "42", 1: "loop", 2: "24"}),
    "map_in_map": MapSpec("map_in_map", "array_of_maps", 4, 4, 1, inner=MapSpec("inner", "array", 4, 4, 1)),
    "cgroup_storage": MapSpec("cgroup_storage", "cgroup_storage", 16, 64),
    "percpu_cgroup_storage": MapSpec("percpu_cgroup_storage", "percpu_cgroup_storage", 16, 64),
    "map_spin_lock": MapSpec("map_spin_lock", "array", 4, 8, 1, key_type_id=1, value_type_id=3),
    "map_array_ro": MapSpec("map_array_ro", "array", 4, _VAL, 1, mt.BPF_F_RDONLY_PROG),
    "map_array_wo": MapSpec("map_array_wo", "array", 4, _VAL, 1, mt.BPF_F_WRONLY_PROG),
    "map_array_small": MapSpec("map_array_small", "array", 4, 1, 1),
    "sk_storage_map": MapSpec(
        "sk_storage_map", "sk_storage", 4, 8, 0, mt.BPF_F_NO_PREALLOC, key_type_id=1, value_type_id=3
    ),
    "map_event_output": MapSpec("map_event_output", "perf_event_array", 4, 4, 1),
    "map_reuseport_array": MapSpec("map_reuseport_array", "reuseport_sockarray", 4, 8, 1),
    "map_ringbuf": MapSpec("map_ringbuf", "ringbuf", 0, 0, 4096),
    "map_timer": MapSpec("map_timer", "array", 4, 16, 1, key_type_id=1, value_type_id=5),
    "map_kptr": MapSpec("map_kptr", "array", 4, 24, 1, key_type_id=1, value_type_id=14),
}
"""what test_verifier.c do_test_fixup creates, by the name of the fixup"""
FILLED = dict.fromkeys(("map_array_48b", "map_array_ro", "map_array_wo"), TEST_VALUE) | {
    "map_array_small": TEST_VALUE[:1]
}


def tasks(corpus: Corpus) -> Iterator[Task]:
    """Tasks of a few tests each; a key is the test's number and name."""
    keys = [f"{number}:{case['name']}" for number, case in enumerate(verifier_tables(corpus)) if number]
    for start in range(0, len(keys), CHUNK):
        yield Task("verifier", keys[start : start + CHUNK], judge_one)


@cache
def _map_btf() -> Btf:
    types = verifier_tables(default_corpus())[0]
    return raw_btf(types["btf_types"], types["btf_strings"])


@cache
def _map(name: str) -> MapSpec:
    spec = _MAPS[name]
    return replace(spec, btf=_map_btf()) if spec.value_type_id else spec


def _prog_type(case: Case) -> str:
    names = {number: name for name, number in PROG_TYPES.items()}
    return names[case["prog_type"]] if case["prog_type"] else "socket_filter"


def program(case: Case) -> Program:
    """The test with its fixups made. Raises BadInput when what it attaches to isn't there."""
    insns = list(decode(bytes.fromhex(case["insns"])))
    used = [name for name in _MAPS if name in case]
    for index, name in enumerate(used):
        for slot in case[name]:
            insns[slot] = insns[slot]._replace(imm=index)
    for name, slot in case["kfuncs"]:
        insns[slot] = insns[slot]._replace(imm=test_kernel().btf.find(name, t.Func))
    prog_type, attach_type = _prog_type(case), case["attach_type"]
    target = ProgramSpec("test", "", prog_type, (), attach_to=case["kfunc"], expected_attach_type=attach_type)
    return Program(
        name="test",
        prog_type=prog_type,
        insns=tuple(Insn(*insn) for insn in insns),
        maps=tuple(_map(name) for name in used),
        attach_btf_id=attach_id(target, test_kernel().btf),
        expected_attach_type=attach_type,
        sleepable=bool(case["flags"] & ~OWN_FLAGS & FLAGS["BPF_F_SLEEPABLE"]),
        btf=raw_btf(case["btf_types"], case["btf_strings"]) if "btf_types" in case else None,
        func_info=tuple(FuncInfo(insn, type_id) for insn, type_id in case["func_info"]),
    )


def judge_one(_name: str, key: str) -> Record:
    """Our verdict, messages, work and return values beside the table's."""
    case = verifier_tables(default_corpus())[int(key.partition(":")[0])]
    record: Record = {"priv": True, "xlated": case["xlated"]}
    if _prog_type(case) in UNPRIV_TYPES:
        record["unprivileged"] = _judged(_unprivileged(case), NO_CAPS)
    return record | _judged(case, ALL_CAPS)


def _unprivileged(case: Case) -> Case:
    """What the table says of a load without capabilities; where it says nothing, that is as with them."""
    runs = [run | {"retval": run["retval_unpriv"] or run["retval"]} for run in case["runs"]]
    errstr = case["errstr"] if case["errstr_unpriv"] is None else case["errstr_unpriv"]
    return case | {
        "result": case["result_unpriv"] or case["result"],
        "errstr": errstr,
        "processed": 0,
        "runs": runs,
    }


def _judged(case: Case, caps: Capabilities) -> Record:
    flags = case["flags"] & ~OWN_FLAGS | (FLAGS["BPF_F_STRICT_ALIGNMENT"] if case["flags"] & STRICT else 0)
    level = 2 if case["result"] == VERBOSE_ACCEPT else 0
    verdict = judge_program(program(case), PROFILE, flags=flags, log_level=level, caps=caps, selftests=True)
    refused, failure = verdict.ours != "success", case["result"] == REJECT
    record = verdict.record() | {"expected": "failure" if failure else "success", "agree": refused == failure}
    record |= {"expected_messages": case["errstr"].split("\t"), "has_messages": bool(case["errstr"])}
    if refused != failure:
        return record | {"full": False} | ({"category": "unsafe"} if failure else {})
    return record | _compare(case, verdict)


def _compare(case: Case, verdict: Verdict) -> Record:
    found: Record = {"full": True, "category": ""}
    if case["result"] in (REJECT, VERBOSE_ACCEPT):
        missing = first_missing(verdict.log, [re.sub(r"(\{\{|\}\})", "", part) for part in case["errstr"].split("\t")])
        found["messages"] = missing is None
        if missing is not None:
            unsupported = verdict.category.startswith("unsupported")
            found |= {"full": False, "missing": missing, "log_tail": verdict.log[-1500:]}
            found["category"] = verdict.category if unsupported else "message differs"
    if case["processed"] and case["processed"] != verdict.stats["processed"]:
        found |= {"full": False, "category": "processed differs", "kernel_insns": case["processed"]}
    return (
        found
        if case["result"] == REJECT or _prog_type(case) in NO_TEST_RUN
        else found | _run(case, verdict, bool(found["full"]))
    )


def _run(case: Case, verdict: Verdict, full: bool) -> Record:
    """Every run of an accepted test."""
    found: Record = {"has_retval": True, "retval": True, "full": full}
    for run in case["runs"]:
        try:
            got = run_for_retval(
                verdict.accepted(),
                test_kernel().btf,
                frame=bytes.fromhex(run["data"]),
                filled=FILLED,
                plug=plug_functions,
            )
        except NotRun as reason:
            return found | {"retval": False, "full": False, "run_category": f"not run: {reason}"}
        if run["retval"] & 0xFFFF_FFFF not in (got & 0xFFFF_FFFF, POINTER_VALUE):
            wrong = {"retval": False, "full": False, "run_category": "retval differs"}
            return found | wrong | {"retval_got": got, "retval_expected": run["retval"]}
    return found
