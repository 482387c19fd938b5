# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""kfuncs on strings at addresses that may be wrong (kernel/bpf/helpers.c, 6.18).

-ERANGE: not a kernel address; -EFAULT: nothing is there; -E2BIG: no end within XATTR_SIZE_MAX bytes; -ENOENT: not
found.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.runtime.helpers.probe import read_kernel
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.kfuncs.table import kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

MAX: Final = 1 << 16
"""XATTR_SIZE_MAX"""


class _Bad(Exception):
    """A string that can't be read; ``args`` holds the negative errno."""


def _byte(rt: Runtime, addr: int) -> int:
    found = read_kernel(rt, addr, 1)
    if isinstance(found, int):
        raise _Bad(found)
    return found[0]


def _reach(rt: Runtime, *addresses: int) -> int:
    """0, or -ERANGE when one is no kernel address: that is looked at first."""
    for addr in addresses:
        if read_kernel(rt, addr, 1) == -errno.ERANGE:
            return -errno.ERANGE
    return 0


def _bytes(rt: Runtime, addr: int, limit: int = MAX) -> Iterator[int]:
    """Bytes up to and with the NUL. Raises _Bad(-E2BIG) when there are more than ``limit``."""
    for at in range(limit):
        byte = _byte(rt, addr + at)
        yield byte
        if not byte:
            return
    raise _Bad(-errno.E2BIG)


def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 or (192 <= byte <= 222 and byte != 215) else byte


def _compare(rt: Runtime, one: int, other: int, *, fold: bool) -> int:
    if code := _reach(rt, one, other):
        return code
    for at in range(MAX):
        left, right = _byte(rt, one + at), _byte(rt, other + at)
        if fold:
            left, right = _lower(left), _lower(right)
        if left != right:
            return -1 if left < right else 1
        if not left:
            return 0
    return -errno.E2BIG


@kfunc
def strcmp(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(one, other) → -1, 0, 1, or an errno."""
    return _guard(lambda: _compare(rt, args[0], args[1], fold=False))


@kfunc
def strcasecmp(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """The same without regard to case."""
    return _guard(lambda: _compare(rt, args[0], args[1], fold=True))


def _find(rt: Runtime, addr: int, byte: int, limit: int) -> int:
    """Where the byte is (NUL counts); -ENOENT when the string ends before."""
    if code := _reach(rt, addr):
        return code
    for at in range(min(limit, MAX)):
        found = _byte(rt, addr + at)
        if found == byte:
            return at
        if not found:
            return -errno.ENOENT
    return -errno.E2BIG if limit >= MAX else -errno.ENOENT


@kfunc
def strchr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, byte) → index of the first one, or an errno."""
    return _guard(lambda: _find(rt, args[0], args[1] & 0xFF, MAX))


@kfunc
def strnchr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, size, byte) → index of the first one among ``size`` bytes, or an errno."""
    return _guard(lambda: _find(rt, args[0], args[2] & 0xFF, args[1]))


@kfunc
def strchrnul(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, byte) → index of the first one, or of the end; or an errno."""

    def find() -> int:
        if code := _reach(rt, args[0]):
            return code
        for at, found in enumerate(_bytes(rt, args[0])):
            if found in (args[1] & 0xFF, 0):
                return at
        return -errno.E2BIG

    return _guard(find)


@kfunc
def strrchr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, byte) → index of the last one, or an errno."""

    def find() -> int:
        if code := _reach(rt, args[0]):
            return code
        last = -errno.ENOENT
        for at, found in enumerate(_bytes(rt, args[0])):
            if found == args[1] & 0xFF:
                last = at
        return last

    return _guard(find)


@kfunc
def strnlen(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, size) → length up to the NUL, at most ``size``; or an errno."""

    def length() -> int:
        if code := _reach(rt, args[0]):
            return code
        for at in range(min(args[1], MAX)):
            if not _byte(rt, args[0] + at):
                return at
        return args[1] if args[1] < MAX else -errno.E2BIG

    return _guard(length)


@kfunc
def strlen(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string) → length up to the NUL, or an errno."""
    return _guard(lambda: _reach(rt, args[0]) or sum(1 for _ in _bytes(rt, args[0])) - 1)


def _span(rt: Runtime, string: int, letters: int, *, inside: bool) -> int:
    """How many bytes from the start are (not) among the letters."""
    if code := _reach(rt, string, letters):
        return code
    for at in range(MAX):
        found = _byte(rt, string + at)
        if not found:
            return at
        is_letter = any(found == each for each in _bytes(rt, letters))
        if is_letter != inside:
            return at
    return -errno.E2BIG


@kfunc
def strspn(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, letters) → how many bytes from the start are among the letters, or an errno."""
    return _guard(lambda: _span(rt, args[0], args[1], inside=True))


@kfunc
def strcspn(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, letters) → how many bytes from the start are not among the letters, or an errno."""
    return _guard(lambda: _span(rt, args[0], args[1], inside=False))


def _search(rt: Runtime, string: int, part: int, limit: int) -> int:
    if code := _reach(rt, string, part):
        return code
    for start in range(min(limit, MAX) + 1):
        for at in range(MAX):
            wanted = _byte(rt, part + at)
            if not wanted:
                return start
            if start + at >= limit:
                return -errno.ENOENT
            found = _byte(rt, string + start + at)
            if found != wanted:
                if not found:
                    return -errno.ENOENT
                break
        else:
            return -errno.E2BIG
    return -errno.E2BIG if limit >= MAX else -errno.ENOENT


@kfunc
def strstr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, part) → where the part begins, or an errno."""
    return _guard(lambda: _search(rt, args[0], args[1], MAX))


@kfunc
def strnstr(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(string, part, size) → where the part begins among ``size`` bytes, or an errno."""
    return _guard(lambda: _search(rt, args[0], args[1], args[2]))


def _guard(call: Callable[[], int]) -> int:
    try:
        return call()
    except _Bad as bad:
        return int(bad.args[0])
