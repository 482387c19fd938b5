# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a program is run on: its context from numbers or bytes, with a packet if it reads one."""

from __future__ import annotations

from dataclasses import dataclass, field
from errno import EINVAL
from typing import Final, Literal

from bpfvm.errors import SyscallError, UsageError
from bpfvm.memory import Memory
from bpfvm.obj.model import VerifiedProgram
from bpfvm.report.run_arguments import arguments
from bpfvm.runtime.test_run import RUNNABLE, TestContext, make_context, sk_lookup
from bpfvm.session import Session

ARGUMENT_TYPES = ("struct_ops", "tracing", "lsm", "raw_tracepoint", "raw_tracepoint_writable")
"""program types whose context is an array of 8-byte arguments"""
BYTES_TYPES = ("syscall", "kprobe", "tracepoint", "sk_lookup")
"""program types whose context is a block of bytes that user space or the architecture defines"""
MAX_CONTEXT = 64 << 10
PT_REGS = 168
"""sizeof(struct pt_regs) on x86-64, the context of a kprobe"""
TEST_DATA = bytes(64)
"""the packet when none is given: what the kernel tree's runners use"""
DATA: Final = "data"
COUNT_SIZE = 8
"""bytes before a context of arguments, which hold their number"""
RESULT_SIZE = 8
"""bytes behind the arguments: what the function that the program is attached to returned"""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, on what. ``args`` are wrapped to 64 bits, DATA stands for the address of ``data``; ``ctx`` and
    ``data`` are bytes; ``elapse``: ns that pass after the last run, None: not even work that waits runs."""

    prog: str
    args: tuple[int | Literal["data"], ...] = ()
    ctx: bytes | None = None
    data: bytes | None = None
    repeat: int = 1
    elapse: int | None = None
    trace: bool = False


@dataclass(slots=True)
class Block:
    """A context that is nothing but bytes; before it lies the number of arguments, as trampolines put it. ``data``:
    address and size of what an argument points to; ``objects``: addresses of what others do."""

    memory: Memory
    addr: int = 0
    size: int = 0
    data: tuple[int, int] = (0, 0)
    objects: list[int] = field(default_factory=list)

    def data_out(self) -> bytes | None:
        """What the argument points to now; None when no argument does."""
        return self.memory.read(*self.data) if self.data[0] else None

    def ctx_out(self) -> bytes:
        """The bytes now."""
        return self.memory.read(self.addr, self.size)

    def close(self) -> None:
        """Give the memory back."""
        self.memory.free(self.addr - COUNT_SIZE if self.addr else 0)
        for addr in (self.data[0], *self.objects):
            self.memory.free(addr)


def make_run_context(session: Session, verified: VerifiedProgram, request: Request) -> Block | TestContext:
    """What the program gets in r1. Raises SyscallError with BPF_PROG_TEST_RUN's errno for a packet or a context that it
    refuses: one may not be shorter than what the program looks at."""
    program = verified.program
    if program.prog_type in RUNNABLE:
        data = TEST_DATA if request.data is None else request.data
        return make_context(session.runtime, program.prog_type, data, request.ctx or b"")
    block, memory = Block(session.memory), session.memory
    if request.data:
        block.data = memory.alloc(len(request.data), what="data"), len(request.data)
        memory.write(block.data[0], request.data)
    args = tuple(block.data[0] if each == DATA else each for each in request.args)
    if request.ctx is not None:
        content = _checked(verified, request.ctx)
    elif program.prog_type in BYTES_TYPES:
        content = bytes(max(verified.max_ctx_offset, PT_REGS if program.prog_type == "kprobe" else 0))
    else:
        content, block.objects = arguments(session, program, args)
    if program.prog_type == "sk_lookup":
        content = sk_lookup.checked(content)
    if content:
        block.size = len(content)
        room = max(len(content) + RESULT_SIZE, verified.max_ctx_offset)
        block.addr = memory.alloc(COUNT_SIZE + room, what="bpf context") + COUNT_SIZE
        memory.store(block.addr - COUNT_SIZE, 8, len(content) // 8)
        memory.write(block.addr, content.ljust(room, b"\0"))
    return block


def check_request(request: Request, prog_type: str) -> None:
    """Raises UsageError, saying what can be run, for a request that doesn't fit the program's type."""
    if prog_type not in (*ARGUMENT_TYPES, *BYTES_TYPES, *RUNNABLE):
        runnable = ", ".join((*ARGUMENT_TYPES, *BYTES_TYPES, *RUNNABLE))
        raise UsageError(f"not emulated: runs of {prog_type} programs by themselves (possible: {runnable})")
    if request.data is not None and prog_type not in RUNNABLE and DATA not in request.args:
        how = " (an argument can point to it: --arg data)" if prog_type in ARGUMENT_TYPES else ""
        raise UsageError(f"--data: programs of type {prog_type} read no packet data{how}")
    if request.data is None and DATA in request.args:
        raise UsageError("--arg data: what it points to is given with --data")
    if request.ctx is not None and prog_type in ARGUMENT_TYPES:
        raise UsageError(f"--ctx: programs of type {prog_type} take arguments; use --arg")
    if request.args and prog_type not in ARGUMENT_TYPES:
        how = "take a packet; use --data" if prog_type in RUNNABLE else "take a block of bytes; use --ctx"
        raise UsageError(f"--arg: programs of type {prog_type} {how}")
    if request.ctx is not None and len(request.ctx) > MAX_CONTEXT:
        raise UsageError(f"--ctx: {len(request.ctx)} bytes are more than the limit of {MAX_CONTEXT}")


def _checked(verified: VerifiedProgram, ctx: bytes) -> bytes:
    if len(ctx) < verified.max_ctx_offset:
        text = f"the program looks at {verified.max_ctx_offset} bytes of context, --ctx has {len(ctx)}"
        raise SyscallError(EINVAL, text)
    return ctx
