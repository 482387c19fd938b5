# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One program through the loader and the verifier: what we say of it, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from bpfvm.btf import Btf
from bpfvm.conform.expectation import FLAGS
from bpfvm.conform.test_run import Accepted, NotRun
from bpfvm.errors import BpfvmError
from bpfvm.obj.link import link_program
from bpfvm.obj.model import ObjectSpec, Program
from bpfvm.obj.open import open_object
from bpfvm.struct_ops.kernel import Kernel
from tests.conformance.kernel.corpus import default_corpus
from tests.conformance.kernel.kernel import attached, kallsyms, kconfig, kernel, test_kernel
from tests.conformance.kernel.testmod import profile_with_testmod
from verifier import KernelProfile, VerifierEnv, check, profile
from verifier.capabilities import ALL_CAPS, Capabilities
from verifier.env import Env
from verifier.rejection import Rejection

UNSUPPORTED = re.compile(r"bpfvm verifier: (.*) is not supported yet")


@dataclass(slots=True)
class Verdict:
    """``ours``: "success", "failure", or "load" when our loader refused; ``category`` names what stood in the way."""

    ours: str
    category: str = ""
    message: str = ""
    errno: int = 0
    insn: int | None = None
    log: str = ""
    stats: dict[str, int] = field(default_factory=dict)
    program: Program | None = None
    run: Env | None = None

    def accepted(self) -> Accepted:
        """What is run. Raises NotRun for a program that is refused."""
        if self.program is None or self.run is None or self.ours != "success":
            raise NotRun("a program in a program array is refused")
        return Accepted(self.program, self.run)

    def record(self) -> dict[str, Any]:
        """What goes into the details of a run."""
        found: dict[str, Any] = {"ours": self.ours, "category": self.category, "message": self.message[:400]}
        if self.errno:
            found["errno"] = self.errno
        if self.insn is not None:
            found["insn"] = self.insn
        return found | ({"stats": self.stats} if self.stats else {})


@lru_cache(maxsize=1)
def opened(path: str) -> ObjectSpec:
    """The object, kept while its programs are judged. Raises BadInput."""
    return open_object(Path(path), kconfig=kconfig())


def judge(
    path: str,
    prog: str,
    kernel_profile: str,
    *,
    flags: int = 0,
    log_level: int = 0,
    ext_type: str = "",
    selftests: bool = False,
    caps: Capabilities = ALL_CAPS,
    custom_btf: str = "",
    with_log: bool = True,
) -> Verdict:
    """Link and verify one program as the kernel tree's tools load it.

    ``flags``: BPF_F_* of the load; ``ext_type``: what an extension is loaded as; ``selftests``: the kernel is as the
    tree's own tests ask for, with CONFIG_FUNCTION_ERROR_INJECTION and bpf_testmod; ``caps``: what the loader may do;
    ``custom_btf``: the object whose types CO-RE relocations are made against. At log level 0 the log of a refused
    program is made all the same, as libbpf does, unless it is not wanted (``with_log``).
    """
    try:
        machine = test_kernel() if selftests else kernel()
        program = linked(opened(path), prog, machine, flags, ext_type, _types_of(custom_btf) if custom_btf else None)
    except BpfvmError as error:
        return Verdict("load", f"load: {_general(str(error).removeprefix(path + ': '))}", str(error))
    return judge_program(
        program, kernel_profile, flags=flags, log_level=log_level, selftests=selftests, caps=caps, with_log=with_log
    )


def judge_program(
    program: Program,
    kernel_profile: str,
    *,
    flags: int = 0,
    log_level: int = 0,
    selftests: bool = False,
    caps: Capabilities = ALL_CAPS,
    with_log: bool = True,
) -> Verdict:
    """Verify a program that is linked already."""
    machine = test_kernel() if selftests else kernel()
    env = VerifierEnv(
        kernel_btf=machine.btf,
        profile=_of_selftests(kernel_profile) if selftests else profile(kernel_profile),
        struct_ops=machine.registry,
        strict_alignment=bool(flags & FLAGS["BPF_F_STRICT_ALIGNMENT"]),
        test_state_freq=bool(flags & FLAGS["BPF_F_TEST_STATE_FREQ"]),
        caps=caps,
    )
    rejection, run = check(program, env, log_level=log_level)
    if rejection is not None and not log_level:
        rejection, run = check(program, env, log_level=1)
    return _verdict(program, rejection, run)


@cache
def _of_selftests(name: str) -> KernelProfile:
    return profile_with_testmod(replace(profile(name), error_injection=True), default_corpus())


@cache
def _types_of(path: str) -> Btf | None:
    return open_object(Path(path)).btf


def linked(
    spec: ObjectSpec, prog: str, machine: Kernel, flags: int = 0, ext_type: str = "", core_btf: Btf | None = None
) -> Program:
    """The program as it would go to BPF_PROG_LOAD. Raises BpfvmError."""
    attach_btf_id, attach_type = attached(spec, prog, machine)
    program = link_program(
        spec,
        prog,
        machine.btf,
        attach_btf_id=attach_btf_id,
        expected_attach_type=attach_type,
        core_btf=core_btf,
        kallsyms=kallsyms(),
    )
    if ext_type and program.prog_type == "ext":
        program = replace(program, prog_type=ext_type)
    return replace(program, sleepable=True) if flags & FLAGS["BPF_F_SLEEPABLE"] else program


def _verdict(program: Program, rejection: Rejection | None, run: Env) -> Verdict:
    stats = {"processed": run.insn_processed, "total_states": run.total_states, "peak_states": run.peak_states}
    if rejection is None:
        return Verdict("success", log=run.log.text(), stats=stats, program=program, run=run)
    unsupported = UNSUPPORTED.search(rejection.message)
    category = f"unsupported: {unsupported[1]}" if unsupported else f"refused: {_general(rejection.message)}"
    return Verdict(
        "failure", category, rejection.message, rejection.errno, rejection.insn, run.log.text(), stats, program, run
    )


def _general(message: str) -> str:
    """The message without what differs from program to program."""
    first = message.splitlines()[0] if message else "(no message)"
    return re.sub(r"\b(?:0x[0-9a-f]+|\d+)\b|(?<=[Rr])\d+", "N", first)[:160]
