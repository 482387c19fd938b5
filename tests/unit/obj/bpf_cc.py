# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Compile small C sources for BPF in tests; results are kept outside of the repository, by the hash of the source."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("BPFVM_TEST_CACHE", Path(tempfile.gettempdir()) / f"bpfvm-test-objects-{os.getuid()}"))
PREAMBLE = """
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
typedef signed char s8; typedef short s16; typedef int s32; typedef long long s64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define __ulong(name, val) enum { ___bpf_concat(__unique_value, __COUNTER__) = val } name
#define ___bpf_concat(a, b) ___bpf_concat2(a, b)
#define ___bpf_concat2(a, b) a##b
#define __ksym SEC_EXTERN(".ksyms")
#define __kconfig SEC_EXTERN(".kconfig")
#define SEC_EXTERN(name) __attribute__((section(name)))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __noinline __attribute__((noinline))
#define PAI __attribute__((preserve_access_index))
"""


def compile_c(source: str, *flags: str, plain: bool = False) -> Path:
    """The object file of a C source (with PREAMBLE before it, unless ``plain``). Skips the test without a compiler."""
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang (the C-to-BPF compiler) is not installed")
    text = source if plain else PREAMBLE + source
    key = hashlib.sha256("\0".join((text, *flags)).encode()).hexdigest()[:24]
    made = CACHE / key / "test.bpf.o"
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    (made.parent / "test.c").write_text(text)
    fresh = made.with_suffix(f".{os.getpid()}")
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        "bpfel-freestanding",
        "-g",
        *(flags or ("-O2", "-mcpu=v3")),
    ]
    env = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig")}
    done = subprocess.run(
        [*command, "-c", "test.c", "-o", str(fresh)], cwd=made.parent, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    fresh.replace(made)
    return made
