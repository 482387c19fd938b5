# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Is there something to attach to? The checks of kernel/bpf/verifier.c check_attach_btf_id and check_struct_ops_btf_id
(6.18), in their order; they come after the control-flow graph and before the walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from bpfvm.btf import types as t
from bpfvm.btf.layout import member
from bpfvm.errors import BadInput
from bpfvm.obj.model import Program
from verifier.calls.helper_sets import SOCKOPT_HELPERS, TCP_CA_HELPERS
from verifier.env import Env
from verifier.memory.ctx_tables import ctx_kind
from verifier.program.attach_target import check_attach_target
from verifier.program.attach_types import (
    MODIFY_RETURN,
    TRACE_FENTRY,
    TRACE_FEXIT,
    TRACE_ITER,
    attach_helpers,
    effective,
)
from verifier.program.replaced import check_replaced
from verifier.rejection import EACCES, EINVAL, ENOTSUPP

HAVE_PROTOTYPES: Final = ("struct_ops", "tracing", "lsm")
NF_CONN_WRITERS: Final = ("sched_cls", "sched_act", "xdp")
StoreRule = Callable[[str, int, int], "tuple[int, str] | None"]
"""(struct name, offset, size) → (errno, log line) of the refusal, or None where the store is allowed."""


class StructOpsTypeInfo(Protocol):
    """A registered struct_ops type, as far as the verifier asks."""

    @property
    def name(self) -> str:
        """Name of the struct."""
        ...

    @property
    def type_id(self) -> int:
        """Its id in the kernel's BTF."""
        ...

    @property
    def btf_struct_access(self) -> StoreRule | None:
        """Who decides about stores into kernel objects; None: there are none."""
        ...

    def has_stub(self, member_idx: int) -> bool:
        """The member can be implemented."""
        ...

    def check_member(self, member_idx: int, program: Program) -> int:
        """0, or a negative errno."""
        ...

    def arg_info(self, member_idx: int) -> Mapping[int, str]:
        """Argument number → "nullable" | "ref"."""
        ...


class StructOpsTypes(Protocol):
    """The registry of struct_ops types."""

    def by_id(self, btf_id: int) -> StructOpsTypeInfo | None:
        """The type whose struct has this BTF id."""
        ...


def check_attach(env: Env, types: StructOpsTypes | None) -> None:
    """Find the prototype and the context of the program. Raises Rejection."""
    program = env.program
    prog_type = program.prog_type
    attach_type = env.attach_type = effective(prog_type, program.expected_attach_type)
    if prog_type == "syscall" and not program.sleepable:
        env.reject(EINVAL, "Syscall programs can only be sleepable")
    if program.sleepable and not _may_sleep(prog_type, attach_type):
        env.reject(EINVAL, "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable")
    if prog_type == "ext":
        check_replaced(env)
        program = env.program
        prog_type = program.prog_type
        attach_type = env.attach_type = effective(prog_type, program.expected_attach_type)
    env.extra_helpers = attach_helpers(prog_type, attach_type)
    if env.replaces and prog_type in HAVE_PROTOTYPES:
        env.unsupported(f"replacing functions of {prog_type} programs")
    if prog_type == "struct_ops":
        _check_struct_ops(env, types)
    elif prog_type in ("tracing", "lsm"):
        check_attach_target(env)
    elif prog_type in NF_CONN_WRITERS:
        env.btf_store = nf_conn_rule(env)
    env.ctx_kind = ctx_kind(prog_type, attach_type, bpf_capable=env.bpf_capable)
    if env.ctx_kind is None:
        env.unsupported(f"program type {prog_type}")


def nf_conn_rule(env: Env) -> StoreRule | None:
    """What XDP and TC programs may write into a connection: its mark (nfct_btf_struct_access)."""
    try:
        place = member(env.kernel_btf, env.kernel_btf.find("nf_conn", t.Struct), "mark")
    except BadInput:
        return None
    start = place.offset
    end = start + env.kernel_btf.size_of(place.type)

    def rule(struct: str, off: int, size: int) -> tuple[int, str] | None:
        if struct not in ("nf_conn", "nf_conn___init"):
            return EACCES, ""
        if off != start:
            return EACCES, f"no write support to nf_conn at off {off}"
        if off + size > end:
            text = f"write access at off {off} with size {size} beyond the member of nf_conn ended at {end}"
            return EACCES, text
        return None

    return rule


def _may_sleep(prog_type: str, attach_type: int) -> bool:
    if prog_type == "tracing":
        return attach_type in (TRACE_FENTRY, TRACE_FEXIT, MODIFY_RETURN, TRACE_ITER)
    return prog_type in ("syscall", "struct_ops", "lsm", "kprobe")


def _check_struct_ops(env: Env, types: StructOpsTypes | None) -> None:
    program, btf = env.program, env.kernel_btf
    if not env.gpl:
        env.reject(EINVAL, "struct ops programs must have a GPL compatible license")
    if not program.attach_btf_id:
        env.reject(ENOTSUPP, "")
    type_ = types.by_id(program.attach_btf_id) if types is not None else None
    if type_ is None:
        env.reject(ENOTSUPP, f"attach_btf_id {program.attach_btf_id} is not a supported struct")
    struct = btf.type(type_.type_id)
    assert isinstance(struct, t.Struct)
    index = program.expected_attach_type
    if index >= len(struct.members):
        env.reject(EINVAL, f"attach to invalid member idx {index} of struct {struct.name}")
    hook = struct.members[index]
    target = btf.resolve(hook.type)
    proto = btf.resolve(target.type) if isinstance(target, t.Ptr) else None
    if not isinstance(proto, t.FuncProto):
        env.reject(EINVAL, f"attach to invalid member {hook.name}(@idx {index}) of struct {struct.name}")
    if not type_.has_stub(index):
        env.reject(ENOTSUPP, f"attach to unsupported member {hook.name} of struct {struct.name}")
    errno = type_.check_member(index, program)
    if errno:
        env.reject(abs(errno), f"attach to unsupported member {hook.name} of struct {struct.name}")
    notes = dict(type_.arg_info(index))
    if "ref" in notes.values() and any(s.has_tail_call for s in env.subprogs):
        env.reject(EINVAL, "program with __ref argument cannot tail call")
    env.attach_proto = proto
    env.attach_name = hook.name
    env.attach_struct = struct.name
    env.arg_info = notes
    env.btf_store = type_.btf_struct_access
    if struct.name == "tcp_congestion_ops":
        env.extra_helpers = TCP_CA_HELPERS
        if hook.name != "release":
            env.extra_helpers |= SOCKOPT_HELPERS
