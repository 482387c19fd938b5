# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Run batches of programs, count what differs, print small examples."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.verifier.execute import run_everywhere
from tests.fuzz.verifier.judge import SAME, judge, refused_by_default
from tests.fuzz.verifier.minimise import minimise
from tests.fuzz.verifier.programs import PROG_TYPES, sample
from tests.fuzz.verifier.sample import Sample

Signature = tuple[str, str]
NO_LOG = frozenset((SAME, "log", "stats"))


@dataclass
class Batch:
    """What a range of seeds gave."""

    counts: Counter[str] = field(default_factory=Counter)
    found: list[tuple[Signature, int]] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)


def examine(one: Sample, counts: Counter[str] | None = None, ratios: list[float] | None = None) -> Signature:
    """(SAME, "") or the category of the difference and its words."""
    try:
        verdicts = judge(one)
        if verdicts is None:
            return "big", ""
        if counts is not None:
            counts["accepted" if verdicts.accepted else "refused"] += 1
        if ratios is not None and verdicts.accepted and verdicts.rejection is None:
            ratios.append(verdicts.run.insn_processed / verdicts.processed)
        found = verdicts.signature()
        if verdicts.rejection is None and found[0] in NO_LOG:
            if refused_by_default(one):
                return "pruning", " what an atomic fetched isn't traced"
            problem = one.prog_type in PROG_TYPES and run_everywhere(one, verdicts.run, counts)
            if problem:
                kind, _, _ = problem.partition(":")
                return kind, problem.split(":")[1][:40] if kind == "pruning" else ""
        return found
    except Exception:  # noqa: BLE001 (a crash of ours is a finding like any other)
        return "crash", traceback.format_exc(limit=-1).splitlines()[-1]


def batch(first: int, count: int, types: tuple[str, ...]) -> Batch:
    """Examine seeds first..first + count of these program types."""
    out = Batch()
    for seed in range(first, first + count):
        found = examine(sample(seed, types), out.counts, out.ratios)
        out.counts[found[0]] += 1
        if found[0] != SAME:
            out.found.append((found, seed))
    return out


class Tally:
    """Sums over batches. `examples`: how many programs of each difference are made small and printed; `types`: what the
    seeds' programs are."""

    def __init__(self, examples: int, types: tuple[str, ...]) -> None:
        self.types = types
        self.counts: Counter[str] = Counter()
        self.found: dict[Signature, list[int]] = {}
        self.ratios: list[float] = []
        self.examples = examples

    def add(self, part: Batch) -> None:
        """Take a batch in."""
        self.counts += part.counts
        self.ratios += part.ratios
        for signature, seed in part.found:
            seeds = self.found.setdefault(signature, [])
            seeds.append(seed)
            if signature[0] not in ("big", "unsupported") and len(seeds) <= self.examples:
                print(example(sample(seed, self.types), signature), flush=True)

    def count(self, *categories: str) -> int:
        """Programs in these categories."""
        return sum(self.counts[each] for each in categories)

    def differences(self) -> int:
        """Programs with any difference."""
        return sum(len(seeds) for (kind, _), seeds in self.found.items() if kind != "big")


def example(one: Sample, signature: Signature) -> str:
    """The program made small, with both verdicts."""
    small = minimise(one, lambda smaller: examine(smaller) == signature)
    lines = [f"=== {signature[0]}: {signature[1]}", small.text()]
    try:
        verdicts = judge(small)
        if verdicts is not None:
            lines.append(
                f"kernel: {'accepted' if verdicts.accepted else f'errno {verdicts.errno}: {verdicts.message}'}"
            )
            ours = verdicts.rejection
            lines.append(f"ours:   {'accepted' if ours is None else f'errno {ours.errno}: {verdicts.our_message}'}")
            if ours is None:
                lines.append(f"run:    {run_everywhere(small, verdicts.run) or 'fine'}" * (one.prog_type in PROG_TYPES))
    except Exception:  # noqa: BLE001 (shown with the program that crashes it)
        lines.append(traceback.format_exc(limit=-3))
    return "\n".join(lines) + "\n"


def show(tally: Tally) -> None:
    """Print the sums."""
    counts = tally.counts
    verdicts = counts["accepted"] + counts["refused"]
    print(f"programs {verdicts}: accepted {counts['accepted']}, refused {counts['refused']}; too big {counts['big']}")
    print(
        f"accepted ones followed on every path: {counts['followed']}; runs to the end: {counts['ran']}, "
        f"compared with the kernel's: {counts['compared']}"
    )
    for kind in (
        "unsafe",
        "strict",
        "unsupported",
        "errno",
        "message",
        "stats",
        "log",
        "trap",
        "state",
        "pruning",
        "result",
        "crash",
    ):
        print(f"  {kind:12}{counts[kind]}")
    ratios = sorted(tally.ratios)
    if ratios:
        print(
            f"processed instructions, ours / kernel: median {ratios[len(ratios) // 2]:.3f}, "
            f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
        )
    for (kind, words), seeds in sorted(tally.found.items(), key=lambda item: -len(item[1])):
        if kind != "big":
            print(f"{len(seeds):6} {kind}: {words}  (seeds {', '.join(map(str, seeds[:5]))})")
