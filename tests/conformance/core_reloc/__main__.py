# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""``python -m tests.conformance.core_reloc``: the kernel tree's CO-RE cases, a line each; exit 1 if one differs."""

from __future__ import annotations

import sys

from tests.conformance.core_reloc.cases import read_cases, run_case
from tests.conformance.kernel.corpus import CorpusError, build


def main() -> int:
    try:
        corpus = build()
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 3
    agree = total = 0
    for case in read_cases(corpus):
        if case.testmod:
            print(f"left out  {case.name}: needs the module bpf_testmod")
            continue
        ending = run_case(case, corpus)
        agree, total = agree + ending.ok, total + 1
        print(f"{'ok      ' if ending.ok else 'DIFFERS '}  {case.name}: {ending.why.splitlines()[0][:160]}")
    print(f"{agree} of {total} cases end as the kernel tree expects")
    return 0 if agree == total else 1


if __name__ == "__main__":
    sys.exit(main())
