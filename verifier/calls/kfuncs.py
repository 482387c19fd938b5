# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Called kernel functions, looked up before the walk: kernel/bpf/verifier.c add_kfunc_call, fetch_kfunc_meta (6.18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bpfvm.btf import types as t
from bpfvm.errors import BadInput
from bpfvm.isa.insn import Insn
from verifier.calls.kfunc_sets import SESSION_KFUNCS
from verifier.env import Env
from verifier.program.attach_types import KPROBE_SESSION, TRACE_ITER, UPROBE_SESSION
from verifier.rejection import EINVAL

DEVICE_BOUND: Final = frozenset(
    ("bpf_xdp_metadata_rx_timestamp", "bpf_xdp_metadata_rx_hash", "bpf_xdp_metadata_rx_vlan_tag")
)
"""Only for XDP programs that are loaded for one device, which there is no way to say here."""


@dataclass(frozen=True, slots=True)
class KfuncMeta:
    """A kfunc: its name, prototype and KF_* flags; allowed: the program type may call it; flags is None if this
    verifier doesn't know it; cast_to: type id that a call casts to."""

    name: str
    btf_id: int
    proto: t.FuncProto
    flags: frozenset[str] | None
    allowed: bool
    cast_to: int = 0

    def has(self, flag: str) -> bool:
        """The flag is set."""
        return self.flags is not None and flag in self.flags

    @property
    def sleepable(self) -> bool:
        """It may sleep."""
        return self.has("SLEEPABLE")

    @property
    def changes_packet(self) -> bool:
        """Packet pointers are void after it."""
        return self.name == "bpf_xdp_pull_data"

    @property
    def is_iter(self) -> bool:
        """It makes, advances or destroys an iterator."""
        return self.has("ITER_NEW") or self.has("ITER_NEXT") or self.has("ITER_DESTROY")

    @property
    def is_iter_next(self) -> bool:
        """It advances an iterator."""
        return self.has("ITER_NEXT")


def _allowed(env: Env, name: str) -> bool:
    """Programs of the type, attached where this one is, may call the kfunc (btf_kfunc_id_set_contains)."""
    prog_type, attach_type = env.program.prog_type, env.program.expected_attach_type
    if name in SESSION_KFUNCS:
        return prog_type == "kprobe" and attach_type in (KPROBE_SESSION, UPROBE_SESSION)
    if name == "bpf_sock_destroy" and attach_type != TRACE_ITER:
        return False
    return name in env.profile.kfunc_sets.get(prog_type, frozenset())


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
    if func.name in DEVICE_BOUND:
        env.reject(EINVAL, "metadata kfuncs require device-bound program")
    allowed = _allowed(env, func.name)
    env.kfuncs[insn.imm] = KfuncMeta(func.name, insn.imm, proto, env.profile.kfuncs.get(func.name), allowed)
