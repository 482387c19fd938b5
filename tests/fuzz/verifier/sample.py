# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program of the fuzzer with what it is loaded as, and the maps that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bpfvm.isa.disasm import disasm
from bpfvm.isa.insn import Insn
from bpfvm.isa.map_types import BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG
from bpfvm.obj.model import MapSpec
from tests.fuzz.verifier.code import middles

ARRAY: Final = 0
HASH: Final = 1
RINGBUF: Final = 2
ONE: Final = 3
PERCPU: Final = 4
QUEUE: Final = 5
PROGS: Final = 6
READ_ONLY: Final = 7
WRITE_ONLY: Final = 8
LRU: Final = 9
USER_RINGBUF: Final = 10
MAPS: Final = (
    MapSpec("oracle", "array", 4, 48, 4),
    MapSpec("oracle", "hash", 8, 24, 4),
    MapSpec("oracle", "ringbuf", 0, 0, 4096),
    MapSpec("oracle", "array", 4, 64, 1),
    MapSpec("oracle", "percpu_array", 4, 16, 2),
    MapSpec("oracle", "queue", 0, 16, 4),
    MapSpec("oracle", "prog_array", 4, 4, 2),
    MapSpec("oracle", "array", 4, 32, 1, BPF_F_RDONLY_PROG),
    MapSpec("oracle", "array", 4, 32, 1, BPF_F_WRONLY_PROG),
    MapSpec("oracle", "lru_hash", 8, 16, 4),
    MapSpec("oracle", "user_ringbuf", 0, 0, 4096),
)
SKB_TYPES: Final = frozenset(("socket_filter", "sched_cls", "cgroup_skb", "lwt_in", "lwt_xmit", "sk_skb"))
"""Program types whose context is a struct __sk_buff."""
CTX_SIZE: Final = 96
"""Bytes of context that a syscall program is run with."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A program. member: index in tcp_congestion_ops (struct_ops); every_state, strict: the load flags
    BPF_F_TEST_STATE_FREQ and BPF_F_STRICT_ALIGNMENT."""

    insns: tuple[Insn, ...]
    prog_type: str
    member: int = 0
    every_state: bool = False
    strict: bool = False
    sleepable: bool = False
    license: str = "GPL"
    seed: int = -1

    def text(self) -> str:
        """As assembler, one instruction a line."""
        skip = middles(self.insns)
        head = f"# {self.prog_type}" + (f" member {self.member}" if self.prog_type == "struct_ops" else "")
        head += (
            " every_state" * self.every_state
            + " strict" * self.strict
            + " sleepable" * self.sleepable
            + f" {self.license} seed {self.seed}"
        )
        return "\n".join([head, *(f"{i:3}: {disasm(self.insns, i)}" for i in range(len(self.insns)) if i not in skip)])
