# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What compiled code does without asking Python: array maps and bpf_loop of the emulated kernel; the code's store."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.elf import native_functions
from bpfvm.engine.image import Image, link_image
from bpfvm.engine.interp import MAX_DEPTH, Interpreter
from bpfvm.engine.jit import JitEngine, available, llvm
from bpfvm.engine.jit.store import MAX_FILES, Store, default_folder, key
from bpfvm.errors import BpfvmError, KernelReport, Trap
from bpfvm.isa.asm import asm
from bpfvm.memory import Memory
from bpfvm.obj.model import MapSpec, Program, VerifiedProgram
from bpfvm.runtime import Runtime

pytestmark = pytest.mark.skipif(not available(), reason="the compiler needs llvmlite (extra jit)")
SPEC = MapSpec("counts", "array", 4, 12, 5)
COUNT = """
    r6 = r1
    r1 = map[id:0]
    r2 = r6
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = *(u32 *)(r0 +8)
    r1 += 1
    *(u32 *)(r0 +8) = r1
    r0 = r1
out:
    exit
"""


class Quiet(Runtime):
    """The kernel's runtime, where no helper may be called."""

    def helper(self, func_id: int, args: object, frame: object) -> int:
        raise AssertionError(f"helper {func_id} was called")


def world(kind: type[Runtime] = Quiet, checker: str = "off") -> tuple[JitEngine, Runtime]:
    memory = Memory(1 << 20, checker)
    runtime = kind(memory, None)
    return JitEngine(memory, runtime, cache_dir=""), runtime


def linked(runtime: Runtime, text: str) -> Image:
    found = runtime.create_map(SPEC)
    insns = asm(text)
    return link_image(VerifiedProgram(Program("p", "syscall", insns), insns), [found.addr], [0], lambda btf_id: 0)


@pytest.mark.parametrize("checker", ["off", "kasan"])
def test_array_lookup_stays_native(checker: str) -> None:
    vm, runtime = world(checker=checker)
    program, key_at = linked(runtime, COUNT), vm.memory.alloc(4)
    vm.memory.store(key_at, 4, 3)
    assert [vm.run(program, key_at) for _ in range(3)] == [1, 2, 3]
    for outside in (5, 0xFFFFFFFF):
        vm.memory.store(key_at, 4, outside)
        assert vm.run(program, key_at) == 0
    (counts,) = runtime.maps.values()
    assert counts.get((3).to_bytes(4, "little")) == bytes(8) + (3).to_bytes(4, "little")


@pytest.mark.parametrize("checker", ["off", "kasan"])
def test_bad_key_fails_as_in_the_interpreter(checker: str) -> None:
    vm, runtime = world(Runtime, checker)
    reference = Interpreter(vm.memory, runtime)
    program, short = linked(runtime, COUNT.replace("r1 += 1", "r1 += 0")), vm.memory.alloc(2)
    for ctx in (0, 0xDEAD000000000100, vm.memory.end - 2, short):
        outcomes = []
        for engine in (reference, vm):
            try:
                outcomes.append(str(engine.run(program, ctx)))
            except BpfvmError as why:
                outcomes.append(f"{type(why).__name__} {why}")
        assert outcomes[0] == outcomes[1]
    if checker == "kasan":
        with pytest.raises(KernelReport, match="slab-out-of-bounds"):
            vm.run(program, short)


LOOP = """
    r6 = r1
    r7 = r2
    *(u64 *)(r10 -8) = 0
    r1 = {count} ll
    r2 = subprog[body]
    r3 = r10
    r3 += -8
    r4 = {flags}
    call bpf_loop
    r1 = *(u64 *)(r10 -8)
    r1 <<= 32
    r0 ^= r1
    exit
body:
    r3 = *(u64 *)(r2 +0)
    r3 += r1
    *(u64 *)(r2 +0) = r3
    r0 = 0
    if r1 != 20 goto done
    r0 = 1
done:
    exit
"""


@pytest.mark.parametrize("count", [0, 1, 10, 21, 30, 0x1_0000_0003, 8 << 20, (8 << 20) + 1])
@pytest.mark.parametrize("flags", [0, 1])
def test_loop_stays_native(count: int, flags: int) -> None:
    vm, _ = world()
    program = Image.of_insns(asm(LOOP.format(count=count, flags=flags)))
    reference = Interpreter(Memory(1 << 20), Runtime(Memory(1 << 20), None))
    assert vm.run(program, 0) == reference.run(program, 0)
    assert vm.run(program, 0, fuel=500) == reference.run(program, 0, fuel=500)


def test_loop_in_the_last_frame() -> None:
    vm, _ = world()
    calls = "\n".join(f"f{n}: call f{n + 1}\nexit" for n in range(MAX_DEPTH - 1))
    last = "r1 = 1\nr2 = subprog[body]\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\nbody: r0 = 0\nexit"
    text = f"{calls}\nf{MAX_DEPTH - 1}: {last}"
    with pytest.raises(Trap, match=f"more than {MAX_DEPTH} frames"):
        vm.run(Image.of_insns(asm(text)), 0)


def test_second_start_takes_the_kept_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    insns = asm("r0 = 5\ncall f\nexit\nf: r0 = 6\nexit")
    first = JitEngine(Memory(1 << 20), Runtime(Memory(1 << 20), None), cache_dir=tmp_path, tier="best")
    assert first.run(Image.of_insns(insns), 0) == 6
    (kept,) = tmp_path.iterdir()

    def never(*args: object, **more: object) -> bytes:
        raise AssertionError("compiled again")

    with monkeypatch.context() as patch:
        patch.setattr("bpfvm.engine.jit.code.compile_object", never)
        again = JitEngine(Memory(1 << 20), Runtime(Memory(1 << 20), None), cache_dir=tmp_path)
        assert again.run(Image.of_insns(insns), 0) == 6
    damaged = bytearray(kept.read_bytes())
    damaged[-1] ^= 1
    kept.write_bytes(damaged)
    third = JitEngine(Memory(1 << 20), Runtime(Memory(1 << 20), None), cache_dir=tmp_path, tier="best")
    assert third.run(Image.of_insns(insns), 0) == 6
    assert kept.read_bytes() != damaged


def test_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    assert store.get("x") is None
    store.put("x", b"code")
    assert store.get("x") == b"code"
    for damaged in (b"", b"bpfvm jit 1\n", (store.folder / "x").read_bytes()[:-1]):
        (store.folder / "x").write_bytes(damaged)
        assert store.get("x") is None
    (tmp_path / "file").write_text("")
    Store(tmp_path / "file").put("x", b"code")
    assert key(1, "quick") != key(1, "best") != key("1best")


def test_store_forgets_the_oldest(tmp_path: Path) -> None:
    for number in range(MAX_FILES):
        (tmp_path / str(number)).write_bytes(b"")
    Store(tmp_path).put("x", b"code")
    assert len(list(tmp_path.iterdir())) == MAX_FILES + 1 - (MAX_FILES >> 1)


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/bpfvm/jit")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_folder() == Path("/home/me/.cache/bpfvm/jit")


def test_wrong_assembly_is_our_bug() -> None:
    with pytest.raises(BpfvmError, match="LLVM doesn't take our code"):
        llvm.compile_object("define", "good")


def test_lines_of_native_code_are_slots() -> None:
    """Every function that wasn't compiled into its caller, and from which slot each piece of it comes."""
    vm, _ = world()
    program = Image.of_insns(asm("r0 = 2\nr0 *= r1\ncall pc+1\nexit\nr0 = *(u64 *)(r1 +0)\nr0 += r2\nexit"), "two")
    for arch in ("", "x86_64", "aarch64"):
        main, callee = native_functions(vm.object_code(program, "quick", arch))
        assert (main.name, callee.name) == ("f0", "f4")
        assert {line - 1 for _, line in callee.lines if line} <= {4, 5, 6}
        assert {line - 1 for _, line in main.lines if line} <= {0, 1, 2, 3}
        assert 4 in {line - 1 for _, line in callee.lines}
    (alone,) = native_functions(vm.object_code(program, "best"))
    assert alone.name == "f0" and 4 in {line - 1 for _, line in alone.lines}
