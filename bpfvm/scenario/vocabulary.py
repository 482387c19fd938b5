# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The words a story may use: one row per step. Everything else is refused, with the allowed words in the message."""

from __future__ import annotations

from dataclasses import dataclass

COMMON_EXPECT = ("errno", "oops", "report", "log", "returns")


@dataclass(frozen=True, slots=True)
class StepWord:
    """``short``: the argument that ``step: VALUE`` fills; ``expect``: expectations beyond the common ones."""

    name: str
    short: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.required + self.optional

    @property
    def expectations(self) -> tuple[str, ...]:
        return COMMON_EXPECT + self.expect


STATE_EXPECT = ("managed", "lists", "vmstat", "stats", "mm_users", "alive", "trace", "enabled")
FAULT_EXPECT = ("managed_by", "calls", "order", "counters", "huge", "signal")

_ROWS = (
    StepWord("spawn", "as", ("as",)),
    StepWord("kthread", "as", ("as",)),
    StepWord("fork", "of", ("of",), ("as", "fail_at")),
    StepWord("vfork", "of", ("of",), ("as",)),
    StepWord("posix_spawn", "of", ("of",), ("as", "exec")),
    StepWord("clone", "of", ("of",), ("as", "flags", "exec")),
    StepWord("thread", "of", ("of",), ("as",)),
    StepWord("exec", "of", ("of",), ("fail_at", "path")),
    StepWord("exit", "task", ("task",)),
    StepWord("kill", "task", ("task",), ("signal",)),
    StepWord("reap", "task", ("task",)),
    StepWord("load", "object", ("object",), ("into", "set")),
    StepWord("attach", "map", ("map",), ("set", "as", "into")),
    StepWord("update", "link", ("link", "map"), ("into", "old_map", "set")),
    StepWord("detach", "link", ("link",)),
    StepWord("close", "link", ("link",)),
    StepWord("pin", "link", ("link",), ("path",)),
    StepWord("unpin", "link", ("link",), ("path",)),
    StepWord("map_update", "map", ("map",), ("into", "set", "key", "value"), ("state", "refcnt")),
    StepWord("map_lookup", "map", ("map",), ("into", "key"), ("state", "refcnt", "value")),
    StepWord("map_delete", "map", ("map",), ("into", "key"), ("state", "refcnt")),
    StepWord("mmap", "in", ("in",), ("as", "at", "length", "prot", "flags", "file")),
    StepWord("munmap", "in", ("in", "at"), ("length",)),
    StepWord("madvise", "in", ("in", "at", "advice"), ("length",)),
    StepWord("mprotect", "in", ("in", "at", "prot"), ("length",)),
    StepWord("brk", "in", ("in",), ("grow",)),
    StepWord("fault", "in", ("in",), ("at", "access", "fresh", "length"), FAULT_EXPECT),
    StepWord("collapse", "in", ("in", "at"), ("length",), ("calls", "managed_by", "counters")),
    StepWord("khugepaged", "scans", (), ("scans",), ("calls", "collapsed", "counters")),
    StepWord("swap_out", "in", ("in", "at"), ("length",), ("calls", "order")),
    StepWord("swap_in", "in", ("in", "at"), (), ("calls", "order", "managed_by")),
    StepWord("smaps", "of", ("of",), ("reader", "at"), ("THPeligible", "AnonHugePages", "calls", "managed_by")),
    StepWord("prctl_thp_disable", "in", ("in", "value"), ("flags",)),
    StepWord("sysfs", "", (), ("*",)),
    StepWord("pressure", "cgroup", (), ("cgroup", "some", "full")),
    StepWord("cgroup", "", (), ("create", "move", "to")),
    StepWord("pause", "task", ("task", "at")),
    StepWord("resume", "task", ("task",), (), FAULT_EXPECT),
    StepWord("check", "", (), STATE_EXPECT, STATE_EXPECT),
)

STEPS: dict[str, StepWord] = {row.name: row for row in _ROWS}
TOP_LEVEL = ("name", "about", "profile", "checker", "kernel", "sysfs", "objects", "steps", "khugepaged", "swap")
PROFILES = ("v11", "v12", "fixed")
CHECKERS = ("off", "list", "kasan")
