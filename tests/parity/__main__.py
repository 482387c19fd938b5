# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Write the table of checks into docs/parity.md: `python -m tests.parity [--check]`.

The states are measured: our verifier is asked about every program of our suite, with the emulated kernel's types.
Exit code 1 with --check when the document isn't what would be written.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from bpf_progs.build import ROOT
from bpfvm.conform.answer import AGREE, Outcome, compare
from bpfvm.isa.opcodes import BPF_COMPLEXITY_LIMIT_INSNS
from tests.conformance.own.known import cases, emulated
from tests.parity.table import lines, rewritten

DOCUMENT = ROOT / "docs/parity.md"


def measured(budget: int = BPF_COMPLEXITY_LIMIT_INSNS) -> dict[str, Outcome]:
    """Name of a case → our answer. budget: instructions that the verifier may look at; a case that needs more isn't
    decided then, and counts as one that agrees."""
    ours = replace(emulated(), complexity_limit=budget)
    found = {case.name: compare(case, ours.ask(case)) for case in cases()}
    if budget < BPF_COMPLEXITY_LIMIT_INSNS:
        over = f"BPF program is too large. Processed {budget + 1}"
        found |= {name: replace(each, state=AGREE) for name, each in found.items() if each.answer.why.startswith(over)}
    return found


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    old = DOCUMENT.read_text()
    new = rewritten(old, lines(measured()))
    if options.check:
        print("current" if new == old else f"{DOCUMENT.name} is stale; next step: python -m tests.parity")
        return int(new != old)
    DOCUMENT.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
