# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The benchmark programs as BPF images, as bytes for bpf(2), and as a native library."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from bpf_progs.compiler import find_compiler
from bpfvm.engine.image import Image, link_image
from bpfvm.memory import Memory
from bpfvm.obj.link import link_program
from bpfvm.obj.model import ObjectSpec, Program, VerifiedProgram
from bpfvm.obj.open import open_object

HERE = Path(__file__).resolve().parent
SOURCE = "programs.c"
NAMES = ("alu64", "memory_sum", "fnv", "calls", "sieve", "alu32", "policy")
BUILD = HERE.parent / "build"


def compile_bpf() -> ObjectSpec:
    """The object of programs.c. Raises CompilerMissing, CompileError."""
    return open_object(find_compiler().compile(SOURCE, HERE))


def program(spec: ObjectSpec, name: str) -> Program:
    """One program, linked; it uses no kernel types."""
    assert spec.btf is not None
    return link_program(spec, name, spec.btf)


def place(linked: Program, memory: Memory) -> Image:
    """The program in `memory` with data sections of its own. Nothing is verified: the programs are ours."""
    values = []
    for each in linked.maps:
        at = memory.alloc(each.value_size, what=each.name)
        memory.write(at, each.initial or b"")
        values.append(at)
    return link_image(VerifiedProgram(linked, linked.insns), values, values, lambda btf_id: 0)


def compile_native() -> dict[str, Callable[[int], int]] | None:
    """For each program what runs it n times, compiled with `cc -O2`; None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    BUILD.mkdir(exist_ok=True)
    library = BUILD / "bench-native.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(HERE / SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    loaded = ctypes.CDLL(str(library))
    return {name: getattr(loaded, f"repeat_{name}") for name in NAMES}
