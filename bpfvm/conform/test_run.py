# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs an accepted program once on our interpreter, as BPF_PROG_TEST_RUN would
(net/bpf/test_run.c bpf_prog_test_run_skb, bpf_prog_test_run_xdp, bpf_prog_test_run_syscall, 6.12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bpfvm.btf import Btf
from bpfvm.conform.expectation import TEST_DATA_LEN
from bpfvm.engine.image import Image, link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.services import Packet
from bpfvm.errors import BpfvmError
from bpfvm.isa.insn import Insn
from bpfvm.isa.word import s32
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program, VerifiedProgram
from bpfvm.runtime import Runtime
from bpfvm.runtime.maps import Map
from verifier.env import Env
from verifier.reg_type import BASE_TYPE_MASK, PTR_TO_CTX

ETH_HLEN = 14
SKF_LL_OFF, SKF_NET_OFF = -0x200000, -0x100000
HEADROOM = 256
FUEL = 3_000_000
LDX, MEM, DW = 0x01, 0x60, 0x18
SHADOW = 256
"""offset behind every context where the pointers are, which user space's struct has no room for"""

SKB_TYPES = frozenset(("socket_filter", "sched_cls", "sched_act", "cgroup_skb", "lwt_in", "lwt_out", "lwt_xmit"))
L2_TYPES = frozenset(("sched_cls", "sched_act"))
SKB_POINTERS = {76: "data", 80: "data_end", 140: "data_meta"}
XDP_POINTERS = {0: "data", 4: "data_end", 8: "data_meta"}
ETH_P_802_2 = 0x0400
"""in network byte order"""
ETH_P_802_3_MIN = 0x0600

TEST_VALUE = (28).to_bytes(4, "little") + bytes(24) + (0xABCDEF12).to_bytes(4, "little") + bytes(16)
"""what the kernel's runners put into some maps first: struct test_val with index 28 and foo[6] set"""


class NotRun(Exception):
    """Why a program wasn't run to its end; the text is a category."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A program that the verifier accepted, and the run in which it did."""

    program: Program
    run: Env


Judge = Callable[[str], Accepted]
"""another program of the object, by name; raises NotRun when it is refused"""


@dataclass(slots=True)
class _Run:
    """The kernel around one run: maps are made when a program refers to them."""

    specs: Mapping[str, MapSpec]
    judge: Judge
    memory: Memory
    runtime: Runtime
    maps: dict[int, Map] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)

    def map_of(self, spec: MapSpec) -> Map:
        """The map made from this spec."""
        made = self.maps.get(id(spec))
        if made is None:
            made = self.maps[id(spec)] = self.runtime.create_map(spec)
            for index, name in spec.slots.items():
                made.update(index.to_bytes(4, "little"), self._slot(spec, name).to_bytes(4, "little"))
        return made

    def _slot(self, spec: MapSpec, name: str) -> int:
        if spec.map_type != "prog_array":
            return self.map_of(self.specs[name]).id
        if name not in self.programs:
            accepted = self.judge(name)
            self.programs[name] = len(self.programs) + 1
            self.runtime.programs[self.programs[name]] = self.image(accepted)
        return self.programs[name]

    def image(self, accepted: Accepted) -> Image:
        """The program with addresses and its context loads as the kernel rewrites them."""
        program, run = accepted.program, accepted.run
        used = [self.map_of(spec) for spec in program.maps]
        values = [(made.lookup(bytes(4)) or 0) if _is_direct(made) else 0 for made in used]
        insns = _with_pointers(program.insns, run, program.prog_type)
        verified = VerifiedProgram(program, insns, probe_mem=frozenset(run.probe_mem))
        return link_image(verified, [made.addr for made in used], values, _no_variable)


def _no_others(name: str) -> Accepted:
    raise NotRun("a program array with programs")


def run_for_retval(
    accepted: Accepted,
    btf: Btf,
    *,
    frame: bytes = bytes(TEST_DATA_LEN),
    filled: Mapping[str, bytes] | None = None,
    specs: Mapping[str, MapSpec] | None = None,
    judge: Judge = _no_others,
) -> int:
    """What the program returns, as s32. Raises NotRun.

    ``btf``: the kernel's types; ``frame``: the packet, from its Ethernet header on; ``filled``: map name → its first
    element's value; ``specs`` and ``judge``: maps and programs of the object, by the names in initial map entries.
    """
    prog_type = accepted.program.prog_type
    memory = Memory(64 << 20, "off")
    try:
        runtime = Runtime(memory, btf)
        run = _Run(specs or {}, judge, memory, runtime)
        image = run.image(accepted)
        for made in run.maps.values():
            if filled and made.spec.name in filled:
                made.update(bytes(4), filled[made.spec.name])
        ctx = _context(memory, prog_type, frame)
        machine = Interpreter(memory, runtime, packet=_packet(memory, frame), tail_calls=runtime.tail_target)
        return s32(machine.run(image, ctx, fuel=FUEL))
    except BpfvmError as error:
        raise NotRun(_short(str(error))) from error
    finally:
        memory.close()


def _short(message: str) -> str:
    first = message.splitlines()[0]
    return first.rpartition(": ")[2] if "not emulated" in first else first[:160]


def _is_direct(made: Map) -> bool:
    return made.spec.map_type == "array" and made.spec.max_entries == 1


def _no_variable(btf_id: int) -> int:
    raise NotRun("kernel variables have no contents here")


def _pointers(prog_type: str) -> dict[int, str]:
    return XDP_POINTERS if prog_type == "xdp" else SKB_POINTERS if prog_type in SKB_TYPES else {}


def _with_pointers(insns: tuple[Insn, ...], run: Env, prog_type: str) -> tuple[Insn, ...]:
    """Loads of 32-bit packet pointers from the context become loads of the 64-bit ones behind it."""
    pointers = _pointers(prog_type)
    out = list(insns)
    for slot, insn in enumerate(insns):
        is_load = insn.code & 7 == LDX and insn.code & 0xE0 == MEM
        if is_load and run.ptr_types[slot] & BASE_TYPE_MASK == PTR_TO_CTX and insn.off in pointers:
            out[slot] = insn._replace(code=LDX | MEM | DW, off=SHADOW + 8 * list(pointers).index(insn.off))
    return tuple(out)


def _context(memory: Memory, prog_type: str, frame: bytes) -> int:
    """The address of the context. Raises NotRun."""
    if prog_type == "syscall":
        return 0
    if not _pointers(prog_type):
        raise NotRun(f"no test run of {prog_type} programs")
    is_l2 = prog_type in L2_TYPES or prog_type == "xdp"
    packet = memory.alloc(HEADROOM + len(frame) + HEADROOM, what="packet")
    memory.write(packet + HEADROOM, frame)
    end = packet + HEADROOM + len(frame)
    data = min(packet + HEADROOM + (0 if is_l2 else ETH_HLEN), end)
    ctx = memory.alloc(SHADOW + 24, what="context")
    for index, value in enumerate((data, end, data)):
        memory.store(ctx + SHADOW + 8 * index, 8, value)
    if prog_type == "xdp":
        memory.store(ctx + 12, 4, 1)
        return ctx
    memory.store(ctx, 4, end - data)
    memory.store(ctx + 16, 4, _protocol(frame))
    memory.store(ctx + 40, 4, 1)
    memory.store(ctx + 168, 8, memory.alloc(128, what="struct bpf_sock"))
    return ctx


def _protocol(frame: bytes) -> int:
    """eth_type_trans: the type in network byte order, or that of an 802.3 frame, whose type field is a length."""
    is_type = int.from_bytes(frame[12:14], "big") >= ETH_P_802_3_MIN
    return int.from_bytes(frame[12:14], "little") if is_type else ETH_P_802_2


def _packet(memory: Memory, frame: bytes) -> Packet:
    """What ld_abs and ld_ind read: the data, or the frame from its link or network header on where the offset asks for
    that (net/core/filter.c bpf_skb_load_helper_8)."""

    def load(ctx: int, offset: int, size: int) -> int | None:
        data, end = memory.load(ctx + SHADOW, 8), memory.load(ctx + SHADOW + 8, 8)
        if SKF_LL_OFF <= offset < SKF_NET_OFF:
            data, offset = end - len(frame), offset - SKF_LL_OFF
        elif SKF_NET_OFF <= offset < 0:
            data, offset = end - len(frame) + ETH_HLEN, offset - SKF_NET_OFF
        if offset < 0 or data + offset + size > end:
            return None
        return int.from_bytes(memory.read(data + offset, size), "big")

    return load
