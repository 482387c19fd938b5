# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`python -m bench [--rounds N] [--out FILE] [--json] [PROGRAM...]`; writes build/bench.json."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.build import BUILD, NAMES
from bench.measure import measure

ROUNDS = 9
COLUMNS = ("interp", "fast", "fast, kasan", "jit", "jit, kasan", "kernel", "native")


def table(found: dict[str, Any]) -> str:
    """Ratios to native, and millions of instructions a second, as text."""
    names = [each for each in COLUMNS if _has(found, each)]
    lines = [f"{'':14}" + "".join(f"{each:>19}" for each in names)]
    for program, values in found["programs"].items():
        lines.append(f"{program:14}" + "".join(_cell(values["engines"].get(each)) for each in names))
    lines.append(f"{'geometric mean':14}" + "".join(_cell(found["geometric_mean"].get(each)) for each in names))
    return "\n".join([*lines, "(times native; in brackets: millions of BPF instructions a second)", *_costs(found)])


def _costs(found: dict[str, Any]) -> list[str]:
    """What compiling and calling cost, as text."""
    lines = []
    ready = {program: each["ready_ms"] for program, each in found["programs"].items() if each["ready_ms"]}
    if ready:
        ways = list(next(iter(ready.values())))
        lines += ["", f"{'ms until ready':14}" + "".join(f"{way:>9}" for way in ways)]
        lines += [f"{program:14}" + "".join(f"{each[way]:9.1f}" for way in ways) for program, each in ready.items()]
    for engine, each in found.get("callback", {}).items():
        batched = f", {each['batched_ns']} ns in a batch" if "batched_ns" in each else ""
        lines.append(f"a callback on {engine}: {each['one_by_one_us']} µs from Python{batched}")
    for command, each in found["start"].items():
        lines.append(f"a start of {command}: {each['ms']} ms, {each['cpu_ms']} ms of processor time")
    return lines


def _has(found: dict[str, Any], engine: str) -> bool:
    return any(engine in each["engines"] for each in found["programs"].values())


def _cell(figures: dict[str, float] | None) -> str:
    if figures is None:
        return f"{'-':>19}"
    ratio = f"{figures['ratio']:.2f}" if "ratio" in figures else ""
    return f"{ratio:>9} ({figures['minsn_per_s']:7.1f})"


def run(rounds: int, out: Path, names: list[str], as_json: bool) -> None:
    """Measure, write `out`, and print a table or the data."""
    found = measure(rounds, lambda line: print(line, file=sys.stderr), names or NAMES)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2) if as_json else table(found))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the engines.")
    parser.add_argument("programs", nargs="*", choices=[[], *NAMES], help="default: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, default=BUILD / "bench.json")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    run(given.rounds, given.out, given.programs, given.json)


if __name__ == "__main__":
    main()
