# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The texts a kernel prints before it gives up on a task (arch/x86/mm/fault.c, 6.18)."""

from __future__ import annotations

from collections.abc import Sequence

from bpfvm.memory.fault import fault_reason, oops_line

ACCESS = {"read": (0x0000, "read access"), "write": (0x0002, "write access"), "exec": (0x0010, "instruction fetch")}


def page_fault_text(addr: int, access: str) -> str:
    """The lines about a bad access in kernel mode; ``access`` is "read", "write" or "exec"."""
    if fault_reason(addr) == "non-canonical":
        return oops_line(addr)
    code, what = ACCESS[access]
    return "\n".join(
        (
            oops_line(addr),
            f"#PF: supervisor {what} in kernel mode",
            f"#PF: error_code(0x{code:04x}) - not-present page",
            f"Oops: Oops: {code:04x} [#1] SMP",
        )
    )


def trace_lines(trace: Sequence[str]) -> list[str]:
    """A call trace as the kernel prints it, innermost function first."""
    if not trace:
        return []
    return [f"RIP: 0010:{trace[0]}", "Call Trace:", " <TASK>", *(f" {name}" for name in trace), " </TASK>"]
