# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`python -m tests.fuzz.objects --count N --seed S`: changed programs of object files against the running kernel's
verifier, verdicts and whole logs.

The objects are those that `make conformance` built, or what is named; they have what the programs of
tests/fuzz/verifier lack: maps with types, global functions, locks, trees, timers, arenas. A seed names object, program
and changes. Nothing is run. Exit status 0: no difference; 1: some; 77: the kernel can't be asked.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from functools import lru_cache
from pathlib import Path
from typing import Final

from bpfvm.errors import BpfvmError
from bpfvm.obj.model import ObjectSpec, Program
from bpfvm.obj.open import open_object
from tests import kernel_oracle as ko
from tests.conformance.kernel.corpus import default_corpus
from tests.conformance.kernel.progress import Progress
from tests.differential.object_oracle import ask_kernel, linked, loaded_btf
from tests.differential.verifier_oracle import environment, normal, unusable
from tests.fuzz.objects.change import change
from tests.fuzz.verifier.judge import MANY_WAITING, MAX_PROCESSED, TRANSIENT, Verdicts
from verifier.verify import check

NOT_HERE: Final = ("failed to find the address for kernel symbol", "user address must be set via map_extra or mmap")
"""What the kernel says of objects for which a loader does more than is done here, or which want another kernel."""
EPERM: Final = 1


@dataclass(frozen=True, slots=True)
class Case:
    """A program, changed, and its load flags."""

    path: Path
    program: Program
    spec: ObjectSpec
    every_state: bool
    strict: bool

    def verdicts(self) -> Verdicts | None:
        """The kernel's and ours; None where the kernel can't be asked, or shouldn't (see judge.harms)."""
        env = replace(environment(), test_state_freq=self.every_state, strict_alignment=self.strict)
        rejection, run = check(self.program, replace(env, complexity_limit=MAX_PROCESSED), log_level=2)
        if len(run.pending) > MANY_WAITING or run.insn_processed >= MAX_PROCESSED:
            return None
        flags = ko.F_TEST_STATE_FREQ * self.every_state | ko.F_STRICT_ALIGNMENT * self.strict
        try:
            with loaded_btf(self.spec.btf) as fd:
                kernel = ask_kernel(self.program, fd, flags=flags)
        except OSError:  # a map or type that this kernel doesn't make
            return None
        if kernel.errno in (EPERM, *TRANSIENT) or any(words in kernel.log for words in NOT_HERE):
            return None
        if not kernel.ok and not kernel.log:  # a program type that this kernel doesn't have
            return None
        processed = kernel.stats.get("processed", 0)
        return Verdicts(kernel.ok, kernel.errno, kernel.log, processed, rejection, run.log.text(), run)


@lru_cache(64)
def _opened(path: Path) -> ObjectSpec | None:
    try:
        return open_object(path)
    except BpfvmError:
        return None


def case(seed: int, paths: Sequence[Path]) -> Case | None:
    """The program of a seed; None if it can't be linked for this kernel."""
    rng = random.Random(seed)
    path = rng.choice(paths)
    spec = _opened(path)
    if spec is None or not spec.programs:
        return None
    try:
        program = linked(spec, rng.choice(sorted(spec.programs)))
    except BpfvmError:
        return None
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        program = change(rng, program)
    return Case(path, program, spec, rng.random() < 0.25, rng.random() < 0.1)


def _told(seed: int, found: Case, verdicts: Verdicts, full: bool) -> str:
    ours = "accepted" if verdicts.rejection is None else f"errno {verdicts.rejection.errno}: {verdicts.our_message}"
    theirs = "accepted" if verdicts.accepted else f"errno {verdicts.errno}: {verdicts.message}"
    text = f"{verdicts.category()}: seed {seed}, {found.path.name}, {found.program.name} ({found.program.prog_type})\n"
    text += f"  kernel: {theirs}\n  ours:   {ours}\n"
    if full:
        logs = normal(verdicts.log).splitlines(), normal(verdicts.our_log).splitlines()
        text += "\n".join(unified_diff(*logs, "kernel", "ours", lineterm="")) + "\n"
    return text


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.objects", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("objects", nargs="*", type=Path, help="object files (default: those of make conformance)")
    parser.add_argument("--count", type=int, default=2000, help="programs")
    parser.add_argument("--seed", type=int, default=0, help="number of the first program")
    options = parser.parse_args()
    paths = options.objects or sorted(default_corpus().objects.glob("*.o"))
    why_not = unusable() or ("" if paths else "no objects; next step: make conformance")
    if why_not:
        print(f"nothing to compare with: {why_not}")
        return 77
    counts: Counter[str] = Counter()
    with Progress("fuzzing", options.count) as shown:
        for seed in range(options.seed, options.seed + options.count):
            shown.at(seed - options.seed, f"seed {seed}")
            found = case(seed, paths)
            verdicts = found.verdicts() if found is not None else None
            counts["not asked" if verdicts is None else verdicts.category()] += 1
            if found is not None and verdicts is not None and verdicts.category() != "same":
                print(_told(seed, found, verdicts, options.count == 1), flush=True)
    print(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    return 1 if counts.keys() - {"same", "not asked"} else 0


if __name__ == "__main__":
    sys.exit(main())
