# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Suite d: every program of selftests progs/*.c against verdicts of real kernels, as veristat recorded them.

Some failures say nothing about the verifier and aren't counted: those without a verification time never reached it
(trampoline types refused by the host, no bpf_testmod, a map that couldn't be created); and where a program array names
programs, loading one program alone fails afterwards, because the others have no descriptors to fill the array with;
and a kernel without CONFIG_KALLSYMS_ALL has no addresses for variables.
Programs that Linux 6.18 didn't judge are held against Linux 6.12.117.
"""

from __future__ import annotations

import csv
import io
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bpfvm.conform.pool import Record, Task
from bpfvm.errors import BpfvmError
from tests.conformance.kernel.corpus import Corpus, objects
from tests.conformance.kernel.verdict import judge, opened

NAME = "d"
DATA = Path(__file__).resolve().parents[2] / "data"
TABLES = (("6.18", "veristat-kernel-6.18.csv.xz"), ("6.12", "veristat-kernel-6.12.117.csv.xz"))
"""profile and table, the one that decides first"""


@dataclass(frozen=True, slots=True)
class Row:
    """What a kernel said of a program."""

    profile: str
    verdict: str
    insns: int
    total_states: int
    peak_states: int
    prog_type: str


@cache
def table() -> dict[tuple[str, str], Row]:
    """(object file, program) → the row that counts."""
    rows: dict[tuple[str, str], Row] = {}
    for kernel_profile, name in TABLES:
        for row in csv.DictReader(io.StringIO(lzma.decompress((DATA / name).read_bytes()).decode("ascii"))):
            if row["verdict"] == "failure" and int(row["duration"]) == 0:
                continue
            found = Row(
                kernel_profile,
                row["verdict"],
                int(row["total_insns"]),
                int(row["total_states"]),
                int(row["peak_states"]),
                row["prog_type"],
            )
            rows.setdefault((row["file_name"], row["prog_name"]), found)
    return rows


def tasks(corpus: Corpus) -> Iterator[Task]:
    """A task per object of the tables."""
    known: dict[str, list[str]] = {}
    for file, prog in table():
        known.setdefault(file, []).append(prog)
    for path in objects(corpus):
        keys = known.get(path.name, [])
        if any(table()[path.name, prog].verdict == "failure" for prog in keys):
            keys = [prog for prog in keys if not _says_nothing(path, prog)]
        yield Task(str(path), keys, judge_one)


def _says_nothing(path: Path, prog: str) -> bool:
    """The kernel's failure may have been the host's."""
    row = table()[path.name, prog]
    if row.verdict == "success":
        return False
    try:
        spec = opened(str(path))
    except BpfvmError:
        return False
    if any(each.map_type == "prog_array" and each.slots for each in spec.maps.values()):
        return True
    relocs = spec.programs[prog].relocs if prog in spec.programs else ()
    return row.insns == 0 and any(reloc.kind == "ksym_var" for reloc in relocs)


def judge_one(path: str, prog: str) -> Record:
    """Our verdict beside the kernel's."""
    row = table()[Path(path).name, prog]
    record: Record = {"expected": row.verdict, "kernel": row.profile, "kernel_insns": row.insns}
    record |= {"kernel_states": row.total_states, "kernel_peak": row.peak_states}
    # veristat loads an extension as the program it would extend
    verdict = judge(path, prog, row.profile, ext_type=row.prog_type, with_log=False)
    record |= verdict.record()
    refused = verdict.ours != "success"
    record["agree"] = verdict.ours != "load" and refused == (row.verdict == "failure")
    if row.verdict == "failure" and not refused:
        record["category"] = "unsafe"
    return record
