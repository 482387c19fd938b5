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
from bpfvm.memory import Memory
from bpfvm.obj.link import link_program
from bpfvm.obj.log import poison_named
from bpfvm.obj.model import ObjectSpec, VerifiedProgram
from bpfvm.report.console import print_table, progress
from bpfvm.runtime import Runtime
from bpfvm.session import Session
from bpfvm.struct_ops.kernel import Kernel
from bpfvm.struct_ops.load import plan_struct_ops

if TYPE_CHECKING:
    from verifier import Capabilities

Verify = Callable[[str], VerifiedProgram]


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
) -> list[Verdict]:
    """Verify one program, or all; with ``btf`` against that kernel's types instead of the emulated kernel's; as who has
    only the capabilities ``caps``.

    A program that is refused or can't be linked is a verdict, not an error. Raises UsageError for an unknown name,
    SyscallError when the object's struct_ops variables don't fit the kernel.
    """
    if prog is not None and prog not in spec.programs:
        raise UsageError(f"no program `{prog}` in {spec.path} (it has: {', '.join(spec.programs) or 'none'})")
    names = [prog] if prog is not None else list(spec.programs)
    with progress(len(names), "verifying") as advance:
        if btf is not None:
            return _each(spec, names, foreign_verifier(spec, btf, kernel, log_level, caps), advance)
        with Session(kernel=kernel) as session:
            plan = plan_struct_ops(spec, session.kernel)
            verify = partial(session.verify, spec, log_level=log_level, plan=plan, caps=caps)
            return _each(spec, names, verify, advance)


def foreign_verifier(
    spec: ObjectSpec, btf: Btf, kernel: str, log_level: int, caps: Capabilities | None = None
) -> Verify:
    """How programs are verified against a foreign BTF. No struct_ops type is registered there, so those are refused."""
    import verifier

    profile = verifier.profile(kernel)
    memory = Memory(size=1 << 20)
    plan = plan_struct_ops(spec, Kernel(memory, btf, Runtime(memory, btf)), btf=btf)

    def verify(name: str) -> VerifiedProgram:
        point = plan.attach.get(name)
        attach = (point.attach_btf_id, point.expected_attach_type) if point else (0, None)
        program = link_program(spec, name, btf, attach_btf_id=attach[0], expected_attach_type=attach[1])
        env = verifier.VerifierEnv(btf, profile, caps=caps or verifier.ALL_CAPS)
        with poison_named(program):
            return verifier.verify(program, env, log_level=log_level)

    return verify


def _each(spec: ObjectSpec, names: Sequence[str], verify: Verify, advance: Callable[[str], None]) -> list[Verdict]:
    verdicts = []
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
