# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tell a story: one step after the other on one session, each compared with what the file expects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfvm.errors import (
    BadInput,
    ExpectationFailed,
    KernelOops,
    KernelReport,
    Rejected,
    SyscallError,
    UsageError,
    errno_name,
)
from bpfvm.scenario import check, steps_mm, steps_process, steps_struct_ops
from bpfvm.scenario.expect import differences
from bpfvm.scenario.model import Scenario, Step
from bpfvm.scenario.stage import Stage
from bpfvm.session import Session

Handler = Callable[[Stage, dict[str, Any]], dict[str, Any]]

_KEYWORDS = {"exec": "exec_", "exit": "exit_"}
_MODULES = (steps_process, steps_struct_ops, steps_mm)


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step's outcome: everything that was seen, what differed, and who is managed by what afterwards."""

    step: Step
    seen: Mapping[str, Any]
    differences: tuple[str, ...]
    managed: Mapping[str, str | None]

    @property
    def ok(self) -> bool:
        return not self.differences


@dataclass(slots=True)
class StoryResult:
    """A told story. ``oopsed``: the emulated kernel oopsed where the file did not expect it."""

    scenario: Scenario
    steps: list[StepResult] = field(default_factory=list)
    oopsed: bool = False
    counters: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)

    def check(self) -> None:
        """Raise what the command line would end with: KernelOops or ExpectationFailed for the first difference."""
        for result in self.steps:
            if not result.ok:
                where = f"{self.scenario.path}: line {result.step.line}: {result.step.text()}"
                message = f"{where}: " + "; ".join(result.differences)
                raise KernelOops(message) if self.oopsed else ExpectationFailed(message)


def tell(scenario: Scenario, *, profile: str | None = None, checker: str | None = None, seed: int = 0) -> StoryResult:
    """Run a whole story; it stops at the first step that differs or after an oops that nobody expected."""
    result = StoryResult(scenario)
    for step in steps_of(scenario, result, profile=profile, checker=checker, seed=seed):
        if not step.ok:
            break
    return result


def steps_of(
    scenario: Scenario,
    result: StoryResult,
    *,
    profile: str | None = None,
    checker: str | None = None,
    seed: int = 0,
) -> Iterator[StepResult]:
    """Run step by step, adding each to ``result`` (for progress displays and steppers)."""
    with Session(
        kernel=scenario.kernel,
        thp=profile or scenario.profile,
        checker=checker or scenario.checker,
        seed=seed,
        reports="record",
    ) as session:
        stage = Stage(scenario, session)
        for knob, value in scenario.sysfs.items():
            session.thp.sysfs_write(knob, value)
        armed: dict[str, Any] | None = None
        strands: dict[str, Any] = {}
        for step in scenario.steps:
            if step.word == "pause":
                armed = dict(step.args)
                seen: dict[str, Any] = {"errno": "0"}
            else:
                seen = _perform(stage, step, armed, strands)
                armed = None
            found = tuple(differences(step.expect, seen))
            result.oopsed = result.oopsed or ("oops" in seen and not (step.expect and "oops" in step.expect))
            outcome = StepResult(step, seen, found, check.state(stage, ("managed",))["managed"])
            result.steps.append(outcome)
            result.counters = {name: count for name, count in session.thp.vmstat().items() if count}
            yield outcome


def _perform(stage: Stage, step: Step, armed: dict[str, Any] | None, strands: dict[str, Any]) -> dict[str, Any]:
    """Do one step and collect everything that can be expected of it."""
    seen: dict[str, Any] = {"errno": "0"}
    console = len(stage.session.console)
    with stage.thp.record() as record:
        try:
            seen |= _act(stage, step, armed, strands)
        except SyscallError as error:
            seen |= {"errno": error.name, "log": error.message}
        except Rejected as error:
            seen |= {"errno": errno_name(error.errno), "log": f"{error.message}\n{error.log}"}
        except KernelOops as error:
            seen["oops"] = "\n".join((str(error), *error.trace))
        except KernelReport as error:
            seen["report"] = str(error)
        except UsageError as error:
            if not step.line:
                raise  # the step stands in no file: it came from the command line
            raise BadInput(f"line {step.line}: {error.message}", path=stage.scenario.path) from error
    seen["calls"] = [(call.type_name, call.orders) for call in record.calls if call.ran]
    seen["hooks"] = record.calls
    seen["managed_by"] = record.managed_by
    seen["counters"] = record.counters
    reports = stage.session.take_reports()
    if reports and "report" not in seen:
        seen["report"] = "\n".join(str(report) for report in reports)
    seen["log"] = "\n".join([seen.get("log", ""), *stage.session.console[console:]]).strip("\n")
    return seen


def _act(stage: Stage, step: Step, armed: dict[str, Any] | None, strands: dict[str, Any]) -> dict[str, Any]:
    if step.word == "check":
        return check.state(stage, tuple(word for word in (step.expect or {}) if word not in ("log", "errno")))
    if step.word == "resume":
        name = str(step.args["task"])
        if name not in strands:
            raise UsageError(f"nothing of `{name}` is paused")
        return strands.pop(name).resume() or {}
    action = action_of(step.word)
    if armed is None:
        return action(stage, dict(step.args))
    name = str(armed["task"])
    strands[name] = stage.thp.start(name, lambda: action(stage, dict(step.args)), pause_at=str(armed["at"]))
    return {}


def action_of(word: str) -> Handler:
    name = _KEYWORDS.get(word, word)
    for module in _MODULES:
        found: Handler | None = getattr(module, name, None)
        if found is not None:
            return found
    raise UsageError(f"step `{word}` has no action")
