# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Our own verifier asked about a case, and our interpreter run where a returned value is expected."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.btf import Btf
from bpfvm.conform.answer import Answer
from bpfvm.conform.expectation import FLAGS
from bpfvm.conform.struct_ops_types import register_types
from bpfvm.conform.suite import UNPRIVILEGED, Case, opened
from bpfvm.conform.test_run import Accepted, NotRun, run_for_retval
from bpfvm.errors import BpfvmError
from bpfvm.isa.opcodes import BPF_COMPLEXITY_LIMIT_INSNS
from bpfvm.memory import Memory
from bpfvm.obj.link import link_program
from bpfvm.obj.model import Program
from bpfvm.runtime import Runtime
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.load import plan_struct_ops
from verifier import VerifierEnv, check
from verifier.capabilities import ALL_CAPS, NO_CAPS
from verifier.env import Env
from verifier.profile import KernelProfile
from verifier.rejection import Rejection


@dataclass(frozen=True, slots=True)
class OurVerifier:
    """The verifier with one kernel's types, struct_ops types and rules."""

    kernel: Kernel
    profile: KernelProfile
    complexity_limit: int = BPF_COMPLEXITY_LIMIT_INSNS

    def ask(self, case: Case) -> Answer:
        """The verdict with its log; the returned value if the case has one."""
        try:
            program = self._linked(case.path, case.program)
        except BpfvmError as error:
            return Answer(None, str(error).removeprefix(f"{case.path}: "))
        rejection, run = self._check(program, case)
        if rejection is not None:
            return Answer(False, rejection.message, run.log.text())
        answer = Answer(True, log=run.log.text())
        return answer if case.retval is None else self._run(case, Accepted(program, run), answer)

    def _linked(self, path: str, name: str) -> Program:
        """Raises BpfvmError."""
        spec = opened(path)
        attach: tuple[int, int | None] = (0, None)
        if spec.programs[name].prog_type == "struct_ops":
            point = plan_struct_ops(spec, self.kernel).attach[name]
            attach = (point.attach_btf_id, point.expected_attach_type)
        return link_program(spec, name, self.kernel.btf, attach_btf_id=attach[0], expected_attach_type=attach[1])

    def _check(self, program: Program, case: Case) -> tuple[Rejection | None, Env]:
        """As libbpf loads: without a log first, and again with one when the program is refused."""
        caps = NO_CAPS if case.mode == UNPRIVILEGED else ALL_CAPS
        env = VerifierEnv(
            kernel_btf=self.kernel.btf,
            profile=self.profile,
            struct_ops=self.kernel.registry,
            strict_alignment=bool(case.flags & FLAGS["BPF_F_STRICT_ALIGNMENT"]),
            test_state_freq=bool(case.flags & FLAGS["BPF_F_TEST_STATE_FREQ"]),
            caps=caps,
            complexity_limit=self.complexity_limit,
        )
        rejection, run = check(program, env, log_level=case.log_level)
        if rejection is not None and not case.log_level:
            rejection, run = check(program, env, log_level=1)
        return rejection, run

    def _run(self, case: Case, accepted: Accepted, answer: Answer) -> Answer:
        def other(name: str) -> Accepted:
            program = self._linked(case.path, name)
            rejection, run = self._check(program, case)
            if rejection is not None:
                raise NotRun("a program in a program array is refused")
            return Accepted(program, run)

        try:
            got = run_for_retval(accepted, self.kernel.btf, specs=opened(case.path).maps, judge=other)
        except NotRun as reason:
            return Answer(True, log=answer.log, run_problem=str(reason))
        return Answer(True, log=answer.log, retval=got)


def our_verifier(btf: Btf, profile: KernelProfile) -> OurVerifier:
    """The verifier for a kernel with these types, Linux's own struct_ops types among them if it has them."""
    memory = Memory(1 << 20)
    kernel = Kernel(memory, btf, Runtime(memory, btf))
    register_types(kernel)
    return OurVerifier(kernel, profile)
