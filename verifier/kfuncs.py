# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Called kernel functions, looked up before the walk: kernel/bpf/verifier.c add_kfunc_call, fetch_kfunc_meta (6.18)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn
from verifier.env import Env
from verifier.rejection import EINVAL


@dataclass(frozen=True, slots=True)
class KfuncMeta:
    """A kfunc: its name, prototype and KF_* flags; allowed: the program type may call it; flags is None if this
    verifier doesn't know it."""

    name: str
    btf_id: int
    proto: t.FuncProto
    flags: frozenset[str] | None
    allowed: bool

    def has(self, flag: str) -> bool:
        """The flag is set."""
        return self.flags is not None and flag in self.flags

    @property
    def sleepable(self) -> bool:
        """It may sleep."""
        return self.has("SLEEPABLE")

    @property
    def is_iter_next(self) -> bool:
        """It advances an iterator."""
        return self.has("ITER_NEXT")


def add_kfunc_call(env: Env, insn: Insn) -> None:
    """Resolve the callee of a kfunc call into `env.kfuncs`. Raises Rejection."""
    if not env.gpl:
        env.reject(EINVAL, "cannot call kernel function from non-GPL compatible program")
    if not insn.imm and not insn.off:
        return
    if insn.off:
        env.unsupported(f"kernel function {insn.imm} of module BTF {insn.off}")
    if insn.imm in env.kfuncs:
        return
    btf = env.kernel_btf
    try:
        func = btf.type(insn.imm)
    except BadInput:
        env.reject(EINVAL, f"kernel btf_id {insn.imm & 0xFFFFFFFF} is not a function")
    if not isinstance(func, t.Func):
        env.reject(EINVAL, f"kernel btf_id {insn.imm} is not a function")
    proto = btf.type(func.type)
    if not isinstance(proto, t.FuncProto):
        env.reject(EINVAL, f"kernel function btf_id {insn.imm} does not have a valid func_proto")
    allowed = func.name in env.profile.kfunc_sets.get(env.program.prog_type, frozenset())
    env.kfuncs[insn.imm] = KfuncMeta(func.name, insn.imm, proto, env.profile.kfuncs.get(func.name), allowed)
