# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``python -m tests.conformance.kernel``: builds the corpus, runs the suites, prints and saves how far we agree."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from bpfvm.conform.pool import Pool, Task
from tests.conformance.kernel import report, suite_annotated, suite_tables, suite_test_bpf, suite_veristat
from tests.conformance.kernel.corpus import CorpusError, build
from tests.conformance.kernel.kernel import kernel
from tests.conformance.kernel.progress import Progress

SUITES = {suite.NAME: suite for suite in (suite_annotated, suite_tables, suite_test_bpf, suite_veristat)}
BUILD = Path("build")


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("--suites", default=",".join(SUITES), help=f"of {','.join(SUITES)} (default: all)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only object:program that match (no baseline)")
    parser.add_argument("--jobs", type=int, default=2, help="workers at a time (default 2)")
    parser.add_argument("--seconds", type=float, default=120, help="processor time per program (default 120)")
    parser.add_argument("--update-baseline", action="store_true", help="write the baseline instead of comparing")
    args = parser.parse_args()
    wanted = args.suites.split(",")
    if unknown := [name for name in wanted if name not in SUITES]:
        parser.error(f"no suite {', '.join(unknown)} (there are: {', '.join(SUITES)})")
    os.nice(5)
    try:
        corpus = build(args.jobs)
    except CorpusError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    kernel()
    pool = Pool(args.jobs, args.seconds)
    records: report.Records = {}
    for name in wanted:
        tasks = [_narrowed(task, args.only) for task in SUITES[name].tasks(corpus)]
        found = records.setdefault(name, {})
        with Progress(f"suite {name}", sum(len(task.keys) for task in tasks)) as progress:
            for task, key, record in pool.run(tasks):
                case = f"{Path(task.name).name.removesuffix('.bpf.o')}:{key}"
                found[case] = record
                progress.step(case)
    return report.finish(records, BUILD, update=args.update_baseline, compare=not args.only)


def _narrowed(task: Task, only: str) -> Task:
    if not only:
        return task
    stem = Path(task.name).name.removesuffix(".bpf.o")
    return Task(task.name, [key for key in task.keys if re.search(only, f"{stem}:{key}")], task.judge)


if __name__ == "__main__":
    sys.exit(main())
