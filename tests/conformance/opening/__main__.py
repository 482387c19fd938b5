# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``python -m tests.conformance.opening``: does every object of the corpus open, and is all of it listed?

Prints what was counted, and each object that doesn't open with the reason and what libbpf says. Exit code 1 when more
than 1 % of those that libbpf doesn't refuse don't open.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from bpfvm.errors import BadInput
from bpfvm.obj.open import open_object
from bpfvm.report.listing import object_data
from tests.conformance.kernel.corpus import CorpusError, build, objects
from tests.conformance.opening.libbpf import SONAME, refusals

LIMIT = 0.01


def listed(path: Path) -> Counter[str]:
    """How many of each sort an object has. Raises BadInput when it doesn't open."""
    data = object_data(open_object(path))
    counts = Counter({sort: len(data[sort]) for sort in ("programs", "subprograms", "maps", "globals", "externs")})
    for function in (*data["programs"], *data["subprograms"]):
        counts["relocations"] += len(function["relocs"])
        counts["CO-RE relocations"] += len(function["core"])
    return counts


def main() -> int:
    try:
        paths = list(objects(build()))
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 3
    start, total, refused = time.monotonic(), Counter[str](), {}
    for path in paths:
        try:
            total += listed(path)
        except BadInput as error:
            refused[path] = str(error).removeprefix(f"{path}: ")
    print(f"{len(paths) - len(refused)} of {len(paths)} objects open ({time.monotonic() - start:.1f} s)")
    print(", ".join(f"{count} {sort}" for sort, count in total.items()))
    return _judge(refused, len(paths))


def _judge(refused: dict[Path, str], count: int) -> int:
    ask = refusals()
    if ask is None:
        print(f"no {SONAME} here to ask: apt-get install libbpf1")
    ours = 0
    for path, reason in refused.items():
        theirs = ask(path) if ask is not None else ""
        ours += not theirs
        print(f"{path.name}: {reason}\n    libbpf: {theirs or ('opens it' if ask else 'not asked')}")
    share = ours / (count - len(refused) + ours)
    print(f"{ours} that libbpf doesn't refuse don't open: {share:.2%} (limit {LIMIT:.0%})")
    return int(share > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
