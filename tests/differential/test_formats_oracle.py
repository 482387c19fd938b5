# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Format strings of bpf_snprintf against the running kernel."""

from __future__ import annotations

import random

import pytest

from bpfvm.isa.map_types import BPF_F_RDONLY_PROG
from bpfvm.obj.model import MapSpec, Program
from tests.differential.object_oracle import NAME, ask_kernel
from tests.differential.verifier_oracle import Both, assemble, environment, unusable
from tests.kernel_verdict import made_maps
from verifier.verify import check

WHY_NOT = unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
CODE = (
    "r0 = 0 / *(u64 *)(r10 -8) = r0 / *(u64 *)(r10 -16) = r0 / r1 = r10 / r1 += -16 / r2 = 8 / r3 = map[id:0][0]+0 / "
    "r4 = r10 / r4 += -8 / r5 = 8 / call bpf_snprintf / r0 = 0 / exit"
)
WORDS = """
%d %% % %d%d %d%% %5d %05d %-5d %.5d %#x %hd %hhd %ld %lld %llld %zd %n %s %5s %sx %s. %c %5c %p %px %pK %pB %ps %pS
%pi4 %pI6 %pI5 %pi6c %pks %pus %pku %pksx %pks. %pd %p. %l %ls é%d %é %dé %sé %pé %5é
"""
BYTES = (b"", b"\t\n\v\f\r", b"%d %%", b"\x07", b"\x7f", b"\x1b", b"\x80", b"%d\xa0", b"%d\x85", b"%p\xa0", b"\xff")
FORMATS = (*(word.encode() for word in WORDS.split()), *BYTES)


def agree(text: bytes) -> bool:
    """Same verdict and log."""
    data = text.ljust(len(text) // 8 * 8 + 8, b"\0")
    rodata = MapSpec(NAME, "array", 4, len(data), 1, BPF_F_RDONLY_PROG, initial=data, frozen=True)
    program = Program("oracle", "syscall", assemble(CODE), maps=(rodata,), sleepable=True)
    with made_maps(program, 0) as fds:
        answer = ask_kernel(program, 0, 2, maps=fds)
    rejection, run = check(program, environment(), log_level=2)
    return Both(answer.ok, answer.errno, answer.log, rejection, run.log.text()).same_log()


@pytest.mark.parametrize("text", FORMATS)
def test_formats(text: bytes) -> None:
    assert agree(text)


def test_random_formats() -> None:
    rng = random.Random(20261128)
    parts = [*"%%%%%dxsclliIpKB46 0+-5.u~", "é", "\x01", "\t", "k"]
    made = ["".join(rng.choices(parts, k=rng.randint(1, 7))).encode() for _ in range(150)]
    assert [text for text in made if not agree(text)] == []
