# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The same with atheris: coverage of ``bpfvm`` decides which mutants are changed further. Needs the extra ``fuzz``."""

from __future__ import annotations

import hashlib
import random
import sys
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bpfvm"]):
    from tests.fuzz.loader.judge import judge
    from tests.fuzz.loader.mutate import mutated, section_areas

MAX_SIZE = 1 << 18


def run(intact: list[bytes], build: Path, seed: int, minutes: float) -> None:
    """Never returns: libFuzzer ends the process, with its own exit code and a file ``crash-…`` in ``build``."""
    corpus = build / "corpus"
    corpus.mkdir(exist_ok=True)
    for data in intact:
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
    flags = [f"-max_total_time={int(60 * minutes)}", f"-seed={seed or 1}", f"-max_len={MAX_SIZE}", "-rss_limit_mb=3000"]
    flags += ["-timeout=20", f"-artifact_prefix={build}/", "-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *flags], lambda data: judge(data, Counter()), custom_mutator=_mutate)
    atheris.Fuzz()


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Mostly our own changes inside of one section; libFuzzer's, which move everything behind them, now and then."""
    rng = random.Random(seed)
    if rng.randrange(8) == 0 or len(data) < 64:
        return bytes(atheris.Mutate(data, max_size))
    start, end = rng.choice(section_areas(data))
    return mutated(data, seed, start, end)[:max_size]
