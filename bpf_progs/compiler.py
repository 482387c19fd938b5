# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The C compiler for BPF: clang inside the ziglang wheel, or any clang named in CC_BPF.

File names are recorded relative to the source folder, and no search path, date or host name gets in; with
`btf_order` the same source gives the same bytes from every folder.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FLAGS = (
    *("-O2", "-g", "-mcpu=v3", "-std=gnu11", "-ffreestanding", "-nostdinc"),
    *("-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fno-ident"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-declarations"),
)
ZIG_TARGET = ("-target", "bpfel-freestanding")
CLANG_TARGET = ("-target", "bpfel")


class CompilerMissing(Exception):
    """There is no compiler; the text says what to install."""


class CompileError(Exception):
    """The compiler refused a source file; the text is its output."""


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C for BPF, and the name and version it goes by."""

    command: tuple[str, ...]
    version: str

    def compile(self, source: str, folder: Path, *, include: Sequence[str] = (), define: Sequence[str] = ()) -> bytes:
        """The object of `source` (a path relative to `folder`). CompileError if it does not compile."""
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "out.o"
            command = [
                *(*self.command, *FLAGS, f"-ffile-prefix-map={folder}=.", "-fdebug-compilation-dir=."),
                *(f"-I{path}" for path in include),
                *(f"-D{name}" for name in define),
                *("-c", source, "-o", str(out)),
            ]
            done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
            if done.returncode:
                raise CompileError(f"{source}:\n{done.stderr}")
            return out.read_bytes()


def find_compiler() -> Compiler:
    """CC_BPF if set, else the ziglang wheel of this Python. CompilerMissing if there is neither."""
    chosen = os.environ.get("CC_BPF")
    if chosen:
        command = (*shlex.split(chosen), *CLANG_TARGET)
        return Compiler(command, _version(command))
    if importlib.util.find_spec("ziglang") is None:
        raise CompilerMissing(
            "no compiler for BPF: the ziglang package is not installed.\n"
            "Next step: pip install 'bpfvm[cc]'   (or set CC_BPF to a clang that has the BPF target)"
        )
    command = (sys.executable, "-m", "ziglang", "cc", *ZIG_TARGET)
    return Compiler(command, _version(command))


def _version(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run([*command, "--version"], env=_environment(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompilerMissing(f"{shlex.join(command)} does not run: {error}") from error
    return done.stdout.splitlines()[0].strip()


def _environment() -> dict[str, str]:
    """zig caches what it compiles; keep that out of the source tree. Locale and dates are fixed."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = str(Path(home) / "bpfvm" / "zig")
    fixed = {"LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    return {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache} | os.environ | fixed
