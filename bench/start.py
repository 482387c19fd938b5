# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long the conformance plug-in takes from start to result, beside a Python that does nothing.

With byte code kept, as it is where the package was installed: compiling the sources takes three times as long.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from bpfvm.isa.asm import asm
from bpfvm.isa.insn import encode

COMMANDS = {
    "python": (sys.executable, "-c", "pass"),
    "conformance_plugin": (str(Path(sys.executable).with_name("bpfvm-conformance-plugin")),),
}
PROGRAM = encode(asm("r0 = 5\nexit")).hex() + "\n"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def measure_start(rounds: int) -> dict[str, dict[str, float]]:
    """By command: medians of ms by the clock (`ms`) and of processor time (`cpu_ms`)."""
    for command in COMMANDS.values():
        _once(command)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            found[name].append(_once(command))
    return {
        name: {"ms": round(median(clock for clock, _ in times), 1), "cpu_ms": round(median(cpu for _, cpu in times), 1)}
        for name, times in found.items()
    }


def _once(command: Sequence[str]) -> tuple[float, float]:
    """ms by the clock and of processor time. Raises CalledProcessError."""
    begun = perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdin is not None
        process.stdin.write(PROGRAM)
        process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
        taken = perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return taken * 1e3, (used.ru_utime + used.ru_stime) * 1e3
