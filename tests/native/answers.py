# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`python -m tests.native.answers [--pure]`: what the verifier says of many programs, and what words come to, as JSON.

With --pure the modules that may be compiled are imported from their sources, whatever lies beside them.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUNS = (("6.18", 2), ("6.12", 1))
"""kernel profile, log level"""
RANDOM = 60
LONG = frozenset(("too_many_iterations",))
"""Programs that take the verifier a million instructions, with a log of each."""
SHIFTS = range(64)
WORDS = (
    *(0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000),
    *(1 << 62, 1 << 63, (1 << 64) - 1, 0x0123_4567_89AB_CDEF),
)


class Sources:
    """Finds the modules of our packages as sources only."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for folder in path or ():
            source = Path(folder) / f"{name.rpartition('.')[2]}.py"
            if name.startswith(("bpfvm.", "verifier.")) and source.exists():
                return importlib.util.spec_from_file_location(name, source)
        return None


def words() -> Iterator[tuple[str, Any]]:
    """Shifts of numbers that fill a word, up to its width: where a compiler that takes them for C's goes wrong."""
    from bpfvm.isa import word
    from verifier.numbers import cnum, scalar_alu, tnum
    from verifier.state.reg import const, scalar

    for a in WORDS:
        yield f"signed {a}", [word.signed(a, n + 1) for n in SHIFTS]
        yield f"lsh {a}", [word.lsh64(a, n) for n in SHIFTS] + [word.arsh64(a, n) for n in SHIFTS]
        known = tnum.Tnum(a, ((1 << 64) - 1) & ~a)
        yield f"tnum {a}", [str(op(known, n)) for op in (tnum.lsh, tnum.rsh) for n in SHIFTS]
        yield f"step {a}", [tnum.step(known, b) for b in WORDS]
        for op in ("lsh", "rsh", "arsh"):
            for width in (32, 64):
                num = scalar(cnum.intersect_u(cnum.UNKNOWN, 0, a))
                yield (
                    f"{op}{width} {a}",
                    [repr(scalar_alu.alu(op, width, num, const(n)).num) for n in range(width)],
                )
        yield f"range {a}", [str(tnum.range_(0, a)), str(tnum.range_(a, (1 << 64) - 1))]


def shipped() -> Iterator[tuple[str, Any]]:
    """Every program of the shipped objects, on both kernel profiles."""
    from bpfvm.errors import BpfvmError
    from bpfvm.obj.open import open_object
    from bpfvm.report.verdicts import verify_programs

    for path in sorted((ROOT / "bpf_progs" / "built").rglob("*.bpf.o")):
        spec = open_object(path)
        for (kernel, level), prog in product(RUNS, spec.programs.keys() - LONG):
            name = f"{path.name}:{prog} {kernel}"
            try:
                (found,) = verify_programs(spec, prog, kernel=kernel, log_level=level)
            except BpfvmError as error:
                yield name, str(error)
                continue
            yield name, [found.exit_code, found.message, found.insn, dict(found.stats), found.log]


def made_up() -> Iterator[tuple[str, Any]]:
    """Random programs that only jump ahead, with log and counts."""
    from bpfvm.btf import Btf
    from bpfvm.obj.model import MapSpec, Program
    from tests.differential.verifier_generate import generate
    from verifier import VerifierEnv, check

    btf = Btf.parse((ROOT / "thpmm" / "kernel" / "emulated.btf").read_bytes(), name="vmlinux")
    maps = (MapSpec("m", "array", 4, 16, 4),)
    for seed in range(RANDOM):
        insns = generate(seed)
        if any(insn.off < 0 and insn.code & 7 in (5, 6) for insn in insns):
            continue
        program = Program("random", "socket_filter", insns, maps=maps, license="GPL")
        rejection, run = check(program, VerifierEnv(btf), log_level=2)
        yield f"random {seed}", [rejection.message if rejection else "", run.log.text()]


def main() -> None:
    """The command line."""
    if "--pure" in sys.argv[1:]:
        sys.meta_path.insert(0, Sources())
    from verifier.search import walk

    answers = dict(each for part in (words, shipped, made_up) for each in part())
    json.dump({"compiled": not str(walk.__file__).endswith(".py"), "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
