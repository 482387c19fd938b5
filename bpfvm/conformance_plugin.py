# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Plug-in for the public bpf_conformance suite: `bpfvm-conformance-plugin [MEMORY] [--elf] [--engine NAME]`.

MEMORY: bytes of the program's context as hexadecimal digits, blanks between them allowed; without it there is none. The
program is on the first line of standard input, as hexadecimal digits too: instructions, or with `--elf` an object file,
whose first executable section that isn't empty is run. r0 goes to standard output as hexadecimal digits.

The program starts with r1 = address and r2 = length of its memory, unverified, under a limit of LIMIT instructions.
Exit codes as everywhere in bpfvm (bpfvm/errors.py); what was wrong goes to standard error.
"""

from __future__ import annotations

import gc
import os
import sys

from bpfvm.errors import BadInput, BpfvmError, UsageError
from bpfvm.typed import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from bpfvm.engine.services import CallFrame
    from bpfvm.memory import Memory
    from bpfvm.runtime import Runtime

LIMIT: Final = 100_000_000
MEMORY_SIZE: Final = 64 << 20
SET_R2: Final = 0xB7
"""`r2 = imm`, put before the program, so that its slots count from 1 in messages."""
USAGE: Final = "usage: bpfvm-conformance-plugin [MEMORY] [--elf] [--engine interp|fast|jit|auto] < PROGRAM"
Args = tuple[int, int, int, int, int]


class LazyRuntime:
    """The kernel's functions, made when a program calls the first one."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._runtime: Runtime | None = None

    def _made(self) -> Runtime:
        if self._runtime is None:
            from bpfvm.runtime import Runtime

            self._runtime = Runtime(self._memory, None)
        return self._runtime

    def helper(self, func_id: int, args: Args, frame: CallFrame) -> int:
        return self._made().helper(func_id, args, frame)

    def kfunc(self, btf_id: int, args: Args, frame: CallFrame) -> int:
        return self._made().kfunc(btf_id, args, frame)


def result(memory_hex: str, program_hex: str, *, elf: bool, engine: str) -> int:
    """r0 of the program. Raises BadInput, UsageError, Trap."""
    from bpfvm.engine.choose import make_engine
    from bpfvm.engine.image import Image
    from bpfvm.isa.insn import Insn, decode
    from bpfvm.memory import Memory

    data = _bytes(memory_hex, "memory")
    code = _bytes(program_hex, "program")
    insns = decode(_instructions(code) if elf else code)
    image = Image.of_insns((Insn(SET_R2, 2, imm=len(data)), *insns), "conformance")
    memory = Memory(MEMORY_SIZE)
    at = memory.alloc(len(data), what="context") if data else 0
    memory.write(at, data)
    return make_engine(engine, memory, LazyRuntime(memory)).run(image, at, fuel=LIMIT)


def _bytes(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadInput(f"the {what} is not a row of hexadecimal digits") from None


def _instructions(data: bytes) -> bytes:
    from bpfvm.elf import read_elf

    found = read_elf(data, "standard input")
    for section in found.sections:
        if section.executable and section.size:
            if found.relocs.get(section.index):
                raise BadInput("relocations need a kernel around: use `bpfvm prog run`", section=section.name)
            return bytes(section.data)
    raise BadInput("no section with instructions", path="standard input")


def main(arguments: list[str]) -> int:
    """Run the program on standard input; the exit code."""
    try:
        memory, elf, engine = _parse(arguments)
        print(f"{result(memory, sys.stdin.readline(), elf=elf, engine=engine):x}")
    except BpfvmError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def script() -> NoReturn:
    """The console script. It lives for milliseconds: garbage is not collected and the interpreter not taken down."""
    gc.disable()
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _parse(arguments: list[str]) -> tuple[str, bool, str]:
    memory, elf, engine = "", False, "interp"
    rest = iter(arguments)
    for index, argument in enumerate(rest):
        if argument == "--elf":
            elf = True
        elif argument == "--engine":
            engine = next(rest, "")
        elif argument.startswith("--engine="):
            engine = argument.partition("=")[2]
        elif index == 0 and not argument.startswith("-"):
            memory = argument
        else:
            raise UsageError(f"argument `{argument}`; {USAGE}")
    return memory, elf, engine


if __name__ == "__main__":
    script()
