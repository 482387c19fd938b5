# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Signals that programs send (kernel/trace/bpf_trace.c bpf_send_signal_common, 6.18). They are written down; no
emulated task handles any."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bpfvm.events import Event

if TYPE_CHECKING:
    from bpfvm.runtime.runtime import Runtime

NSIG: Final = 64
PF_EXITING, PF_KTHREAD = 0x4, 0x20_0000


@dataclass(frozen=True, slots=True)
class SignalSent(Event):
    """Signal number ``sig`` for a process (``pid`` is one of its threads), or for that thread alone."""

    pid: int
    tgid: int
    sig: int
    thread: bool

    def __str__(self) -> str:
        """One line for people."""
        return f"signal {self.sig} to {f'thread {self.pid}' if self.thread else f'process {self.tgid}'}"


def send(rt: Runtime, task: int, sig: int, *, thread: bool) -> int:
    """0, -EPERM for tasks that get no signals, -EINVAL for a number that is none. 0 is no signal, only a question."""
    found = rt.task_at(task)
    if found is None or (found.has("flags") and found.flags & (PF_KTHREAD | PF_EXITING)) or found.tgid == 1:
        return -errno.EPERM
    if sig > NSIG:
        return -errno.EINVAL
    if sig:
        sent = SignalSent(found.pid, found.tgid, sig, thread)
        rt.signals.append(sent)
        if rt.sink.active:
            rt.sink.emit(sent)
    return 0
