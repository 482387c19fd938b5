# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Both verdicts on a program, and in what they differ."""

from __future__ import annotations

import errno
import re
import struct
from dataclasses import dataclass, replace
from functools import lru_cache

from bpfvm.isa.insn import encode
from bpfvm.obj.model import Program
from tests import kernel_oracle as ko
from tests.differential.function_info import has_callbacks, prototypes, with_functions
from tests.differential.object_oracle import loadable_btf
from tests.differential.verifier_oracle import TcpOps, environment, kernel_specs, normal
from tests.fuzz.verifier.sample import MAPS, Sample
from tests.fuzz.verifier.tcp_ca import TcpCa
from verifier import Rejection
from verifier.env import Env
from verifier.verify import VerifierEnv, check

SAME = "same"
TRANSIENT = (errno.EAGAIN, errno.EINTR, errno.ENOMEM)
"""Refusals that are about the moment (a pending signal, no memory), not about the program."""
MAX_PROCESSED = 8000
"""Programs for which the kernel needs more instructions are left out: their logs are too long to compare."""
MANY_WAITING = 256
"""Paths that wait at once, in a walk of ours that found no end: it won't be long before there are too many."""
_FORKS = frozenset((0x44, 0x47, 0x4C, 0x4F, 0x54, 0x57, 0x5C, 0x5F))
"""and, or"""
_NUMBER = re.compile(r"0x[0-9a-f]+|-?\d+")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The kernel's and ours. message: the last line of each log before the statistics."""

    accepted: bool
    errno: int
    log: str
    processed: int
    rejection: Rejection | None
    our_log: str
    run: Env

    @property
    def message(self) -> str:
        """The kernel's last words."""
        return last_line(self.log)

    @property
    def our_message(self) -> str:
        """Ours."""
        return last_line(self.our_log)

    def category(self) -> str:
        """SAME, or what differs: unsafe, strict, unsupported, errno, message, stats, log."""
        if self.rejection is None and not self.accepted:
            return "unsafe"
        if self.rejection is not None and self.accepted:
            return "unsupported" if self.rejection.unsupported else "strict"
        if self.rejection is not None and self.rejection.errno != self.errno:
            return "unsupported" if self.rejection.unsupported else "errno"
        if self.rejection is not None and normal(self.message) != normal(self.our_message):
            return "unsupported" if self.rejection.unsupported else "message"
        if self.accepted and self.processed != self.run.insn_processed:
            return "stats"
        return SAME if normal(self.log) == normal(self.our_log) else "log"

    def signature(self) -> tuple[str, str]:
        """What a smaller program must keep in common: the category and the words of the refusal."""
        category = self.category()
        if category == "unsafe":
            words = self.message
        elif category in ("strict", "unsupported"):
            words = self.our_message
        elif category in ("message", "errno"):
            words = f"{self.message} | {self.our_message}"
        else:
            words = ""
        return category, _NUMBER.sub("N", normal(words))


def last_line(log: str) -> str:
    """The last line that isn't statistics."""
    lines = [
        line
        for line in log.splitlines()
        if line and not re.match(r"processed \d+ insns|verification time|stack depth", line)
    ]
    return lines[-1] if lines else ""


@lru_cache(1)
def kernel_maps() -> tuple[int | ko.MapSpec, ...]:
    """Descriptors of the shared maps, made once. A program array belongs to the type of the first program that refers
    to it, others are refused without a word in the log, so each load gets one of its own."""
    specs = kernel_specs(MAPS)
    return tuple(spec if spec.type == "prog_array" else ko.map_create(spec) for spec in specs)


@lru_cache(16)
def kernel_prototypes(count: int) -> int:
    """Descriptor of the BTF for programs of so many functions."""
    fd, error, log = ko.btf_load(loadable_btf(prototypes(count)[0]))
    if fd < 0:
        raise OSError(error, log)
    return fd


def load_options(sample: Sample) -> dict[str, int | bytes]:
    """What BPF_PROG_LOAD is told beside the instructions."""
    options: dict[str, int | bytes] = {}
    if has_callbacks(sample.insns):
        infos = with_functions(Program("oracle", sample.prog_type, sample.insns)).func_info
        options["btf_fd"] = kernel_prototypes(len(infos))
        options["func_info"] = b"".join(struct.pack("<II", info.insn, info.type_id) for info in infos)
    flags = ko.F_SLEEPABLE * sample.sleepable | ko.F_TEST_STATE_FREQ * sample.every_state
    options["flags"] = flags | ko.F_STRICT_ALIGNMENT * sample.strict
    if sample.prog_type == "struct_ops":
        options |= {"attach_btf_id": TcpOps().type_id, "expected_attach_type": sample.member}
    return options


def program(sample: Sample) -> Program:
    """For our verifier."""
    attach = (TcpOps().type_id, sample.member) if sample.prog_type == "struct_ops" else (0, 0)
    made = Program(
        "oracle",
        sample.prog_type,
        sample.insns,
        maps=MAPS,
        sleepable=sample.sleepable,
        license=sample.license,
        attach_btf_id=attach[0],
        expected_attach_type=attach[1],
    )
    return with_functions(made) if has_callbacks(sample.insns) else made


def _environment(sample: Sample, limit: int) -> VerifierEnv:
    """For our verifier, which is stopped (and so refuses) after so many instructions."""
    return replace(
        environment(),
        struct_ops=TcpCa(),
        test_state_freq=sample.every_state,
        strict_alignment=sample.strict,
        complexity_limit=limit,
    )


def refused_by_default(sample: Sample) -> bool:
    """We accept the program only when we are set up as a kernel that doesn't trace what atomics fetch."""
    env = _environment(sample, MAX_PROCESSED * 4)
    if env.profile.precise_fetches:
        return False
    rejection, _ = check(program(sample), replace(env, profile=replace(env.profile, precise_fetches=True)), log_level=0)
    return rejection is not None


def harms(sample: Sample) -> bool:
    """The kernel must not be asked: paths pile up in the program's loop, and where no more can wait, 6.18.44 follows a
    NULL pointer (maybe_fork_scalars takes push_stack's NULL for a state)."""
    if not any(insn.code in _FORKS for insn in sample.insns):
        return False
    _, run = check(program(sample), _environment(sample, MAX_PROCESSED * 4), log_level=0)
    return len(run.pending) > MANY_WAITING


def judge(sample: Sample, level: int = 2) -> Verdicts | None:
    """Ask both; None if the kernel needs more than MAX_PROCESSED instructions or would come to harm. Ours may need a
    few times as many as the kernel."""
    if harms(sample):
        return None
    code, options = encode(sample.insns), {**load_options(sample), "license": sample.license.encode()}
    quick = ko.verify(code, sample.prog_type, maps=kernel_maps(), log_level=4, **options)
    needed = quick.stats.get("processed", 0)
    if needed > MAX_PROCESSED:
        return None
    kernel = ko.verify(code, sample.prog_type, maps=kernel_maps(), log_level=level, **options)
    if kernel.errno in TRANSIENT:
        return None
    rejection, run = check(program(sample), _environment(sample, needed * 4 + 1000), log_level=level)
    processed = kernel.stats.get("processed", 0)
    return Verdicts(kernel.ok, kernel.errno, kernel.log, processed, rejection, run.log.text(), run)
