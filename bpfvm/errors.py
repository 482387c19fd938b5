# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every error a user can meet, and the exit code it stands for.

Five outcomes that never mix: bad input (3), a rejected program or a failed expectation (1), a run-time
trap or kernel report (4), wrong usage (2), our own bug (70).
"""

from __future__ import annotations

import errno as _errno

ENOTSUPP = 524
"""Kernel-internal errno that leaks to user space as "Unknown error 524"; not ENOTSUP (95)."""


_KERNEL_NAMES = {11: "EAGAIN", 35: "EDEADLK", 95: "EOPNOTSUPP", ENOTSUPP: "ENOTSUPP"}
"""Names the kernel uses where Python's table has another one for the same number, or none."""


def errno_name(number: int) -> str:
    """The symbolic name of an errno (``16`` and ``-16`` → ``"EBUSY"``, ``0`` → ``"0"``)."""
    number = abs(number)
    if number == 0:
        return "0"
    return _KERNEL_NAMES.get(number) or _errno.errorcode.get(number, f"errno {number}")


class BpfvmError(Exception):
    """Base of everything this package raises on purpose; ``exit_code`` is what the command line ends with."""

    exit_code = 70

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(BpfvmError):
    """The caller asked for something that doesn't exist or doesn't fit."""

    exit_code = 2


class BadInput(BpfvmError):
    """A file (ELF, BTF, YAML …) is malformed; says where, and what to do next."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        section: str | None = None,
        offset: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.section = section
        self.offset = offset
        self.hint = hint

    def __str__(self) -> str:
        place = [part for part in (self.path, self.section) if part]
        if self.offset is not None:
            place.append(f"offset {self.offset:#x}")
        text = f"{': '.join(place)}: {self.message}" if place else self.message
        return f"{text} ({self.hint})" if self.hint else text


class Rejected(BpfvmError):
    """The verifier refused a program. ``errno`` is positive, ``log`` in the kernel's format."""

    exit_code = 1

    def __init__(self, message: str, *, errno: int, log: str = "", prog: str = "", insn: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno
        self.log = log
        self.prog = prog
        self.insn = insn

    def __str__(self) -> str:
        who = f"program '{self.prog}': " if self.prog else ""
        where = f" (instruction {self.insn})" if self.insn is not None else ""
        return f"{who}{self.message}{where} [{errno_name(self.errno)}]"


class SyscallError(BpfvmError):
    """An emulated system call failed. ``errno`` is positive, ``name`` its symbol."""

    exit_code = 1

    def __init__(self, errno: int, message: str = "") -> None:
        super().__init__(message)
        self.errno = abs(errno)
        self.name = errno_name(errno)

    def __str__(self) -> str:
        return f"{self.message}: {self.name}" if self.message else self.name


class ExpectationFailed(BpfvmError):
    """A story or test expected something else than what was seen."""

    exit_code = 1


class Trap(BpfvmError):
    """A program did something impossible at run time: if the verifier had accepted it, a soundness bug of ours."""

    exit_code = 4

    def __init__(
        self, message: str, *, prog: str = "", insn: int | None = None, text: str = "", line: str = ""
    ) -> None:
        super().__init__(message)
        self.prog = prog
        self.insn = insn
        self.text = text
        self.line = line

    def __str__(self) -> str:
        where = f"{self.prog or 'program'} at instruction {self.insn}" if self.insn is not None else self.prog
        shown = f": {self.text}" if self.text else ""
        source = f" ; {self.line}" if self.line else ""
        return f"{self.message} [{where}{shown}{source}]" if where else self.message


class KernelReport(BpfvmError):
    """The emulated kernel complained: list corruption, KASAN, undefined behaviour. ``kind`` is a short word for it."""

    exit_code = 4

    def __init__(self, kind: str, text: str, *, trace: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.kind = kind
        self.trace = trace


class KernelOops(KernelReport):
    """The emulated kernel could not go on in this task; ``trace`` lists functions, innermost first."""

    def __init__(self, text: str, *, trace: tuple[str, ...] = ()) -> None:
        super().__init__("oops", text, trace=trace)


class InternalError(BpfvmError):
    """A bug in bpfvm itself."""

    exit_code = 70
