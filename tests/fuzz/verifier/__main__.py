# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`python -m tests.fuzz.verifier --count N --seed S --jobs J`: random programs against the running kernel's verifier.

What both accept is run on several inputs in the checked interpreter: it must not trap, and registers, pointers and
stack slots must at every instruction lie in a state that the verifier saw there. A program is its seed: the same seed
gives the same program on the same kernel. Differences are made small and printed as they are found.

Exit status 0: nothing unsound (and, with --exact, no difference at all); 1: something; 77: the kernel can't be asked.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor

from tests.conformance.kernel.progress import Progress
from tests.differential import limited_oracle
from tests.differential.verifier_oracle import unusable
from tests.fuzz.verifier.programs import OTHER_TYPES, PROG_TYPES
from tests.fuzz.verifier.report import Batch, Tally, batch, show

BATCH = 100
UNSOUND = ("unsafe", "trap", "state", "result", "crash")


def _start(caps: tuple[str, ...]) -> None:
    """In a worker, before its first program."""
    if caps:
        limited_oracle.become(caps)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.verifier", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="programs")
    parser.add_argument("--seed", type=int, default=0, help="number of the first program")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--minutes", type=float, default=0, help="stop after this time instead of after --count programs"
    )
    parser.add_argument("--exact", action="store_true", help="fail on any difference, logs included")
    parser.add_argument(
        "--minimise", type=int, default=2, metavar="N", help="examples of each difference to make small"
    )
    parser.add_argument("--caps", default="", help="load with these capabilities only: bpf,net_admin")
    parser.add_argument("--other-types", action="store_true", help="programs of types that are seldom met, not run")
    options = parser.parse_args()
    caps = tuple(options.caps.split(",")) if options.caps else ()
    why_not = unusable() or (limited_oracle.unusable(*caps) if caps else "")
    if why_not:
        print(f"nothing to compare with: {why_not}")
        return 77
    types = OTHER_TYPES if options.other_types else PROG_TYPES
    tally = Tally(options.minimise, types)
    stop = time.monotonic() + options.minutes * 60 if options.minutes else None
    seeds = range(options.seed, options.seed + (options.count if stop is None else 1 << 40), BATCH)
    last = options.seed + options.count if stop is None else 1 << 62
    whole = len(seeds) if stop is None else int(options.minutes * 60)
    try:
        with (
            ProcessPoolExecutor(options.jobs, initializer=_start, initargs=(caps,)) as pool,
            Progress("fuzzing", whole) as shown,
        ):
            pending: list[Future[Batch]] = []
            for first in seeds:
                if stop is not None and time.monotonic() > stop:
                    break
                pending.append(pool.submit(batch, first, min(BATCH, last - first), types))
                if len(pending) > options.jobs * 2:
                    tally.add(pending.pop(0).result())
                left = whole if stop is None else int(stop - time.monotonic())
                shown.at((first - options.seed) // BATCH if stop is None else whole - left, f"seed {first}")
            for future in pending:
                tally.add(future.result())
    except KeyboardInterrupt:
        print("interrupted; so far:")
    show(tally)
    bad = tally.count(*UNSOUND)
    return 1 if bad or (options.exact and tally.differences()) else 0


if __name__ == "__main__":
    sys.exit(main())
