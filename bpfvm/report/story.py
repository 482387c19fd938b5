# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A told story as a table for people and as data for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bpfvm.report.console import print_trimmed
from bpfvm.scenario.model import Step
from bpfvm.scenario.runner import StepResult, StoryResult

_SIZES = {0: "4 KiB"} | {order: f"{4 << order} KiB" for order in range(1, 8)} | {8: "1 MiB", 9: "2 MiB"}
_SHOWN = ("THPeligible", "AnonHugePages", "collapsed", "returns", "state", "signal")
_BARE = ("of", "task", "map", "link", "object", "path")
"""step arguments whose value says enough"""
_UNSAID = ("into",)


def order_text(order: int) -> str:
    """``9`` → ``"order 9 (2 MiB)"``."""
    return f"order {order} ({_SIZES.get(order, '?')})"


def mask_text(mask: int) -> str:
    """An order mask as the orders in it: ``0x3fc`` → ``"{2–9}"``, ``0`` → ``"{}"``."""
    runs: list[str] = []
    order = 0
    while mask >> order:
        first = order
        while mask >> order & 1:
            order += 1
        if order - first > 1:
            runs.append(f"{first}–{order - 1}")
        elif order > first:
            runs.append(str(first))
        order += 1
    return "{" + ", ".join(runs) + "}"


def step_text(step: Step) -> str:
    """``fork a as child``: the step in few words; where it is clear which argument a value is, only the value."""
    words = [step.word]
    for name, value in step.args.items():
        if name in _UNSAID:
            continue
        if value is True:
            words.append(name)
        else:
            bare = name in _BARE or step.word == "spawn"
            words.append(_plain(value) if bare else f"{name} {_plain(value)}")
    return " ".join(words)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_plain(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return str(value)


def asked_text(result: StepResult) -> str:
    """The hook's calls of one step that ran a program: who asked, the orders, what was answered, the orders left."""
    lines = []
    for call in result.seen.get("hooks", ()):
        kind = call.type_name.removeprefix("TVA_")
        if call.ran:
            answer = f"{call.map_name} says {call.returned}"
            lines.append(f"{kind} {mask_text(call.orders)}: {answer} → {mask_text(call.result)}")
    return "\n".join(lines)


def outcome_text(result: StepResult) -> str:
    """What the step gave, in a few words."""
    seen = result.seen
    words = []
    if seen.get("errno", "0") != "0":
        words.append(str(seen["errno"]))
    words += [f"verified {name}: {count} insns" for name, count in seen.get("verified", {}).items()]
    if "order" in seen:
        words.append(order_text(int(seen["order"])))
    words += [f"{name} {seen[name]}" for name in _SHOWN if seen.get(name) not in (None, "")]
    words += [str(seen[name]).splitlines()[0] for name in ("oops", "report") if seen.get(name)]
    words += [f"✗ {difference}" for difference in result.differences]
    return "\n".join(words)


def print_story(result: StoryResult, console: Console) -> None:
    """The table of steps, with a column per process that says who manages it; then the counters that moved."""
    scenario = result.scenario
    console.print(Text(scenario.name, style="bold"))
    if scenario.about:
        console.print(Text(scenario.about.strip()))
    machine = f"profile {scenario.profile}, checker {scenario.checker}, kernel {scenario.kernel}"
    console.print(Text(machine, style="dim"))
    console.print()
    tasks = list(dict.fromkeys(task for step in result.steps for task in step.managed))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("step", *tasks, "hook", "outcome"):
        table.add_column(Text(column), overflow="fold")
    before: Mapping[str, str | None] = {}
    for step in result.steps:
        managed = [_managed_text(task, step.managed, before) for task in tasks]
        style = None if step.ok else "red"
        table.add_row(step_text(step.step), *managed, asked_text(step), outcome_text(step), style=style)
        before = step.managed
    print_trimmed(console, table)
    if result.counters:
        console.print(Text("counters: " + ", ".join(f"{name} {count}" for name, count in result.counters.items())))
    if any(step.step.expect is not None for step in result.steps):
        verdict = "everything as expected" if result.ok else "not as expected, see the last step"
        console.print(Text(verdict, style="green" if result.ok else "red"))


def _managed_text(task: str, managed: Mapping[str, str | None], before: Mapping[str, str | None]) -> Text:
    """Who manages a process: empty when it doesn't exist, – for nobody, bold when that has just changed."""
    if task not in managed:
        return Text("")
    changed = task in before and before[task] != managed[task]
    return Text(managed[task] or "–", style="bold" if changed else "")


def story_data(result: StoryResult) -> dict[str, Any]:
    """The same as JSON-able data."""
    scenario = result.scenario
    return {
        "name": scenario.name,
        "file": scenario.path,
        "profile": scenario.profile,
        "checker": scenario.checker,
        "kernel": scenario.kernel,
        "ok": result.ok,
        "oopsed": result.oopsed,
        "steps": [_step_data(step) for step in result.steps],
        "counters": dict(result.counters),
    }


def _step_data(result: StepResult) -> dict[str, Any]:
    seen = {name: value for name, value in result.seen.items() if name not in ("hooks", "calls")}
    calls = [
        {
            "type": call.type_name,
            "orders": call.orders,
            "map": call.map_name,
            "returned": call.returned,
            "result": call.result,
            "ran": call.ran,
            "current": call.comm,
        }
        for call in result.seen.get("hooks", ())
    ]
    return {
        "line": result.step.line,
        "step": result.step.word,
        "args": dict(result.step.args),
        "ok": result.ok,
        "differences": list(result.differences),
        "managed": dict(result.managed),
        "calls": calls,
        "seen": seen,
    }
