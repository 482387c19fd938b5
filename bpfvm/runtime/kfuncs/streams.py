# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Output streams of programs (kernel/bpf/stream.c, 6.18). What programs write is in ``Runtime.streams``."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bpfvm.engine.services import CallFrame
from bpfvm.isa.word import u32
from bpfvm.runtime.bprintf import BUFFER, format_text
from bpfvm.runtime.helpers.table import Args
from bpfvm.runtime.helpers.text import MAX_FORMAT, values
from bpfvm.runtime.kfuncs.table import kfunc

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

CAPACITY: Final = 100_000
"""BPF_STREAM_MAX_CAPACITY: bytes that wait to be read"""


@kfunc
def stream_vprintk_impl(rt: Runtime, args: Args, frame: CallFrame) -> int:
    """(stream, format, values, their size, 0) → 0 or an errno; 1 is the program's standard output, 2 its standard
    error."""
    stream = rt.streams.get(u32(args[0]))
    if stream is None:
        return -errno.ENOENT
    given = values(rt, args[2], u32(args[3]))
    if isinstance(given, int):
        return given
    text = format_text(rt, rt.memory.cstring(args[1], MAX_FORMAT), given)
    if isinstance(text, int):
        return text
    shown = text[: BUFFER - 1]
    if len(stream) + len(shown) >= CAPACITY:
        return -errno.ENOSPC
    stream += shown
    return 0
