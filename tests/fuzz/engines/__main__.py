# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`python -m tests.fuzz.engines --count N --seed S --jobs J`: random programs on all engines and in the kernel.

N programs that a verifier takes and N that none would; a program is its kind and its seed. Differences are printed as
they are found.

Exit status 0: all engines saw the same; 1: some didn't; 130: interrupted before a difference was found.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice

from tests import kernel_oracle
from tests.conformance.kernel.progress import Progress
from tests.property.engine.engines import ENGINES, KINDS, Kernel, cases, difference
from tests.property.engine.in_kernel import kernel_difference

BATCH = 50


def differences(kind: str, seeds: range, in_kernel: bool) -> list[str]:
    """What differs, and where."""
    found = []
    for case in cases(kind, seeds):
        what = difference(case)
        if not what and in_kernel and case.verified:
            what = kernel_difference(case.made, Kernel())
        if what:
            found.append(f"{case}: {what}")
    return found


def _start() -> None:
    """In a worker: an interrupt is the main process's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batches(first: int, count: int) -> Iterator[tuple[str, range]]:
    """Both kinds by turns, so that an interrupted run has seen some of each."""
    for start in range(first, first + count, BATCH):
        for kind in KINDS:
            yield kind, range(start, min(start + BATCH, first + count))


def compare(first: int, count: int, jobs: int, in_kernel: bool) -> tuple[int, int, bool]:
    """Compare and print: how many programs, how many of them differ, and whether that is all."""
    batches, done, failed = _batches(first, count), 0, 0
    pending: list[tuple[range, Future[list[str]]]] = []
    with (
        ProcessPoolExecutor(jobs, initializer=_start) as pool,
        Progress("comparing", count * len(KINDS)) as shown,
    ):
        try:
            while True:
                for kind, seeds in islice(batches, jobs * 2 - len(pending)):
                    pending.append((seeds, pool.submit(differences, kind, seeds, in_kernel)))
                if not pending:
                    return done, failed, True
                seeds, future = pending.pop(0)
                found = future.result()
                done, failed = done + len(seeds), failed + len(found)
                print("".join(f"\n{each}" for each in found), end="", flush=True)
                shown.at(done, f"seed {seeds[-1]}, {failed} differ")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            return done, failed, False


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.engines", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="programs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="number of the first program")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    in_kernel = kernel_oracle.available()
    done, failed, whole = compare(options.seed, options.count, options.jobs, in_kernel)
    names = ", ".join(engine.__name__ for engine in ENGINES)
    kernel = "and, those that a verifier takes, in the running kernel" if in_kernel else "(bpf(2) is not usable here)"
    print(f"{done} programs on {names} {kernel}: {failed} differ{'' if whole else '; interrupted'}")
    return 1 if failed else 0 if whole else 130


if __name__ == "__main__":
    sys.exit(main())
