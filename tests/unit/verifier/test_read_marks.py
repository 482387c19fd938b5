# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The liveness of 6.12: marks on the way, in the log and in what is pruned."""

from __future__ import annotations

from bpfvm.isa.asm import asm
from bpfvm.obj.model import Program
from tests.struct_ops.btf_builder import BtfBuilder
from verifier import PROFILES, VerifierEnv
from verifier.state.read_marks import READ, WRITTEN, Mark, Marks, note_read
from verifier.verify import check


def run(text: str, kernel: str = "6.12") -> tuple[bool, str, int]:
    """(accepted, log at level 2, instructions processed)."""
    env = VerifierEnv(BtfBuilder().build(), PROFILES[kernel])
    rejection, run_ = check(Program("test", "socket_filter", asm(text)), env, log_level=2)
    return rejection is None, run_.log.text(), run_.insn_processed


def test_a_read_is_told_to_all_ancestors_up_to_a_write() -> None:
    oldest = Mark(0, None)
    written = Mark(WRITTEN, oldest)
    middle = Mark(0, written)
    assert note_read(Mark(0, middle)) == 2
    assert middle.live == READ
    assert written.live == READ | WRITTEN
    assert oldest.live == 0


def test_a_read_that_was_told_before_stops_early() -> None:
    told = Mark(READ, Mark(0, None))
    assert note_read(Mark(0, told)) == 0
    assert told.parent is not None
    assert told.parent.live == 0


def test_a_write_of_ones_own_screens_off() -> None:
    parent = Mark(0, None)
    assert note_read(Mark(WRITTEN, parent)) == 0
    assert parent.live == 0


def test_slots_that_were_never_touched_were_not_read() -> None:
    marks = Marks()
    assert not marks.was_read(3)
    marks.slot(3).live |= READ
    assert marks.was_read(3)
    assert not marks.was_read(2)
    assert marks.copy().slot(3) is not marks.slot(3)


def test_the_log_shows_what_was_written_since_the_last_state() -> None:
    accepted, log, _ = run("r0 = 1\n*(u64 *)(r10 -8) = r0\nr6 = *(u64 *)(r10 -8)\nexit")
    assert accepted
    assert "0: (b7) r0 = 1                        ; R0_w=1\n" in log
    assert "R0_w=1 R10=fp0 fp-8_w=1\n" in log
    assert "R6_w=1" in log


def test_6_18_shows_no_marks() -> None:
    assert "R0=1\n" in run("r0 = 1\nexit", "6.18")[1]


def test_what_differs_and_was_never_read_does_not_matter() -> None:
    """r7 differs on the two ways. Where nothing reads it, the second way is pruned earlier."""
    ways = "r6 = *(u32 *)(r1 +0)\nr7 = 1\nr0 = 0\nif r6 == 1 goto a\nr7 = 2\na:\nif r6 == 2 goto b\nr0 = 1\nb:\n"
    more = "r0 = 0\nr0 = 0\nr0 = 0\nr0 = 0\nif r6 == 3 goto c\nr0 = 1\nc:\nr0 = 0\n"
    unread = run(ways + more + "exit")
    read = run(ways + more + "r8 = r10\nr8 += r7\n*(u8 *)(r8 -8) = 0\nexit")
    assert unread[0] and read[0]
    assert ": safe" in unread[1]
    assert unread[2] < read[2]
