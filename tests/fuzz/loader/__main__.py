# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``python -m tests.fuzz.loader --minutes M --seed S``: objects with changed bytes through the whole loader.

With atheris (the extra ``fuzz``) coverage guides what is tried next; without it, or with ``--plain``, the same
mutations are drawn at random. Whatever isn't a typed error is written to ``build/fuzz-loader`` and ends the run with
an exit code other than 0. ``python -m tests.fuzz.loader FILE…`` judges files again.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

BUILD = Path("build/fuzz-loader")
OBJECTS = Path(__file__).parents[3] / "bpf_progs/built"


def seeds() -> list[bytes]:
    """Intact objects: the shipped ones, and what was put into ``build/fuzz-loader`` as ``seed-….o``."""
    paths = [*sorted(OBJECTS.glob("*.bpf.o")), *sorted(BUILD.glob("seed-*.o"))]
    return [path.read_bytes() for path in paths]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.loader", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="judge these instead")
    parser.add_argument("--minutes", type=float, default=1, help="how long (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    if not options.plain and not options.files and importlib.util.find_spec("atheris") is not None:
        # the import comes first of all that imports bpfvm: atheris instruments modules while they are imported
        from tests.fuzz.loader import guided

        guided.run(seeds(), BUILD, options.seed, options.minutes)
    from tests.fuzz.loader import plain

    for path in options.files:
        plain.again(path)
    return 0 if options.files else plain.run(seeds(), BUILD, options.seed, options.minutes)


if __name__ == "__main__":
    sys.exit(main())
