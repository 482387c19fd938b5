# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The running kernel and our verifier as they answer a process that has only some of root's capabilities: a process of
our own that gave the others up for good. Nothing else of the machine is changed; it ends when its standard input
does."""

from __future__ import annotations

import ctypes
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import encode
from tests import kernel_oracle as ko
from tests.differential import object_oracle, types_oracle, verifier_oracle
from tests.differential.verifier_oracle import Both
from verifier.capabilities import parse_caps
from verifier.rejection import Rejection

NUMBERS: Final = {"net_admin": 12, "sys_admin": 21, "perfmon": 38, "bpf": 39}
CAPABILITY_VERSION_3: Final = 0x20080522
ROOT: Final = Path(__file__).resolve().parents[2]
ASK: Final[dict[str, Callable[..., Any]]] = {
    "verify": ko.verify,
    "both": verifier_oracle.both,
    "steps": verifier_oracle.steps,
    "both_hooked": types_oracle.both_hooked,
    "both_object": object_oracle.both_object,
}


class LimitedProcess:
    """Loads and verifies programs with the named capabilities and no others."""

    def __init__(self, *caps: str) -> None:
        command = [sys.executable, "-m", "tests.differential.limited_oracle", *caps]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)

    def ask(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """The answer of a function of ASK; OSError for what goes wrong there (a map that may not be made)."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        pickle.dump((what, args, kwargs), stdin)
        stdin.flush()
        answer = pickle.load(stdout)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def verify(self, *args: Any, **kwargs: Any) -> ko.Verified:
        """kernel_oracle.verify, there."""
        return ko.Verified(*self.ask("verify", *args, **kwargs))

    def both(self, *args: Any, **kwargs: Any) -> Both:
        """verifier_oracle.both, there."""
        return _whole(self.ask("both", *args, **kwargs))

    def both_hooked(self, *args: Any, **kwargs: Any) -> Both:
        """types_oracle.both_hooked, there."""
        return _whole(self.ask("both_hooked", *args, **kwargs))

    def both_object(self, *args: Any, **kwargs: Any) -> Both:
        """object_oracle.both_object, there."""
        return _whole(self.ask("both_object", *args, **kwargs))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _flat(both: Both) -> tuple[Any, ...]:
    """An answer without the verifier's state."""
    found = both.rejection
    return (*both[:3], found and (found.message, found.errno, found.unsupported), both.our_log)


def _whole(answer: tuple[Any, ...]) -> Both:
    found = answer[3]
    rejection = Rejection(found[0], found[1], unsupported=found[2]) if found else None
    return Both(*answer[:3], rejection, answer[4])


@cache
def unusable(*caps: str) -> str:
    """Why programs can't be loaded with these capabilities here; "" if they can."""
    process = LimitedProcess(*caps)
    try:
        answer = process.verify(encode(asm("r0 = 0\nexit")), "socket_filter", log_level=0)
    except (EOFError, BrokenPipeError):
        return "a process here can't give up capabilities"
    finally:
        process.close()
    shown = ", ".join(caps) or "no capabilities"
    return "" if answer.ok else f"the kernel doesn't load programs with {shown}: {os.strerror(answer.errno)}"


def keep_only(caps: Sequence[str]) -> None:
    """Give up every capability but these, for good. Raises OSError."""
    mask = sum(1 << NUMBERS[name] for name in caps)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = ctypes.create_string_buffer(struct.pack("<Ii", CAPABILITY_VERSION_3, 0), 8)
    sets = ctypes.create_string_buffer(struct.pack("<IIIIII", low, low, 0, high, high, 0), 24)
    if ctypes.CDLL(None, use_errno=True).capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def become(caps: Sequence[str]) -> None:
    """This process has only these capabilities from now on, and our verifier knows. Raises OSError."""
    if not verifier_oracle.unusable():
        verifier_oracle.environment()  # needs more of the kernel than is left later
    keep_only(caps)
    verifier_oracle.limit(parse_caps(",".join(caps)))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more requests."""
    while True:
        try:
            what, args, kwargs = pickle.load(requests)
        except EOFError:
            return
        try:
            answer: object = ASK[what](*args, **kwargs)
        except OSError as error:
            answer = error
        if isinstance(answer, Both):
            answer = _flat(answer)
        pickle.dump(tuple(answer) if isinstance(answer, ko.Verified) else answer, answers)
        answers.flush()


if __name__ == "__main__":
    become(sys.argv[1:])
    serve(sys.stdin.buffer, sys.stdout.buffer)
