# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The `check` step: what the machine's state shows right now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpfvm.scenario.stage import Stage


def state(stage: Stage, words: tuple[str, ...]) -> dict[str, Any]:
    """The state behind each of ``words`` (see vocabulary.STATE_EXPECT), and of nothing else."""
    readers: dict[str, Callable[[Stage], Any]] = {
        "managed": _managed,
        "lists": lambda stage: stage.thp.lists(),
        "vmstat": lambda stage: stage.thp.vmstat(),
        "stats": _stats,
        "mm_users": _mm_users,
        "alive": _alive,
        "trace": lambda stage: "\n".join(stage.session.trace),
        "enabled": lambda stage: stage.thp.sysfs_read("enabled"),
    }
    return {word: readers[word](stage) for word in words}


def _cast(stage: Stage) -> list[Any]:
    """The story's own tasks that live, in the order they were created."""
    return [task for task in stage.thp.tasks if task.name in stage.pids and not task.zombie]


def _managed(stage: Stage) -> dict[str, str | None]:
    return {task.name: stage.thp.managed(task) for task in _cast(stage) if task.mm is not None}


def _mm_users(stage: Stage) -> dict[str, int]:
    return {task.name: task.mm.mm_users for task in _cast(stage) if task.mm is not None}


def _alive(stage: Stage) -> dict[str, bool]:
    return dict.fromkeys(stage.pids, False) | {task.name: not task.zombie for task in stage.thp.tasks}


def _stats(stage: Stage) -> dict[str, int]:
    sizes = (16, 32, 64, 128, 256, 512, 1024, 2048)
    return {f"hugepages-{kb}kB/{name}": count for kb in sizes for name, count in stage.thp.stats(kb).items()}
