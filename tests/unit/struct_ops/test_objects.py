# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Descriptors, ids, pins, read-side sections, locks' bookkeeping."""

from __future__ import annotations

from errno import EBADF, ENOENT

import pytest

from bpfvm.errors import SyscallError
from bpfvm.struct_ops.objects import BpfFs, FdTable, IdTable, KernelObject
from bpfvm.struct_ops.rcu import Rcu


class Thing(KernelObject):
    kind = "thing"
    released = False

    def release(self) -> None:
        self.released = True


def test_descriptors_are_the_lowest_free_ones() -> None:
    fds = FdTable()
    things = [Thing() for _ in range(3)]
    assert [fds.install(each) for each in things] == [3, 4, 5]
    fds.close(4)
    assert things[1].released
    assert fds.dup(3) == 4
    fds.close(3)
    assert not things[0].released
    fds.close_all()
    assert [each.released for each in things] == [True] * 3
    assert len(fds) == 0
    with pytest.raises(SyscallError) as failure:
        fds.get(3)
    assert failure.value.errno == EBADF


def test_ids_are_not_reused() -> None:
    ids: IdTable[str] = IdTable()
    assert [ids.add("a"), ids.add("b")] == [1, 2]
    ids.remove(2)
    ids.remove(2)
    assert ids.add("c") == 3
    assert list(ids) == ["a", "c"]
    with pytest.raises(SyscallError) as failure:
        ids.get(2)
    assert failure.value.errno == ENOENT


def test_pins_hold_references() -> None:
    fs, thing = BpfFs(), Thing()
    fs.pin("/sys/fs/bpf/x", thing)
    thing.put()
    assert not thing.released
    assert fs.get("/sys/fs/bpf/x") is thing
    fs.unlink("/sys/fs/bpf/x")
    assert thing.released
    assert fs.paths() == []


def test_rcu_callbacks_wait_for_the_last_reader() -> None:
    rcu, order = Rcu(), []
    rcu.call(lambda: order.append("at once"))
    rcu.read_lock()
    rcu.read_lock()
    rcu.call(lambda: order.append("later"))
    rcu.read_unlock()
    assert order == ["at once"]
    rcu.read_unlock()
    assert order == ["at once", "later"]
