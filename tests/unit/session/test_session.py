# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The public API: what a policy author's pytest file calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import bpfvm
from bpfvm.paths import find_object
from bpfvm.struct_ops.trampoline import ProgramCalled


@pytest.fixture
def session() -> Iterator[bpfvm.Session]:
    with bpfvm.Session(sysfs={"enabled": "always"}) as made:
        yield made


def two_orders() -> bpfvm.ObjectSpec:
    return bpfvm.open(find_object("two_orders.bpf.o"))


def test_open_is_pure() -> None:
    first, second = two_orders(), two_orders()
    assert first.programs == second.programs
    assert list(first.struct_ops) == ["pol_a", "pol_b"]


def test_attach_update_detach(session: bpfvm.Session) -> None:
    task = session.thp.spawn("a")
    policy = session.load(two_orders(), set={"pol_a.pid": task.pid, "order_b": 4})
    link = policy.attach("pol_a")
    assert session.thp.managed("a") == "pol_a"
    policy.update_link(link, "pol_b")
    assert session.thp.managed("a") == "pol_b"
    link.detach()
    assert session.thp.managed("a") is None
    with pytest.raises(bpfvm.SyscallError) as refused:
        policy.update_link(link, "pol_a")
    assert refused.value.name == "ENOLINK"


def test_update_only_if_the_expected_map_is_there(session: bpfvm.Session) -> None:
    task = session.thp.spawn("a")
    policy = session.load(two_orders(), set={"pol_a.pid": task.pid})
    link = policy.attach("pol_a")
    with pytest.raises(bpfvm.SyscallError) as refused:
        policy.update_link(link, "pol_b", old_map=policy.struct_ops["pol_b"])
    assert refused.value.name == "EPERM"
    policy.update_link(link, "pol_b", old_map=policy.struct_ops["pol_a"])
    assert link.map_name == "pol_b"


def test_a_pinned_link_outlives_its_descriptor(session: bpfvm.Session) -> None:
    task = session.thp.spawn("a")
    policy = session.load(two_orders(), set={"pol_a.pid": task.pid})
    link = policy.attach("pol_a")
    link.pin("/sys/fs/bpf/keep")
    link.close()
    policy.close()
    assert session.thp.managed("a") == "pol_a"
    link.unpin()
    assert session.thp.managed("a") is None


def test_closing_the_only_descriptor_detaches(session: bpfvm.Session) -> None:
    task = session.thp.spawn("a")
    policy = session.load(two_orders(), set={"pol_a.pid": task.pid})
    policy.attach("pol_a").close()
    assert session.thp.managed("a") is None


def test_globals_can_be_read_and_written(session: bpfvm.Session) -> None:
    task = session.thp.spawn("a")
    policy = session.load(two_orders(), set={"pol_a.pid": task.pid, "rodata.order_a": 4})
    policy.attach("pol_a")
    session.thp.fresh_fault("a")
    assert policy.variable("order_a") == 4
    calls = policy.variable("calls_a")
    assert isinstance(calls, int) and calls > 0
    policy.set_variable("calls_a", 0)
    assert policy.variable("calls_a") == 0
    with pytest.raises(bpfvm.SyscallError) as refused:
        policy.set_variable("order_a", 9)
    assert refused.value.name == "EPERM"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colour": 1}, "no global variable 'colour'"),
        ({"pol_a.colour": 1}, "it has: pid, thp_get_order, mm_list"),
        ({"pol_a.pid": 1 << 40}, "doesn't fit pol_a.pid"),
        ({"order_a": "far too many"}, "order_a has 4 bytes, not 12"),
    ],
)
def test_settings_that_do_not_fit(session: bpfvm.Session, given: dict[str, int | str], message: str) -> None:
    with pytest.raises(bpfvm.UsageError, match=message):
        session.load(two_orders(), set=given)


def test_a_refused_program_carries_its_log(session: bpfvm.Session) -> None:
    with pytest.raises(bpfvm.Rejected) as refused:
        session.load(find_object("n05_write_vma.bpf.o"))
    assert refused.value.errno == 13
    assert "only read is supported" in refused.value.log
    assert refused.value.log.rstrip().splitlines()[-1].startswith("processed 4 insns")


def test_every_call_is_an_event(session: bpfvm.Session) -> None:
    seen: list[object] = []
    task = session.thp.spawn("a")
    policy = session.load(two_orders(), set={"pol_a.pid": task.pid})
    policy.attach("pol_a")
    stop = session.observe(seen.append)
    session.thp.fresh_fault("a")
    stop()
    calls = [event for event in seen if isinstance(event, ProgramCalled)]
    assert [(call.program, call.returned) for call in calls][:1] == [("get_order_a", 9)]
    count = len(seen)
    session.thp.fresh_fault("a")
    assert len(seen) == count


def test_reports_are_raised_or_recorded() -> None:
    for reports in ("raise", "record"):
        with bpfvm.Session(checker="list", reports=reports, sysfs={"enabled": "always"}) as session:
            task = session.thp.spawn("a")
            session.load(two_orders(), set={"pol_a.pid": task.pid}).attach("pol_a")
            expected = bpfvm.KernelReport if reports == "raise" else bpfvm.SyscallError
            with pytest.raises(expected):
                session.thp.fork("a", "stillborn", fail_at="dup_mmap")
            taken = session.take_reports()
            assert len(taken) == (reports == "record")
            assert any("list_del corruption" in line for line in session.console)


@pytest.mark.parametrize(
    "wrong", [{"kernel": "2.4"}, {"thp": "v1"}, {"engine": "steam"}, {"checker": "valgrind"}, {"reports": "never"}]
)
def test_unknown_words_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(bpfvm.UsageError):
        bpfvm.Session(**wrong)


def test_same_seed_same_addresses() -> None:
    def run(seed: int) -> tuple[int, list[str]]:
        with bpfvm.Session(seed=seed, sysfs={"enabled": "always"}) as session:
            task = session.thp.spawn("a")
            session.load(two_orders(), set={"pol_a.pid": task.pid}).attach("pol_a")
            return session.thp.fresh_fault("a").addr, list(session.console)

    assert run(7) == run(7)
