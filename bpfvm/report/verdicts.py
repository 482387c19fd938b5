# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The verifier's verdict on each program of an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from bpfvm.btf import Btf
from bpfvm.errors import BadInput, Rejected, UsageError, errno_name
from bpfvm.obj.model import ObjectSpec, VerifiedProgram
from bpfvm.report.console import print_table, progress
from bpfvm.session import Session
from bpfvm.session.judge import Judge

if TYPE_CHECKING:
    from verifier import Capabilities

Verify = Callable[[str], VerifiedProgram]
Target = tuple[ObjectSpec, str]
"""an object and the name of its program"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one program. ``exit_code``: 0 accepted, 1 refused, 3 it couldn't be linked; ``errno`` positive."""

    prog: str
    prog_type: str
    exit_code: int = 0
    errno: int = 0
    message: str = ""
    insn: int | None = None
    log: str = ""
    stats: Mapping[str, int] = field(default_factory=dict)

    @property
    def word(self) -> str:
        return {0: "accepted", 1: "refused"}.get(self.exit_code, "not linked")


def verify_programs(
    spec: ObjectSpec,
    prog: str | None = None,
    *,
    kernel: str = "6.18",
    log_level: int = 1,
    btf: Btf | None = None,
    caps: Capabilities | None = None,
    target: Target | None = None,
) -> list[Verdict]:
    """Verify one program, or all; with ``btf`` against that kernel's types instead of the emulated kernel's; as who has
    only the capabilities ``caps``; extensions beside the ``target`` of which they replace a function.

    A program that is refused or can't be linked is a verdict, not an error. Raises UsageError for an unknown name,
    SyscallError when the object's struct_ops variables don't fit the kernel, Rejected for a target that is refused.
    """
    names = [_known(spec, prog)] if prog is not None else list(spec.programs)
    if btf is not None:
        return _verdicts(Judge.foreign(btf, kernel, caps), spec, names, log_level, target)
    with Session(kernel=kernel) as session:
        return _verdicts(session.judge(caps), spec, names, log_level, target)


def _known(spec: ObjectSpec, prog: str) -> str:
    if prog not in spec.programs:
        raise UsageError(f"no program `{prog}` in {spec.path} (it has: {', '.join(spec.programs) or 'none'})")
    return prog


def _verdicts(
    judge: Judge, spec: ObjectSpec, names: Sequence[str], log_level: int, target: Target | None
) -> list[Verdict]:
    plan = judge.plan(spec)
    replaced = judge.target(target[0], _known(*target)) if target is not None else None
    verify = partial(judge.verify, spec, log_level=log_level, plan=plan, target=replaced)
    verdicts = []
    with progress(len(names), "verifying") as advance:
        for name in names:
            advance(name)
            verdicts.append(_verdict(name, spec.programs[name].prog_type, verify))
    return verdicts


def _verdict(name: str, prog_type: str, verify: Verify) -> Verdict:
    try:
        accepted = verify(name)
    except Rejected as error:
        return Verdict(name, prog_type, error.exit_code, error.errno, error.message, error.insn, error.log)
    except BadInput as error:
        return Verdict(name, prog_type, error.exit_code, message=str(error))
    return Verdict(name, prog_type, log=accepted.log, stats=dict(accepted.stats))


def print_verdicts(verdicts: Sequence[Verdict], console: Console, *, logs: bool) -> None:
    """The logs (of refused programs; of all when ``logs``), then a table."""
    for each in verdicts:
        if each.log and (logs or each.exit_code):
            console.print(Text(f"{each.prog}:", style="bold"))
            for line in each.log.rstrip("\n").split("\n"):
                console.print(Text(line), soft_wrap=True)
            console.print()
    if not verdicts:
        console.print(Text("no programs"))
    rows = []
    for each in verdicts:
        why = f"{errno_name(each.errno)}: {each.message}" if each.errno else each.message
        rows.append((each.prog, each.prog_type, each.word, why or _stats_text(each.stats)))
    print_table(console, "verdicts", ("program", "type", "verdict", "why"), rows)


def _stats_text(stats: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in stats.items())


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    """One verdict as JSON-able data."""
    return {
        "program": verdict.prog,
        "type": verdict.prog_type,
        "verdict": verdict.word,
        "errno": errno_name(verdict.errno),
        "message": verdict.message,
        "insn": verdict.insn,
        "stats": dict(verdict.stats),
        "log": verdict.log,
    }
