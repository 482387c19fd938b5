# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The same program given to the running kernel's verifier and to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from bpfvm.btf import Btf
from bpfvm.btf import types as t
from bpfvm.isa.asm import asm
from bpfvm.isa.insn import Insn, encode
from bpfvm.obj.model import MapSpec, Program
from tests import kernel_oracle as ko
from verifier import PROFILES, Rejection, VerifierEnv
from verifier.capabilities import ALL_CAPS, Capabilities
from verifier.verify import check

BTF_FILE = Path("/sys/kernel/btf/vmlinux")
OPS = "tcp_congestion_ops"
_FIELD = re.compile(r"\{(\w+)\.(\w+)([+-]\d+)?\}")
_KCALL = re.compile(r"kcall (\w+)")
_ADDRESS = re.compile(r"= 0xffff[0-9a-f]{12}\b")


def unusable() -> str:
    """Why bpf(2) can't be compared with here; "" if it can."""
    if not ko.available():
        return "bpf(2) cannot be used here"
    release = Path("/proc/sys/kernel/osrelease").read_text().split(".")[:2]
    if release != ["6", "18"]:
        return f"the running kernel is {'.'.join(release)}, not 6.18"
    return "" if BTF_FILE.exists() else "the running kernel has no BTF"


@lru_cache(1)
def kernel_btf() -> Btf:
    """The running kernel's."""
    return Btf.parse(BTF_FILE.read_bytes(), name="vmlinux")


class TcpOps:
    """tcp_congestion_ops as the running kernel registers it."""

    name = OPS

    @property
    def type_id(self) -> int:
        return kernel_btf().find(OPS, t.Struct)

    @property
    def btf_struct_access(self):  # type: ignore[no-untyped-def]
        return lambda _name, off, _size: (13, f"no write support to tcp_sock at off {off}")

    def has_stub(self, member_idx: int) -> bool:
        return member_idx != 10

    def check_member(self, member_idx: int, program: Program) -> int:
        del member_idx, program
        return 0

    def arg_info(self, member_idx: int) -> Mapping[int, str]:
        del member_idx
        return {}

    def by_id(self, btf_id: int) -> TcpOps | None:
        return self if btf_id == self.type_id else None


_CAPS = [ALL_CAPS]


def limit(caps: Capabilities) -> None:
    """This process has only these capabilities from now on."""
    _CAPS[0] = caps


def environment() -> VerifierEnv:
    """Ours, set up as the running kernel is, for who has this process's capabilities."""
    return replace(_privileged(), caps=_CAPS[0])


@lru_cache(1)
def _privileged() -> VerifierEnv:
    cpus = int(Path("/sys/devices/system/cpu/possible").read_text().strip().rpartition("-")[2]) + 1
    running = replace(PROFILES["6.18"], cpus=cpus, kfunc_trust=_wants_trust(), precise_fetches=_traces_fetches())
    return VerifierEnv(kernel_btf(), running, TcpOps())


def _wants_trust() -> bool:
    """Whether the running kernel is one of the later 6.18.y, where every kfunc wants objects that are trusted."""
    insns = assemble("r1 = 0 / kcall bpf_cast_to_kern_ctx / r0 = 0 / exit")
    return "passed to trusted arg0" in ko.verify(encode(insns), "sched_cls", log_level=1).log


def _traces_fetches() -> bool:
    """Whether the running kernel traces what atomics fetch; 6.18.44 doesn't (CVE-2026-43009)."""
    insns = assemble(
        "*(u64 *)(r10 -8) = 8 / r2 = 0 / r2 = atomic64_fetch_add((u64 *)(r10 -8), r2) / r3 = r10 / r3 += r2 / "
        "r0 = 0 / exit"
    )
    return "regs= stack=-8 before 1" in ko.verify(encode(insns), "socket_filter", log_level=2).log


def assemble(text: str | Sequence[Sequence[int]]) -> tuple[Insn, ...]:
    """Case text to instructions (see verifier_cases)."""
    if not isinstance(text, str):
        return tuple(Insn(*raw) for raw in text)

    def offset(match: re.Match[str]) -> str:
        struct = kernel_btf().struct(match[1])
        member = next(m for m in struct.members if m.name == match[2])
        return str((member.bit_offset >> 3) + int(match[3] or 0))

    names = _KCALL.findall(text)
    insns = asm(_KCALL.sub("call 4242", _FIELD.sub(offset, text)).replace(" / ", "\n"))
    ids = iter([kernel_btf().find(name, t.Func) for name in names])
    return tuple(Insn(0x85, 0, 2, 0, next(ids)) if i.code == 0x85 and i.imm == 4242 else i for i in insns)


class Both(NamedTuple):
    """The kernel's answer and ours."""

    accepted: bool
    errno: int
    log: str
    rejection: Rejection | None
    our_log: str

    def same_verdict(self) -> bool:
        ours = 0 if self.rejection is None else self.rejection.errno
        return self.accepted == (self.rejection is None) and self.errno == ours

    def same_log(self) -> bool:
        return normal(self.log) == normal(self.our_log)


def normal(log: str) -> str:
    """A log without what differs between two runs of one kernel: addresses, and the padding that depends on them."""
    return re.sub(" +;", " ;", _ADDRESS.sub("= ADDRESS", log))


def kernel_specs(maps: Sequence[MapSpec]) -> list[ko.MapSpec]:
    """Maps as the oracle wants them."""
    return [
        ko.MapSpec(m.map_type, m.key_size, m.value_size, m.max_entries, m.map_flags, map_extra=m.map_extra)
        for m in maps
    ]


def steps(insns: tuple[Insn, ...], prog_type: str, maps: Sequence[MapSpec]) -> int:
    """How many instructions the kernel's verifier looks at."""
    kernel = ko.verify(encode(insns), prog_type, maps=kernel_specs(maps), log_level=4)
    return int(kernel.stats.get("processed", 0))


def both(
    insns: tuple[Insn, ...],
    prog_type: str,
    maps: Sequence[MapSpec] = (),
    *,
    member: int = 0,
    level: int = 2,
    every_state: bool = False,
) -> Both:
    """Load into the kernel, and verify. `every_state`: BPF_F_TEST_STATE_FREQ."""
    sleepable = prog_type == "syscall"
    flags = (ko.F_SLEEPABLE if sleepable else 0) | (ko.F_TEST_STATE_FREQ if every_state else 0)
    struct_ops = (
        {"attach_btf_id": TcpOps().type_id, "expected_attach_type": member} if prog_type == "struct_ops" else {}
    )
    kernel = ko.verify(
        encode(insns),
        prog_type,
        maps=kernel_specs(maps),
        log_level=level,
        flags=flags,
        **struct_ops,
    )
    program = Program("oracle", prog_type, insns, maps=tuple(maps), sleepable=sleepable, **struct_ops)
    rejection, run = check(program, replace(environment(), test_state_freq=every_state), log_level=level)
    return Both(kernel.ok, kernel.errno, kernel.log, rejection, run.log.text())
