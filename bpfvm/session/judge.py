# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs of objects put to the verifier: linked against one kernel's types, as who has some capabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bpfvm.btf import Btf
from bpfvm.memory import Memory
from bpfvm.obj.link import link_program
from bpfvm.obj.log import poison_named
from bpfvm.obj.model import ObjectSpec, Program, TargetProgram, VerifiedProgram
from bpfvm.runtime import Runtime
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.load import LoadPlan, plan_struct_ops

if TYPE_CHECKING:
    from verifier import Capabilities, VerifierEnv


@dataclass(frozen=True, slots=True)
class Judge:
    """``kernel`` has the struct_ops types, ``env`` the kernel's BTF, the profile and the capabilities."""

    kernel: Kernel
    env: VerifierEnv

    @classmethod
    def foreign(cls, btf: Btf, profile: str, caps: Capabilities | None = None) -> Self:
        """Against another kernel's types. No struct_ops type is registered there, so those programs are refused."""
        import verifier

        memory = Memory(size=1 << 20)
        env = verifier.VerifierEnv(btf, verifier.profile(profile), caps=caps or verifier.ALL_CAPS)
        return cls(Kernel(memory, btf, Runtime(memory, btf)), env)

    def plan(self, spec: ObjectSpec) -> LoadPlan:
        """Where the object's struct_ops programs attach. Raises SyscallError."""
        return plan_struct_ops(spec, self.kernel, btf=self.env.kernel_btf)

    def link(
        self, spec: ObjectSpec, prog: str, *, plan: LoadPlan | None = None, target: TargetProgram | None = None
    ) -> Program:
        """Raises what ``link_program`` and ``plan`` do. ``target``: what extensions replace a function of."""
        point = (plan or self.plan(spec)).attach.get(prog)
        return link_program(
            spec,
            prog,
            self.env.kernel_btf,
            attach_btf_id=point.attach_btf_id if point else 0,
            expected_attach_type=point.expected_attach_type if point else None,
            target=target if spec.programs[prog].prog_type == "ext" else None,
        )

    def verify(
        self,
        spec: ObjectSpec,
        prog: str,
        *,
        log_level: int = 1,
        plan: LoadPlan | None = None,
        target: TargetProgram | None = None,
    ) -> VerifiedProgram:
        """Link and verify. Raises Rejected with the kernel-format log, and what ``link`` does."""
        import verifier

        program = self.link(spec, prog, plan=plan, target=target)
        with poison_named(program):
            return verifier.verify(program, self.env, log_level=log_level)

    def target(self, spec: ObjectSpec, prog: str) -> TargetProgram:
        """The program as one whose functions extensions replace. Raises as ``verify``."""
        import verifier

        program = self.link(spec, prog)
        with poison_named(program):
            return verifier.verify_target(program, self.env)
