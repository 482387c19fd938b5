# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Call chains on all engines and in the running kernel. Below the program's own frames the kernel has more, and the
addresses are its own, so programs ask for no more frames than they have, and only tell which are alike."""

from __future__ import annotations

from typing import Final

import pytest

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import link_image
from bpfvm.engine.interp import Interpreter
from bpfvm.engine.jit import JitEngine, available
from bpfvm.errors import SyscallError
from bpfvm.isa.insn import encode
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Map, Runtime
from tests import kernel_oracle
from tests.differential.bpf_maps import KernelMap
from tests.differential.verifier_oracle import assemble, environment, unusable
from verifier.verify import verify

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
ENGINES: Final = (Interpreter, FastEngine, *[JitEngine] * available())
SLEEPABLE: Final = 16
BUILD_IDS: Final = 1 << 5
STACK: Final = ("r6 = r1 / *(u64 *)(r10 -16) = -1 / *(u64 *)(r10 -8) = -1 / r2 = r10 / r2 += -16 / r3 = {size} / "
                "r4 = {flags} / call bpf_get_stack / *(u64 *)(r6 +0) = r0 / r1 = *(u64 *)(r10 -8) / r0 = 0 / "
                "if r1 == 0 goto x / if r1 == -1 goto x / r0 = 1 / x: *(u64 *)(r6 +8) = r0 / r0 = 0 / "
                "exit")  # fmt: skip
STACKS: Final = [
    (8, 0), (0, 0), (9, 0), (12, 0), (8, 0x200), (8, 0x400), (8, 0x800), (8, 0x8000), (8, 1 << 40), (8, 255), (8, 127),
    (16, 255), (8, 0x1FF), (8, 0x900), (0, 0x8FF),
]  # fmt: skip


def calls(*flags: int) -> str:
    """A program that asks once with each of these flags in a function of its own, each time from another place."""
    text = ["r6 = r1"]
    for at, each in enumerate(flags):
        text += ["r1 = r6", f"r2 = {each}", f"r3 = map[id:1][0]+{at * 8}", "call one"]
    one = "one: r6 = r3 / r3 = r2 / r2 = map[id:0] / call bpf_get_stackid / *(u64 *)(r6 +0) = r0"
    return " / ".join([*text, "r0 = 0", "exit", one, "r0 = 0", "exit"])


FAST, REUSE, USER = 1 << 9, 1 << 10, 1 << 8
IDS: Final = {
    "the same frame twice": (8, 0, (0, 0)),
    "another caller": (16, 0, (0, 0)),
    "used again": (16, 0, (0, REUSE, 0)),
    "one frame left out": (8, 0, (1, 1, 0)),
    "compared by hash": (16, 0, (0, FAST, FAST | REUSE)),
    "flags": (8, 0, (0x800, 0x1000, 255, 127, USER | 255)),
    "files": (32, BUILD_IDS, (0, 0, REUSE, FAST)),
    "files of two frames": (64, BUILD_IDS, (0, 0, REUSE)),
}  # fmt: skip


def run_ours(source: str, kind: str, maps: tuple[MapSpec, ...], engine: type[Interpreter]) -> tuple[bytes, list[Map]]:
    """The context afterwards, and the maps."""
    env = environment()
    verified = verify(Program("test", kind, assemble(source), maps=maps, sleepable=kind == "syscall"), env)
    memory = Memory(16 << 20)
    runtime = Runtime(memory, env.kernel_btf)
    made = [runtime.create_map(spec) for spec in maps]
    image = link_image(verified, [each.addr for each in made], [each.direct_value() for each in made], lambda _: 0)
    ctx = memory.alloc(64)
    assert engine(memory, runtime).run(image, ctx) == 0
    return memory.read(ctx, 64), made


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("size", "flags"), STACKS)
def test_stack(size: int, flags: int, engine: type[Interpreter]) -> None:
    source = STACK.format(size=size, flags=f"{flags:#x} ll" if flags >> 31 else flags)
    theirs = kernel_oracle.test_run(encode(assemble(source)), "syscall", ctx=bytes(64), flags=SLEEPABLE, log_level=1)
    assert theirs.ok, theirs.log[-1000:]
    ours = run_ours(source, "syscall", (), engine)[0]
    assert ours[:16].hex(" ", 8) == theirs.ctx_out[:16].hex(" ", 8)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", IDS)
def test_numbers_of_chains(name: str, engine: type[Interpreter]) -> None:
    """The map has one bucket, so that different chains meet."""
    size, flags, asked = IDS[name]
    source = calls(*asked)
    stacks, results = KernelMap("stack_trace", 4, size, 1, flags), KernelMap("array", 4, 64, 1)
    specs = MapSpec("stacks", "stack_trace", 4, size, 1, flags), MapSpec("results", "array", 4, 64, 1)
    try:
        done = kernel_oracle.test_run(
            encode(assemble(source)), "raw_tracepoint", log_level=1, maps=[stacks.fd, results.fd]
        )
        assert done.ok, done.log[-1000:]
        ours = run_ours(source, "raw_tracepoint", specs, engine)[1]
        assert ours[1].get(bytes(4)).hex(" ", 8) == results.get(bytes(4))[1].hex(" ", 8)
        assert contents(ours[0], flags) == contents(stacks, flags)
        assert outcome(ours[0], "delete") == stacks.delete(bytes(4))[0]
        assert outcome(ours[0], "next_key", None) == stacks.next_key(None)[0]
    finally:
        stacks.close()
        results.close()


def outcome(found: Map, name: str, key: bytes | None = bytes(4)) -> int:
    try:
        getattr(found, name)(key)
    except SyscallError as error:
        return error.errno
    return 0


def contents(found: Map | KernelMap, flags: int) -> list[object]:
    """The only bucket without addresses: which frames there are, and what is said about each."""
    try:
        got = found.get(bytes(4))
    except SyscallError as error:
        return [error.errno]
    error, value = got if isinstance(got, tuple) else (0, got)
    size = 32 if flags & BUILD_IDS else 8
    frames = [value[at : at + size] for at in range(0, len(value), size)]
    return [error] if error else [(frame[:24] if flags & BUILD_IDS else b"", any(frame)) for frame in frames]
