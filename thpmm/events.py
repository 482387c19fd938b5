# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the emulated mm tells observers (``kernel.sink``), besides HookCall: lives of tasks, faults, policies."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.events import Event


@dataclass(frozen=True, slots=True)
class TaskForked(Event):
    """A new task; ``shares_mm`` with its parent."""

    name: str
    pid: int
    tgid: int
    parent_pid: int
    shares_mm: bool


@dataclass(frozen=True, slots=True)
class TaskExecuted(Event):
    """A task runs another program in a new address space."""

    name: str
    pid: int
    path: str
    mm: int


@dataclass(frozen=True, slots=True)
class TaskExited(Event):
    """A thread has ended."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class PageFault(Event):
    """An access was resolved, how, and by a folio of which order (-1: none)."""

    comm: str
    pid: int
    addr: int
    write: bool
    kind: str
    order: int


@dataclass(frozen=True, slots=True)
class PolicyPointer(Event):
    """mm->bpf_mm.bpf_thp was written: ``kdata`` is the instance, 0 for none."""

    mm: int
    kdata: int
    by: str
