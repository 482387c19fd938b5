# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A rejection as a value: what was found, where, and the verifier state at that point. The log is one rendering of
it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from verifier.state.states import VerifierState

EPERM: Final = 1
ENOENT: Final = 2
ESRCH: Final = 3
E2BIG: Final = 7
ENOMEM: Final = 12
EACCES: Final = 13
EFAULT: Final = 14
EBUSY: Final = 16
EEXIST: Final = 17
EINVAL: Final = 22
ERANGE: Final = 34
EOPNOTSUPP: Final = 95
EPROTO: Final = 71
ENOTSUPP: Final = 524


class Rejection(Exception):
    """The program is refused.

    message: the deciding log line without its newline ("" when the kernel prints none; for a missing capability words
    of our own, which are not in the log); errno: positive; insn: slot index of the instruction being looked at, None
    before the walk; state: the verifier state then, None before the
    walk; unsupported: True when it is this verifier, not the kernel, that doesn't know what to do.
    """

    def __init__(
        self,
        message: str,
        errno: int,
        *,
        insn: int | None = None,
        state: VerifierState | None = None,
        unsupported: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errno = errno
        self.insn = insn
        self.state = state
        self.unsupported = unsupported
