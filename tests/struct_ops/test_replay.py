# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the hook was asked in a session, put to another program in one batch, on every engine."""

from __future__ import annotations

from functools import partial

import pytest

from bpfvm import Session
from bpfvm.engine.jit import available
from bpfvm.errors import UsageError
from bpfvm.paths import built_objects

ENGINES = ("interp", "fast", *["jit"] * available())
SYSFS = {"enabled": "always", "hugepages-64kB": "always"}


@pytest.fixture(params=ENGINES)
def session(request: pytest.FixtureRequest) -> Session:
    return Session(thp="v11", engine=request.param, sysfs=SYSFS)


def test_another_program_is_asked_the_same(session: Session) -> None:
    thp = session.thp
    app = thp.spawn("app")
    policy = session.load(built_objects() / "two_orders.bpf.o", set={"pol_a.pid": app.pid, "order_b": 4})
    policy.attach("pol_a")
    areas = [thp.mmap(app, 4 << 20) for _ in range(3)]
    for area in areas:
        thp.fault(app, area)
    asked = [call for call in thp.machine.journal.calls if call.ran]
    answers = thp.replay(partial(policy.batch, "get_order_a"))
    assert [(each.call, each.returned) for each in answers if each.call.ran] == [
        (each, each.returned) for each in asked
    ]
    other = thp.replay(partial(policy.batch, "get_order_b"), times=100)
    assert len(other) == 100 * len(answers) and {each.returned for each in other} == {4}
    assert len(thp.machine.journal.calls) == len(answers)
    thp.munmap(app, areas[-1], 4 << 20)
    assert len(thp.replay(partial(policy.batch, "get_order_a"))) < len(answers)
    session.close()


def test_batch(session: Session) -> None:
    policy = session.load(built_objects() / "two_orders.bpf.o", set={"pol_a.pid": 1, "order_b": 4})
    before = policy.session.memory.live_blocks()
    assert list(policy.batch("get_order_b", [])) == []
    assert list(policy.batch("get_order_b", [(1, 2, 3), (-1, 5, 6)])) == [4, 4]
    assert len(policy.session.memory.live_blocks()) <= len(before) + 1
    with pytest.raises(UsageError, match="no loaded program `nope`"):
        policy.batch("nope", [(1,)])
    with pytest.raises(UsageError, match="same number of arguments"):
        policy.batch("get_order_b", [(1, 2), (1,)])
    session.close()
