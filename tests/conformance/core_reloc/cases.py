# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The cases of the selftests' prog_tests/core_reloc.c, as data, and how one of them ends here."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bpfvm.btf import Btf
from bpfvm.elf import read_elf
from bpfvm.engine.image import link_image
from bpfvm.errors import BadInput, Rejected
from bpfvm.obj.link import link_program
from bpfvm.obj.model import MapSpec, VerifiedProgram
from bpfvm.obj.open import open_object
from bpfvm.session import Session
from tests.conformance.kernel.corpus import KERNEL_BTF, Corpus
from verifier import VerifierEnv, verify

HERE = Path(__file__).parent
IN, OUT, SKIP, PID_TGID = 0, 256, 512, 520
"""offsets in the programs' ``data``"""


@dataclass(frozen=True, slots=True)
class Case:
    """One row. ``btf`` None: relocate against the running kernel. ``setup_failed``: its row couldn't be completed."""

    name: str
    object: str
    btf: str | None
    program: str
    input: str
    output: str
    fails: bool
    testmod: bool
    setup_failed: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a case ended: ``ok`` as the tree expects, ``why`` in a few words."""

    ok: bool
    why: str


def read_cases(corpus: Corpus) -> list[Case]:
    """Compile the tree's table with the host's cc into a program that prints it, and read that."""
    program = corpus.root / "core_reloc_cases"
    selftests = corpus.selftests
    includes = [HERE / "stubs", selftests, corpus.tree / "tools/include"]
    source = selftests / "prog_tests/core_reloc.c"
    flags = ["-w", "-O1", *(f"-I{path}" for path in includes), f'-DCORE_RELOC_C="{source}"']
    subprocess.run(["cc", *flags, str(HERE / "dump.c"), "-o", str(program), "-lbpf"], check=True)
    lines = subprocess.run([program], cwd=corpus.objects, capture_output=True, text=True, check=True).stdout
    return [Case(**json.loads(line)) for line in lines.splitlines()]


@cache
def kernel_btf() -> Btf:
    return Btf.parse(KERNEL_BTF.read_bytes(), name="vmlinux")


def _target(case: Case, corpus: Corpus) -> Btf:
    if case.btf is None:
        return kernel_btf()
    path = corpus.objects / case.btf
    section = read_elf(path.read_bytes(), str(path)).section(".BTF")
    assert section is not None
    return Btf.parse(bytes(section.data), name=case.btf)


def run_case(case: Case, corpus: Corpus) -> Ending:
    """Open, relocate against the case's BTF, verify against the running kernel's, run, compare the output."""
    spec = open_object(corpus.objects / case.object)
    try:
        program = link_program(spec, case.program, kernel_btf(), core_btf=_target(case, corpus))
        accepted = verify(program, VerifierEnv(kernel_btf=kernel_btf()))
    except (BadInput, Rejected) as error:
        return Ending(case.fails, f"{type(error).__name__}: {error}")
    if case.fails:
        return Ending(False, "loaded, and ought to have failed")
    return _compare(case, program.maps, accepted)


def _compare(case: Case, specs: tuple[MapSpec, ...], accepted: VerifiedProgram) -> Ending:
    """Run the program as the process that the tree's runner is, and hold its output against the table's."""
    with Session(checker="off") as session:
        task = session.thp.spawn("test_progs")
        maps = [session.runtime.create_map(each) for each in specs]
        values = [each.direct_value() for each in maps]
        image = link_image(accepted, [each.addr for each in maps], values, int)
        data, size = next(
            (at, spec.value_size) for at, spec in zip(values, specs, strict=True) if spec.section == ".bss"
        )
        session.memory.write(data + IN, bytes.fromhex(case.input))
        if size >= PID_TGID + 8:
            session.memory.store(data + PID_TGID, 8, task.pid << 32 | task.pid)
        with session.thp.machine.as_current(task):
            session.interpreter.run(image, session.memory.alloc(64))
        if size > SKIP and session.memory.load(data + SKIP, 1):
            return Ending(True, "the program skipped itself: its compiler lacked what it tests")
        wanted = bytes.fromhex(case.output)
        got = session.memory.read(data + OUT, len(wanted))
    return Ending(got == wanted, "as expected" if got == wanted else f"expected {wanted.hex()}, got {got.hex()}")
