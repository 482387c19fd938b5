# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who a program array belongs to: only programs of one kind may tail-call each other (kernel/bpf/core.c
__bpf_prog_map_compatible, 6.18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.isa.helper_ids import HELPER_ID
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import Program
from bpfvm.runtime.maps.base import Map

STORAGES: Final = ("cgroup_storage", "percpu_cgroup_storage")
ATTACHED: Final = ("tracing", "lsm", "ext", "struct_ops")
"""types whose arguments depend on what they are attached to"""
TAIL_CALL: Final = Insn(0x85, imm=HELPER_ID["tail_call"])


class ProgKind(NamedTuple):
    """What must be the same. attached_to: the type that says what the arguments are, 0 if the program's type does."""

    prog_type: str
    expected_attach_type: int
    xdp_has_frags: bool
    sleepable: bool
    attached_to: int

    def __str__(self) -> str:
        words = [self.prog_type, f"attach type {self.expected_attach_type}" * bool(self.expected_attach_type)]
        words += ["with fragments" * self.xdp_has_frags, "sleepable" * self.sleepable]
        words += [f"attached to type {self.attached_to}" * bool(self.attached_to)]
        return ", ".join(filter(None, words))


class ProgOwner(NamedTuple):
    """The first program that refers to a program array or is put into it, as the kernel remembers it.

    storages: ids of the cgroup storage maps it uses, one of each of STORAGES, 0 without. tail_calls: it makes some,
    which is not remembered, but decides whether a program without storage may come later.
    """

    name: str
    kind: ProgKind
    storages: tuple[int, ...]
    tail_calls: bool

    @classmethod
    def of(cls, program: Program, used: Sequence[Map], btf: Btf) -> Self:
        """The program that uses these maps; ``btf`` holds what it is attached to."""
        kind = ProgKind(
            program.prog_type,
            program.expected_attach_type,
            program.xdp_has_frags,
            program.sleepable,
            _attached_to(program, btf) if program.prog_type in ATTACHED else 0,
        )
        storages = tuple(next((each.id for each in used if each.kind == storage), 0) for storage in STORAGES)
        return cls(program.name, kind, storages, TAIL_CALL in program.insns)

    def admits(self, other: ProgOwner) -> bool:
        """May ``other`` share the array?"""
        shared = zip(self.storages, other.storages, strict=True)
        return self.kind == other.kind and all(
            mine == theirs or not (theirs or other.tail_calls) for mine, theirs in shared
        )


def _attached_to(program: Program, btf: Btf) -> int:
    """Two functions with the same prototype count as one."""
    if program.target is not None or not program.attach_btf_id:
        return program.attach_btf_id
    found = btf.type(program.attach_btf_id)
    return found.type if isinstance(found, t.Func) else program.attach_btf_id
