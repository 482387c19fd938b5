# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""prctl(PR_SET_THP_DISABLE) and its reading counterpart (kernel/sys.c, 6.18)."""

from __future__ import annotations

from bpfvm.errors import SyscallError
from thpmm.errnos import EINVAL
from thpmm.mm import Mm
from thpmm.mm_flags import MMF_DISABLE_THP_COMPLETELY, MMF_DISABLE_THP_EXCEPT_ADVISED, MMF_DISABLE_THP_MASK

PR_THP_DISABLE_EXCEPT_ADVISED = 2


def set_thp_disable(mm: Mm, value: int, flags: int) -> int:
    """``flags`` 0 disables completely, PR_THP_DISABLE_EXCEPT_ADVISED spares what was madvised. Raises
    SyscallError(EINVAL)."""
    if flags & ~PR_THP_DISABLE_EXCEPT_ADVISED or (flags and not value):
        raise SyscallError(EINVAL, f"PR_SET_THP_DISABLE({value}, {flags:#x})")
    mm.clear_flag(MMF_DISABLE_THP_MASK)
    if value:
        mm.set_flag(MMF_DISABLE_THP_EXCEPT_ADVISED if flags else MMF_DISABLE_THP_COMPLETELY)
    return 0


def get_thp_disable(mm: Mm) -> int:
    """0 enabled, 1 disabled, 3 (1 and the flag) disabled except where advised."""
    if mm.test_flag(MMF_DISABLE_THP_COMPLETELY):
        return 1
    return 1 | PR_THP_DISABLE_EXCEPT_ADVISED if mm.test_flag(MMF_DISABLE_THP_EXCEPT_ADVISED) else 0
