# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What BPF-THP's design intends: an mm points at an instance exactly when it is on the list of a living instance.

With all remedies it holds under every sequence of attach, update, detach, fork, exec and exit; v11 breaks it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.errors import KernelReport, SyscallError
from tests.mm.invariants import check_machine
from tests.mm.world import World
from thpmm.bpf_thp.mm_list import nodes

OPERATIONS = (
    "attach",
    "again",
    "update",
    "same",
    "detach",
    "close",
    "fork",
    "fail",
    "vfork",
    "posix_spawn",
    "thread",
    "exec",
    "exit",
    "fault",
)
REFUSALS = ("EBUSY", "EINVAL", "ENOLINK", "ENOMEM", "ESRCH")
stories = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 7), st.integers(0, 7)), max_size=30)


class Story:
    """A world with some tasks and links, changed step by step."""

    def __init__(self, profile: str, **options: Any) -> None:
        self.world = World(profile, "kasan", **options)
        self.world.thp.spawn("t0")
        self.names = ["t0"]
        self.links: list[int] = []
        self.made = 0

    def new_name(self) -> str:
        self.made += 1
        return f"n{self.made}"

    def step(self, operation: str, who: int, which: int) -> None:
        """One operation; refusals are fine."""
        thp, task = self.world.thp, self.names[who % len(self.names)]
        try:
            if operation == "attach":
                self.links.append(self.world.attach(self.new_name(), task))
            elif operation in ("again", "update", "same", "detach", "close"):
                self.on_link(operation, task, which)
            elif operation in ("fork", "vfork", "thread", "posix_spawn") and len(self.names) < 8:
                name = self.new_name()
                getattr(thp, operation)(task, name)
                self.names.append(name)
            elif operation == "fail":
                thp.fork(task, self.new_name(), fail_at=which)
            elif operation == "exec":
                self.exec(task)
            elif operation == "exit" and len(self.names) > 1:
                self.names.remove(task)
                thp.exit(task)
            elif operation == "fault":
                thp.fresh_fault(task)
        except SyscallError as error:
            assert error.name in REFUSALS, error

    def exec(self, task: str) -> None:
        """The other threads of the process are gone afterwards."""
        group = {thread.name for thread in self.world.thp.task(task).group.threads}
        self.names = [name for name in self.names if name == task or name not in group]
        self.world.thp.exec(task)

    def on_link(self, operation: str, task: str, which: int) -> None:
        """Something done to one of the links there are."""
        if not self.links:
            return
        fd = self.links[which % len(self.links)]
        current = self.world.link(fd).map
        if operation == "again" and current is not None:
            self.links.append(self.world.sys.fds.install(self.world.kernel.links.create(current)))
        elif operation == "update":
            new = self.world.policy(self.new_name(), pid=self.world.thp.task(task).pid)
            try:
                self.world.sys.link_update(fd, new)
            finally:
                self.world.sys.close(new)
        elif operation == "same" and current is not None:
            self.world.link(fd).update(current)
        elif operation == "detach":
            self.world.sys.link_detach(fd)
        elif operation == "close":
            self.links.remove(fd)
            self.world.sys.close(fd)

    def check(self) -> None:
        """Pointers and lists say the same."""
        machine, kernel = self.world.thp.machine, self.world.kernel
        layout = machine.bpf_thp.layout
        pointers = {mm.addr: mm.bpf_thp for mm in machine.mms.values() if mm.bpf_thp}
        listed = {
            node - layout.node: st_map.kdata
            for st_map in kernel.maps
            if self.world.memory.u64(st_map.kdata + layout.mm_list)
            for node in nodes(kernel, st_map.kdata + layout.mm_list)
        }
        assert pointers == listed
        check_machine(self.world.thp)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(stories)
def test_fixed_keeps_its_promise(steps: list[tuple[str, int, int]]) -> None:
    story = Story("fixed")
    for step in steps:
        story.step(*step)
        story.check()


@settings(max_examples=12, deadline=None, derandomize=True)
@given(stories)
def test_fixed_keeps_its_promise_with_a_moving_exec(steps: list[tuple[str, int, int]]) -> None:
    story = Story("fixed", hazards=("H3",))
    for step in steps:
        story.step(*step)
        story.check()


def broken(steps: list[tuple[str, int, int]]) -> bool:
    story = Story("v11")
    try:
        for step in steps:
            story.step(*step)
            story.check()
    except (AssertionError, KernelReport):
        return True
    return False


def test_v11_breaks_it() -> None:
    assert broken([("attach", 0, 0), ("fail", 0, 1)])
    assert broken([("attach", 0, 0), ("same", 0, 0)])
    assert broken([("attach", 0, 0), ("posix_spawn", 0, 0), ("again", 0, 0)])
    assert not broken(
        [("attach", 0, 0), ("fork", 0, 0), ("exec", 1, 0), ("update", 0, 0), ("exit", 0, 0), ("close", 0, 0)]
    )
