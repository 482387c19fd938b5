# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What bpf_stream_vprintk returns in the running kernel and here; what it wrote only we can tell."""

from __future__ import annotations

import errno

import pytest

from bpfvm.engine.fast import FastEngine
from bpfvm.engine.image import link_image
from bpfvm.isa.insn import encode
from bpfvm.isa.map_types import BPF_F_RDONLY_PROG
from bpfvm.isa.word import s32
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program
from bpfvm.runtime import Runtime
from tests import kernel_oracle
from tests.differential.bpf_maps import create, fill
from tests.differential.verifier_oracle import assemble, environment, unusable
from verifier.verify import verify

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SIZE = 64


def printed(text: bytes, stream: int, size: int) -> tuple[int, dict[int, bytearray]]:
    """Our result, which must be the kernel's, and our streams."""
    fmt = MapSpec("fmt", "array", 4, SIZE, 1, BPF_F_RDONLY_PROG, initial=text, frozen=True)
    values = " / ".join(f"*(u64 *)(r10 -{at}) = {at}" for at in range(96, 0, -8))
    source = f"{values} / r1 = {stream} / r2 = map[id:0][0]+0 / r3 = r10 / r3 += -96 / r4 = {size} / r5 = 0 / "
    insns = assemble(source + "kcall bpf_stream_vprintk_impl / exit")
    env = environment()
    verified = verify(Program("test", "syscall", insns, maps=(fmt,), sleepable=True), env)
    runtime = Runtime(Memory(1 << 20), env.kernel_btf)
    made = runtime.create_map(fmt)
    image = link_image(verified, [made.addr], [made.direct_value()], lambda _: 0)
    ours = s32(FastEngine(runtime.memory, runtime).run(image, runtime.memory.alloc(64)))
    fd, error = create("array", 4, SIZE, 1, BPF_F_RDONLY_PROG)
    assert not error
    fill(fd, text.ljust(SIZE, b"\0"), freeze=True)
    done = kernel_oracle.test_run(encode(insns), "syscall", maps=[fd], flags=16, ctx=bytes(8), log_level=1)
    assert done.ok, done.log[-500:]
    if done.retval != -errno.ENOMEM:  # where the kernel finds no memory for the text without taking a lock
        assert ours == done.retval, (text, stream, size)
    else:
        assert ours == 0
    return ours, runtime.streams


@pytest.mark.parametrize("stream", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("text", [b"plain", b"%d of %d", b"%q", b"%d %d %d", b"%%", b"\xff", b"%5x|%-4llu|%c", b""])
def test_streams(stream: int, text: bytes) -> None:
    for size in (8, 16, 12, 96):
        printed(text, stream, size)


def test_what_is_written() -> None:
    assert printed(b"%d of %d\n", 1, 16) == (0, {1: bytearray(b"96 of 88\n"), 2: bytearray()})
