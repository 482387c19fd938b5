# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`python -m bench.verifier [--only REGEX] [--top N] [--out FILE]`: the verifier beside the running kernel's.

Programs: those of the kernel tree that Linux accepts, if that corpus is built (docs/conformance.md), and the shipped
ones. Ours is measured in seconds of CPU without a log, opening and linking not counted; the kernel's by itself
(BPF_LOG_STATS), for the programs that it loads here. Each object is measured in a process of its own, so that its
greatest resident size is known.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import verifier
from bench.build import BUILD
from bpfvm.errors import BpfvmError
from bpfvm.obj.model import Program
from bpfvm.obj.open import open_object
from bpfvm.report.console import progress
from tests import kernel_oracle as ko
from tests.conformance.kernel import suite_veristat
from tests.conformance.kernel.corpus import KERNEL_BTF, default_corpus
from tests.conformance.kernel.kernel import kconfig, kernel
from tests.conformance.kernel.verdict import linked
from tests.differential.object_oracle import ask_kernel, loaded_btf

LOG_STATS = 4
SHIPPED = Path(__file__).resolve().parents[1] / "bpf_progs" / "built"
TIME = re.compile(r"verification time (\d+) usec")
SHORT = 1e-3
"""Programs done faster than this many seconds are measured again."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One program. insns: processed; seconds: ours, of CPU; kernel_seconds: the kernel's, 0 if it doesn't load it;
    megabytes: greatest resident size of the process by then."""

    obj: str
    prog: str
    insns: int
    seconds: float
    kernel_seconds: float
    megabytes: int


def corpus(only: re.Pattern[str]) -> dict[Path, dict[str, str]]:
    """Object → program → kernel profile, of what Linux accepted."""
    folder = default_corpus().objects
    found: dict[Path, dict[str, str]] = {}
    for (name, prog), row in suite_veristat.table().items():
        path = folder / name
        if row.verdict == "success" and path.exists() and only.search(f"{name}:{prog}"):
            found.setdefault(path, {})[prog] = row.profile
    return found


def shipped(only: re.Pattern[str]) -> dict[Path, dict[str, str]]:
    """The same of the objects that come with the project and are not about BPF-THP."""
    found: dict[Path, dict[str, str]] = {}
    for path in sorted((SHIPPED / "verifier").glob("*.bpf.o")):
        for prog in open_object(path).programs:
            if only.search(f"{path.name}:{prog}"):
                found.setdefault(path, {})[prog] = "6.18"
    return found


def measured(program: Program, profile: str) -> tuple[int, float] | None:
    """(instructions processed, seconds of CPU); None for a program that is refused."""
    env = verifier.VerifierEnv(kernel().btf, verifier.profile(profile), kernel().registry)
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        rejection, run = verifier.check(program, env, log_level=0)
        best = min(best, time.process_time() - start)
        if rejection is not None:
            return None
        if best > SHORT:
            break
    return run.insn_processed, best


def in_kernel(program: Program, btf_fd: int, insns: int) -> float:
    """Seconds that the running kernel verifies; 0 if it doesn't load the program, or processes another number of
    instructions (it knows the contents of read-only maps that are not filled here)."""
    start = time.process_time()
    found = ask_kernel(program, btf_fd, LOG_STATS)
    cpu = time.process_time() - start
    said = TIME.search(found.log)
    if said is None or not found.ok or found.stats.get("processed") != insns:
        return 0.0
    return min(int(said[1]) / 1e6, cpu)  # on a busy machine the time by the clock is too long


def figures(path: Path, progs: dict[str, str], ask: bool) -> Iterator[Figure]:
    """Those of an object's programs that we accept."""
    try:
        spec = open_object(path, kconfig=kconfig())
        with loaded_btf(spec.btf if ask else None) as btf_fd:
            for prog, profile in progs.items():
                program = linked(spec, prog, kernel())
                found = measured(program, profile)
                if found is None:
                    continue
                theirs = in_kernel(program, btf_fd, found[0]) if ask else 0.0
                megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
                yield Figure(path.name, prog, *found, theirs, megabytes)
    except (BpfvmError, OSError):
        if ask:
            yield from figures(path, progs, False)


def _send(pipe: Connection, path: Path, progs: dict[str, str], ask: bool) -> None:
    pipe.send(list(figures(path, progs, ask)))


def measure(objects: dict[Path, dict[str, str]]) -> list[Figure]:
    """All programs, one object after the other."""
    context = multiprocessing.get_context("fork")
    kernel()
    out: list[Figure] = []
    with progress(len(objects), "measuring") as advance:
        for path, progs in objects.items():
            advance(path.name)
            ours, theirs = context.Pipe(duplex=False)
            worker = context.Process(target=_send, args=(theirs, path, progs, ko.available()))
            worker.start()
            theirs.close()
            try:
                out += ours.recv()
            except EOFError:
                print(f"{path.name}: the process ended without an answer")
            worker.join()
    return out


def summary(found: list[Figure], top: int) -> dict[str, Any]:
    """Rates in instructions a second; the ratio to the kernel over what both measured."""
    seconds, insns = sum(each.seconds for each in found), sum(each.insns for each in found)
    both = [each for each in found if each.kernel_seconds]
    ours, theirs = sum(each.seconds for each in both), sum(each.kernel_seconds for each in both)
    data: dict[str, Any] = {
        "programs": len(found),
        "insns": insns,
        "seconds": round(seconds, 3),
        "insns_per_second": round(insns / seconds) if seconds else 0,
        "peak_megabytes": max((each.megabytes for each in found), default=0),
        "slowest": [asdict(each) for each in sorted(found, key=lambda each: -each.seconds)[:top]],
        "biggest": [asdict(each) for each in sorted(found, key=lambda each: -each.insns)[:1]],
    }
    if theirs:
        data["kernel"] = {
            "programs": len(both),
            "insns_per_second": round(sum(each.insns for each in both) / theirs),
            "times_faster": round(ours / theirs, 1),
        }
    return data


def text(name: str, data: dict[str, Any]) -> str:
    """For people."""
    lines = [
        f"{name}: {data['programs']} programs, {data['insns']} instructions in {data['seconds']} s: "
        f"{data['insns_per_second']} a second; at most {data['peak_megabytes']} MiB"
    ]
    if "kernel" in data:
        beside = data["kernel"]
        lines.append(
            f"  the kernel: {beside['insns_per_second']} a second on {beside['programs']} of them, "
            f"{beside['times_faster']} times as fast as ours on the same"
        )
    for each in data["slowest"]:
        lines.append(f"  {each['seconds']:8.3f} s {each['insns']:8} insns  {each['obj']} {each['prog']}")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.verifier", description="Measure the verifier.")
    parser.add_argument("--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="of object:program")
    parser.add_argument("--top", type=int, default=12, help="how many slow programs to show")
    parser.add_argument("--out", type=Path, default=BUILD / "bench-verifier.json")
    given = parser.parse_args()
    compiled = verifier.COMPILED
    data: dict[str, Any] = {"compiled": compiled}
    print(f"the verifier is {'compiled' if compiled else 'not compiled'}")
    for name, objects in (("kernel tree", corpus(given.only)), ("shipped", shipped(given.only))):
        if not objects or not KERNEL_BTF.exists():
            print(f"{name}: nothing to measure")
            continue
        data[name] = summary(measure(objects), given.top)
        print(text(name, data[name]))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
