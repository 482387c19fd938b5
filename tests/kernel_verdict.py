# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The running kernel asked about one program of an object: `python -m tests.kernel_verdict OBJECT SECTION PROGRAM`.

Made for `bpfvm conform --command`: exit code 0 when the kernel accepts the program, 1 when it refuses (the log on
standard output), 77 when it can't be asked here (the reason on standard output). Programs are loaded and run with
BPF_PROG_TEST_RUN, their maps are private; nothing is attached.
"""

from __future__ import annotations

import argparse
import errno
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from bpfvm.conform.answer import Answer
from bpfvm.conform.command import NO_ANSWER
from bpfvm.conform.expectation import TEST_DATA_LEN
from bpfvm.conform.suite import PRIVILEGED, UNPRIVILEGED, Case, opened
from bpfvm.errors import BpfvmError
from bpfvm.isa.insn import encode
from bpfvm.obj.link import link_program
from bpfvm.obj.model import Program
from tests import kernel_oracle as ko
from tests.conformance.kernel.kernel import attached, kernel
from tests.differential import bpf_maps, limited_oracle
from tests.differential.object_oracle import NAME, ask_kernel, attachment, kernel_map, loaded_btf
from tests.differential.verifier_oracle import kernel_btf
from verifier.verify import without_types

RUNNABLE = frozenset(("socket_filter", "sched_cls", "xdp", "cgroup_skb", "syscall"))
"""Program types that are run for their result."""


def ask(case: Case) -> Answer:
    """The kernel's verdict, its log, and what the program returned if the case has an expectation of that."""
    try:
        program = linked(case.path, case.program)
    except BpfvmError as error:
        return Answer(None, str(error))
    if case.mode != PRIVILEGED:
        return _without_capabilities(program, case)
    with ExitStack() as stack:
        try:
            btf_fd = stack.enter_context(loaded_btf(program.btf))
            fds = stack.enter_context(made_maps(program, btf_fd))
        except OSError as error:
            return Answer(None, f"the kernel doesn't make what the program needs: {error}")
        answer = ask_kernel(program, btf_fd, max(case.log_level, 1), flags=case.flags, maps=fds)
        if answer.errno == errno.EPERM and not answer.stats.get("processed"):
            return Answer(None, f"this host forbids programs of type {program.prog_type} in section {case.section}")
        if not answer.ok:
            return Answer(False, _last_words(answer.log) or os.strerror(answer.errno), answer.log)
        if case.retval is None or program.prog_type not in RUNNABLE:
            return Answer(True, log=answer.log)
        return _run(program, btf_fd, fds, case.flags, answer.log)


def _without_capabilities(program: Program, case: Case) -> Answer:
    """The answer to somebody who has none."""
    why_not = limited_oracle.unusable()
    if why_not:
        return Answer(None, why_not)
    kernel = limited_oracle.LimitedProcess()
    try:
        bare = without_types(program)
        maps = [kernel_map(each, 0) for each in bare.maps]
        answer = kernel.verify(encode(bare.insns), bare.prog_type, flags=case.flags, maps=maps, **attachment(bare))
    except OSError as error:
        return Answer(None, f"the kernel doesn't make what the program needs: {error}")
    finally:
        kernel.close()
    return Answer(answer.ok, "" if answer.ok else _last_words(answer.log) or os.strerror(answer.errno), answer.log)


def linked(path: str, name: str) -> Program:
    """The program as it goes to BPF_PROG_LOAD, its maps named as the oracle names them. Raises BpfvmError."""
    spec = opened(path)
    btf_id, attach_type = attached(spec, name, kernel())
    program = link_program(spec, name, kernel_btf(), attach_btf_id=btf_id, expected_attach_type=attach_type)
    return replace(program, maps=tuple(replace(each, name=NAME) for each in program.maps), line_info=())


@contextmanager
def made_maps(program: Program, btf_fd: int) -> Iterator[list[int]]:
    """Descriptors of the program's maps, data sections filled. Raises OSError."""
    fds: list[int] = []
    try:
        for spec in program.maps:
            fds.append(ko.map_create(kernel_map(spec, btf_fd)))
            if spec.initial is not None:
                bpf_maps.fill(fds[-1], spec.initial, freeze=spec.frozen)
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def _run(program: Program, btf_fd: int, fds: list[int], flags: int, log: str) -> Answer:
    infos = b"".join(struct.pack("<II", info.insn, info.type_id) for info in program.func_info)
    data = None if program.prog_type == "syscall" else bytes(TEST_DATA_LEN)
    flags |= ko.F_SLEEPABLE if program.sleepable else 0
    hook = {**attachment(program), "func_info": infos, "btf_fd": btf_fd, "flags": flags}
    done = ko.test_run(encode(program.insns), program.prog_type, data, maps=fds, **hook)
    if not done.ok:
        return Answer(True, log=log, run_problem=os.strerror(done.errno))
    return Answer(True, log=log, retval=done.retval)


def _last_words(log: str) -> str:
    lines = [line for line in log.splitlines() if line and not line.startswith(("processed ", "verification time"))]
    return lines[-1] if lines else ""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernel_verdict", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("object")
    parser.add_argument("section")
    parser.add_argument("program")
    parser.add_argument("--flags", type=int, default=0, help="BPF_F_* as a number")
    parser.add_argument("--privilege", choices=(PRIVILEGED, UNPRIVILEGED), default=PRIVILEGED)
    options = parser.parse_args()
    if not ko.available():
        print("bpf(2) cannot be used here")
        return NO_ANSWER
    answer = ask(Case(options.object, options.section, options.program, options.privilege, False, (), options.flags))
    print(answer.log or answer.why)
    if answer.accepted is None:
        return NO_ANSWER
    return 0 if answer.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
