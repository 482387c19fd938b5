# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What programs printed with bpf_printk, and how trace_pipe shows it."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.events import Event

PROGRAM_FLAGS = "...11"
"""interrupts on, no reschedule needed, no interrupt; preemption and migration disabled once: a program in a
trampoline"""


@dataclass(frozen=True, slots=True)
class TraceLine(Event):
    """One bpf_trace_printk: ``text`` without the newline the tracer adds, the task it ran in, ``ns`` since boot."""

    text: str
    comm: str
    pid: int
    cpu: int
    ns: int

    def __str__(self) -> str:
        """The line of /sys/kernel/tracing/trace_pipe (kernel/trace/trace_output.c trace_print_context)."""
        seconds, micros = divmod(self.ns // 1000, 1_000_000)
        return (
            f"{self.comm:>16}-{self.pid:<7} [{self.cpu:03}] {PROGRAM_FLAGS} {seconds:5}.{micros:06}: "
            f"bpf_trace_printk: {self.text}"
        )
