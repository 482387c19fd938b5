# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The running kernel as it answers a process that has only some of root's capabilities: a process of our own that gave
the others up. Nothing else about the machine is changed; it ends when its standard input does."""

from __future__ import annotations

import ctypes
import os
import pickle
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from tests import kernel_oracle as ko

NUMBERS = {"net_admin": 12, "sys_admin": 21, "perfmon": 38, "bpf": 39}
CAPABILITY_VERSION_3 = 0x20080522
ROOT = Path(__file__).resolve().parents[2]


class LimitedKernel:
    """Loads programs with the named capabilities and no others."""

    def __init__(self, *caps: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.differential.limited_oracle", *caps],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def verify(self, *args: Any, **kwargs: Any) -> ko.Verified:
        """The same as kernel_oracle.verify; OSError for what goes wrong there (a map that may not be made)."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        pickle.dump((args, kwargs), stdin)
        stdin.flush()
        answer = pickle.load(stdout)
        if isinstance(answer, OSError):
            raise answer
        return ko.Verified(*answer)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def unusable(*caps: str) -> str:
    """Why programs can't be loaded with these capabilities here; "" if they can."""
    return _tried(caps)


@cache
def _tried(caps: tuple[str, ...]) -> str:
    nothing = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
    kernel = LimitedKernel(*caps)
    try:
        answer = kernel.verify(nothing, "socket_filter", log_level=0)
    except (EOFError, BrokenPipeError):
        return "a process here can't give up capabilities"
    finally:
        kernel.close()
    shown = ", ".join(caps) or "no capabilities"
    return "" if answer.ok else f"the kernel doesn't load programs with {shown}: {os.strerror(answer.errno)}"


def keep_only(caps: list[str]) -> None:
    """Give up every capability but these, for good. Raises OSError."""
    mask = sum(1 << NUMBERS[name] for name in caps)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = ctypes.create_string_buffer(struct.pack("<Ii", CAPABILITY_VERSION_3, 0), 8)
    sets = ctypes.create_string_buffer(struct.pack("<IIIIII", low, low, 0, high, high, 0), 24)
    if ctypes.CDLL(None, use_errno=True).capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more requests."""
    while True:
        try:
            args, kwargs = pickle.load(requests)
        except EOFError:
            return
        try:
            answer: object = tuple(ko.verify(*args, **kwargs))
        except OSError as error:
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    keep_only(sys.argv[1:])
    serve(sys.stdin.buffer, sys.stdout.buffer)
